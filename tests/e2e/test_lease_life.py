"""A lease's life: offered, accepted or not, over restarts of the service and losses of its database."""

from __future__ import annotations

import secrets
import socket
import time

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
    env,
    granted,
    position,
    rejected,
    units,
    written,
)
from disks import fill_disk, small_disk, wait_recorded
from harness import NOBODY, TIMEOUT, Code, Refused, pb


def wait_until(happened):
    deadline = time.monotonic() + TIMEOUT
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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


def test_an_offer_made_to_two_connections_lapses_with_both(node, holders):
    with node.client() as other:
        taken = holders.new()
        accept(other, granted(ask(other, taken, count=2)))
        process, same = holders.new(), secrets.token_bytes(16)
        with node.client() as first, node.client() as again:
            waits = begin(first, process, count=2, wait_ms=PATIENT, request_id=same)
            position(first, waits)
            repeated = begin(again, process, count=2, wait_ms=PATIENT, request_id=same)
            assert again.ok("status").n_waiting == 1
            taken.kill()
            decision = granted(answer(first, waits))
            assert answer(again, repeated).id == decision.id
        granted(ask(other, holders.new(), wait_ms=PATIENT))
        assert other.ok("explain", decision=decision.id).state == "undelivered"


def test_a_retry_takes_over_the_place_in_the_queue(node, holders):
    """The connection of who asked first ends while both wait."""
    with node.client() as other, node.client() as later, node.client() as again:
        taken = holders.new()
        accept(other, granted(ask(other, taken, count=2)))
        process, same = holders.new(), secrets.token_bytes(16)
        with node.client() as first:
            waits = begin(first, process, count=2, wait_ms=PATIENT, request_id=same)
            position(first, waits)
            repeated = begin(again, process, count=2, wait_ms=PATIENT, request_id=same)
            assert again.ok("status").n_waiting == 1
            behind = begin(later, holders.new(), count=2, wait_ms=PATIENT)
            assert position(later, behind) == 2
        taken.kill()
        decision = granted(answer(again, repeated))
        accept(again, decision)
        process.kill()
        assert granted(answer(later, behind)).lease.id > decision.lease.id


def test_who_does_not_listen_any_more_is_told_no_position(node, holders):
    """Telling a connection may end it, and with it what others on the same request wait for."""
    with node.client() as other, node.client() as before, node.client() as again:
        accept(other, granted(ask(other, holders.new(), count=2)))
        ahead, process, same = holders.new(), holders.new(), secrets.token_bytes(16)
        position(before, begin(before, ahead, count=2, wait_ms=PATIENT))
        with node.client() as deaf:
            waits = begin(deaf, process, count=2, wait_ms=PATIENT, request_id=same)
            assert position(deaf, waits) == 2
            repeated = begin(again, process, count=2, wait_ms=PATIENT, request_id=same)
            assert again.ok("status").n_waiting == 2
            deaf.sock.shutdown(socket.SHUT_RD)
            ahead.kill()
            assert position(again, repeated) == 1
    assert node.alive()


def test_a_retry_after_the_lease_was_released_is_a_new_decision(node, holders):
    process = holders.new()
    with node.client() as client:
        decision = granted(ask(client, process))
        client.ok("lease_release", lease=decision.lease.id)
        again = granted(ask(client, process, request_id=decision.request_id))
        assert again.id != decision.id
        assert again.lease.id != decision.lease.id


def test_an_offer_is_given_back_at_once(node, holders):
    with node.client() as client:
        decision = granted(ask(client, holders.new(), count=2))
        client.ok("lease_release", request_id=decision.request_id)
        granted(ask(client, holders.new(), count=2))
        assert client.ok("explain", decision=decision.id).state == "undelivered"


def test_only_an_administrator_gives_back_for_another(node, holders, as_root):
    with node.client() as client, node.client(uid=NOBODY) as other:
        decision = granted(ask(client, holders.new()))
        assert not other.ok("lease_release", request_id=decision.request_id).HasField("lease")
        assert other.error("lease_release", request_id=b"short").code == Code.BAD_REQUEST
        assert client.ok("leases").leases[0].id == decision.lease.id
        theirs = granted(ask(client, holders.new(user=NOBODY, group=NOBODY, extra_groups=[])))
        assert client.ok("lease_release", request_id=theirs.request_id).lease.id == theirs.lease.id


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


def test_leases_after_a_reload_outlive_the_service(make_itexd, simulated, holders):
    """What the old configuration was read into is gone then: with this variable, overwritten."""
    node = make_itexd(devices=simulated(), env={"MALLOC_PERTURB_": "165"}).start()
    with node.client() as client:
        client.ok("reload")
        decision = granted(ask(client, holders.new(), count=2))
        accept(client, decision)
    node.kill()
    node.start()
    with node.client() as client:
        assert [lease.id for lease in client.ok("leases").leases] == [decision.lease.id]
        rejected(ask(client, holders.new()), "devices-busy")


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


# ---- Without a database -------------------------------------------------------------------------------


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


def test_an_administrators_unrecorded_accept_counts(node, holders, as_root):
    """The holder is another user's, so the offer is found by its request alone."""
    node.stop()
    node.database.rename(node.database.with_suffix(".kept"))
    node.database.mkdir()
    node.start()
    process = holders.new(user=NOBODY, group=NOBODY, extra_groups=[])
    with node.client() as client:
        decision = granted(ask(client, process, count=2))
        client.ok("accept", request_id=decision.request_id, lease=decision.lease.id)
        assert client.ok("leases").leases[0].state == "accepted"


def test_an_unrecorded_offer_that_has_ended_cannot_be_accepted(node, holders):
    node.stop()
    node.database.rename(node.database.with_suffix(".kept"))
    node.database.mkdir()
    node.start()
    with node.client() as client:
        decision = granted(ask(client, holders.new(), count=2))
        client.ok("lease_release", lease=decision.lease.id)
        with pytest.raises(Refused) as refused:
            client.ok("accept", request_id=decision.request_id, lease=decision.lease.id)
        assert refused.value.code == Code.NOT_FOUND


def test_what_ended_while_nothing_was_recorded_is_written_later(make_itexd, simulated, holders, as_root):
    """By itself, also where nobody asks for devices then."""
    node = make_itexd(devices=simulated(cards=2, tiles=2))
    with small_disk(node.database.parent):
        node.start()
        with node.client() as client:
            process = holders.new()
            decision = granted(ask(client, process, count=2))
            accept(client, decision)
            filler = fill_disk(node)
            process.kill()
            wait_until(lambda: not client.ok("leases").leases)
            filler.unlink()
            wait_recorded(node, True)
            wait_until(lambda: client.ok("explain", decision=decision.id).lease.state == "released")
        node.cleanup()
