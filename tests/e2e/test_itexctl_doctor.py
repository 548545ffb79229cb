"""itexctl doctor on broken set-ups: each is named by its finding, and by no other error.

What can be real is: devices, nodes and libraries are really not there, or really not to be opened, in a
mount namespace of the command's own (machine.py; as root). The devices of a machine that is whole are
simulated, and doctor says so.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import harness
import pytest
from device_rules import group_without
from harness import INSTRUMENTED, ITEXCTL, NOBODY, RULES, SIMZE, SLOW, SOURCE, TIMEOUT, ctl, pb
from machine import Machine, need_namespaces
from worker_process import EMULATED

LEVELS = ["ok", "info", "skipped", "warning", "error"]
NOWHERE = "/tmp/itexd-has-no-such/socket"
CODE = SOURCE / "client" / "itexctl" / "doctor"


class Told:
    """What doctor said, of the JSON's findings."""

    def __init__(self, result):
        assert result.returncode in (0, 1), result
        self.status = result.returncode
        self.whole = json.loads(result.stdout)
        self.findings = self.whole["findings"]
        assert self.whole["errors"] == len(self.of_level("error"))
        assert self.whole["warnings"] == len(self.of_level("warning"))
        assert (self.status == 1) == (self.whole["errors"] > 0), "the status is that of errors"

    def of_level(self, level):
        return [finding["id"] for finding in self.findings if finding["level"] == level]

    def machine_errors(self):
        """Those that are not about itexd or Python."""
        return [f["id"] for f in self.findings if f["level"] == "error" and f["layer"] in LAYERS]

    def __getitem__(self, name):
        found = [finding for finding in self.findings if finding["id"] == name]
        assert found, f"no {name}: {[(f['id'], f['level'], f['found']) for f in self.findings]}"
        return found[0]

    def __contains__(self, name):
        return any(finding["id"] == name for finding in self.findings)

    def layer(self, name):
        return [finding for finding in self.findings if finding["layer"] == name]


LAYERS = [
    "user", "pci", "kernel-driver", "render-node", "render-rights", "device-cgroup", "shm", "limits",
    "loader", "driver-library", "devices", "environment",
]  # fmt: skip


def environment(env=None, socket_path=NOWHERE):
    return {
        **INSTRUMENTED,
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "ITEXD_RULES": str(RULES),
        "ITEXD_SOCKET": str(socket_path),
        **(env or {}),
    }


def doctor(*arguments, env=None, socket_path=NOWHERE, **options):
    return Told(ctl("doctor", "--json", *arguments, env=environment(env, socket_path), **options))


@pytest.fixture
def whole(device_root):
    """A machine with a card that everybody may use."""
    need_namespaces()
    device_root.add_card(0)
    for node in device_root.nodes(0):
        node.chmod(0o666)
    machine = Machine(device_root)

    def look(*arguments, env=None, user=None, within=(), socket_path=NOWHERE):
        become = (
            ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user is not None else []
        )
        return Told(
            machine.run(
                [*within, *become, ITEXCTL, "doctor", "--json", *arguments],
                env=environment(env, socket_path),
                timeout=TIMEOUT,
            )
        )

    machine.root = device_root
    machine.look = look
    return machine


@pytest.fixture
def gpus(simulated):
    return simulated(cards=1, tiles=2)


# ---- A machine that is whole -------------------------------------------------------------------------------


def test_nothing_is_wrong(whole, make_itexd, gpus):
    service = make_itexd(devices=gpus).start()
    service.ctl("devices")
    told = whole.look(env=gpus.env, socket_path=service.socket)
    assert told.machine_errors() == []
    for name in ("pci-found", "kernel-driver-bound", "render-node-found", "render-opens", "loader-found",
                 "driver-library-found", "devices-found", "environment-sound", "service-answers",
                 "database-records", "rules-in-force", "service-devices"):  # fmt: skip
        assert told[name]["level"] == "ok", told[name]
    assert "0000:3a:00.0" in told["pci-found"]["found"]
    assert "1 GPU with 2 tiles" in told["devices-found"]["found"]
    assert told["devices-found"]["substitute"] == "SIMULATED"
    assert told["service-devices"]["substitute"] == "SIMULATED"
    assert told["pci-found"]["substitute"] is None
    # the layers come from the bottom up
    order = [f["layer"] for f in told.findings if f["layer"] in LAYERS]
    assert order == sorted(order, key=LAYERS.index)


def test_text_says_what_is_simulated(gpus):
    result = ctl("doctor", env={**environment(gpus.env), "COLUMNS": "80"})
    assert result.stdout, result
    assert all(len(line) <= 80 or " " not in line.strip() for line in result.stdout.splitlines())
    assert re.search(r"^ok +SIMULATED Level Zero devices:", result.stdout, re.M)
    assert "\033" not in result.stdout


