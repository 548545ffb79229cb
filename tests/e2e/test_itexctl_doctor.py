"""itexctl doctor on broken set-ups: each is named by its finding, and by no other error.

What can be real is: devices, nodes and libraries are really not there, or really not to be opened, in a
mount namespace of the command's own (machine.py; as root). The devices of a machine that is whole are
simulated, and doctor says so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import harness
import pytest
from doctoring import LAYERS, NOWHERE, Told, doctor, environment
from harness import INSTRUMENTED, ITEXCTL, NOBODY, RULES, SLOW, SOURCE, TIMEOUT, ctl, pb
from worker_process import EMULATED

LEVELS = ["ok", "info", "skipped", "warning", "error"]
CODE = SOURCE / "client" / "itexctl" / "doctor"


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
    wide = [line for line in result.stdout.splitlines() if len(line) > 80]
    assert [line for line in wide if len(line.split()) > 1] == []  # one word cannot be wrapped
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


def interpreter(folder, itex):
    """A virtual environment that has this version of ITEX, as far as it can be seen without running it."""
    base = folder / "base" / "bin" / "python3.11"
    for path in (base, folder / "bin" / "python3"):
        path.parent.mkdir(parents=True)
    shutil.copy("/bin/false", base)
    (folder / "bin" / "python3").symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\nversion = 3.11.2\n")
    name = f"intel_extension_for_tensorflow-{itex}"
    metadata = folder / "lib" / "python3.11" / "site-packages" / f"{name}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: intel-extension-for-tensorflow\nVersion: {itex}\n")
    return folder / "bin" / "python3"


def test_variables_are_read_as_by_the_version_that_is_there(gpus, tmp_path):
    env = {**gpus.env, "SYCL_TILE_AS_DEVICE": "0", "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}
    python = interpreter(tmp_path, "2.15.0.3")
    assert doctor("--python", python, env=env)["tile-mismatch"]["level"] == "error"
    assert "tile-mismatch" not in doctor("--python", python, "--itex", "2.16.0.0", env=env)
    assert "tile-mismatch" in doctor("--itex", "2.15.0.3", env=env)


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
    [
        (9, 9, "service-incompatible", "error"),
        (0, 0, "service-incompatible", "error"),
        (9, 1, "service-other-version", "info"),
    ],
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
    assert str(major) in told[finding]["found"]


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


def test_newer_rules_that_wait(make_itexd, tmp_path):
    shipped = tmp_path / "rules"
    shutil.copytree(RULES, shipped)
    service = make_itexd(config={"rules": str(shipped)}).start()
    assert service.ctl("rules", "activate", "1").returncode == 0
    assert "rules-waiting" not in doctor(socket_path=service.socket)
    with (shipped / "90-service.yaml").open("a") as file:
        file.write("# a newer release\n")
    service.restart()
    told = doctor(socket_path=service.socket)
    assert told["rules-waiting"]["level"] == "info"
    assert told["rules-waiting"]["fix"].endswith("itexctl rules activate 2")
    assert told["rules-in-force"]["level"] == "ok"


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
