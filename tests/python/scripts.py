"""Python processes under test, and services that behave otherwise than itexd."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from harness import MAJOR, MAX_PACKET, MINOR, SOURCE, TIMEOUT, client_library, pb

# Another interpreter for the scripts than that of the tests, such as the oldest that the package is for.
PYTHON = os.environ.get("ITEXD_TEST_PYTHON", sys.executable)
PACKAGE = SOURCE / "client" / "python" / "src"

# What every script has: show() for the test, step() to wait for it; and patience, for the machine may be
# busy.
PRELUDE = (
    f"PATIENT = {TIMEOUT}\n"
    + """\
import ctypes, functools, json, os, sys, types
import itexclient

itexclient.configure = functools.partial(itexclient.configure, timeout=PATIENT)
itexclient.lease = functools.partial(itexclient.lease, timeout=PATIENT)
itexclient.inherited = functools.partial(itexclient.inherited, timeout=PATIENT)

def show(*values):
    print(json.dumps(values[0] if len(values) == 1 else values), flush=True)

def step():
    show("waiting")
    sys.stdin.readline()

def in_c(name):
    get = ctypes.CDLL(None).getenv
    get.restype = ctypes.c_char_p
    value = get(name.encode())
    return None if value is None else value.decode()

def raised(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except BaseException as error:
        return [type(error).__name__, str(error)]
    return None

def load_tensorflow():
    sys.modules["tensorflow"] = types.ModuleType("tensorflow")

"""
)


def environment(socket_path=None, more=None):
    """Of a Python process that finds the package; a value None takes the variable out."""
    variables = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONPATH": str(PACKAGE),
        "PYTHONDONTWRITEBYTECODE": "1",
        **client_library(),
        **(more or {}),
    }
    if socket_path is not None:
        variables["ITEXD_SOCKET"] = str(socket_path)
    return {name: value for name, value in variables.items() if value is not None}


class Script:
    """A Python process; what it shows is read line by line, JSON each."""

    def __init__(self, text, socket_path=None, env=None, arguments=(), before=(), **options):
        self.unread = b""
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it is read after the process has ended
        self.process = subprocess.Popen(
            [*map(str, before), PYTHON, "-c", PRELUDE + text, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment(socket_path, env),
            **options,
        )

    def next(self):
        """What it shows next."""
        while b"\n" not in self.unread:
            ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert piece, f"nothing more was shown; stderr:\n{self.said()}"
            self.unread += piece
        line, _, self.unread = self.unread.partition(b"\n")
        return json.loads(line)

    def reach(self):
        """Everything up to its next step()."""
        shown = []
        while (value := self.next()) != "waiting":
            shown.append(value)
        return shown

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def rest(self):
        """Everything up to its end."""
        out, _ = self.process.communicate(timeout=TIMEOUT)
        return [json.loads(line) for line in (self.unread + out).splitlines()]

    def status(self):
        return self.process.wait(TIMEOUT)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def end(self):
        self.process.kill()
        with contextlib.suppress(ValueError):
            self.process.communicate()
        self.errors.close()


class FakeService:
    """Plays the service: answer(connection, request) for each request after a proper hello, in a thread."""

    def __init__(self, path, answer):
        self.path = path
        self.answer = answer
        self.connections = []
        self.answered = 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen()
        self.ends, self.stopping = socket.socketpair()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.close()
        self.thread.join(TIMEOUT)
        self.listener.close()
        self.ends.close()

    def _serve(self):
        connections = self.connections
        while True:
            ready, _, _ = select.select([self.listener, self.ends, *connections], [], [])
            if self.ends in ready:
                break
            for connection in ready:
                if connection is self.listener:
                    connections.append(self.listener.accept()[0])
                elif not self._turn(connection):
                    connections.remove(connection)
                    connection.close()
        for connection in connections:
            connection.close()

    def _turn(self, connection):
        data = connection.recv(MAX_PACKET)
        if not data:
            return False  # it has hung up
        self.answer(connection, pb.Request.FromString(data))
        self.answered += 1
        return True


def reply(connection, request, **body):
    packet = pb.ServerPacket(reply=pb.Reply(id=request.id, **body))
    connection.send(packet.SerializeToString())


def greet(connection, request, major=MAJOR, minimum_major=MAJOR):
    hello = pb.HelloReply(name="itexd", major=major, minor=MINOR, minimum_major=minimum_major, version="fake")
    reply(connection, request, hello=hello)


def until(condition, what):
    """For what the service does by itself, with nothing that could be waited for."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"not within {TIMEOUT} s: {what}"
        time.sleep(0.01)
