"""Devices with a decision: what is granted, to whom, who waits, and what the decision says of it.

Two simulated cards of two tiles, where nothing else is said.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import statistics
import subprocess
import time
from pathlib import Path

import pytest
from asking import (
    FIRST,
    KNOWN,
    PATIENT,
    SECOND,
    accept,
    answer,
    ask,
    begin,
    detail,
    env,
    granted,
    holder,
    position,
    rejected,
    rules,
    units,
    written,
)
from harness import NOBODY, SLOW, Code, Refused, pb

# ---- What is granted ---------------------------------------------------------------------------------


def test_a_card_comes_with_its_mask(node, holders):
    with node.client() as client:
        decision = granted(ask(client, holders.new()))
        assert units(decision) == [(FIRST, None)]
        assert decision.devices[0].uuid and decision.devices[0].name
        assert decision.state == "offered"
        assert decision.lease.state == "offered"
        assert decision.lease.sharing == "exclusive"
        assert decision.substitute == "SIMULATED"
        assert decision.outcome.verdict == "fixed"
        assert env(decision) == {
            "ZE_AFFINITY_MASK": "0",
            "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE",
            "ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1",
            "ITEX_TILE_AS_DEVICE": "0",
            "SYCL_TILE_AS_DEVICE": "0",
        }
        assert rules(decision) == []


def test_tiles_are_listed(node, holders):
    with node.client() as client:
        decision = granted(ask(client, holders.new(), count=2, tiles=True))
        assert units(decision) == [(FIRST, 0), (FIRST, 1)]
        assert env(decision)["ITEX_TILE_AS_DEVICE"] == env(decision)["SYCL_TILE_AS_DEVICE"] == "1"


def test_what_is_right_already_is_not_set(node, holders):
    own = {"ZE_AFFINITY_MASK": "0", "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE", "ITEX_TILE_AS_DEVICE": "1"}
    with node.client() as client:
        decision = granted(ask(client, holders.new(), env=own))
        assert "ZE_AFFINITY_MASK" not in env(decision)
        assert "ZE_FLAT_DEVICE_HIERARCHY" not in env(decision)
        assert env(decision)["ITEX_TILE_AS_DEVICE"] == "0"


def test_the_jobs_own_mask_selector_and_old_name_give_way(node, holders):
    own = {
        "ZE_AFFINITY_MASK": "x",
        "ONEAPI_DEVICE_SELECTOR": "level_zero:1",
        "ITEX_ENABLE_TILE_AS_DEVICE": "1",
    }
    with node.client() as client:
        decision = granted(ask(client, holders.new(), env=own))
        assert env(decision)["ZE_AFFINITY_MASK"] == "0"
        assert env(decision)["ONEAPI_DEVICE_SELECTOR"] == "level_zero:*"
        assert env(decision)["ITEX_ENABLE_TILE_AS_DEVICE"] is None
        assert "affinity-mask" in rules(decision) and "selector-rewritten" in rules(decision)
        assert "level_zero:1" in detail(decision, "selector-rewritten")


def test_under_advise_only_the_lease_is_in_force(node, holders):
    with node.client() as client:
        decision = granted(ask(client, holders.new(), policy="advise", env={"ITEX_VERBOSE": "loud"}))
        assert env(decision)["ZE_AFFINITY_MASK"] == "0"
        assert "ITEX_VERBOSE" not in env(decision)
        assert decision.outcome.verdict == "advised"
        assert decision.state == "offered"


def test_exclusive_devices_run_out(node, holders):
    with node.client() as client:
        assert units(granted(ask(client, holders.new()))) == [(FIRST, None)]
        second = granted(ask(client, holders.new()))
        assert units(second) == [(SECOND, None)]
        assert env(second)["ZE_AFFINITY_MASK"] == "1"
        busy = rejected(ask(client, holders.new()), "devices-busy")
        assert not [name for name in env(busy) if name.startswith("ZE_")]


def test_shared_devices_have_a_limit_and_memory(make_itexd, simulated, holders):
    node = make_itexd(
        config={"shared_limit": 2}, devices=simulated(cards=1, tiles=0, memory=16 << 30)
    ).start()
    with node.client() as client:
        first = granted(ask(client, holders.new(), shared=True, memory_bytes=12 << 30))
        assert first.lease.sharing == "shared"
        rejected(ask(client, holders.new(), shared=True, memory_bytes=8 << 30), "devices-busy")
        rejected(ask(client, holders.new()), "devices-busy")
        assert units(granted(ask(client, holders.new(), shared=True, memory_bytes=4 << 30))) == units(first)
        rejected(ask(client, holders.new(), shared=True), "devices-busy")


@pytest.mark.parametrize(
    "wish",
    [
        {"count": 3},
        {"count": 5, "tiles": True},
        {"memory_bytes": 1 << 50},
        {"model": "no such GPU"},
    ],
    ids=str,
)
def test_what_the_node_never_has_is_no_matter_of_waiting(node, holders, wish):
    with node.client() as client:
        decision = rejected(ask(client, holders.new(), wait_ms=PATIENT, allow_none=True, **wish), "no-device")
        assert not client.events
        assert decision.HasField("id")


def test_a_model_is_found_by_part_of_its_name(make_itexd, simulated, holders):
    node = make_itexd(devices=simulated(name="Intel(R) Data Center GPU Max 1550")).start()
    with node.client() as client:
        granted(ask(client, holders.new(), model="max 1550"))


def test_without_any_device_a_job_may_go_on(make_itexd, simulated, holders):
    node = make_itexd(devices=simulated(cards=0)).start()
    with node.client() as client:
        rejected(ask(client, holders.new()), "no-device")
        rejected(ask(client, holders.new(), by_default=True), "no-device")
        decision = ask(client, holders.new(), allow_none=True)
        assert decision.outcome.verdict == "ok"
        assert decision.outcome.mode == "npd+xla"
        assert "no-device" in rules(decision)
        assert not decision.HasField("lease")


def test_a_service_without_devices(itexd, holders):
    with itexd.client() as client:
        decision = rejected(ask(client, holders.new()), "no-device")
        assert "manages no devices" in detail(decision, "no-device")
        assert rules(ask(client, holders.new(), by_default=True)) == []
        assert rules(ask(client, holders.new(), allow_none=True)) == []


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"count": 513}, "1 to 512"),
        ({"local_size": 2}, "both are needed"),
        ({"local_size": 0, "local_rank": 0}, "1 to 512"),
        ({"local_size": 2, "local_rank": 2}, "not below"),
        ({"bind": "socket"}, "node or by rank"),
        ({"bind": "rank"}, "group of ranks"),
        ({"model": "m" * 96}, "model"),
        ({"memory_bytes": 0}, "memory"),
        ({"render_nodes": ["renderD128"] * 257}, "render nodes"),
    ],
    ids=str,
)
def test_fields_out_of_range_are_named(node, fields, words):
    with node.client() as client, pytest.raises(Refused) as refused:
        ask(client, **fields)
    assert refused.value.code == Code.BAD_REQUEST
    assert words in refused.value.text


# ---- Waiting -----------------------------------------------------------------------------------------


def test_who_waits_is_told_and_gets_what_a_killed_holder_had(node, holders):
    with node.client() as first, node.client() as second, node.client() as third:
        gone = holders.new()
        decision = granted(ask(first, gone, count=2))
        accept(first, decision)
        waits = begin(second, holders.new(), wait_ms=PATIENT)
        assert position(second, waits) == 1
        later = begin(third, holders.new(), wait_ms=PATIENT)
        assert position(third, later) == 2
        gone.send_signal(signal.SIGKILL)
        assert units(granted(answer(second, waits))) == [(FIRST, None)]
        assert units(granted(answer(third, later))) == [(SECOND, None)]


def test_release_takes_milliseconds(node, holders):
    """Beside a grant, which waits for the disk: a release by polling would miss this by far."""
    with node.client() as first, node.client() as second:
        times, grants = [], []
        for _ in range(20):
            gone = holders.new()
            began = time.monotonic()
            accept(first, granted(ask(first, gone, count=2)))
            grants.append(time.monotonic() - began)
            waits = begin(second, holders.new(), count=2, wait_ms=PATIENT)
            position(second, waits)
            began = time.monotonic()
            gone.kill()
            decision = granted(answer(second, waits))
            times.append(time.monotonic() - began)
            second.ok("lease_release", lease=decision.lease.id)
        assert statistics.median(times) < 30 * statistics.median(grants), (times, grants)


def test_who_would_not_wait_longer_is_busy(node, holders):
    with node.client() as client:
        granted(ask(client, holders.new(), count=2))
        decision = rejected(ask(client, holders.new(), wait_ms=100), "devices-busy")
        assert [event.kind for event in client.events] == ["waiting"]
        assert decision.recorded


def test_a_later_request_passes_only_without_delaying(node, holders):
    with node.client() as client, node.client() as waiter, node.client() as third:
        first = holders.new()
        accept(client, granted(ask(client, first)))
        waits = begin(waiter, holders.new(), count=2, wait_ms=PATIENT)
        assert position(waiter, waits) == 1
        rejected(ask(third, holders.new()), "devices-busy")  # a card is free, and belongs to who waits
        first.kill()
        assert len(granted(answer(waiter, waits)).devices) == 2


def test_who_hangs_up_waits_no_more(node, holders):
    with node.client() as client:
        first = holders.new()
        accept(client, granted(ask(client, first, count=2)))
        with node.client() as waiter:
            position(waiter, begin(waiter, holders.new(), count=2, wait_ms=PATIENT))
        waits = begin(client, holders.new(), wait_ms=PATIENT)
        while position(client, waits) != 1:
            pass
        first.kill()
        granted(answer(client, waits))


def test_the_same_request_on_two_connections_waits_once(node, holders):
    with node.client() as client, node.client() as waiter, node.client() as again:
        first, second = holders.new(), holders.new()
        accept(client, granted(ask(client, first, count=2)))
        same = secrets.token_bytes(16)
        waits = begin(waiter, second, count=2, wait_ms=PATIENT, request_id=same)
        assert position(waiter, waits) == 1
        repeated = begin(again, second, count=2, wait_ms=PATIENT, request_id=same)
        assert client.ok("status").n_waiting == 1
        first.kill()
        decision = granted(answer(waiter, waits))
        assert answer(again, repeated).id == decision.id


def test_stopping_does_not_wait_for_who_waits(node, holders):
    with node.client() as client, node.client() as waiter:
        granted(ask(client, holders.new(), count=2))
        waits = begin(waiter, holders.new(), wait_ms=PATIENT)
        position(waiter, waits)
        began = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - began < 4 * SLOW
        with contextlib.suppress(AssertionError):
            assert answer(waiter, waits) is None


# ---- Holders -----------------------------------------------------------------------------------------


def test_the_asker_is_the_holder(node):
    with node.client() as client:
        decision = granted(ask(client, count=2))
        assert decision.peer.pid == os.getpid()
        accept(client, decision)
    with node.client() as client:  # the connection is gone, the process is not
        rejected(ask(client, count=2), "devices-busy")


def test_a_holder_that_is_dead_or_anothers(node, holders, as_root):
    dead = holders.new()
    named = holder(dead)
    dead.kill()
    dead.wait()
    with node.client() as client, pytest.raises(Refused) as refused:
        client.resolve(declared=KNOWN, devices=pb.DeviceRequest(count=1), holder=named)
    assert refused.value.code == Code.BAD_REQUEST
    with node.client(uid=NOBODY) as client, pytest.raises(Refused) as refused:
        ask(client, holders.new())
    assert refused.value.code == Code.NOT_PERMITTED


def test_an_administrator_may_ask_for_anothers_process(node, holders, as_root):
    with node.client() as client:
        process = holders.new(user=NOBODY, group=NOBODY, extra_groups=[])
        decision = granted(ask(client, process))
        accept(client, decision)
        written(client)
        assert client.ok("explain", decision=decision.id).lease.state == "accepted"
        lease = client.ok("leases").leases[0]
        assert lease.uid == NOBODY


def test_a_lease_follows_exec(node):
    """What holds it is the process, not its program."""
    process = subprocess.Popen(["sh", "-c", "read go; exec sleep 100000"], stdin=subprocess.PIPE)
    try:
        with node.client() as client, node.client() as waiter:
            accept(client, granted(ask(client, process, count=2)))
            process.stdin.write(b"go\n")
            process.stdin.flush()
            while not Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"sleep"):
                os.sched_yield()
            rejected(ask(client, count=1), "devices-busy")
            waits = begin(waiter, count=1, wait_ms=PATIENT)
            position(waiter, waits)
            process.kill()
            granted(answer(waiter, waits))
    finally:
        process.kill()
        process.wait()


def test_users_see_of_each_other_that_devices_are_taken(node, holders, as_root):
    with node.client() as client, node.client(uid=NOBODY) as other:
        granted(ask(client, holders.new(), count=2))
        theirs = holders.new(user=NOBODY, group=NOBODY, extra_groups=[])
        rejected(ask(other, theirs), "devices-busy")
        lease = other.ok("leases").leases[0]
        assert not lease.HasField("uid") and not lease.holders


# ---- A scheduler's job -------------------------------------------------------------------------------


def slurm(**more):
    return {"SLURM_JOB_ID": "17", **more}


def test_a_schedulers_job_is_recorded_and_not_granted(node, holders):
    with node.client() as client:
        process = holders.new()
        decision = ask(
            client,
            process,
            count=2,
            env=slurm(ZE_AFFINITY_MASK="1", ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE"),
        )
        assert decision.outcome.verdict != "rejected"
        assert not decision.HasField("lease")
        assert "scheduler-owns" in rules(decision)
        assert "Slurm" in detail(decision, "scheduler-owns")
        assert "ZE_AFFINITY_MASK" not in env(decision)
        accept(client, decision)
        assert "scheduler" in client.error("lease_release", request_id=decision.request_id).text
        other = granted(ask(client, holders.new()))
        assert units(other) == [(FIRST, None)]
        rejected(ask(client, holders.new()), "devices-busy")
        assert "recorded" in [lease.sharing for lease in client.ok("leases").leases]
        waits = begin(client, holders.new(), wait_ms=PATIENT)
        position(client, waits)
        process.kill()
        assert units(granted(answer(client, waits))) == [(SECOND, None)]


def test_a_schedulers_mask_comes_with_what_it_counts(make_itexd, simulated, holders):
    """Slurm sets no hierarchy; where tiles are devices by default, its numbers are tiles'."""
    node = make_itexd(devices=simulated(cards=2, tiles=2, default="flat")).start()
    with node.client() as client:
        decision = ask(client, holders.new(), env=slurm(ZE_AFFINITY_MASK="3"))
        assert env(decision) == {"ZE_FLAT_DEVICE_HIERARCHY": "FLAT"}
        assert units(granted(ask(client, holders.new()))) == [(FIRST, None)]
        assert units(granted(ask(client, holders.new(), tiles=True))) == [(SECOND, 0)]


