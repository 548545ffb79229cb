"""Who uses a card without a lease, and what an ended lease leaves on one: found, told, waited for.

The processes are real; which cards they have open is what a /proc of the test's own says of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time

import pytest
from asking import FIRST, PATIENT, SECOND, accept, answer, ask, begin, granted, position, units
from harness import NOBODY, SLOW, TIMEOUT
from test_enforcement import children, of_user, settle, wait_child
from test_health import kinds

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: two users, and a /proc of its own")

ALICE, BOB = 12001, 12002
LOOKS = {"watch_interval": "100ms", "sample_interval": "100ms"}


def start(device_root, simulated, make_itexd, config=None, **options):
    for i in range(2):
        device_root.add_card(i)
    service = make_itexd(
        config={**LOOKS, **(config or {})},
        devices=simulated(cards=2, tiles=2),
        arguments=[device_root.argument],
        **options,
    )
    service.root = device_root
    return settle(service.start())


@pytest.fixture
def node(device_root, simulated, make_itexd):
    """A started service that sees all users' processes; node.root says what they have open."""
    return start(device_root, simulated, make_itexd)


def shown(service, address, **options):
    return json.loads(service.ctl("devices", address, "--json", **options).stdout)


def foreign(service, address):
    return sorted(use["pid"] for use in shown(service, address)["device"]["foreign"])


def wait_foreign(service, address, *processes):
    expected = sorted(process.pid for process in processes)
    deadline = time.monotonic() + TIMEOUT
    while (found := foreign(service, address)) != expected:
        assert time.monotonic() < deadline, (found, expected)
        time.sleep(0.02)


def wait_look(service):
    """A look that began after this call has been taken up: a process of the test's own came and went."""
    with subprocess.Popen(["sleep", "100000"]) as witness:
        service.root.put_process(witness.pid, [1])
        deadline = time.monotonic() + TIMEOUT
        for there in (True, False):
            while (witness.pid in foreign(service, SECOND)) != there:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            service.root.end_process(witness.pid)
        witness.kill()


# ---- Without a lease ---------------------------------------------------------------------------------


def test_who_has_no_lease_is_listed_and_counted(node, holders):
    process = of_user(holders, ALICE)
    node.root.put_process(process.pid, [0], memory=5)
    wait_foreign(node, FIRST, process)
    assert foreign(node, SECOND) == []
    (use,) = shown(node, FIRST)["device"]["foreign"]
    assert (use["uid"], use["command"], use["memory"]) == (ALICE, "sleep", 5 << 20)
    text = " ".join(node.ctl("devices", FIRST).stdout.replace("SIMULATED", "").split())
    assert f"process {process.pid} (sleep) of uid {ALICE}, without a lease, memory 5 MiB" in text
    assert "foreign-use" in kinds(node)
    status = node.status()
    assert status.n_foreign == 1
    assert "all users" in status.foreign_use
    assert "1 process without a lease" in node.ctl("status").stdout
    node.root.end_process(process.pid)
    wait_foreign(node, FIRST)
    assert "foreign-use-ended" in kinds(node)
    assert node.status().n_foreign == 0


def test_a_process_on_two_cards_counts_once(node, holders):
    process = of_user(holders, ALICE)
    node.root.put_process(process.pid, [0, 1])
    wait_foreign(node, FIRST, process)
    assert foreign(node, SECOND) == [process.pid]
    assert node.status().n_foreign == 1


def test_others_see_that_there_is_one(node, holders):
    process = of_user(holders, ALICE)
    node.root.put_process(process.pid, [0])
    wait_foreign(node, FIRST, process)
    node.socket.parent.chmod(0o755)
    (use,) = shown(node, FIRST, user=BOB)["device"]["foreign"]
    assert (use["pid"], use["uid"], use["command"]) == (None, None, None)
    assert "somebody else" in node.ctl("devices", FIRST, user=BOB).stdout
    (use,) = shown(node, FIRST, user=ALICE)["device"]["foreign"]
    assert use["pid"] == process.pid


