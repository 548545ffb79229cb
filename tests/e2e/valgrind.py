"""Programs under valgrind's memcheck: what it needs to run ours at all, and what it says of each process."""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import threading

import harness

SHIM = harness.BUILD / "tests" / "tools" / "libunder-valgrind.so"
SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) errors")
IN_USE = re.compile(r"in use at exit: ([\d,]+) bytes in ([\d,]+) blocks")


def cannot_run():
    """Why there can be no memcheck of our programs; None where there can."""
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    if harness.is_instrumented(harness.ITEXD):
        return "built with a sanitizer, which valgrind cannot run"
    return None


class Memcheck:
    """How to start a program under memcheck, and its reports afterwards, one a process."""

    def __init__(self, directory):
        self.directory = directory
        directory.chmod(0o777)
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.server.bind(str(directory / "pidfds"))
        os.chmod(directory / "pidfds", 0o666)
        self.server.listen(64)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def wrapper(self):
        # valgrind lets no program lower its hard limit of descriptors, so it is low before
        return [
            "prlimit",
            "--nofile=1000:1000",
            "valgrind",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible",
            f"--log-file={self.directory}/memcheck.%p",
        ]

    @property
    def env(self):
        return {"LD_PRELOAD": str(SHIM), "ITEXD_TEST_PIDFDS": str(self.directory / "pidfds")}

    def reports(self):
        """What was said of the processes that ended by themselves; a killed one, or one that executed another
        program, says nothing in the end."""
        texts = [path.read_text(errors="replace") for path in sorted(self.directory.glob("memcheck.*"))]
        return [text for text in texts if SUMMARY.search(text)]

    def assert_clean(self, processes):
        reports = self.reports()
        assert len(reports) == processes, reports
        for text in reports:
            assert SUMMARY.search(text).group(1) == "0", text

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.server.close()

    def _serve(self):
        """pidfd_open, which valgrind does not know, for the processes under it."""
        while True:
            try:
                asking, _ = self.server.accept()
            except OSError:
                return
            with asking:
                (pid,) = struct.unpack("i", asking.recv(4))
                try:
                    fd = os.pidfd_open(pid)
                except OSError as error:
                    asking.send(struct.pack("i", error.errno))
                else:
                    socket.send_fds(asking, [struct.pack("i", 0)], [fd])
                    os.close(fd)


def in_use(report):
    """Bytes and blocks that a process had when it ended."""
    return tuple(int(number.replace(",", "")) for number in IN_USE.search(report).groups())
