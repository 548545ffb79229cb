"""Devices that come, go and change while the service runs, and the kernel's events that say so.

The events are the kernel's own: root may ask it to tell one to the listeners of a network namespace, so the
service gets one for itself and other services hear nothing. What the node then consists of is the simulated
driver's control file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import harness
import pytest

FIRST, SECOND, THIRD = "0000:3a:00.0", "0000:4a:00.0", "0000:5a:00.0"
QUIET_SECONDS = (
    0.5  # for which no further event comes before the worker is restarted (daemon/devices/uevents.h)
)
SEND = """
import socket, struct, sys
KOBJECT_UEVENT, REQUEST, FIRST_TYPE = 15, 1, 16
kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, KOBJECT_UEVENT)
for text in sys.argv[1:]:
    data = text.replace(chr(10), chr(0)).encode() + bytes(1)
    kernel.sendto(struct.pack("IHHII", 16 + len(data), FIRST_TYPE, REQUEST, 0, 0) + data, (0, 0))
"""


def uevent(subsystem, action, path, **more):
    """As the kernel writes it; it adds the number itself."""
    fields = {"ACTION": action, "DEVPATH": path, "SUBSYSTEM": subsystem, **more}
    return "\n".join([f"{action}@{path}", *(f"{name}={value}" for name, value in fields.items())])


def drm(action="add", **more):
    return uevent("drm", action, "/devices/pci0000:3a/0000:3a:00.0/drm/card0", DEVNAME="dri/card0", **more)


def pci(action, kind):
    return uevent("pci", action, "/devices/pci0000:4a/0000:4a:00.0", PCI_CLASS=kind, PCI_ID="8086:0BD5")


def module(action, name):
    return uevent("module", action, f"/module/{name}")


class Node:
    """A service in a network namespace of its own, on a node that changes."""

    def __init__(self, service, gpus):
        self.service, self.gpus = service, gpus
        self.own_namespace = False

    def start(self):
        self.service.write_config()
        self.service.spawn(wrapper=["unshare", "--net"] if self.own_namespace else [])
        assert self.service.notify.wait("READY=1", self.service.process) is not None, self.service.log
        self.until(lambda: self.devices() and self.worker()["state"] == "up")
        self.until(lambda: "stale" not in [card["state"] for card in self.devices()])
        return self

    def kernel_says(self, *events):
        subprocess.run(
            [
                "nsenter",
                f"--net=/proc/{self.service.process.pid}/ns/net",
                sys.executable,
                "-c",
                SEND,
                *events,
            ],
            check=True,
            timeout=harness.TIMEOUT,
        )

    # ---- Looking ----

    def json(self, *arguments):
        result = self.service.ctl(*arguments, "--json")
        assert result.returncode == 0, result
        return json.loads(result.stdout)

    def worker(self):
        return self.json("status")["worker"]

    def devices(self):
        return self.json("devices")["devices"]

    def device(self, name):
        return self.json("devices", name)["device"]

    def events(self, name, n):
        """What is written of a device when it is n events: pairs of kind and text, the oldest first."""

        def pairs():
            found = self.json("devices", name)["events"][::-1]
            return [(event["kind"], event["text"].removeprefix("SIMULATED: ")) for event in found]

        self.until(lambda: len(pairs()) >= n)
        return pairs()

    def happened(self, kind, n):
        """The texts of the node's events of a kind when n of them are written, the oldest first."""

        def texts():
            rows = self.service.rows("SELECT text FROM events WHERE kind = ? ORDER BY id", kind)
            return [text.removeprefix("SIMULATED: ") for (text,) in rows]

        self.until(lambda: len(texts()) >= n)
        return texts()

    def until(self, condition):
        deadline = time.monotonic() + harness.TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, self.service.log
            time.sleep(0.02)

    def healthy(self, *keys):
        """What an earlier worker called lost is so until it was measured again."""
        self.until(lambda: {self.device(key)["state"] for key in keys} == {"healthy"})
        return True

    # ---- Changing ----

    def restart_worker(self):
        """Looks again, as after an event, and comes back when that is done."""
        before = self.worker()["inventory"]
        assert self.service.ctl("devices", "restart").returncode == 0
        self.until(lambda: self.worker()["inventory"] != before)

    def becomes(self, **shape):
        """The same node with other statements of what it is, looked at again."""
        self.gpus.base = [f"{word} {value}" for word, value in shape.items()]
        self.gpus.reset()
        self.restart_worker()


