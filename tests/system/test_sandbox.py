"""What the units let the service do, tried from within; and that the service needs no more than that."""

from __future__ import annotations

import json
import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from itexd_unit import SOCKET
from machine import SOURCE

sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
import harness
from worker_process import EMULATED

UEVENT = Path("/sys/devices/virtual/mem/null/uevent")
RESOURCE = 1 << 24


def owner_and_mode(unit, path):
    return unit.out("stat", "--format=%U:%G %a %F", path)


# ---- Files -----------------------------------------------------------------------------------------------


def test_files_and_their_owners(unit):
    unit.start()
    assert owner_and_mode(unit, SOCKET) == "root:root 666 socket"
    assert owner_and_mode(unit, "/run/itexd-socket") == "root:root 755 directory"
    assert owner_and_mode(unit, "/etc/itexd") == "root:root 755 directory"
    for directory in ("/var/lib/itexd", "/run/itexd"):
        assert owner_and_mode(unit, directory) == "itexd:itexd 700 directory"
        for file in unit.path(directory).iterdir():
            assert owner_and_mode(unit, Path(directory) / file.name).startswith("itexd:itexd 600 ")


def test_leases_outlast_a_stop_of_the_service(unit):
    unit.start()
    before = unit.path("/run/itexd/leases").read_bytes()
    unit.systemctl("stop", "itexd.service")
    assert unit.path("/run/itexd/leases").read_bytes() == before


def test_presets(unit):
    enabled = {"itexd.socket": "enabled", "itexd.service": "disabled", "itexd-metrics.socket": "disabled"}
    for name, wanted in enabled.items():
        unit.systemctl("preset", name)
        assert unit.show("UnitFileState", name) in (wanted, "indirect" if wanted == "disabled" else wanted)
    assert unit.show("ActiveState", "itexd-metrics.socket") == "inactive"


def test_the_units_are_understood_whole(unit):
    for name in ("itexd.service", "itexd.socket", "itexd-metrics.socket"):
        path = unit.show("FragmentPath", name)
        result = unit.run("systemd-analyze", "verify", "--recursive-errors=yes", "--man=no", path)
        assert "itexd" not in result.stdout + result.stderr


# ---- Its rights ------------------------------------------------------------------------------------------


def test_every_process_has_the_user_and_no_rights(unit):
    unit.start()
    unit.until(lambda: {"itexd-spawner", "itexd-worker"} <= unit.processes().keys(), "its children")
    uid, gid = unit.out("id", "-u", "itexd"), unit.out("id", "-g", "itexd")
    more = {unit.out("getent", "group", name).split(":")[2] for name in ("render", "video")}
    for pid in unit.processes().values():
        state = unit.process_status(pid)
        assert set(state["Uid"].split()) == {uid} and set(state["Gid"].split()) == {gid}
        assert set(state["Groups"].split()) - {gid} == more
        assert set(unit.capabilities(pid).values()) == {0}
        assert state["NoNewPrivs"] == "1" and state["Seccomp"] == "2"


def test_limits_are_what_the_machine_lets_systemd_set(unit):
    """Without CAP_SYS_RESOURCE they are cut, and nobody says so."""
    unit.start()
    may = unit.capabilities(1)["Eff"] & RESOURCE

    def descriptors(pid):
        lines = unit.proc(pid, "limits").read_text().splitlines()
        return [
            int(word)
            for word in next(line for line in lines if line.startswith("Max open files")).split()[3:5]
        ]

    wanted = 65536 if may else min(65536, descriptors(1)[1])
    assert descriptors(unit.pid) == [wanted, wanted]
    assert unit.proc(unit.pid, "oom_score_adj").read_text() == ("-500\n" if may else "0\n")


# ---- Tried from within -----------------------------------------------------------------------------------


def probed(unit):
    """What probe.py met as part of the unit."""
    unit.run("cp", SOURCE / "tests" / "system" / "probe.py", "/usr/lib/itexd-probe.py")
    unit.drop_in("probe", "ExecStartPre=/usr/bin/python3 -B -S /usr/lib/itexd-probe.py")
    unit.start()
    return json.loads(unit.path("/run/itexd/probe").read_text())


@pytest.fixture
def nodes(unit):
    """/dev/fuse, and a node of a GPU whose driver is not there."""
    made = {"fuse": (10, 229), "test-gpu": (226, 128)}
    for name, (major, minor) in made.items():
        path = unit.path(f"/dev/{name}")
        if not path.exists():
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        path.chmod(0o666)
    yield
    for name in made:
        unit.path(f"/dev/{name}").unlink()