def test_a_process_that_has_ended_is_none(node, holders):
    """What the keeper read may be past when it is compared: such a process is in nobody's way."""
    process = of_user(holders, ALICE)
    node.root.put_process(process.pid, [0])
    wait_foreign(node, FIRST, process)
    process.kill()
    process.wait()
    wait_foreign(node, FIRST)


def test_the_device_worker_is_none(node):
    node.root.put_process(wait_child(node, "device-worker"), [0, 1])
    wait_look(node)
    assert foreign(node, FIRST) == []


def test_a_keeper_that_is_killed_looks_again(node, holders):
    process = of_user(holders, ALICE)
    node.root.put_process(process.pid, [0])
    wait_foreign(node, FIRST, process)
    os.kill(wait_child(node, "keeper"), signal.SIGKILL)
    wait_look(node)
    assert foreign(node, FIRST) == [process.pid]
    assert kinds(node).count("foreign-use") == 1, "it was there all the time"


# ---- With a lease ------------------------------------------------------------------------------------


def with_child(uid):
    """A holder with a child, which outlives it: the process, and the child's pid."""
    process = subprocess.Popen(
        ["sh", "-c", "sleep 100000 & echo $!; wait"],
        stdout=subprocess.PIPE,
        text=True,
        user=uid,
        group=uid,
        extra_groups=[],
    )
    return process, int(process.stdout.readline())


@pytest.fixture
def family():
    """with_child of user ALICE, ended with the test."""
    process, child = with_child(ALICE)
    yield process, child
    process.kill()
    process.wait()
    process.stdout.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def test_a_lease_s_processes_are_not_foreign(node, family):
    process, child = family
    with node.client() as client:
        decision = granted(ask(client, process))
        accept(client, decision)
        assert units(decision) == [(FIRST, None)]
    node.root.put_process(process.pid, [0])
    node.root.put_process(child, [0, 1])
    wait_look(node)
    assert foreign(node, FIRST) == []
    assert foreign(node, SECOND) == [child], "its lease is of the other card"


def draining(client):
    return [lease.id for lease in client.ok("leases").leases if lease.state == "draining"]


def test_what_a_lease_leaves_is_waited_for(device_root, simulated, make_itexd, family, holders):
    node = start(device_root, simulated, make_itexd, config={"drain_timeout": "1h"})
    process, child = family
    with node.client() as client, node.client() as other:
        decision = granted(ask(client, process, count=2))
        accept(client, decision)
        node.root.put_process(child, [0])
        process.kill()
        waits = begin(client, of_user(holders, BOB), count=2, wait_ms=PATIENT)
        position(client, waits)
        deadline = time.monotonic() + TIMEOUT
        while draining(other) != [decision.lease.id]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not select.select([client.sock], [], [], 0.5)[0], "granted though somebody is on it"
        assert draining(other) == [decision.lease.id]
        node.root.end_process(child)
        granted(answer(client, waits))


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_what_is_left_is_waited_for_after_a_restart(device_root, simulated, make_itexd, family, holders, way):
    """The lease is found ended: nothing is given before the keeper, which comes later, has looked."""
    node = start(device_root, simulated, make_itexd, config={"drain_timeout": "1h"})
    process, child = family
    with node.client() as client:
        decision = granted(ask(client, process, count=2))
        accept(client, decision)
        node.root.put_process(child, [0])
    getattr(node, way)()
    process.kill()
    process.wait()
    node.start()
    with node.client() as client, node.client() as other:
        waits = begin(client, of_user(holders, BOB), count=2, wait_ms=PATIENT)
        position(client, waits)
        wait_look(node)
        assert not select.select([client.sock], [], [], 0.5)[0], "granted though somebody is on it"
        assert draining(other) == [decision.lease.id]
        node.root.end_process(child)
        granted(answer(client, waits))