def make(make_itexd, simulated, shape, **config):
    gpus = simulated(**shape)
    return Node(make_itexd(devices=gpus, config={"sample_interval": "100ms", **config}), gpus)


@pytest.fixture
def node(make_itexd, simulated):
    return make(make_itexd, simulated, {"cards": 2, "tiles": 2}).start()


@pytest.fixture
def heard(make_itexd, simulated):
    """A node whose kernel events the test makes."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to have the kernel tell events")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs a network namespace of its own, which this container may not make")
    made = make(make_itexd, simulated, {"cards": 2, "tiles": 2})
    made.own_namespace = True
    return made.start()


# ---- Kernel events ------------------------------------------------------------------------------------


OF_GPUS = {
    "drm add card0": drm(),
    "drm remove card0": drm("remove"),
    "drm change card0": drm("change", RESET="1"),
    "pci add 0000:4a:00.0": pci("add", "38000"),
    "pci remove 0000:4a:00.0": pci("remove", "120000"),
    "module add i915": module("add", "i915"),
    "module remove xe": module("remove", "xe"),
}


@pytest.mark.parametrize("said", OF_GPUS)
def test_an_event_of_gpus_has_the_devices_looked_at_again(heard, said):
    before = heard.worker()
    heard.kernel_says(OF_GPUS[said])
    heard.until(lambda: heard.worker()["restarts"] == before["restarts"] + 1)
    heard.until(lambda: heard.worker()["state"] == "up")
    assert heard.worker()["pid"] != before["pid"]
    assert heard.happened("hot-plug", 1) == [
        f"1 kernel event, the last: {said}; the devices are looked at again"
    ]
    assert heard.happened("worker-down", 0) == [], "it was asked to"


def test_events_of_other_things_do_not(heard):
    """Screens that are plugged in, network cards, other modules, drivers that are bound."""
    before = heard.worker()["restarts"]
    heard.kernel_says(
        drm("change", HOTPLUG="1"),
        drm("bind"),
        pci("add", "20000"),
        pci("change", "38000"),
        module("add", "ext4"),
        uevent("usb", "add", "/devices/usb1"),
    )
    heard.kernel_says(drm())
    heard.until(lambda: heard.worker()["restarts"] == before + 1)
    (text,) = heard.happened("hot-plug", 1)
    assert text.startswith("1 kernel event, the last: drm add card0;")


def test_a_storm_of_events_is_one_restart(heard):
    before = heard.worker()["restarts"]
    heard.kernel_says(*(drm("remove"), pci("remove", "38000")) * 40, pci("add", "38000"), drm())
    heard.until(lambda: heard.worker()["restarts"] > before)
    time.sleep(QUIET_SECONDS * 2)
    assert heard.worker()["restarts"] == before + 1
    (text,) = heard.happened("hot-plug", 1)
    assert text.startswith("82 kernel events, the last: drm add card0;")


def test_a_card_that_is_plugged_in_is_leased(heard):
    """Nobody asks for anything but the card: the event alone makes it known."""
    heard.gpus.base[0] = "cards 3"
    heard.gpus.reset()
    heard.kernel_says(pci("add", "38000"), drm())
    heard.until(lambda: len(heard.devices()) == 3)
    assert heard.events(THIRD, 1) == [("new", "Simulated Data Center GPU, 2 tiles")]
    assert heard.device(THIRD)["id"] == 3
    assert heard.healthy(THIRD)
    assert heard.service.ctl("run", "--quiet", "--gpus", "3", "--", "true").returncode == 0


def test_a_card_that_is_pulled_out_is_lost_at_once(heard):
    heard.gpus.change("gone 1")
    heard.kernel_says(drm("remove"), pci("remove", "38000"))
    heard.until(lambda: heard.device(SECOND)["state"] == "lost")
    assert heard.service.ctl("run", "--quiet", "--gpus", "2", "--", "true").returncode == 75
    assert heard.service.ctl("run", "--quiet", "--gpus", "1", "--", "true").returncode == 0


# ---- Identity -----------------------------------------------------------------------------------------


def seen(node, key):
    """First and last seen, in the database."""
    (row,) = node.service.rows("SELECT first_seen_ms, last_seen_ms FROM devices WHERE key = ?", key)
    return row


def versions(node, key, *columns):
    """What the database had to write of a device, the oldest first."""
    return node.service.rows(
        f"SELECT {', '.join(columns)} FROM device_versions JOIN devices ON devices.id = device WHERE key = ?"
        " ORDER BY device_versions.id",
        key,
    )


def test_a_card_that_goes_and_comes_back(node):
    """The same device: its number, its first time; its last time does not move while it is away."""
    before, first_seen = node.device(SECOND), seen(node, SECOND)[0]
    node.gpus.change("gone 1")
    node.restart_worker()
    away = node.device(SECOND)
    assert (away["state"], away["cause"]) == ("lost", "gone: not in the inventory")
    assert away["id"] == before["id"]
    assert away["first_seen"] == before["first_seen"]
    assert node.healthy(FIRST)
    last_seen = seen(node, SECOND)[1]
    node.restart_worker()
    node.until(lambda: seen(node, FIRST)[1] > last_seen)
    assert seen(node, SECOND) == (first_seen, last_seen)
    node.gpus.reset()
    node.restart_worker()
    assert node.healthy(SECOND)
    back = node.device(SECOND)
    assert (back["id"], back["first_seen"]) == (before["id"], before["first_seen"])
    node.until(lambda: seen(node, SECOND)[1] > last_seen)
    assert seen(node, SECOND)[0] == first_seen
    assert [kind for kind, _ in node.events(SECOND, 4)] == ["new", "lost", "back", "healthy"]
    assert len(versions(node, SECOND, "uuid")) == 1


def test_another_card_at_the_address(node):
    """Free: it is taken as it is, and the change is told."""
    other = "00000000-0000-0000-0000-00000000004a"
    before = node.device(SECOND)
    node.gpus.change(f"uuid 1 {other}")
    node.restart_worker()
    assert node.healthy(SECOND)
    after = node.device(SECOND)
    assert (after["id"], after["uuid"]) == (before["id"], other)
    said = ("changed", f"another card: UUID {other}, before {before['uuid']}")
    assert node.events(SECOND, 2)[1:] == [said]
    node.until(lambda: versions(node, SECOND, "uuid") == [(before["uuid"],), (other,)])
    assert node.events(FIRST, 1)[1:] == []


def test_another_card_at_an_address_that_is_leased(node):
    """No job is given it while somebody holds what was there; then it is a card like any other."""
    with subprocess.Popen(
        [harness.ITEXCTL, "run", "--quiet", "--gpus", "2", "--", "sh", "-c", "echo held; read line"],
        env={**harness.INSTRUMENTED, "ITEXD_SOCKET": str(node.service.socket), "PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        node.gpus.change("uuid 1 00000000-0000-0000-0000-00000000004a")
        node.restart_worker()
        changed = node.device(SECOND)
        assert changed["state"] == "changed"
        assert changed["cause"].startswith("another card: UUID 00000000-0000-0000-0000-00000000004a, before ")
        assert changed["holder"]
        holder.communicate("\n", timeout=harness.TIMEOUT)
    assert node.healthy(SECOND)
    assert [kind for kind, _ in node.events(SECOND, 3)] == ["new", "changed", "healthy"]
    assert node.service.ctl("run", "--quiet", "--gpus", "2", "--", "true").returncode == 0


def test_other_memory_and_other_tiles(node):
    node.becomes(cards=2, tiles=2, memory=128 << 30)
    for card in node.devices():
        assert card["memory"] == 128 << 30
        said = ("changed", f"{128 << 30} bytes of memory, before {64 << 30}")
        assert node.events(card["key"], 2)[1:] == [said]
    node.becomes(cards=2, tiles=4, memory=128 << 30)
    assert node.events(FIRST, 3)[2:] == [("changed", "4 tiles, before 2")]
    node.until(lambda: len(versions(node, FIRST, "tiles")) == 3)
    assert versions(node, FIRST, "tiles", "memory_bytes") == [
        (2, 64 << 30),
        (2, 128 << 30),
        (4, 128 << 30),
    ]
    assert node.service.ctl("run", "--quiet", "--gpus", "8:tile", "--", "true").returncode == 0


def test_cards_are_renumbered(make_itexd, simulated):
    """The one before them goes: they stay what they are, and masks follow their new numbers."""
    node = make(make_itexd, simulated, {"cards": 3, "tiles": 0}).start()
    before = {card["key"]: card["id"] for card in node.devices()}
    assert before == {FIRST: 1, SECOND: 2, THIRD: 3}
    node.gpus.change("gone 0")
    node.restart_worker()
    assert {card["key"]: card["id"] for card in node.devices()} == before
    for number, key in enumerate((SECOND, THIRD)):
        said = ("renumbered", f"number {number} in the driver's order, before {number + 1}")
        assert node.events(key, 2)[1:] == [said]
        assert node.healthy(key)
    shown = node.service.ctl(
        "run", "--quiet", "--gpus", "2", "--", "sh", "-c", f"exec {harness.SIMZE_SHOW}", env=node.gpus.env
    )
    listed = [line.split()[1] for line in shown.stdout.splitlines() if line.startswith("device")]
    assert listed == [SECOND, THIRD], shown
    node.gpus.reset()
    node.restart_worker()
    assert node.device(FIRST)["id"] == 1
    assert node.events(THIRD, 3)[2] == ("renumbered", "number 2 in the driver's order, before 1")


def test_identity_outlives_a_restart_of_the_service(node):
    """And a card that came into another's place while the service was away is found out."""
    before = [(card["id"], card["key"]) for card in node.devices()]
    first_seen = [node.device(key)["first_seen"] for _, key in before]
    node.service.stop()
    node.gpus.change("uuid 0 00000000-0000-0000-0000-00000000003a")
    node.start()
    assert [(card["id"], card["key"]) for card in node.devices()] == before
    assert [node.device(key)["first_seen"] for _, key in before] == first_seen
    kinds = [kind for kind, _ in node.events(FIRST, 2)]
    assert kinds == ["new", "changed"], "known before: neither new nor back"
    assert [kind for kind, _ in node.events(SECOND, 1)] == ["new"]


