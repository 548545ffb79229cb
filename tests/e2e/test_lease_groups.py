"""Leases of more than one process: a job's steps, nested runs, and ranks."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from asking import (
    FIRST,
    PATIENT,
    SECOND,
    accept,
    answer,
    ask,
    asking,
    begin,
    env,
    granted,
    position,
    rejected,
    units,
)
from harness import Code, Refused, pb, start_time

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


def test_a_member_gives_back_its_own_part(node, holders):
    """The lease goes with the last part of it; whoever holds nothing may say so again and again."""
    with node.client() as client, node.client() as waiter:
        first, second = (granted(ask(client, holders.new(), count=2, job="j1")) for _ in range(2))
        for decision in (first, second):
            accept(client, decision)
        waits = begin(waiter, holders.new(), wait_ms=PATIENT)
        position(waiter, waits)
        shown = client.ok("lease_release", request_id=first.request_id, dry_run=True)
        assert len(shown.lease.holders) == 2
        for _ in range(2):
            given = client.ok("lease_release", request_id=first.request_id)
        assert not given.HasField("lease")
        assert [len(lease.holders) for lease in client.ok("leases").leases] == [1]
        rejected(ask(client, holders.new()), "devices-busy")
        assert client.ok("lease_release", request_id=second.request_id).lease.id == second.lease.id
        granted(answer(waiter, waits))
        assert client.ok("explain", decision=first.id).state == "accepted"


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


class Family:
    """A process and children of it."""

    def __init__(self, children):
        self.parent = subprocess.Popen(
            ["sh", "-c", "for i in $(seq $1); do sleep 100000 & echo $!; done; wait", "sh", str(children)],
            stdout=subprocess.PIPE,
            text=True,
        )
        pids = [int(self.parent.stdout.readline()) for _ in range(children)]
        self.children = [pb.Holder(pid=pid, start_time=start_time(pid)) for pid in pids]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            os.kill(child.pid, signal.SIGKILL)
        self.parent.kill()
        self.parent.wait()


def under(client, lease, child, **more):
    """The decision of a process that runs under the lease."""
    return granted(client.resolve(**asking(lease=lease, **more), holder=child))


def test_ranks_under_a_lease_have_a_device_each(node):
    """mpirun in a shell that has a lease: env --holder sets ITEXD_LEASE, which its ranks inherit."""
    with Family(4) as family, node.client() as client:
        lease = granted(ask(client, family.parent, count=4, tiles=True)).lease.id
        decisions = [
            under(client, lease, child, count=1, tiles=True, local_size=4, local_rank=rank)
            for rank, child in enumerate(family.children)
        ]
        assert [decision.lease.id for decision in decisions] == [lease] * 4
        assert [decision.lease.local_device for decision in decisions] == [0, 1, 2, 3]
        assert {env(decision)["ZE_AFFINITY_MASK"] for decision in decisions} == {"0.0,0.1,1.0,1.1"}


def test_ranks_under_a_lease_can_be_bound(node):
    with Family(2) as family, node.client() as client:
        lease = granted(ask(client, family.parent, count=4, tiles=True)).lease.id
        decisions = [
            under(client, lease, child, count=2, tiles=True, local_size=2, local_rank=rank, bind="rank")
            for rank, child in enumerate(family.children)
        ]
        assert [env(decision)["ZE_AFFINITY_MASK"] for decision in decisions] == ["0.0,0.1", "1.0,1.1"]
        assert [decision.lease.local_device for decision in decisions] == [0, 0]


def test_a_ranks_place_under_a_lease_outlives_the_service(node):
    with Family(2) as family, node.client() as client:
        lease = granted(ask(client, family.parent, count=2)).lease.id
        rank = family.children[1]
        decision = under(client, lease, rank, count=1, local_size=2, local_rank=1)
        accept(client, decision)
        node.kill()
        node.start()
        with node.client() as client:
            # a nested run of the rank, which is told no ranks
            assert under(client, lease, rank, count=1).lease.local_device == 1


def test_more_ranks_than_devices_under_a_lease_share_them(node):
    with Family(4) as family, node.client() as client:
        lease = granted(ask(client, family.parent, count=2)).lease.id
        places = [
            under(client, lease, child, count=1, local_size=4, local_rank=rank).lease.local_device
            for rank, child in enumerate(family.children)
        ]
        assert places == [0, 1, 0, 1]


def test_a_lease_named_by_a_stranger_is_no_reason_to_ask_otherwise(node, holders):
    """Who does not descend from a holder joins as any other rank, or not at all."""
    with node.client() as client:
        lease = granted(ask(client, holders.new(), job="mpi", local_size=2, local_rank=0)).lease.id
        with pytest.raises(Refused) as refused:
            ask(client, holders.new(), job="mpi", lease=lease, local_size=2, local_rank=1, tiles=True)
        assert refused.value.code == Code.BAD_REQUEST


def test_a_rank_that_comes_late_joins_also_after_others_have_ended(node, holders):
    with node.client() as client:
        first, second = holders.new(), holders.new()
        decisions = [
            granted(ask(client, process, job="mpi", local_size=3, local_rank=rank, tiles=True))
            for rank, process in enumerate([first, second])
        ]
        accept(client, decisions[1])
        first.kill()
        first.wait()
        late = granted(ask(client, holders.new(), job="mpi", local_size=3, local_rank=2, tiles=True))
        assert late.lease.id == decisions[0].lease.id
        assert late.lease.local_device == 2
        assert units(late) == units(decisions[0])


def test_ranks_wait_each_as_long_as_it_would(node, holders):
    """One gives up; the others keep the group's place."""
    with node.client() as client, node.client() as short, node.client() as patient:
        taken = holders.new()
        accept(client, granted(ask(client, taken, count=2)))
        group = {"job": "mpi", "local_size": 2}
        brief = begin(short, holders.new(), local_rank=0, wait_ms=200, **group)
        position(short, brief)
        waits = begin(patient, holders.new(), local_rank=1, wait_ms=PATIENT, **group)
        position(patient, waits)
        behind = begin(client, holders.new(), wait_ms=PATIENT)
        assert position(client, behind) == 2
        rejected(answer(short, brief), "devices-busy")
        rejected(ask(short, holders.new(), local_rank=0, **group), "devices-busy")
        assert short.ok("status").n_waiting == 2
        taken.kill()
        decision = granted(answer(patient, waits))
        assert len(decision.devices) == 2
        assert decision.lease.local_device == 1
        late = granted(ask(short, holders.new(), local_rank=0, **group))
        assert late.lease.id == decision.lease.id
