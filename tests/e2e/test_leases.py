"""Devices with a decision: what is granted, to whom, for how long, and what the decision says of it.

Two simulated cards of two tiles, asked by the protocol itself. Holders are processes of the test's own, so
that each can be ended alone; whatever must happen then is waited for by somebody who wants the device.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness import NOBODY, SLOW, Code, Refused, pb, resolve_message, start_time

PATIENT = 60_000  # ms; nobody waits as long, but a lost wake-up would
KNOWN = {"itex": "newest", "keras": "3", "jit": "on"}


class Holders:
    """Processes that do nothing but live."""

    def __init__(self):
        self.processes = []

    def new(self, **options):
        process = subprocess.Popen(["sleep", "100000"], **options)
        self.processes.append(process)
        return process

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def holders():
    made = Holders()
    yield made
    made.end()


@pytest.fixture
def node(make_itexd, simulated):
    return make_itexd(devices=simulated(cards=2, tiles=2)).start()


def holder(process):
    return pb.Holder(pid=process.pid, start_time=start_time(process.pid))


def asking(process=None, env=None, request_id=None, job=None, step=None, policy=None, lease=None, **devices):
    """The fields of a resolve for devices; count 1 where nothing is said."""
    devices.setdefault("count", 1)
    fields = {"devices": pb.DeviceRequest(**devices), "request_id": request_id}
    for name, value in {"job": job, "step": step, "policy": policy, "lease": lease}.items():
        if value is not None:
            fields[name] = value
    if process is not None:
        fields["holder"] = holder(process)
    return {"env": env or {}, "declared": KNOWN, **fields}


def ask(client, process=None, **more):
    return client.resolve(**asking(process, **more))


def begin(client, process=None, **more):
    """Asks, and comes back before the answer."""
    fields = asking(process, **more)
    return client.send("resolve", resolve_message(fields.pop("env"), fields.pop("declared"), **fields))


def answer(client, request):
    reply = client.reply(request)
    if reply.WhichOneof("body") == "error":
        raise Refused(reply.error)
    return reply.decision


def position(client, request):
    """Waits until the service has said the request's place in the queue."""
    while True:
        for event in client.events:
            if event.kind == "waiting" and event.request == request:
                client.events.remove(event)
                return event.position
        packet = client.receive()
        assert packet.WhichOneof("kind") == "event", f"answered instead of waiting: {packet}"
        client.events.append(packet.event)


def accept(client, decision):
    client.ok("accept", request_id=decision.request_id, decision=decision.id)


def written(client):
    """What was to be written before this is written: an answer comes after its commit."""
    client.resolve(declared=KNOWN)


def env(decision):
    return {
        variable.name: variable.value if variable.HasField("value") else None
        for variable in decision.outcome.env
    }


def rules(decision):
    return [diagnostic.rule for diagnostic in decision.outcome.diagnostics]


def detail(decision, rule):
    return next(d.message for d in decision.outcome.diagnostics if d.rule == rule)


def units(decision):
    return [(device.bdf, device.tile if device.HasField("tile") else None) for device in decision.devices]


def granted(decision):
    assert decision.lease.id, f"no lease: {decision}"
    assert decision.outcome.verdict != "rejected"
    return decision


def rejected(decision, rule):
    assert decision.outcome.verdict == "rejected"
    assert decision.outcome.mode == "none"
    assert decision.state == "asked"
    assert not decision.HasField("lease")
    assert not decision.devices
    assert rule in rules(decision), rules(decision)
    return decision


