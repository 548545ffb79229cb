"""A control group that leaves out a device: by devices.deny of version 1, a program of version 2. As root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
PROG_LOAD, PROG_ATTACH = 5, 8
TYPE_CGROUP_DEVICE, ATTACH_CGROUP_DEVICE = 15, 6


def folder(kind):
    """Where this hierarchy is mounted: "cgroup2", or the controller "devices" of "cgroup"."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, file_system, options = line.split(" ")[:4]
        if file_system == kind and (kind == "cgroup2" or "devices" in options.split(",")):
            return Path(place)
    return None


def _bpf(command, attributes):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(BPF, command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "bpf")
    return result


def _refuse_minor(group, minor):
    """Attaches a program that refuses every device of this minor number."""
    code = [
        (0x61, 0x12, 8, 0),  # r2 = minor, of the program's context
        (0xB7, 0x00, 0, 1),  # r0 = 1, allowed
        (0x55, 0x02, 1, minor),  # unless r2 is that
        (0xB7, 0x00, 0, 0),  # r0 = 0
        (0x95, 0x00, 0, 0),  # return r0
    ]
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("<BBhi", *each) for each in code))
    licence = ctypes.create_string_buffer(b"GPL")
    program = _bpf(
        PROG_LOAD,
        struct.pack(
            "=IIQQ",
            TYPE_CGROUP_DEVICE,
            len(code),
            ctypes.addressof(instructions),
            ctypes.addressof(licence),
        ),
    )
    directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _bpf(PROG_ATTACH, struct.pack("=IIII", directory, program, ATTACH_CGROUP_DEVICE, 0))
    finally:
        os.close(directory)
        os.close(program)


@contextlib.contextmanager
def group_without(major, minor, kind):
    """The words in front of a command that is to run in such a group."""
    place = folder(kind)
    if not place:
        pytest.skip(f"no {kind} hierarchy with device rules is mounted")
    group = Path(tempfile.mkdtemp(prefix="itexd-rules-", dir=place))
    try:
        try:
            if kind == "cgroup2":
                _refuse_minor(group, minor)
            else:
                (group / "devices.deny").write_text(f"c {major}:{minor} rwm")
        except OSError as error:
            pytest.skip(f"no device rules can be made here: {error}")
        yield ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(group)]
    finally:
        subprocess.run(["rmdir", group], check=True)
