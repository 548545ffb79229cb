"""Disks that fill up, and what the service records then."""

from __future__ import annotations

import contextlib
import subprocess
import time

import pytest
from harness import TIMEOUT


@contextlib.contextmanager
def small_disk(directory):
    """The directory is a file system of its own, of 16 MiB; where that may not be, the test is skipped."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "itexd-test", str(directory)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a tmpfs here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=False)


def fill(directory):
    """Returns the file that takes all the room."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return filler


def fill_disk(service):
    """Returns the file, when the service has seen it: the WAL has some room left."""
    filler = fill(service.database.parent)
    wait_recorded(service, False)
    return filler


def wait_recorded(service, wanted):
    deadline = time.monotonic() + TIMEOUT
    with service.client() as client:
        while client.resolve(declared={"keras": "0"}).recorded != wanted:
            assert time.monotonic() < deadline, str(client.ok("status"))