# ---- The ten broken set-ups --------------------------------------------------------------------------------


def test_no_pci_device(whole):
    whole.root.remove_pci(0)
    told = whole.look()
    assert told.machine_errors() == ["pci-none"]
    for layer in ("kernel-driver", "render-node", "render-rights", "devices"):
        (finding,) = told.layer(layer)
        assert (finding["level"], finding["found"]) == ("skipped", "because of pci-none")


def test_no_rights_on_the_render_node(whole):
    for node in whole.root.nodes(0):
        node.chmod(0o660)
    for told in (whole.look(user=NOBODY), whole.look("--user", "nobody")):
        assert told.machine_errors() == ["render-denied"]
        assert "nobody may not open /dev/dri/renderD128" in told["render-denied"]["found"]
        assert "--group-add 4711" in told["render-denied"]["fix"], "a group without a name"
        assert told.layer("devices")[0]["level"] == "skipped"
    assert "render-denied" not in whole.look(), "root may"


@pytest.mark.parametrize("library", ["libze_loader.so.1", "libze_intel_gpu.so.1"])
def test_a_library_is_missing(whole, library):
    if not harness.installed("libze_loader.so.1"):
        pytest.skip("there is no libze_loader.so.1 to be without")
    whole.take_away(library)
    told = whole.look()
    missing = {
        "libze_loader.so.1": "loader-missing",
        "libze_intel_gpu.so.1": "driver-library-missing",
    }[library]
    assert told.machine_errors() == [missing]
    assert library in told[missing]["found"]
    assert "install" in told[missing]["fix"]
    assert told.layer("devices")[0] == {
        **told.layer("devices")[0], "level": "skipped", "found": f"because of {missing}",
    }  # fmt: skip


def test_the_driver_crashes(whole, gpus):
    gpus.change("crash zeDeviceGet")
    told = whole.look(env=gpus.env)
    assert told.machine_errors() == ["driver-crashes"]
    assert "SIGSEGV" in told["driver-crashes"]["found"] or "status" in told["driver-crashes"]["found"]
    assert "in zeDeviceGet" in told["driver-crashes"]["found"]
    assert told["driver-crashes"]["substitute"] == "SIMULATED"


@pytest.mark.skipif(
    not harness.installed("libze_intel_gpu.so.1") or harness.is_instrumented(ITEXCTL),
    reason="needs intel-opencl-icd, and a build without sanitizers",
)
def test_a_mask_that_selects_nothing_of_emulated_gpus():
    told = doctor(env={**EMULATED, "ZE_AFFINITY_MASK": "7"})
    assert told.machine_errors() == ["mask-selects-none"]
    assert told["mask-selects-none"]["substitute"] == "EMULATED"
    assert "2,2" in told["mask-selects-none"]["found"], "against the cards that the driver has listed"
    assert told["devices-found"]["level"] == "ok", "which are listed without the mask"
    assert doctor(env={**EMULATED, "ZE_AFFINITY_MASK": "1"}).machine_errors() == []


@pytest.mark.parametrize(
    ("variables", "finding", "level"),
    [
        ({"ZE_AFFINITY_MASK": "7"}, "mask-selects-none", "error"),
        ({"ZE_AFFINITY_MASK": "x"}, "affinity-mask", "error"),
        ({"ZE_AFFINITY_MASK": " 0"}, "affinity-mask-spelling", "warning"),
        ({"ONEAPI_DEVICE_SELECTOR": "gpu"}, "selector", "error"),
        ({"ONEAPI_DEVICE_SELECTOR": "level_zero:5"}, "selector-selects-none", "error"),
        ({"ZE_AFFINITY_MASK": "0", "ONEAPI_DEVICE_SELECTOR": "level_zero:1"}, "selector-under-mask", "error"),
        ({"SYCL_DEVICE_FILTER": "opencl"}, "silent-cpu", "error"),
        ({"ITEX_BACKEND": "CPU"}, "itex-backend", "error"),
    ],
)
def test_variables_that_choose_devices(gpus, variables, finding, level):
    told = doctor(env={**gpus.env, **variables})
    assert told[finding]["level"] == level
    assert told[finding]["fix"]
    assert told.machine_errors() == ([finding] if level == "error" else [])


def test_an_empty_list_of_alternative_drivers():
    assert doctor(env={"ZE_ENABLE_ALT_DRIVERS": ""})["alt-drivers-empty"]["level"] == "error"


def test_the_service_is_down(tmp_path, make_itexd):
    path = tmp_path / "itexd.sock"
    told = doctor(socket_path=path)
    assert told["service-no-socket"]["level"] == "error"
    assert str(path) in told["service-no-socket"]["found"]
    assert [f["found"] for f in told.layer("itexd-database")] == ["because of service-no-socket"]
    service = make_itexd().start()
    service.kill()
    assert doctor(socket_path=service.socket)["service-down"]["level"] == "error"


