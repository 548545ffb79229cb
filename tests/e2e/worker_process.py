"""A device worker by itself: `itexd device-worker` on a socketpair, spoken to with child.proto.

The test is what the service is otherwise: it asks, waits, and looks into the shared page.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import harness

PACKET_MAX = 128 << 10
PAGE = struct.Struct("64sI")
EMULATED = {
    "NEOReadDebugKeys": "1",
    "SetCommandStreamReceiver": "1",
    "ProductFamilyOverride": "pvc",
    "CreateMultipleRootDevices": "2",
    "CreateMultipleSubDevices": "2",
    "AUBDumpCaptureFileName": "/dev/null",
}


def _protocol():
    folder = harness.SOURCE / "daemon" / "children"
    with tempfile.TemporaryDirectory(prefix="itexd-pb-") as out:
        subprocess.run(
            ["protoc", f"-I{folder}", f"--python_out={out}", str(folder / "child.proto")], check=True
        )
        spec = importlib.util.spec_from_file_location("child_pb2", Path(out) / "child_pb2.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


child = _protocol()


def metric_names():
    """As in enum metric, in its order."""
    text = (harness.SOURCE / "daemon" / "devices" / "metric.h").read_text()
    lines = text.split("enum metric {")[1].split("METRIC_COUNT")[0].splitlines()
    return [line.strip().split(",")[0].removeprefix("METRIC_").lower() for line in lines if "METRIC_" in line]


METRICS = metric_names()


class Died(AssertionError):
    """The worker ended instead of answering: by which signal or status, and in which call it was."""

    def __init__(self, status, call, in_sysman, log):
        self.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self.status = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        self.call, self.in_sysman, self.log = call, in_sysman, log
        super().__init__(
            f"signal {self.signal}, status {self.status}, in {call!r}, sysman {in_sysman}: {log}"
        )


class Worker:
    """A running worker. The environment is what is given and nothing else."""

    def __init__(self, *arguments, env=None, wrapper=()):
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self.page = os.memfd_create("page")
        os.ftruncate(self.page, 4096)
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Above 4, so that putting one at its place does not overwrite the other.
        high_socket = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 100)
        high_page = fcntl.fcntl(self.page, fcntl.F_DUPFD_CLOEXEC, 100)
        command = [*wrapper, str(harness.ITEXD), "device-worker", *arguments]
        self.pid = os.posix_spawnp(
            command[0],
            command,
            {**harness.INSTRUMENTED, **(env or {})},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, self.log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, self.log.fileno(), 2),
                (os.POSIX_SPAWN_DUP2, high_socket, 3),
                (os.POSIX_SPAWN_DUP2, high_page, 4),
            ],
        )
        theirs.close()
        os.close(high_socket)
        os.close(high_page)
        self.asked = 0
        self.wait_status = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends it, and fails on whatever a sanitizer has said of it."""
        self.end()
        said = self.output()
        os.close(self.page)
        self.log.close()
        assert not harness.SANITIZER_REPORT.search(said), said

    def end(self):
        """Closes our end, and gives the exit status; kills a worker that does not end by that."""
        self.socket.close()
        if self.wait_status is None:
            pidfd = os.pidfd_open(self.pid)
            if not select.select([pidfd], [], [], harness.TIMEOUT)[0]:
                os.kill(self.pid, signal.SIGKILL)
            os.close(pidfd)
            self._reap()
        return self.wait_status

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def _reap(self):
        if self.wait_status is None:
            _, self.wait_status = os.waitpid(self.pid, 0)

    def call_and_sysman(self):
        """What the page says: the call it is in, and whether that is sysman's."""
        call, in_sysman = PAGE.unpack(os.pread(self.page, PAGE.size, 0))
        return call.split(b"\0")[0].decode(), bool(in_sysman)

    def output(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def send(self, body):
        self.asked += 1
        request = child.Request(id=self.asked)
        getattr(request, body).SetInParent()
        self.socket.send(request.SerializeToString())

    def answers_within(self, seconds):
        return bool(select.select([self.socket], [], [], seconds)[0])

    def receive(self):
        if not self.answers_within(harness.TIMEOUT * 3):
            raise AssertionError(f"no answer; it is in {self.call_and_sysman()}; {self.output()}")
        try:
            packet = self.socket.recv(PACKET_MAX)
        except ConnectionResetError:
            packet = b""
        if not packet:
            self._reap()
            raise Died(self.wait_status, *self.call_and_sysman(), self.output())
        reply = child.Reply.FromString(packet)
        assert reply.id == self.asked
        return reply

    def ask(self, body):
        self.send(body)
        return self.receive()

    def inventory(self):
        reply = self.ask("inventory")
        assert reply.WhichOneof("body") == "inventory", reply
        return reply.inventory

    def sample(self):
        """For each card its metrics by name: a number, "not permitted", or None."""
        reply = self.ask("sample")
        assert reply.WhichOneof("body") == "samples", reply
        return [self.readings(card) for card in reply.samples.cards]

    @staticmethod
    def readings(card):
        assert len(card.metrics) == len(METRICS)
        return {
            name: metric.value
            if metric.HasField("value")
            else "not permitted"
            if metric.not_permitted
            else None
            for name, metric in zip(METRICS, card.metrics, strict=True)
        }
