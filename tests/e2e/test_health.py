"""How devices are, over the wire: what the driver measures becomes a state, an event, and no new lease.

Changes come by the driver's control file while the service runs; holders hear of them on their connection.
"""

from __future__ import annotations

import contextlib
import json
import select
import time

import pytest
from asking import (
    FIRST,
    PATIENT,
    SECOND,
    accept,
    answer,
    ask,
    begin,
    granted,
    position,
    rejected,
    units,
    written,
)
from harness import TIMEOUT


@pytest.fixture
def gpus(simulated):
    return simulated(cards=2, tiles=2)


@pytest.fixture
def node(gpus, make_itexd):
    """A started service that looks often, on two healthy cards; 80 degrees or two errors are too many."""
    service = make_itexd(
        config={
            "sample_interval": "100ms",
            "temperature_limit": 80,
            "memory_temperature_limit": 80,
            "uncorrectable_limit": 2,
        },
        devices=gpus,
    )
    gpus.change("set 0 temperature 50", "set 0 memory_temperature 50", "set 0 ras_uncorrectable 7")
    service.start()
    wait_metric(service, "temperature", 50)
    return service


def shown(service, address=FIRST):
    return json.loads(service.ctl("devices", address, "--json").stdout)


def wait_device(service, condition, address=FIRST):
    deadline = time.monotonic() + TIMEOUT
    while not condition(device := shown(service, address)["device"]):
        assert time.monotonic() < deadline, device
        time.sleep(0.02)
    return device


def wait_state(service, state, address=FIRST):
    return wait_device(service, lambda device: device["state"] == state, address)


def wait_metric(service, name, value):
    """A sample with this value has been judged."""
    return wait_device(service, lambda device: device["metrics"].get(name, {}).get("value") == value)


def event_of(client, kind, address=FIRST):
    """Waits until the service tells this connection that something of the kind happened to the device."""
    begins = f"device {address}: {kind}: "
    while True:
        for event in client.events:
            if event.kind == "device" and event.text.startswith(begins):
                client.events.remove(event)
                return event.text.removeprefix(begins).removeprefix("SIMULATED: ")
        packet = client.receive()
        assert packet.WhichOneof("kind") == "event", packet
        client.events.append(packet.event)


@contextlib.contextmanager
def holding(service, process, **more):
    """A connection whose lease is on the first card."""
    with service.client() as client:
        decision = granted(ask(client, process, **more))
        accept(client, decision)
        assert units(decision)[0][0] == FIRST
        client.decision = decision
        yield client


def events(service, address=FIRST):
    """The device's, newest first; what has happened before is among them."""
    with service.client() as client:
        written(client)
    return shown(service, address)["events"]


def kinds(service):
    """Of the first device's events, oldest first."""
    return [event["kind"] for event in reversed(events(service))]


# ---- Thresholds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metric, says", [("temperature", "temperature"), ("memory_temperature", "memory temperature")]
)
def test_hot_until_five_degrees_below(node, gpus, holders, metric, says):
    """Its holder is told and keeps it; nobody else gets it, and who waits gets it when it is cool."""
    with holding(node, holders.new()) as holder, node.client() as client:
        gpus.change(f"set 0 {metric} 80")
        assert event_of(holder, "degraded") == f"{says} 80 C"
        assert wait_state(node, "degraded")["cause"] == f"{says} 80 C"
        assert client.ok("leases").leases[0].state == "accepted"
        client.ok("lease_release", lease=holder.decision.lease.id)
        assert units(granted(ask(client, holders.new()))) == [(SECOND, None)]
        waits = begin(client, holders.new(), wait_ms=PATIENT)
        position(client, waits)
        gpus.change(f"set 0 {metric} 76")
        wait_metric(node, metric, 76)
        assert wait_state(node, "degraded")
        assert not select.select([client.sock], [], [], 0)[0]
        gpus.change(f"set 0 {metric} 75")
        assert units(granted(answer(client, waits))) == [(FIRST, None)]
    assert wait_state(node, "healthy")["cause"] is None
    assert kinds(node)[-2:] == ["degraded", "healthy"]


def test_hot_just_below_is_not(node, gpus, holders):
    gpus.change("set 0 temperature 79")
    wait_metric(node, "temperature", 79)
    assert shown(node)["device"]["state"] == "healthy"


