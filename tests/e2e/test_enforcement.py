"""Enforcement: while a card is leased, its nodes are for the holder's user alone; then they are as before.

The real service and its keeper on simulated cards, whose nodes are in a device root: null devices of a group,
with an entry for one user more. Whoever asks is root, for holders of two users.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import test_hotplug as hotplug
from asking import (
    FIRST,
    PATIENT,
    SECOND,
    accept,
    answer,
    ask,
    begin,
    detail,
    granted,
    position,
    rejected,
    units,
)
from device_root import GROUP, access, may_open
from harness import NOBODY, SLOW, TIMEOUT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: device nodes, and two users")

ALICE, BOB, CARL = 12001, 12002, 12003
ORIGINAL = (["user::rw-", f"user:{CARL}:r--", "group::rw-", "mask::rw-", "other::---"], 0o660)


def restricted_to(*uids):
    return (
        ["user::rw-", *(f"user:{uid}:rw-" for uid in sorted(uids)), "group::---", "mask::rw-", "other::---"],
        0o660,
    )


def make_cards(device_root):
    for i in range(2):
        device_root.add_card(i)
        for node in device_root.nodes(i):
            subprocess.run(["setfacl", "-m", f"u:{CARL}:r", node], check=True)


@pytest.fixture
def stopped(device_root, simulated, make_itexd):
    """A service that enforces, on two cards, and is not started yet; its root has their nodes."""
    make_cards(device_root)
    gpus = simulated(cards=2, tiles=2)
    service = make_itexd(
        config={"enforcement": True, "watch_use": "off"},
        devices=gpus,
        arguments=[device_root.argument],
    )
    service.root, service.gpus = device_root, gpus
    return service


@pytest.fixture
def node(stopped):
    return settle(stopped.start())


def settle(service):
    """Its devices are known when what it will never have is refused."""
    with service.client() as client:
        ask(client, count=3)
    return service


def of_card(service, i):
    """The access of the card's two nodes, which is one."""
    render, card = map(access, service.root.nodes(i))
    assert render == card
    return render


def wait_for(service, i, expected):
    deadline = time.monotonic() + TIMEOUT
    while (found := [access(path) for path in service.root.nodes(i)]) != [expected, expected]:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def of_user(holders, uid):
    return holders.new(user=uid, group=uid, extra_groups=[])


def lease(service, process, **more):
    with service.client() as client:
        decision = granted(ask(client, process, **more))
        accept(client, decision)
        return decision


def children(service):
    """The service's processes by their word: spawner, device-worker, keeper."""
    (spawner,) = children_of(service.process.pid)
    words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in children_of(spawner)}
    return {"spawner": spawner, **{word[1].decode(): pid for pid, word in words.items() if len(word) > 1}}


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_child(service, word, unlike=None):
    deadline = time.monotonic() + TIMEOUT
    while (pid := children(service).get(word)) in (None, unlike):
        assert time.monotonic() < deadline, f"no {word}"
        time.sleep(0.01)
    return pid


# ---- A lease -----------------------------------------------------------------------------------------


def test_a_leased_card_is_its_holders(node, holders):
    assert of_card(node, 0) == of_card(node, 1) == ORIGINAL
    process = of_user(holders, ALICE)
    lease(node, process)
    assert of_card(node, 0) == restricted_to(ALICE)
    assert of_card(node, 1) == ORIGINAL
    process.kill()
    wait_for(node, 0, ORIGINAL)
    assert not [name for name in os.listdir(node.runtime_directory / "access") if name[0] != "."]


def test_who_can_open_it(node, holders):
    render = node.root.render_node(0)
    assert not may_open(render, ALICE)
    assert may_open(render, BOB, groups=[GROUP])
    process = of_user(holders, ALICE)
    lease(node, process)
    assert may_open(render, ALICE)
    assert may_open(node.root.card_node(0), ALICE)
    assert not may_open(render, BOB, groups=[GROUP])
    assert not may_open(node.root.card_node(0), BOB, groups=[GROUP])
    assert may_open(node.root.render_node(1), BOB, groups=[GROUP])
    process.kill()
    wait_for(node, 0, ORIGINAL)
    assert not may_open(render, ALICE)
    assert may_open(render, BOB, groups=[GROUP])