ALLOWED = [
    *("write /var/lib/itexd/x", "write /run/itexd/x", "write /tmp/x"),
    *("list /sys/bus/pci/devices", "read /proc/1/stat", "open /dev/null", "AF_UNIX", "AF_NETLINK"),
]
REFUSED = {
    **dict.fromkeys(
        ("write /usr/x", "write /etc/x", "write /etc/itexd/itexd.yaml", "write /var/x"), {"EROFS"}
    ),
    **dict.fromkeys(
        ("write /run/x", "write /boot/x", "write /proc/sys/kernel/hostname"), {"EROFS", "EACCES"}
    ),
    **dict.fromkeys(("list /home", "list /root", "list /run/user"), {"EACCES"}),
    **dict.fromkeys(("AF_INET", "AF_INET6", "AF_PACKET", "AF_VSOCK"), {"EAFNOSUPPORT"}),
    **dict.fromkeys(("writable and executable", "user namespace", "network namespace", "mount"), {"EPERM"}),
    **dict.fromkeys(
        ("chown", "setuid", "set-user-id bit", "real time", "keyctl", "perf_event_open"), {"EPERM"}
    ),
}


def test_from_within(unit, nodes):
    met = probed(unit)
    assert {name: met[name] for name in ALLOWED} == dict.fromkeys(ALLOWED)
    for name, errors in REFUSED.items():
        assert met[name] in errors, (name, met[name])
    assert met["interfaces"] == ["lo"]
    # of nodes those of GPUs only; this one has no driver, which is asked behind the rule for devices
    assert met["open /dev/fuse"] == "EPERM"
    assert met["open /dev/test-gpu"] in ("ENXIO", "ENODEV", None)
    # nothing that it has written is seen by others
    assert not unit.path("/tmp/x").exists()


def test_the_rule_for_devices_is_what_refuses(unit, nodes):
    """As above, but with another kind of device allowed, and that of GPUs not."""
    unit.drop_in("other", "DeviceAllow=\nDeviceAllow=char-misc rw")
    met = probed(unit)
    assert met["open /dev/fuse"] is None
    assert met["open /dev/test-gpu"] == "EPERM"


def test_with_the_machines_network(unit):
    unit.drop_in("network")
    met = probed(unit)
    assert met["AF_INET"] is None and met["AF_INET6"] is None and met["AF_PACKET"] == "EAFNOSUPPORT"
    assert met["AF_NETLINK"] is None
    own, machines = (unit.out("readlink", f"/proc/{pid}/ns/net") for pid in (unit.pid, 1))
    assert own == machines


# ---- What it needs of that -------------------------------------------------------------------------------


@pytest.mark.skipif(
    not os.access(UEVENT, os.W_OK), reason=f"needs {UEVENT}, to have the kernel tell of a device"
)
def test_the_kernels_events_come_into_its_network(unit):
    unit.start()
    inside = unit.out("readlink", f"/proc/{unit.pid}/ns/net")
    assert inside != unit.out("readlink", "/proc/1/ns/net")
    # its own socket for them (protocol 15), of this namespace
    listening = unit.proc(unit.pid, "net/netlink").read_text().splitlines()[1:]
    assert [line for line in listening if line.split()[1] == "15" and line.split()[3] != "00000000"]
    listen = "import socket; s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15); s.bind((0, 1)); "
    listen += "print('bound', flush=True); print(s.recv(65536).split(b'\\0')[0].decode())"
    listener = unit.machine.start(
        *("nsenter", f"--target={unit.pid}", "--net", "/usr/bin/python3", "-c", listen),
        stdout=subprocess.PIPE,
    )
    assert listener.stdout.readline() == "bound\n"
    UEVENT.write_text("change\n")
    assert select.select([listener.stdout], [], [], harness.TIMEOUT)[0], "no event came"
    assert listener.communicate()[0].startswith("change@/devices/virtual/mem/null")


def killing(unit):
    """Every call that the unit refuses kills; but for capset, which fails where there is nothing to clear."""
    unit.drop_in("killing", "SystemCallErrorNumber=\nSystemCallFilter=capset")


def test_no_call_of_the_service_is_refused(unit):
    killing(unit)
    unit.start()
    for command in (
        ["resolve", "--itex", "newest"],
        ["run", "--allow-none", "--", "true"],
        ["query"],
        ["explain", "1"],
        ["rules", "list"],
        ["rules", "reload"],
        ["backup", "/tmp/backup.db"],
        ["devices"],
        ["status"],
    ):
        unit.ctl(*command)
    unit.systemctl("restart", "itexd.service")
    unit.systemctl("stop", "itexd.service")
    assert unit.show("Result") == "success"
    assert "SYS" not in unit.journal()


@pytest.mark.skipif(
    not harness.installed("libze_intel_gpu.so.1"), reason="needs Intel's driver (intel-opencl-icd)"
)
def test_intels_driver_works_within(unit):
    """On emulated GPUs: no call of its is refused, and it makes no code."""
    killing(unit)
    environment = " ".join(f"{name}={value}" for name, value in EMULATED.items())
    unit.configure(f'worker_environment: "{environment}"\n')
    unit.start()
    devices = unit.until(
        lambda: json.loads(unit.out("itexctl", "devices", "--json"))["devices"], "the emulated devices"
    )
    assert len(devices) == 2 and {device["state"] for device in devices} == {"healthy"}
    assert json.loads(unit.out("itexctl", "status", "--json"))["worker"]["restarts"] == 0
    assert "SYS" not in unit.journal()