def test_all_cards_go_and_come_back(node):
    node.gpus.change("gone 0", "gone 1")
    node.restart_worker()
    assert [card["state"] for card in node.devices()] == ["lost", "lost"]
    assert node.device(FIRST)["cause"].startswith("gone: ")
    (text,) = node.happened("no-devices", 1)
    assert text.startswith("driver: ")
    rejected = node.service.ctl("run", "--quiet", "--gpus", "1", "--", "true")
    assert rejected.returncode == 75
    node.gpus.reset()
    node.restart_worker()
    assert node.healthy(FIRST, SECOND)
    assert [card["id"] for card in node.devices()] == [1, 2]
    assert node.service.ctl("run", "--quiet", "--gpus", "1", "--", "true").returncode == 0


# ---- The driver ---------------------------------------------------------------------------------------


def test_the_driver_is_upgraded(node):
    """Seen at the next start of the worker, which the administrator asks for: told once, in every place."""
    worker = node.worker()
    assert worker["driver_version"] == "1.9.4242"
    (before,) = node.happened("driver", 1)
    assert before.startswith(f"driver 1.9.4242, Level Zero 1.9, loader {worker['loader_version']}, ")
    node.becomes(cards=2, tiles=2, version="1.10.7")
    node.restart_worker()
    assert node.worker()["driver_version"] == "1.10.7"
    assert node.happened("driver", 2) == [before, before.replace("1.9.4242", "1.10.7")]
    for card in node.devices():
        whole = node.device(card["key"])
        assert whole["driver_version"] == "1.10.7"
        assert node.healthy(card["key"])
        assert [kind for kind, _ in node.events(card["key"], 1)] == ["new"], "the cards are the same"
        node.until(lambda key=card["key"]: len(versions(node, key, "driver")) == 2)
        assert versions(node, card["key"], "driver") == [("1.9.4242",), ("1.10.7",)]
    assert "1.10.7" in node.service.ctl("status").stdout


def test_a_driver_that_is_gone_and_comes_back(node):
    """As while a package is being replaced: nothing is known to be gone, for nothing answers."""
    node.gpus.change("fail zeInit 0x78000001")
    node.restart_worker()
    assert node.worker()["layer"] == "driver"
    assert [card["state"] for card in node.devices()] == ["lost", "lost"]
    node.becomes(cards=2, tiles=2, version="2.0.1")
    assert node.healthy(FIRST, SECOND)
    assert node.worker()["layer"] is None
    assert node.worker()["driver_version"] == "2.0.1"