def test_the_database_is_damaged(make_itexd):
    service = make_itexd()
    service.database.write_bytes(b"this was a database once\n" * 400)
    service.start()
    told = doctor(socket_path=service.socket)
    damaged = told["database-damaged"]
    assert (damaged["layer"], damaged["level"]) == ("itexd-database", "warning")
    assert str(service.database) in damaged["found"]
    assert "database-moved-aside" not in told, "once is enough"
    assert ctl("doctor", "--strict", env=environment(socket_path=service.socket)).returncode == 1
    (active,) = [
        s for s in map(json.loads, service.ctl("rules", "list", "--json").stdout.splitlines()) if s["active"]
    ]
    assert service.ctl("rules", "activate", active["id"]).returncode == 0
    told = doctor(socket_path=service.socket)
    assert "database-damaged" not in told
    assert told["database-moved-aside"]["level"] == "info"


# ---- And others --------------------------------------------------------------------------------------------


def test_the_driver_hangs(gpus):
    gpus.change("hang zeInit")
    begun = time.monotonic()
    told = doctor("--timeout", "1500ms", env=gpus.env, timeout=TIMEOUT)
    assert time.monotonic() - begun < 6 * SLOW
    assert told["driver-hangs"]["level"] == "error"
    assert "in zeInit" in told["driver-hangs"]["found"]
    # what comes after it had no time left, and says so
    assert told["out-of-time"]["level"] == "warning"


def test_a_stopped_service(itexd):
    os.kill(itexd.process.pid, signal.SIGSTOP)
    try:
        told = doctor(socket_path=itexd.socket)
    finally:
        os.kill(itexd.process.pid, signal.SIGCONT)
    assert told["service-hangs"]["level"] == "error"
    assert doctor(socket_path=itexd.socket)["service-answers"]["level"] == "ok"


class Other:
    """A service of another version: its hello and its status are what the test says."""

    def __init__(self, path, hello, status):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen()
        self.hello, self.status = hello, status
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        peer, _ = self.listener.accept()
        with peer:
            while data := peer.recv(harness.MAX_PACKET):
                request = pb.Request.FromString(data)
                packet = pb.ServerPacket()
                packet.reply.id = request.id
                if request.WhichOneof("body") == "hello":
                    packet.reply.hello.CopyFrom(self.hello)
                else:
                    packet.reply.status.CopyFrom(self.status)
                peer.send(packet.SerializeToString())


@pytest.mark.parametrize(
    ("major", "minimum", "finding", "level"),
    [(9, 9, "service-incompatible", "error"), (9, 1, "service-other-version", "info")],
)
def test_a_service_of_another_version(tmp_path, major, minimum, finding, level):
    path = tmp_path / "itexd.sock"
    Other(
        path,
        pb.HelloReply(name="itexd", version="9.9.0", major=major, minor=0, minimum_major=minimum),
        pb.Status(version="9.9.0", state="ok", rules=1, recording=True),
    )
    told = doctor(socket_path=path)
    assert told[finding]["level"] == level
    assert "9" in told[finding]["found"]


def test_what_listens_is_not_itexd(tmp_path):
    path = tmp_path / "itexd.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.bind(str(path))
        stream.listen()
        assert doctor(socket_path=path)["service-foreign"]["level"] == "error"


def test_no_right_to_the_socket(itexd, as_root):
    itexd.socket.chmod(0o600)
    told = doctor(socket_path=itexd.socket, user=NOBODY)
    assert told["service-denied"]["level"] == "error"


def test_a_degraded_service_tells_each_problem(make_itexd):
    """Also what it says of its devices, below a root where nothing is bound."""
    service = make_itexd()
    service.database.parent.rmdir()
    service.database.parent.write_text("a file in the folder's place\n")
    service.start()
    status = service.status()
    assert status.state == "degraded"
    told = doctor(socket_path=service.socket)
    assert told["database-not-recording"]["level"] == "warning"
    assert {f["found"] for f in told.findings} >= set(status.problems)
    assert told.layer("itexd-rules")[0]["level"] == "ok"


def until(service, finding):
    """Asks again until doctor says so: what it is about happens inside the service."""
    deadline = time.monotonic() + TIMEOUT
    while finding not in (told := doctor(socket_path=service.socket)):
        assert time.monotonic() < deadline, told.findings
    return told


def test_a_worker_that_dies(make_itexd, gpus):
    gpus.change("crash zeInit")
    told = until(make_itexd(devices=gpus).start(), "worker-dies")
    assert told["worker-dies"]["level"] == "warning"
    assert "zeInit" in told["worker-dies"]["found"]
    assert len(told.layer("itexd-devices")) == 1, "the service's sentence says the same"