def test_tiles_of_a_card_of_one_user(node, holders):
    """Nodes are the card's: the other tile's job of the same user may open it still."""
    first, second = of_user(holders, ALICE), of_user(holders, ALICE)
    lease(node, first, tiles=True)
    lease(node, second, tiles=True)
    first.kill()
    first.wait()
    with node.client() as client:
        granted(ask(client, of_user(holders, ALICE), tiles=True, wait_ms=PATIENT))
    assert of_card(node, 0) == restricted_to(ALICE)


def test_a_lease_that_is_released(node, holders):
    with node.client() as client:
        decision = granted(ask(client, of_user(holders, ALICE), count=2))
        accept(client, decision)
        assert of_card(node, 0) == of_card(node, 1) == restricted_to(ALICE)
        client.ok("lease_release", lease=decision.lease.id)
    wait_for(node, 0, ORIGINAL)
    wait_for(node, 1, ORIGINAL)


def test_an_offer_that_lapses(node, holders):
    with node.client() as client:
        granted(ask(client, of_user(holders, ALICE)))
        assert of_card(node, 0) == restricted_to(ALICE)
    wait_for(node, 0, ORIGINAL)


def test_a_card_is_as_before_when_it_is_given_again(node, holders):
    """The second grant is answered when the card is the second user's, and nobody else's."""
    first = of_user(holders, ALICE)
    lease(node, first, count=2)
    with node.client() as client:
        waits = begin(client, of_user(holders, BOB), count=2, wait_ms=PATIENT)
        position(client, waits)
        first.kill()
        decision = granted(answer(client, waits))
        assert of_card(node, 0) == of_card(node, 1) == restricted_to(BOB)
        client.ok("lease_release", lease=decision.lease.id)
    wait_for(node, 1, ORIGINAL)


def test_two_users_on_two_cards(node, holders):
    lease(node, of_user(holders, ALICE))
    lease(node, of_user(holders, BOB))
    assert of_card(node, 0) == restricted_to(ALICE)
    assert of_card(node, 1) == restricted_to(BOB)
    assert [may_open(node.root.render_node(i), ALICE, groups=[GROUP]) for i in range(2)] == [True, False]
    assert [may_open(node.root.render_node(i), BOB, groups=[GROUP]) for i in range(2)] == [False, True]


def test_two_users_share_a_card(node, holders):
    with node.client() as client:
        client.ok("device_drain", device=SECOND, drain=True)
    first, second = of_user(holders, ALICE), of_user(holders, BOB)
    assert units(lease(node, first, shared=True)) == [(FIRST, None)]
    assert of_card(node, 0) == restricted_to(ALICE)
    assert units(lease(node, second, shared=True)) == [(FIRST, None)]
    assert of_card(node, 0) == restricted_to(ALICE, BOB)
    first.kill()
    wait_for(node, 0, restricted_to(BOB))
    second.kill()
    wait_for(node, 0, ORIGINAL)


# ---- Restarts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_lease_that_outlives_the_service(node, holders, way):
    process = of_user(holders, ALICE)
    lease(node, process)
    getattr(node, way)()
    assert of_card(node, 0) == restricted_to(ALICE)
    node.start()
    with node.client() as client:
        assert units_of(granted(ask(client, of_user(holders, BOB)))) == [SECOND]
        assert of_card(node, 0) == restricted_to(ALICE)
        assert of_card(node, 1) == restricted_to(BOB)
    process.kill()
    wait_for(node, 0, ORIGINAL)


def units_of(decision):
    return [address for address, _ in units(decision)]


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_lease_that_ended_while_the_service_was_away(node, holders, way):
    process = of_user(holders, ALICE)
    lease(node, process)
    getattr(node, way)()
    process.kill()
    process.wait()
    assert of_card(node, 0) == restricted_to(ALICE)
    node.start()
    wait_for(node, 0, ORIGINAL)


def test_a_service_that_is_killed_again_and_again(node, holders, rounds):
    """Wherever it was: the record is of the original, never of a restriction."""
    for i in range(rounds(4, 40)):
        process = of_user(holders, (ALICE, BOB)[i % 2])
        with node.client() as client:
            begin(client, process, count=2, wait_ms=PATIENT)
            if i % 3:
                position_or_answer(client)
        node.kill()
        process.kill()
        node.start()
    wait_for(node, 0, ORIGINAL)
    wait_for(node, 1, ORIGINAL)


def position_or_answer(client):
    client.receive()