FIRST, SECOND = "0000:3a:00.0", "0000:4a:00.0"

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
    """Not a benchmark: a release by polling, however quick, would miss this by far."""
    with node.client() as first, node.client() as second:
        times = []
        for _ in range(20):
            gone = holders.new()
            accept(first, granted(ask(first, gone, count=2)))
            waits = begin(second, holders.new(), count=2, wait_ms=PATIENT)
            position(second, waits)
            began = time.monotonic()
            gone.kill()
            decision = granted(answer(second, waits))
            times.append(time.monotonic() - began)
            second.ok("lease_release", lease=decision.lease.id)
        assert sorted(times)[len(times) // 2] < 0.1 * SLOW, times


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


# ---- Offers ------------------------------------------------------------------------------------------


def test_an_offer_that_nobody_accepts_lapses(node, holders):
    with node.client() as other:
        with node.client() as client:
            process = holders.new()
            decision = granted(ask(client, process, count=2))
        waits = begin(other, holders.new(), wait_ms=PATIENT)
        assert position(other, waits) == 1
        granted(answer(other, waits))
        before = other.ok("explain", decision=decision.id)
        assert before.state == "undelivered"
        assert before.lease.state == "released"
        assert units(before) == [(FIRST, None), (SECOND, None)]
        with pytest.raises(Refused) as refused:
            accept(other, decision)
        assert refused.value.code == Code.NOT_FOUND
        # The same request again is decided anew, for its devices are another's.
        again = ask(other, process, count=2, request_id=decision.request_id)
        assert again.id != decision.id
        rejected(again, "devices-busy")


def test_a_retry_finds_its_offer(node, holders):
    process = holders.new()
    with node.client() as client:
        decision = granted(ask(client, process))
    with node.client() as client:
        again = ask(client, process, request_id=decision.request_id)
        assert again.id == decision.id
        assert again.lease == decision.lease
        assert units(again) == units(decision)
        accept(client, again)
        written(client)
        assert client.ok("explain", decision=decision.id).state == "accepted"
        assert client.ok("leases").leases[0].state == "accepted"


def test_a_retry_after_the_lease_was_released_is_a_new_decision(node, holders):
    process = holders.new()
    with node.client() as client:
        decision = granted(ask(client, process))
        client.ok("lease_release", lease=decision.lease.id)
        again = granted(ask(client, process, request_id=decision.request_id))
        assert again.id != decision.id
        assert again.lease.id != decision.lease.id


def test_what_rules_reject_keeps_nothing(node, holders, tmp_path):
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "never.yaml").write_text(
        "title: For this test\n"
        "rules:\n"
        "  - id: never\n"
        "    severity: error\n"
        "    outcome: abort\n"
        "    strikes: import\n"
        "    when: {keras: '3'}\n"
        "    message: Nothing helps.\n"
        "    solution_text: None.\n"
        "    source: test\n"
    )
    with node.client() as client:
        assert node.ctl("rules", "load", directory, "--activate").returncode == 0
        decision = ask(client, holders.new(), count=2)
        assert decision.outcome.verdict == "rejected"
        assert decision.state == "asked"
        assert not decision.HasField("lease") and not decision.devices
        assert not [name for name in env(decision) if name.startswith("ZE_")]
        assert not [lease for lease in client.ok("leases").leases if lease.state != "draining"]


def test_around_a_launcher_no_lease_is_taken(node):
    with node.client() as client:
        decision = client.resolve(declared=KNOWN, devices=pb.DeviceRequest(count=2), launcher=True)
        assert not decision.HasField("lease")
        assert decision.state == "asked"
        assert client.ok("status").n_leases == 0


# ---- Restarts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_leases_outlive_the_service(node, holders, way):
    process = holders.new()
    with node.client() as client:
        decision = granted(ask(client, process, count=2))
        accept(client, decision)
    getattr(node, way)()
    node.start()
    with node.client() as client:
        assert [lease.id for lease in client.ok("leases").leases] == [decision.lease.id]
        rejected(ask(client, holders.new()), "devices-busy")
        waits = begin(client, holders.new(), wait_ms=PATIENT)
        position(client, waits)
        process.kill()
        assert granted(answer(client, waits)).lease.id > decision.lease.id


def test_a_holder_that_ended_while_the_service_was_away(node, holders):
    process = holders.new()
    with node.client() as client:
        accept(client, granted(ask(client, process, count=2)))
    node.kill()
    process.kill()
    process.wait()
    node.start()
    with node.client() as client:
        granted(ask(client, holders.new(), count=2, wait_ms=PATIENT))


def test_an_offer_found_at_the_start_is_found_by_its_request(node, holders):
    process = holders.new()
    with node.client() as client:
        decision = granted(ask(client, process, count=2))
        node.kill()
    node.start()
    with node.client() as client:
        again = ask(client, process, count=2, request_id=decision.request_id)
        assert (again.id, again.lease.id) == (decision.id, decision.lease.id)
        accept(client, again)


def test_leases_outlive_their_database(node, holders):
    process = holders.new()
    with node.client() as client:
        decision = granted(ask(client, process, count=2))
        accept(client, decision)
    node.kill()
    for file in node.database.parent.iterdir():
        file.unlink()
    node.start()
    with node.client() as client:
        rejected(ask(client, holders.new()), "devices-busy")
        process.kill()
        assert granted(ask(client, holders.new(), wait_ms=PATIENT)).lease.id > decision.lease.id


# ---- Jobs and ranks ----------------------------------------------------------------------------------


