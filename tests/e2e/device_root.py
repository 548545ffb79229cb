"""A machine's sys, dev and proc in a directory, as itexd's device_root takes them.

Nodes are null devices: whoever may open one does no harm. Processes are the test's own, of which proc says
what it is told to: itexd compares them with the real ones.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

NULL = os.makedev(1, 3)
GROUP = 4711  # that owns the nodes


class DeviceRoot:
    def __init__(self, path):
        self.path = path
        self.pci = path / "sys" / "bus" / "pci" / "devices"
        self.dri = path / "dev" / "dri"
        for directory in (self.pci, self.dri, path / "proc"):
            directory.mkdir(parents=True)

    @property
    def argument(self):
        return f"--device-root={self.path}"

    # ---- Cards: i is 0000:3a:00.0 + 0x10 on the bus, as the simulated driver has them --------------------

    @staticmethod
    def address(i):
        return f"0000:{0x3A + 0x10 * i:02x}:00.0"

    def render_node(self, i):
        return self.dri / f"renderD{128 + i}"

    def card_node(self, i):
        return self.dri / f"card{i}"

    def nodes(self, i):
        return [self.render_node(i), self.card_node(i)]

    def add_pci(self, i):
        device = self.pci / self.address(i)
        device.mkdir()
        (device / "vendor").write_text("0x8086\n")
        (device / "class").write_text("0x038000\n")

    def bind(self, i, driver="xe"):
        (self.pci / self.address(i) / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")

    def add_drm(self, i):
        for node in self.nodes(i):
            (self.pci / self.address(i) / "drm" / node.name).mkdir(parents=True)

    def make_nodes(self, i, mode=0o660):
        """Also in the place of what is there: another inode, as after a driver was loaded again."""
        for node in self.nodes(i):
            beside = node.with_name("beside")
            os.mknod(beside, stat.S_IFCHR | 0o600, NULL)
            os.chmod(beside, mode)
            os.chown(beside, 0, GROUP)
            beside.rename(node)

    def add_card(self, i):
        self.add_pci(i)
        self.bind(i)
        self.add_drm(i)
        self.make_nodes(i)

    def remove_pci(self, i):
        shutil.rmtree(self.pci / self.address(i))

    # ---- Processes ---------------------------------------------------------------------------------------

    def put_process(self, pid, cards=(), memory=None, uid=None):
        """This process has these cards open; memory in MiB on each."""
        own = self.path / "proc" / str(pid)
        beside = own.with_name(f"beside-{pid}")
        (beside / "fdinfo").mkdir(parents=True)
        shutil.copyfile(f"/proc/{pid}/stat", beside / "stat")
        (beside / "fdinfo" / "0").write_text("pos:\t0\nflags:\t02\n")
        for i in cards:
            lines = [f"drm-pdev:\t{self.address(i)}", f"drm-client-id:\t{pid}"]
            if memory is not None:
                lines.append(f"drm-resident-vram0:\t{memory} MiB")
            (beside / "fdinfo" / str(3 + i)).write_text("".join(f"{line}\n" for line in lines))
        owner = os.stat(f"/proc/{pid}").st_uid if uid is None else uid
        os.chown(beside, owner, owner)
        self.end_process(pid)
        beside.rename(own)

    def end_process(self, pid):
        shutil.rmtree(self.path / "proc" / str(pid), ignore_errors=True)


def access(path):
    """The node's ACL, an entry an item, without comments; and the mode as stat has it."""
    result = subprocess.run(
        ["getfacl", "--numeric", "--omit-header", "--absolute-names", "--no-effective", path],
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.split(), stat.S_IMODE(os.stat(path).st_mode)


def may_open(path, uid, groups=()):
    """Whether a process of this user opens it for reading and writing."""
    return (
        subprocess.run(
            ["sh", "-c", 'exec 3<>"$1"', "sh", Path(path)],
            user=uid,
            group=uid,
            extra_groups=list(groups),
            stderr=subprocess.DEVNULL,
            cwd="/",
        ).returncode
        == 0
    )