def test_a_metric_that_goes_away_changes_nothing(node, gpus):
    gpus.change("set 0 temperature 90")
    wait_state(node, "degraded")
    gpus.change("unset 0 temperature")
    wait_device(node, lambda device: device["metrics"]["temperature"]["missing"] == "not available")
    assert shown(node)["device"]["state"] == "degraded"


def test_errors_count_from_when_it_was_first_seen(node, gpus, holders):
    """Seven were there before; two new ones are too many, and stay so when no more come."""
    wait_metric(node, "ras_uncorrectable", 7)
    with holding(node, holders.new(), count=2) as holder:
        gpus.change("set 0 ras_uncorrectable 8")
        wait_metric(node, "ras_uncorrectable", 8)
        assert shown(node)["device"]["state"] == "healthy"
        gpus.change("set 0 ras_uncorrectable 9")
        assert event_of(holder, "degraded") == "2 uncorrectable errors"
        gpus.change("set 0 ras_uncorrectable 9", "set 0 temperature 51")
        wait_metric(node, "temperature", 51)
        assert shown(node)["device"]["state"] == "degraded"


def test_a_reset_that_is_required(node, gpus, holders):
    with holding(node, holders.new(), count=2) as holder:
        gpus.change("set 0 reset_required 1")
        assert event_of(holder, "degraded") == "it needs a reset"
        gpus.change("set 0 temperature 99")
        assert event_of(holder, "degraded") == "temperature 99 C; it needs a reset"
        gpus.change("set 0 reset_required 0", "set 0 temperature 50")
        assert event_of(holder, "healthy") == "works again"


def test_only_the_holders_of_the_device_are_told(node, gpus, holders):
    with holding(node, holders.new()) as first, node.client() as second, node.client() as nobody:
        accept(second, granted(ask(second, holders.new())))
        gpus.change("set 0 temperature 99")
        event_of(first, "degraded")
        gpus.change("set 1 temperature 98")
        assert event_of(second, "degraded", SECOND) == "temperature 98 C"
        nobody.ok("status")
        assert [event.text for event in second.events + nobody.events] == []


# ---- Lost --------------------------------------------------------------------------------------------


def test_a_device_that_is_lost(node, gpus, holders):
    with holding(node, holders.new()) as holder, node.client() as client:
        gpus.change("lost 0")
        assert "device lost" in event_of(holder, "lost")
        assert "device lost" in wait_state(node, "lost")["cause"]
        client.ok("lease_release", lease=holder.decision.lease.id)
        assert units(granted(ask(client, holders.new()))) == [(SECOND, None)]
        rejected(ask(client, holders.new()), "devices-busy")
        assert node.status().state == "degraded"
        assert "1 lost" in node.status().devices
        gpus.reset()
        wait_state(node, "healthy")
        assert units(granted(ask(client, holders.new()))) == [(FIRST, None)]
    assert node.status().state == "ok"


def test_a_device_that_is_gone_and_comes_back(node, gpus, holders):
    with holding(node, holders.new()) as holder, node.client() as administrator:
        gpus.change("gone 0")
        administrator.ok("worker_restart")
        assert event_of(holder, "lost").startswith("gone")
        assert units(granted(ask(administrator, holders.new()))) == [(SECOND, None)]
        number = shown(node)["device"]["id"]
        gpus.reset()
        administrator.ok("worker_restart")
        event_of(holder, "back")
        event_of(holder, "healthy")
        assert shown(node)["device"]["id"] == number


def test_another_card_in_its_place(node, gpus, holders):
    """What was leased is not there any more: nobody else gets what is, before the lease has ended."""
    with holding(node, holders.new(), shared=True) as holder, node.client() as client:
        gpus.change("uuid 0 12345678-1234-1234-1234-123456789abc")
        client.ok("worker_restart")
        assert "12345678" in event_of(holder, "changed")
        wait_state(node, "changed")
        assert units(granted(ask(client, holders.new(), shared=True))) == [(SECOND, None)]
        client.ok("lease_release", lease=holder.decision.lease.id)
        wait_state(node, "healthy")
        assert units(granted(ask(client, holders.new()))) == [(FIRST, None)]