def test_steps_of_a_job_share_its_lease(node, holders):
    with node.client() as client:
        one = granted(ask(client, holders.new(), count=2, job="j1"))
        two = granted(ask(client, holders.new(), count=2, job="j1"))
        assert one.lease.id == two.lease.id
        assert one.id != two.id
        rejected(ask(client, holders.new(), job="j2"), "devices-busy")


def test_a_lease_ends_with_its_last_member(node, holders):
    with node.client() as client, node.client() as waiter:
        processes = [holders.new(), holders.new()]
        for process in processes:
            accept(client, granted(ask(client, process, count=2, job="j1")))
        waits = begin(waiter, holders.new(), wait_ms=PATIENT)
        position(waiter, waits)
        processes[0].kill()
        processes[0].wait()
        assert client.ok("status").n_leases == 1
        rejected(ask(client, holders.new()), "devices-busy")
        processes[1].kill()
        granted(answer(waiter, waits))


def test_a_nested_run_reuses_the_lease(node, holders):
    outer = subprocess.Popen(["sh", "-c", "sleep 100000 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
    inner = int(outer.stdout.readline())
    try:
        with node.client() as client:
            decision = granted(ask(client, outer, count=2))
            accept(client, decision)
            fields = asking(count=1, lease=decision.lease.id)
            nested = client.resolve(**fields, holder=pb.Holder(pid=inner, start_time=start_time(inner)))
            assert granted(nested).lease.id == decision.lease.id
            assert nested.id != decision.id
            # who only says so, without being of that job, joins nothing
            rejected(ask(client, holders.new(), lease=decision.lease.id), "devices-busy")
    finally:
        os.kill(inner, signal.SIGKILL)
        outer.kill()
        outer.wait()


def ranks(node, holders, size, job, **more):
    """The decisions of a group's members, each on a connection of its own."""
    decisions = []
    for rank in range(size):
        with node.client() as client:
            decision = ask(client, holders.new(), job=job, local_size=size, local_rank=rank, **more)
            accept(client, decision) if decision.HasField("lease") else None
            decisions.append(decision)
    return decisions


def test_ranks_have_one_mask_and_an_index_each(node, holders):
    decisions = ranks(node, holders, 4, "mpi", tiles=True)
    assert len({decision.lease.id for decision in decisions}) == 1
    assert len({decision.id for decision in decisions}) == 4
    assert [decision.lease.local_device for decision in decisions] == [0, 1, 2, 3]
    assert {env(decision)["ZE_AFFINITY_MASK"] for decision in decisions} == {"0.0,0.1,1.0,1.1"}
    assert all(len(decision.devices) == 4 for decision in decisions)


def test_ranks_bound_by_rank_see_their_own(node, holders):
    decisions = ranks(node, holders, 2, "mpi", bind="rank")
    assert len({decision.lease.id for decision in decisions}) == 1
    assert [env(decision)["ZE_AFFINITY_MASK"] for decision in decisions] == ["0", "1"]
    assert [units(decision) for decision in decisions] == [[(FIRST, None)], [(SECOND, None)]]
    assert [decision.lease.local_device for decision in decisions] == [0, 0]


def test_a_rank_that_asks_otherwise_is_refused(node, holders):
    with node.client() as client:
        granted(ask(client, holders.new(), job="mpi", local_size=2, local_rank=0))
        with pytest.raises(Refused) as refused:
            ask(client, holders.new(), job="mpi", local_size=2, local_rank=1, tiles=True)
        assert refused.value.code == Code.BAD_REQUEST


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


def test_without_a_database_leases_are_given_all_the_same(node, holders):
    """Not recorded is not unleased: the offer stands, is accepted, and ends with its holder."""
    node.stop()
    node.database.rename(node.database.with_suffix(".kept"))
    node.database.mkdir()
    node.start()
    with node.client() as client:
        process = holders.new()
        decision = granted(ask(client, process, count=2))
        assert not decision.recorded
        client.ok("accept", request_id=decision.request_id)
        assert client.ok("leases").leases[0].state == "accepted"
        rejected(ask(client, holders.new()), "devices-busy")
        process.kill()
        granted(ask(client, holders.new(), wait_ms=PATIENT))


def test_an_unrecorded_offer_is_found_again(node, holders):
    node.stop()
    node.database.rename(node.database.with_suffix(".kept"))
    node.database.mkdir()
    node.start()
    process = holders.new()
    with node.client() as client:
        decision = granted(ask(client, process, count=2))
    with node.client() as client:
        again = granted(ask(client, process, count=2, request_id=decision.request_id))
        assert again.lease.id == decision.lease.id