def test_a_device_that_is_not_well(make_itexd, gpus):
    service = make_itexd(devices=gpus, config={"sample_interval": "100ms"}).start()
    service.ctl("devices")
    gpus.change("set 0 temperature 150")
    told = until(service, "service-device-unwell")
    assert "degraded" in told["service-device-unwell"]["found"]
    assert told["service-device-unwell"]["substitute"] == "SIMULATED"
    assert told["service-devices"]["level"] == "ok"


def test_a_service_without_a_device(make_itexd, device_root, tmp_path):
    """One finding for it, though the service says so in two places."""
    device_root.add_pci(0)
    tmp_path.chmod(0o755)
    (tmp_path / "libze_loader.so.1").write_text("no library\n")
    worker = " ".join(
        f"{name}={value}" for name, value in {**INSTRUMENTED, "LD_LIBRARY_PATH": tmp_path}.items()
    )
    service = make_itexd(
        devices="auto", arguments=[device_root.argument, f"--worker-environment={worker}"]
    ).start()
    service.ctl("devices")
    told = doctor(socket_path=service.socket)
    assert told["service-sees-none"]["level"] == "error"
    assert "kernel-driver: " in told["service-sees-none"]["found"]
    assert len(told.layer("itexd-devices")) == 1
    assert "service-degraded" not in told, told["service-degraded"]


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


# ---- --node ------------------------------------------------------------------------------------------------


def node_line(*arguments, env=None, socket_path=NOWHERE):
    result = ctl("doctor", "--node", *arguments, env=environment(env, socket_path))
    assert len(result.stdout.splitlines()) == 1, result
    return result.returncode, result.stdout


def test_a_node_that_is_fit(make_itexd, gpus):
    service = make_itexd(devices=gpus).start()
    service.ctl("devices")
    begun = time.monotonic()
    # what a user's environment says is not the node's concern
    status, line = node_line(env={**gpus.env, "ZE_AFFINITY_MASK": "7"}, socket_path=service.socket)
    assert (status, line) == (0, "ok: SIMULATED 1 GPU, itexd 0.1.0\n")
    assert time.monotonic() - begun < 5 * SLOW


def test_a_node_that_is_not(gpus, itexd):
    status, line = node_line(env=gpus.env)
    assert status == 1
    assert line.startswith("error: service-no-socket: ")
    gpus.change("crash zeInit")
    status, line = node_line(env=gpus.env, socket_path=itexd.socket)
    assert status == 1
    assert line.startswith("SIMULATED error: driver-crashes: ")


# ---- Use ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["something"],
        ["--user", "nobody-at-all"],
        ["--node", "--user", "root"],
        ["--node", "--python", "/usr/bin/python3"],
        ["--device-root", "relative"],
        ["--timeout", "soon"],
        ["--format", "csv"],
    ],
)
def test_wrong_use(arguments):
    result = ctl("doctor", *arguments)
    assert (result.returncode, result.stdout) == (2, ""), result
    assert result.stderr.startswith("itexctl: ")


def test_the_caller(as_root):
    assert doctor(user=NOBODY)["user-known"]["found"] == "nobody, uid 65534, groups 65534"
    assert doctor(user=4713)["user-unknown"]["level"] == "info"


def test_a_user_by_number():
    told = doctor("--user", "65534")
    assert told.whole["user"] == {"name": "nobody", "uid": 65534}
    assert told["limits-other"]["level"] == "info"
    assert told["environment-other"]["level"] == "info"


def test_nothing_is_there(tmp_path):
    """No PATH, no home, no rules, no itexd, an empty device root."""
    result = subprocess.run(
        [ITEXCTL, "doctor", "--json", "--device-root", tmp_path],
        env={**INSTRUMENTED, "ITEXD_RULES": "/nonexistent", "ITEXD_SOCKET": "/nonexistent/s"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = Told(result)
    assert told["pci-none"]["level"] == "error"
    assert told["environment-unread"]["level"] == "warning"


def test_every_warning_and_error_says_what_to_do(gpus):
    gpus.change("crash zeInit")
    for told in (doctor(), doctor(env=gpus.env)):
        for finding in told.findings:
            assert finding["level"] in LEVELS
            assert finding["level"] not in ("warning", "error") or finding["fix"], finding


def ids_of_the_code():
    names = set()
    for path in CODE.glob("*.c"):
        text = path.read_text()
        names |= set(re.findall(r'doctor_found\(\s*[^,]+,\s*[^;]*?,\s*"([a-z0-9-]+)"', text))
        names |= set(re.findall(r'\.id = "([a-z0-9-]+)"', text))
    return names


def test_every_finding_is_documented():
    documented = set(re.findall(r"^\| `([a-z0-9-]+)` \|", (SOURCE / "docs" / "doctor.md").read_text(), re.M))
    assert ids_of_the_code() == documented