def test_a_schedulers_mask_that_selects_nothing_runs_all_the_same(node, holders):
    with node.client() as client:
        decision = ask(client, holders.new(), env=slurm(ZE_AFFINITY_MASK="7"))
        assert decision.outcome.verdict != "rejected"
        assert {"scheduler-owns", "no-device"} <= set(rules(decision))


def test_views_that_differ_are_left_alone(node, holders):
    with node.client() as client:
        decision = ask(
            client,
            holders.new(),
            env=slurm(ZE_AFFINITY_MASK="0", SLURM_STEP_GPUS="0,1", SLURM_JOB_GPUS="0,1"),
        )
        assert "view-differs" in rules(decision)
        assert not [name for name in env(decision) if name.startswith("ZE_")]
        granted(ask(client, holders.new(), count=2))  # nothing was recorded of what is not understood


# ---- Devices that may not be given -------------------------------------------------------------------


def test_a_drained_device_is_not_granted(node, holders):
    with node.client() as client:
        ask(client, holders.new(), count=3)  # answered when the devices are known
        client.ok("device_drain", device=FIRST, drain=True, reason="test")
        assert units(granted(ask(client, holders.new()))) == [(SECOND, None)]
        waits = begin(client, holders.new(), wait_ms=PATIENT)
        position(client, waits)
        with node.client() as administrator:
            administrator.ok("device_drain", device=FIRST, drain=False)
        assert units(granted(answer(client, waits))) == [(FIRST, None)]