@pytest.mark.parametrize("alive", [True, False], ids=["leased", "ended"])
def test_enforcement_that_is_turned_off(node, holders, alive):
    """What it restricted is put back, also of a lease that lives on; and then there is no keeper any more."""
    process = of_user(holders, ALICE)
    lease(node, process)
    node.kill()
    if not alive:
        process.kill()
        process.wait()
    node.config["enforcement"] = False
    node.write_config()
    node.start()
    wait_for(node, 0, ORIGINAL)
    deadline = time.monotonic() + TIMEOUT
    while "keeper" in children(node):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not node.status().enforcement
    assert "keeper" not in "".join(node.status().problems)


def test_nothing_is_put_back_before_the_nodes_are_known(node, holders):
    """After a restart the leases are known at once, their cards' nodes with the inventory, however late."""
    process = of_user(holders, ALICE)
    lease(node, process)
    node.kill()
    node.gpus.change("hang zeInit")
    node.start()
    wait_child(node, "keeper")
    deadline = time.monotonic() + TIMEOUT
    while "no-inventory" not in node.log:
        assert of_card(node, 0) == restricted_to(ALICE)
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with node.client() as client:
        client.ok("status")
        assert of_card(node, 0) == restricted_to(ALICE)
        node.gpus.reset()
        client.ok("worker_restart")
        while client.ok("status").n_devices != 2:
            assert time.monotonic() < deadline + TIMEOUT
        assert units_of(granted(ask(client, of_user(holders, BOB)))) == [SECOND]
        assert of_card(node, 0) == restricted_to(ALICE)
    process.kill()
    wait_for(node, 0, ORIGINAL)


# ---- The keeper --------------------------------------------------------------------------------------


def test_a_keeper_that_is_killed(node, holders):
    process = of_user(holders, ALICE)
    lease(node, process)
    first = wait_child(node, "keeper")
    for path in node.root.nodes(0):
        subprocess.run(["setfacl", "-b", path], check=True)
    os.kill(first, signal.SIGKILL)
    wait_for(node, 0, restricted_to(ALICE))
    second = wait_child(node, "keeper", unlike=first)
    process.kill()
    os.kill(second, signal.SIGKILL)
    wait_for(node, 0, ORIGINAL)
    with node.client() as client:
        granted(ask(client, of_user(holders, BOB), count=2, wait_ms=PATIENT))
    assert node.status().state == "ok"


def test_a_keeper_that_is_killed_with_an_order(node, holders):
    """It hangs, is asked, and is killed: the next one does what was asked."""
    keeper = wait_child(node, "keeper")
    with node.client() as client:
        os.kill(keeper, signal.SIGSTOP)
        waits = begin(client, of_user(holders, ALICE))
        deadline = time.monotonic() + TIMEOUT
        while not node.status().n_leases:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert of_card(node, 0) == ORIGINAL
        os.kill(keeper, signal.SIGKILL)
        granted(answer(client, waits))
        assert of_card(node, 0) == restricted_to(ALICE)


def test_nodes_that_are_made_anew(node, holders):
    """Restricted when the worker has looked again; of the new node the access as it is now is put back."""
    process = of_user(holders, ALICE)
    lease(node, process)
    node.root.make_nodes(0)
    plain = (["user::rw-", "group::rw-", "other::---"], 0o660)
    assert of_card(node, 0) == plain
    with node.client() as client:
        client.ok("worker_restart")
    began = time.monotonic()
    wait_for(node, 0, restricted_to(ALICE))
    assert time.monotonic() - began < 5 * SLOW, "found by chance, as without an event"
    process.kill()
    wait_for(node, 0, plain)