def test_a_keeper_that_is_killed_while_it_is_waited_for(device_root, simulated, make_itexd, family, holders):
    node = start(device_root, simulated, make_itexd, config={"drain_timeout": "1h"})
    process, child = family
    with node.client() as client, node.client() as other:
        decision = granted(ask(client, process, count=2))
        accept(client, decision)
        node.root.put_process(child, [0])
        process.kill()
        waits = begin(client, of_user(holders, BOB), count=2, wait_ms=PATIENT)
        position(client, waits)
        os.kill(wait_child(node, "keeper"), signal.SIGKILL)
        wait_look(node)
        assert draining(other) == [decision.lease.id]
        node.root.end_process(child)
        granted(answer(client, waits))


def test_it_is_waited_for_so_long_only(device_root, simulated, make_itexd, family, holders):
    node = start(device_root, simulated, make_itexd, config={"drain_timeout": "300ms"})
    process, child = family
    with node.client() as client:
        accept(client, granted(ask(client, process, count=2)))
        node.root.put_process(child, [0])
        began = time.monotonic()
        process.kill()
        granted(ask(client, of_user(holders, BOB), count=2, wait_ms=PATIENT))
        assert time.monotonic() - began > 0.3
    assert "drain-timeout" in node.log


def test_another_user_s_process_is_not_waited_for(device_root, simulated, make_itexd, holders):
    node = start(device_root, simulated, make_itexd, config={"drain_timeout": "1h"})
    process, stranger = of_user(holders, ALICE), of_user(holders, BOB)
    with node.client() as client:
        accept(client, granted(ask(client, process, count=2)))
        node.root.put_process(stranger.pid, [0])
        process.kill()
        began = time.monotonic()
        granted(ask(client, of_user(holders, ALICE), count=2, wait_ms=PATIENT))
        assert time.monotonic() - began < 20 * SLOW


def test_who_is_on_another_card_is_not_waited_for(device_root, simulated, make_itexd, holders):
    node = start(device_root, simulated, make_itexd, config={"drain_timeout": "1h"})
    process, other = of_user(holders, ALICE), of_user(holders, ALICE)
    with node.client() as client:
        decision = granted(ask(client, process))
        accept(client, decision)
        assert units(decision) == [(FIRST, None)]
        client.ok("device_drain", device=SECOND, drain=True)
        node.root.put_process(other.pid, [1])
        process.kill()
        granted(ask(client, of_user(holders, BOB), wait_ms=PATIENT))


# ---- What may be seen --------------------------------------------------------------------------------


def test_without_the_capability_only_own_ones(device_root, simulated, make_itexd, holders):
    node = start(device_root, simulated, make_itexd, config={"watch_use": "on"}, user=NOBODY)
    own, other = of_user(holders, NOBODY), of_user(holders, ALICE)
    node.root.put_process(other.pid, [0])
    node.root.put_process(own.pid, [0])
    wait_foreign(node, FIRST, own)
    status = node.status()
    assert status.n_foreign == 1
    assert "own user" in status.foreign_use and "CAP_SYS_PTRACE" in status.foreign_use
    said = node.ctl("status").stdout
    assert "CAP_SYS_PTRACE" in said and "foreign.conf" in said


def test_with_the_capability_all(device_root, simulated, make_itexd, holders):
    """As the unit has it: no root, and the one capability."""
    node = start(device_root, simulated, make_itexd, user=NOBODY, capabilities=["sys_ptrace"])
    own, other = of_user(holders, NOBODY), of_user(holders, ALICE)
    node.root.put_process(other.pid, [0])
    node.root.put_process(own.pid, [0])
    wait_foreign(node, FIRST, own, other)
    assert "all users" in node.status().foreign_use


@pytest.mark.parametrize("word, user", [("auto", NOBODY), ("off", None)])
def test_nobody_looks(device_root, simulated, make_itexd, holders, word, user):
    node = start(device_root, simulated, make_itexd, config={"watch_use": word}, user=user)
    assert "keeper" not in children(node)
    assert not node.status().HasField("foreign_use")
    assert re.search(r"foreign use +not watched", node.ctl("status").stdout)
