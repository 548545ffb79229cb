"""A node without a usable GPU: the first layer that fails is named, from the bottom, to people and to jobs.

The layers of the kernel are in a device root; those of the libraries are the real loader, or a broken one,
with a driver that is none, or that finds nothing. Above the layer that a case is about nothing works.
"""

from __future__ import annotations

import json
import os
import time

import pytest
from asking import written
from harness import INSTRUMENTED, SIMZE, SLOW, TIMEOUT

LAYERS = ["pci", "kernel-driver", "render-node", "permission", "loader", "driver-library", "driver"]


def build(device_root, layer):
    """Everything below the layer, of one card."""
    above = LAYERS.index(layer)
    if above > LAYERS.index("pci"):
        device_root.add_pci(0)
    if above > LAYERS.index("kernel-driver"):
        device_root.bind(0, "i915")
    if above > LAYERS.index("render-node"):
        device_root.add_drm(0)
        for node in device_root.nodes(0):
            node.touch(0o600 if above > LAYERS.index("permission") else 0)


def environment(directory, layer, gpus):
    """Of the device worker: neither loader nor driver can be loaded, unless the layer needs them."""
    driver = directory / "libze_intel_gpu.so.1"
    if layer == "driver":
        driver.symlink_to(SIMZE)
    else:
        driver.write_text("no library\n")
    if LAYERS.index(layer) <= LAYERS.index("loader"):
        (directory / "libze_loader.so.1").write_text("no library\n")
    variables = {**INSTRUMENTED, "LD_LIBRARY_PATH": directory, "SIMZE_CONTROL": gpus.path}
    return " ".join(f"{name}={value}" for name, value in variables.items())


@pytest.fixture
def start(device_root, simulated, tmp_path, make_itexd):
    """start(layer): a service on a node where this layer fails first; prepare(root) before it starts."""
    tmp_path.chmod(0o755)

    def make(layer, prepare=lambda root: None):
        build(device_root, layer)
        prepare(device_root)
        service = make_itexd(
            devices="auto",
            arguments=[
                device_root.argument,
                f"--worker-environment={environment(tmp_path, layer, simulated(cards=0))}",
            ],
        )
        service.root = device_root
        return service.start()

    return make


WORDS = {
    "pci": ["no PCI display device of Intel"],
    "kernel-driver": ["0000:3a:00.0 has none", "modprobe"],
    "render-node": ["0000:3a:00.0", "dmesg"],
    "permission": ["/dev/dri/renderD128", "render"],
    "loader": ["libze_loader.so.1", "install libze1"],
    "driver-library": ["libze_intel_gpu.so.1", "intel-level-zero-gpu"],
    "driver": ["0x78000001", "driver"],
}


def known(service):
    """What `itexctl devices` says when the worker has answered; the request waits for that."""
    result = service.ctl("devices", "--json", timeout=TIMEOUT)
    assert result.returncode == 0, result
    return json.loads(result.stdout)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_first_layer_that_fails(start, layer):
    node = start(layer)
    told = known(node)
    assert told["devices"] == []
    assert told["none"].startswith(f"{layer}: ")
    assert all(words in told["none"] for words in WORDS[layer]), told["none"]
    status = node.status()
    assert status.worker.layer == layer
    assert f"{status.worker.layer}: {status.worker.detail}" == told["none"]
    # A node without any GPU is in order; one whose GPU nobody can use is not.
    assert status.state == ("ok" if layer == "pci" else "degraded")
    assert bool(status.problems) == (layer != "pci")
    assert told["none"] in " ".join(node.ctl("devices").stderr.split())
    assert layer in node.ctl("status").stdout


def test_the_first_question_is_answered_when_the_worker_has_looked(start):
    """What comes earlier waits for that, and no longer."""
    node = start("pci")
    with node.client() as client:
        client.ok("devices")
        answered_ms = time.time() * 1000
        assert answered_ms - client.ok("status").worker.inventory_ms < 300 * SLOW


@pytest.mark.parametrize("layer", LAYERS)
def test_what_a_job_gets(start, layer):
    """75 and nothing run; with --allow-none it goes on, and is told."""
    node = start(layer)
    known(node)
    result = node.ctl("run", "--gpus", "1", "--", "echo", "ran")
    assert (result.returncode, result.stdout) == (75, ""), result
    assert layer in result.stderr
    by_default = node.ctl("run", "--", "echo", "ran")
    assert (by_default.returncode, by_default.stdout) == (75, ""), by_default
    told = json.loads(node.ctl("resolve", "--gpus", "1", "--holder", str(os.getpid()), "--json").stdout)
    assert (told["mode"], told["verdict"], told["lease"]) == ("none", "rejected", None)
    (diagnostic,) = [each for each in told["diagnostics"] if each["rule"] == "no-device"]
    assert f"{layer}: " in diagnostic["message"]
    assert all(words in diagnostic["message"] for words in WORDS[layer]), diagnostic
    allowed = node.ctl("run", "--gpus", "1", "--allow-none", "--", "sh", "-c", "echo lease=$ITEXD_LEASE")
    assert (allowed.returncode, allowed.stdout) == (0, "lease=\n"), allowed
    story = json.loads(node.ctl("explain", told["decision"], "--json").stdout)
    assert diagnostic in story["diagnostics"]


def test_a_node_that_is_repaired_layer_by_layer(start):
    """Each time the worker looks again, the next layer is named."""
    node = start("pci")
    root = node.root
    repairs = [
        ("kernel-driver", lambda: root.add_pci(0)),
        ("render-node", lambda: root.bind(0)),
        ("render-node", lambda: root.add_drm(0)),
        ("permission", lambda: root.render_node(0).touch(0)),
        ("loader", lambda: root.render_node(0).chmod(0o600)),
    ]
    assert known(node)["none"].startswith("pci: ")
    with node.client() as client:
        for layer, repair in repairs:
            repair()
            before = client.ok("status").worker.inventory_ms
            client.ok("worker_restart")
            while client.ok("status").worker.inventory_ms == before:
                pass
            assert client.ok("status").worker.layer == layer
        written(client)
    assert "/dev/dri/renderD128" not in known(node)["none"]
    kinds = [row[0] for row in node.rows("SELECT text FROM events WHERE kind = 'no-devices' ORDER BY id")]
    assert [text.split(":")[0] for text in kinds] == [
        "pci",
        "kernel-driver",
        "render-node",
        "permission",
        "loader",
    ]


def test_another_driver_has_the_card(start):
    """Bound to vfio-pci it is some virtual machine's, and is named so."""
    node = start("kernel-driver", lambda root: root.bind(0, "vfio-pci"))
    assert "vfio-pci" in known(node)["none"]
    assert known(node)["none"].startswith("kernel-driver: ")
