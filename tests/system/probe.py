"""Tries from within the unit what its sandbox is to allow and to refuse; an ExecStartPre= of itexd.service.

Prints nothing and leaves /run/itexd/probe: by attempt, null where it went well, else the error's name.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
from pathlib import Path

RESULT = Path("/run/itexd/probe")
libc = ctypes.CDLL(None, use_errno=True)
PERF_EVENT_OPEN, KEYCTL, CAPSET = 298, 250, 126  # x86-64
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SOFTWARE, CPU_CLOCK = 1, 0


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")


def write(path):
    Path(path).write_text("written")


def perf_event():
    """Of all processes of one processor, as a driver reads the engines of a GPU."""
    attributes = (ctypes.c_uint32 * 32)(SOFTWARE, 128, CPU_CLOCK)
    checked(libc.syscall(PERF_EVENT_OPEN, attributes, -1, 0, -1, 0))


def set_user_id_bit():
    path = Path("/run/itexd/suid")
    path.touch()
    path.chmod(0o4755)


def attempts():
    for path in (
        "/usr/x",
        "/etc/x",
        "/etc/itexd/itexd.yaml",
        "/var/x",
        "/run/x",
        "/boot/x",
        "/proc/sys/kernel/hostname",
    ):
        yield f"write {path}", lambda path=path: write(path)
    for path in ("/var/lib/itexd/x", "/run/itexd/x", "/tmp/x"):
        yield f"write {path}", lambda path=path: write(path)
    for path in ("/home", "/root", "/run/user", "/sys/bus/pci/devices"):
        yield f"list {path}", lambda path=path: os.listdir(path)
    yield "read /proc/1/stat", Path("/proc/1/stat").read_text
    for path in ("/dev/null", "/dev/fuse", "/dev/test-gpu"):
        yield f"open {path}", lambda path=path: os.close(os.open(path, os.O_RDWR))
    for family in ("AF_UNIX", "AF_NETLINK", "AF_INET", "AF_INET6", "AF_PACKET", "AF_VSOCK"):
        kind = socket.SOCK_RAW if family in ("AF_NETLINK", "AF_PACKET") else socket.SOCK_STREAM
        yield family, lambda family=family, kind=kind: socket.socket(getattr(socket, family), kind).close()
    yield (
        "writable and executable",
        lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    )
    yield "user namespace", lambda: checked(libc.unshare(CLONE_NEWUSER))
    yield "network namespace", lambda: checked(libc.unshare(CLONE_NEWNET))
    yield "mount", lambda: checked(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
    yield "chown", lambda: os.chown("/var/lib/itexd", -1, -1)
    yield "setuid", lambda: os.setuid(os.getuid())
    yield "set-user-id bit", set_user_id_bit
    yield "real time", lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    yield "keyctl", lambda: checked(libc.syscall(KEYCTL, 0, 0, 0))
    yield "perf_event_open", perf_event


def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return None


def main():
    results = {name: outcome(attempt) for name, attempt in attempts()}
    results["interfaces"] = [name for _, name in socket.if_nameindex()]
    RESULT.write_text(json.dumps(results))


main()
