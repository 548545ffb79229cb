"""itexctl doctor on machines broken in one place each: kernel, nodes, rights, memory, limits, libraries.

As in test_itexctl_doctor.py, real over simulated: mounts, users, limits, control groups of the command alone.
What the kernel has in sys and proc is below a device root.
"""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import harness
import pytest
from device_rules import group_without
from doctoring import Told, doctor, environment
from harness import ITEXCTL, NOBODY, SIMZE, SLOW, TIMEOUT


@pytest.fixture
def gpus(simulated):
    return simulated(cards=1, tiles=2)


# ---- The kernel's layers -----------------------------------------------------------------------------------


def root_doctor(device_root, *arguments, **options):
    return doctor("--device-root", device_root.path, *arguments, **options)


def kernel(device_root, modules=None, loaded=(), command_line="", device="0x0bd5"):
    """A card that no driver has taken, and a kernel."""
    device_root.add_pci(0)
    card = device_root.pci / device_root.address(0)
    (card / "device").write_text(f"{device}\n")
    (card / "modalias").write_text("pci:v00008086d00000BD5sv00008086sd00000000bc03sc80i00\n")
    (device_root.path / "proc" / "sys" / "kernel").mkdir(parents=True)
    (device_root.path / "proc" / "sys" / "kernel" / "osrelease").write_text("6.1.0-test\n")
    (device_root.path / "proc" / "cmdline").write_text(f"root=/dev/sda1 {command_line} quiet\n")
    for name in loaded:
        (device_root.path / "sys" / "module" / name).mkdir(parents=True)
    if modules is not None:
        folder = device_root.path / "lib" / "modules" / "6.1.0-test"
        folder.mkdir(parents=True)
        (folder / "modules.alias").write_text(modules)


KNOWS = "alias pci:v00008086d00000BD5sv*sd*bc03sc*i* i915\n"
KNOWS_NOT = "alias pci:v00008086d00009A49sv*sd*bc03sc*i* i915\nalias pci:v0000*d*sv*sd*bc*sc*i* vfio_pci\n"


@pytest.mark.parametrize(
    ("given", "finding", "words"),
    [
        ({}, "kernel-driver-absent", ["not here to look at"]),
        ({"modules": KNOWS}, "kernel-driver-absent", ["i915", "not loaded", "modprobe i915"]),
        ({"modules": KNOWS_NOT}, "kernel-driver-too-old", ["6.1.0-test", "0bd5", "newer kernel"]),
        ({"modules": KNOWS, "loaded": ["i915"]}, "kernel-driver-refused", ["i915.force_probe=0bd5"]),
        (
            {"modules": KNOWS, "loaded": ["i915"], "command_line": "i915.force_probe=!0bd5"},
            "kernel-driver-blocked",
            ["force_probe=!0bd5"],
        ),
        ({"modules": KNOWS, "command_line": "nomodeset"}, "kernel-driver-blocked", ["nomodeset"]),
        (
            {"modules": KNOWS, "command_line": "module_blacklist=nouveau,i915"},
            "kernel-driver-blocked",
            ["module_blacklist"],
        ),
    ],
)
def test_no_kernel_driver(device_root, given, finding, words):
    kernel(device_root, **given)
    told = root_doctor(device_root)
    assert told.machine_errors()[:1] == [finding], told.findings
    text = told[finding]["found"] + told[finding]["fix"]
    assert all(word in text for word in words), text
    assert told.layer("render-node")[0]["found"] == f"because of {finding}"


@pytest.mark.parametrize("line", ["blacklist i915", "install i915 /bin/false"])
def test_a_module_that_modprobe_keeps_away(device_root, line):
    kernel(device_root, modules=KNOWS)
    folder = device_root.path / "etc" / "modprobe.d"
    folder.mkdir(parents=True)
    (folder / "gpu.conf").write_text(f"# for the virtual machines\n{line}\n")
    assert "/etc/modprobe.d/gpu.conf, line 2" in root_doctor(device_root)["kernel-driver-blocked"]["found"]