# ---- Afterwards --------------------------------------------------------------------------------------


def test_a_report_counts_devices(node, holders):
    with node.client() as client:
        decision = granted(ask(client, count=2))
        accept(client, decision)
        right = client.ok("report", decision=decision.id, mode=decision.outcome.mode, devices=2)
        assert right.match and right.promised_devices == 2
        wrong = client.ok("report", decision=decision.id, mode=decision.outcome.mode, devices=1)
        assert not wrong.match
        assert not client.ok("explain", decision=decision.id).observed.match
    assert "device-mismatch" in node.log


def test_a_decision_remembers_its_devices(node, holders):
    with node.client() as client, node.client() as waiter:
        process = holders.new()
        decision = granted(ask(client, process, count=2))
        accept(client, decision)
        written(client)
        assert client.ok("explain", decision=decision.id).lease.state == "accepted"
        waits = begin(waiter, holders.new(), wait_ms=PATIENT)
        position(waiter, waits)
        process.kill()
        granted(answer(waiter, waits))
        written(client)
        past = client.ok("explain", decision=decision.id)
        assert past.lease.state == "released"
        assert units(past) == units(decision)
        assert [d.uuid for d in past.devices] == [d.uuid for d in decision.devices]
        page = client.ok("query", limit=10)
        assert units(next(row for row in page.decisions if row.id == decision.id)) == units(decision)