def test_a_worker_that_is_away(gpus, make_itexd, holders):
    """Nothing new is known of the devices, which are leased all the same."""
    node = make_itexd(
        config={"sample_interval": "100ms", "worker_deadline": "10min"},
        devices=gpus,
    ).start()
    with holding(node, holders.new()) as holder, node.client() as client:
        wait_state(node, "healthy")
        gpus.change("hang zesDeviceGetState")
        assert "does not answer" in event_of(holder, "stale")
        assert wait_state(node, "stale", SECOND)
        assert units(granted(ask(client, holders.new()))) == [(SECOND, None)]
        gpus.reset()
        client.ok("worker_restart")
        event_of(holder, "healthy")
        wait_state(node, "healthy", SECOND)


# ---- Drained -----------------------------------------------------------------------------------------


def test_a_drained_device_says_so_to_its_holder(node, holders):
    with holding(node, holders.new()) as holder, node.client() as administrator:
        administrator.ok("device_drain", device=FIRST, drain=True, reason="hums")
        assert event_of(holder, "drained") == "by uid 0: hums"
        assert administrator.ok("leases").leases[0].state == "accepted"
        administrator.ok("lease_release", lease=holder.decision.lease.id)
        administrator.ok("device_drain", device=FIRST, drain=False)
    assert kinds(node)[-2:] == ["drained", "undrained"]


def test_drained_over_a_restart(node, holders):
    with node.client() as client:
        client.ok("device_drain", device=FIRST, drain=True)
    node.kill()
    node.start()
    assert shown(node)["device"]["drained"] is True
    assert shown(node)["device"]["state"] == "healthy", "drained is no health"
    with node.client() as client:
        assert units(granted(ask(client, holders.new()))) == [(SECOND, None)]
        rejected(ask(client, holders.new()), "devices-busy")
        client.ok("device_drain", device=FIRST, drain=False)
        assert units(granted(ask(client, holders.new()))) == [(FIRST, None)]


# ---- What is kept ------------------------------------------------------------------------------------


def test_events_are_kept_newest_first(node, gpus):
    """Of both, over a restart; the device's page shows the last twenty."""
    for i in range(12):
        gpus.only("set 0 ras_uncorrectable 7", f"set 0 temperature {90 if i % 2 == 0 else 50}")
        wait_state(node, "degraded" if i % 2 == 0 else "healthy")
    node.restart()
    wait_state(node, "healthy")
    found = events(node)
    states = [event["kind"] for event in found if event["kind"] in ("degraded", "healthy")]
    assert states[:12] == ["healthy", "degraded"] * 6
    assert len(found) <= 20
    assert [event["time"] for event in found] == sorted((event["time"] for event in found), reverse=True)
    assert any("temperature 90 C" in event["text"] for event in found)


def test_the_hour_is_summed_up(node, gpus):
    """From the samples in memory: the mean and the highest of what was measured."""
    gpus.only("set 0 temperature 70")
    wait_metric(node, "temperature", 70)
    gpus.only("set 0 temperature 40")
    wait_metric(node, "temperature", 40)
    metric = shown(node)["device"]["metrics"]["temperature"]
    assert metric["highest"] == 70
    assert 40 < metric["mean"] < 70
    gpus.only("deny 0 temperature")
    denied = wait_device(node, lambda device: device["metrics"]["temperature"]["missing"])
    assert denied["metrics"]["temperature"]["highest"] == 70


SAMPLES = """
SELECT d.key, s.least, s.mean, s.highest, s.from_ms, s.to_ms FROM samples s
JOIN devices d ON d.id = s.device JOIN metrics m ON m.id = s.metric WHERE m.name = ? ORDER BY d.key
"""


def test_samples_are_written_down(node, gpus):
    """What the last five minutes were is not lost with the process."""
    gpus.change("set 0 temperature 60", "set 1 temperature 30", "unset 1 memory_used")
    wait_metric(node, "temperature", 60)
    wait_device(node, lambda device: device["metrics"]["temperature"]["value"] == 30, SECOND)
    assert node.stop() == 0
    first, second = node.rows(SAMPLES, "temperature")
    assert (first[0], second[0]) == (FIRST, SECOND)
    assert first[1] == 50
    assert first[3] == 60
    assert 50 < first[2] < 60
    assert second[1] == 30
    assert all(from_ms < to_ms for *_, from_ms, to_ms in (first, second))
    assert [row[0] for row in node.rows(SAMPLES, "memory_used")][0] == FIRST
    assert node.integrity() == "ok"