def test_nodes_that_are_made_anew_with_an_event(stopped, holders):
    """As by a driver that is loaded again: the kernel says so, here to the service alone."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs a network namespace of its own, which this container may not make")
    kernel = hotplug.Node(stopped, stopped.gpus)
    kernel.own_namespace = True
    kernel.start()
    lease(stopped, of_user(holders, ALICE))
    stopped.root.make_nodes(0)
    began = time.monotonic()
    kernel.kernel_says(hotplug.drm("remove"), hotplug.drm("add"))
    wait_for(stopped, 0, restricted_to(ALICE))
    assert time.monotonic() - began < 5 * SLOW, "found by chance, as without an event"


def test_nodes_that_are_made_anew_unnoticed(node, holders):
    """Without any event it is said again all the same, some seconds later."""
    lease(node, of_user(holders, ALICE))
    node.root.make_nodes(0)
    wait_for(node, 0, restricted_to(ALICE))


def test_a_record_that_cannot_be_written(node, holders):
    node.stop()
    place = node.runtime_directory / "access"
    if place.exists():
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
    place.write_text("")
    node.start()
    with node.client() as client:
        decision = rejected(ask(client, of_user(holders, ALICE)), "devices-busy")
        assert str(place) in detail(decision, "devices-busy")
        status = client.ok("status")
        assert status.state == "degraded"
        assert any(str(place) in problem for problem in status.problems), status.problems
        assert of_card(node, 0) == ORIGINAL
        place.unlink()
        granted(ask(client, of_user(holders, ALICE), wait_ms=PATIENT))
        assert of_card(node, 0) == restricted_to(ALICE)
    wait_status(node, lambda status: status.state == "ok")


def test_a_failure_is_not_hidden_by_another_card(node, holders):
    """Status goes on to name the card that cannot be restricted, until it can."""
    record = node.runtime_directory / "access" / "renderD128"
    lease(node, of_user(holders, CARL), count=2)
    node.kill()
    holders.end()
    record.write_text("itexd access 1\nhalf a record")
    node.start()
    with node.client() as client:
        decision = rejected(ask(client, of_user(holders, ALICE), wait_ms=1000), "devices-busy")
        assert "its record" in detail(decision, "devices-busy")
        client.ok("device_drain", device=FIRST, drain=True)
        lease(node, of_user(holders, ALICE), wait_ms=PATIENT)
        assert of_card(node, 1) == restricted_to(ALICE)
        status = client.ok("status")
        assert any("renderD128" in problem for problem in status.problems), status.problems
        record.unlink()
        for path in node.root.nodes(0):
            subprocess.run(["setfacl", "-b", path], check=True)
        client.ok("device_drain", device=FIRST, drain=False)
        lease(node, of_user(holders, BOB), wait_ms=PATIENT)
        assert of_card(node, 0) == restricted_to(BOB)
    wait_status(node, lambda status: status.state == "ok")


def wait_status(service, condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition(status := service.status()):
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def test_what_cannot_be_put_back_is_tried_again(node, holders):
    lease(node, of_user(holders, ALICE))
    node.kill()
    holders.end()
    record = node.runtime_directory / "access" / "renderD128"
    whole = record.read_text()
    record.write_text(whole[:40])
    (node.runtime_directory / "leases").unlink()  # nobody knows any more why it was restricted
    node.start()
    wait_status(node, lambda status: any("renderD128" in problem for problem in status.problems))
    assert access(node.root.render_node(0)) == restricted_to(ALICE)
    record.write_text(whole)
    wait_for(node, 0, ORIGINAL)
    wait_status(node, lambda status: status.state == "ok")


# ---- Capabilities ------------------------------------------------------------------------------------


def as_user(device_root, simulated, make_itexd, capabilities):
    make_cards(device_root)
    service = make_itexd(
        config={"enforcement": True},
        devices=simulated(cards=2, tiles=2),
        arguments=[device_root.argument],
        user=NOBODY,
        capabilities=capabilities,
    )
    service.root = device_root
    return service.start()


def test_a_service_with_the_capability(device_root, simulated, make_itexd, holders):
    """As the unit has it; the service's own user may still open the card, for the device worker."""
    node = as_user(device_root, simulated, make_itexd, ["fowner"])
    process = of_user(holders, ALICE)
    lease(node, process)
    assert of_card(node, 0) == restricted_to(ALICE, NOBODY)
    assert node.status().state == "ok"
    process.kill()
    wait_for(node, 0, ORIGINAL)


def test_a_service_without_the_capability(device_root, simulated, make_itexd, holders):
    """A lease that cannot be enforced is none."""
    node = as_user(device_root, simulated, make_itexd, [])
    with node.client() as client:
        decision = rejected(ask(client, of_user(holders, ALICE)), "devices-busy")
        said = detail(decision, "devices-busy")
        assert "/dev/dri/renderD128" in said
        assert "CAP_FOWNER" in said and "acl.conf" in said
        status = client.ok("status")
        assert status.state == "degraded"
        assert any("CAP_FOWNER" in problem for problem in status.problems), status.problems
        assert not client.ok("leases").leases or status.n_leases == 0
    assert of_card(node, 0) == ORIGINAL
    result = node.ctl("status")
    assert "CAP_FOWNER" in result.stdout
