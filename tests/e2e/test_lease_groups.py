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