def test_a_card_of_a_virtual_machine(device_root):
    """Beside one that works it is a warning; alone, an error."""
    device_root.add_pci(0)
    device_root.bind(0, "vfio-pci")
    assert root_doctor(device_root)["kernel-driver-other"]["level"] == "error"
    device_root.add_pci(1)
    device_root.bind(1)
    told = root_doctor(device_root)
    assert told["kernel-driver-other"]["level"] == "warning"
    assert "1 of 2 cards" in told["kernel-driver-bound"]["found"]


@pytest.mark.parametrize(
    ("record", "hung"), [("No error state collected\n", False), ("GPU HANG: ecode 12\n", True)]
)
def test_a_hang_that_the_kernel_has_recorded(device_root, record, hung):
    device_root.add_pci(0)
    device_root.bind(0, "i915")
    device_root.add_drm(0)
    (device_root.pci / device_root.address(0) / "drm" / "card0" / "error").write_text(record)
    assert ("kernel-driver-hang" in root_doctor(device_root)) == hung


def test_a_core_dump_of_xe(device_root):
    device_root.add_pci(0)
    device_root.bind(0)
    device_root.add_drm(0)
    assert "kernel-driver-hang" not in root_doctor(device_root)
    (device_root.pci / device_root.address(0) / "devcoredump").mkdir()
    assert root_doctor(device_root)["kernel-driver-hang"]["level"] == "warning"


def test_render_nodes(device_root):
    device_root.add_pci(0)
    device_root.bind(0)
    assert root_doctor(device_root)["render-node-not-made"]["level"] == "error"
    device_root.add_drm(0)
    told = root_doctor(device_root)
    assert told["render-node-missing"]["level"] == "error"
    assert "/dev/dri/renderD128 of 0000:3a:00.0" in told["render-node-missing"]["found"]
    device_root.render_node(0).touch()
    assert "a file" in root_doctor(device_root)["render-node-wrong"]["found"]


def test_a_node_of_one_of_two_cards(device_root, as_root):
    for i in range(2):
        device_root.add_card(i)
    device_root.render_node(1).unlink()
    told = root_doctor(device_root)
    assert told["render-node-missing"]["level"] == "warning"
    assert told["render-node-found"]["level"] == "ok"


def test_a_node_of_another_number(device_root, as_root):
    device_root.add_card(0)
    (device_root.pci / device_root.address(0) / "drm" / "renderD128" / "dev").write_text("226:128\n")
    told = root_doctor(device_root)
    assert "device 1:3" in told["render-node-wrong"]["found"]
    assert "226:128" in told["render-node-wrong"]["found"]


def test_a_group_that_the_session_has_not_yet(whole, tmp_path):
    """Whoever is in the group by the database, and whoever is not."""
    for node in whole.root.nodes(0):
        node.chmod(0o660)
    groups = tmp_path / "group"
    whole.mounts.append(f'mount --bind "{groups}" /etc/group')
    groups.write_text("gpus:x:4711:nobody\nnogroup:x:65534:\n")
    told = whole.look(user=NOBODY)
    assert told.machine_errors() == ["render-session"]
    assert told["render-session"]["fix"] == "log in anew, or: newgrp gpus"
    assert "render-opens" in whole.look("--user", "nobody"), "who logs in now has it"
    groups.write_text("gpus:x:4711:\nnogroup:x:65534:\n")
    told = whole.look(user=NOBODY)
    assert told.machine_errors() == ["render-denied"]
    assert told["render-denied"]["fix"].startswith("usermod -aG gpus nobody")


