"""Another machine for one command: other devices, other libraries, in a mount namespace of its own. As root.

What is mounted is seen by the command alone. A DeviceRoot's sys and dev come in the place of the machine's;
libraries are taken away by an overlay on their folder, so that the dynamic linker really does not find them.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import installed


class Machine:
    """shm: how its /dev/shm is mounted, None without one. mounts: what else the shell does there."""

    def __init__(self, device_root=None):
        self.device_root = device_root
        self.without = []
        self.mounts = []
        self.shm = "size=1g"

    def take_away(self, library):
        """The library is not installed."""
        place = installed(library)
        if place:
            self.without.append(Path(place).resolve().parent / library)

    def _script(self, scratch):
        lines = ["set -e", "mount --make-rprivate /", f"mount -t tmpfs tmpfs {scratch}"]
        if self.device_root:
            dev = f"{scratch}/dev"
            lines += [
                f"mkdir {dev}",
                f"mount --bind {self.device_root.path}/sys/bus/pci /sys/bus/pci",
                f"for n in null zero urandom; do touch {dev}/$n; mount --bind /dev/$n {dev}/$n; done",
                f"mkdir {dev}/shm {dev}/dri",
                f"mount -t tmpfs -o mode=1777,{self.shm} tmpfs {dev}/shm" if self.shm else f"rmdir {dev}/shm",
                f"mount --bind {self.device_root.dri} {dev}/dri",
                f"mount --rbind {dev} /dev",
            ]
        for i, library in enumerate(self.without):
            upper, work = f"{scratch}/upper{i}", f"{scratch}/work{i}"
            layers = f"lowerdir={library.parent},upperdir={upper},workdir={work}"
            lines += [
                f"mkdir {upper} {work}",
                f"mount -t overlay overlay -o {layers} {library.parent}",
                f"rm {library}",
            ]
        return "\n".join([*lines, *self.mounts, 'exec "$@"'])

    def wrapper(self, scratch):
        return ["unshare", "--mount", "sh", "-c", self._script(scratch), "sh"]

    def run(self, command, **options):
        with tempfile.TemporaryDirectory(prefix="itexd-machine-", dir="/tmp") as scratch:
            return subprocess.run(
                [*self.wrapper(scratch), *map(str, command)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                **options,
            )


def need_namespaces():
    """Skips where there may be no such machine."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a mount namespace with other devices and libraries")
    tried = Machine().run(["true"])
    if tried.returncode != 0:
        pytest.skip(f"no mount namespace can be made here: {tried.stderr.strip()}")