def test_a_user_database_that_does_not_answer(whole, tmp_path):
    """It costs its time, and no more."""
    os.mkfifo(tmp_path / "passwd")
    whole.mounts.append(f'mount --bind "{tmp_path}/passwd" /etc/passwd')
    command = [ITEXCTL, "doctor", "--timeout", "1s"]
    named = whole.run([*command, "--user", "nobody"], env=environment(), timeout=TIMEOUT)
    assert (named.returncode, named.stdout) == (75, "")
    assert "does not answer" in named.stderr
    told = whole.look("--timeout", f"{3 * SLOW}s")
    assert told.whole["user"] == {"name": "uid 0", "uid": 0}
    assert told["user-database-silent"]["level"] == "warning"
    assert told["render-opens"]["level"] == "ok", "there is time left for the layers"
    assert "render-opens" in whole.look("--node"), "which asks for nobody's name"


def test_a_node_without_a_group(device_root, as_root):
    device_root.add_card(0)
    os.chown(device_root.render_node(0), 0, 0)
    told = root_doctor(device_root, "--user", "nobody")
    assert told["render-mode"]["level"] == "error"
    assert 'GROUP="render"' in told["render-mode"]["fix"]


def test_one_of_two_cards(device_root, as_root):
    """What is left out is at risk; the job runs."""
    for i in range(2):
        device_root.add_card(i)
        device_root.render_node(i).chmod(0o666 if i else 0o660)
    told = root_doctor(device_root, "--user", "nobody")
    assert told["render-denied"]["level"] == "warning"
    assert told["render-opens"]["found"] == "nobody may open 1 of 2"


def test_a_leased_device(device_root, as_root):
    """Its ACL leaves out everybody but the holder: no error."""
    device_root.add_card(0)
    node = device_root.render_node(0)
    subprocess.run(["setfacl", "-m", "u:4712:rw,g::-,m::rw", node], check=True)
    told = root_doctor(device_root, "--user", "nobody")
    assert told["render-leased"]["level"] == "info"
    assert told.layer("devices")[0]["level"] == "skipped"


@pytest.mark.parametrize(
    ("entries", "may"),
    [
        (["u:65534:rw"], True),
        (["u:65534:r"], False),
        (["u:65534:rw", "m::r"], False),
        (["g:65534:rw"], True),
        (["g:65534:rw", "m::r"], False),
        (["u:4712:rw"], False),
        (["o::rw"], True),
        (["g:65534:r", "o::rw"], False),
    ],
)
def test_rights_by_mode_and_acl_are_as_the_kernel_has_them(device_root, as_root, entries, may):
    """Read for another user by one who cannot become them, and tried by root: the same."""
    device_root.add_card(0)
    for entry in entries:
        subprocess.run(["setfacl", "-n", "-m", entry, device_root.render_node(0)], check=True)
    if not any(entry.startswith("m:") for entry in entries):
        subprocess.run(["setfacl", "-n", "-m", "m::rw", device_root.render_node(0)], check=True)
    read = root_doctor(device_root, "--user", "nobody", user=4713)
    tried = root_doctor(device_root, "--user", "nobody")
    assert ("render-opens" in tried, "render-opens" in read) == (may, may)


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_device_rules_of_a_control_group(whole, kind):
    """Really such a group; the mode would let everybody in."""
    node = whole.root.render_node(0)
    node.unlink()
    os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 7))
    node.chmod(0o666)
    with group_without(1, 7, kind) as within:
        told = whole.look(within=within)
    assert told.machine_errors() == ["device-cgroup-denied"]
    assert "/dev/dri/renderD128" in told["device-cgroup-denied"]["found"]
    if kind == "cgroup":
        assert Path(within[-1]).name in told["device-cgroup-denied"]["found"], "which group it is"
    assert told.layer("devices")[0]["found"] == "because of device-cgroup-denied"
    assert whole.look()["device-cgroup-open"]["level"] == "ok"


def test_a_mount_without_devices(whole):
    """It gives EACCES, and is not taken for device rules."""
    whole.mounts.append("mount -o remount,bind,nodev /dev/dri")
    told = whole.look()
    assert told.machine_errors() == ["render-nodev"]


# ---- Shared memory, limits, libraries ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mount", "finding", "level"),
    [
        ("size=64m", "shm-small", "warning"),
        ("size=1g,noexec", "shm-noexec", "info"),
        ("size=1g,ro", "shm-denied", "warning"),
        (None, "shm-missing", "warning"),
    ],
)
def test_shared_memory(whole, mount, finding, level):
    whole.shm = mount
    assert whole.look()[finding]["level"] == level


def test_shared_memory_that_others_have_filled(whole):
    whole.shm = "size=100m"
    whole.mounts.append("head -c 50000000 /dev/zero > /dev/shm/left")
    assert "of 100 MB" in whole.look()["shm-full"]["found"]


@pytest.mark.parametrize(
    ("limit", "value", "finding"),
    [("nofile", 256, "limit-nofile"), ("as", 4 << 30, "limit-as"), ("nproc", 200, "limit-nproc")],
)
def test_limits(limit, value, finding):
    if limit == "as" and harness.is_instrumented(ITEXCTL):
        pytest.skip("a sanitizer reserves more addresses than that")
    result = subprocess.run(
        ["prlimit", f"--{limit}={value}:{value}", ITEXCTL, "doctor", "--json"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert Told(result)[finding]["level"] == "warning"


def test_locked_memory_matters_with_a_fabric(device_root):
    def look():
        result = subprocess.run(
            [
                "prlimit",
                "--memlock=65536:65536",
                ITEXCTL,
                "doctor",
                "--json",
                "--device-root",
                device_root.path,
            ],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return Told(result)

    assert "limit-memlock" not in look()
    (device_root.path / "sys" / "class" / "infiniband" / "mlx5_0").mkdir(parents=True)
    assert look()["limit-memlock"]["level"] == "warning"


def test_a_broken_loader(tmp_path):
    (tmp_path / "libze_loader.so.1").write_text("no library\n")
    told = doctor(env={"LD_LIBRARY_PATH": str(tmp_path)})
    assert told["loader-broken"]["level"] == "error"
    assert told.layer("driver-library")[0]["found"] == "because of loader-broken"


def test_a_driver_that_needs_what_is_not_there(tmp_path):
    (tmp_path / "libze_intel_gpu.so.1").write_text("no library\n")
    told = doctor(env={"LD_LIBRARY_PATH": str(tmp_path)})
    assert told["driver-library-broken"]["level"] == "error"


def test_an_alternative_driver_that_is_none(tmp_path):
    absent, broken = tmp_path / "absent.so", tmp_path / "broken.so"
    broken.write_text("no library\n")
    told = doctor(env={"ZE_ENABLE_ALT_DRIVERS": f"{absent},{broken}"})
    assert str(absent) in told["driver-library-missing"]["found"]
    assert str(broken) in told["driver-library-broken"]["found"]
    assert told["driver-library-missing"]["substitute"] == "SIMULATED"


def test_a_driver_that_finds_nothing(simulated):
    none = simulated(cards=0)
    told = doctor(env=none.env)
    assert told["devices-none"]["level"] == "error"
    assert "0x78000001" in told["devices-none"]["found"]


def test_a_driver_whose_answers_make_no_sense(gpus):
    gpus.change("count zeDeviceGet 1000000")
    assert doctor(env=gpus.env)["driver-nonsense"]["level"] == "error"


def test_a_card_that_the_driver_leaves_out(whole, gpus, tmp_path):
    """The simulated driver under Intel's name."""
    tmp_path.chmod(0o755)
    (tmp_path / "libze_intel_gpu.so.1").symlink_to(SIMZE)
    whole.root.add_card(1)
    told = whole.look(env={"LD_LIBRARY_PATH": str(tmp_path), "SIMZE_CONTROL": str(gpus.path)})
    assert told["devices-left-out"]["level"] == "warning"
    assert "0000:4a:00.0" in told["devices-left-out"]["found"]
    assert told.machine_errors() == []
