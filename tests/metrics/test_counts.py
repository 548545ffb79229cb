"""Counters count what the database has, and what it could not take apart."""

from __future__ import annotations

import os
import threading

from asking import PATIENT, accept, answer, ask, begin, granted, position
from disks import fill_disk, small_disk, wait_recorded
from harness import TIMEOUT, Code, memfd, rule_files
from scraping import Numbers, wait_for

ENVIRONMENTS = [
    ({}, {"keras": "0"}),
    ({}, {"keras": "3", "jit": "on"}),
    ({"ITEX_XLA_COMPILE": "1", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}, {"keras": "0"}),
    ({"ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "0"}, {"keras": "0"}),
]


def ask_many(service, rounds=5):
    with service.client() as client:
        for _ in range(rounds):
            for env, declared in ENVIRONMENTS:
                client.resolve(env=env, declared=declared)


def by_mode_and_verdict(service):
    return {
        (mode or "unknown", verdict): n
        for mode, verdict, n in service.rows(
            "SELECT mode, verdict, count(*) FROM decisions JOIN outcomes o ON o.id = outcome GROUP BY 1, 2"
        )
    }


def by_rule(service):
    return dict(
        service.rows(
            "SELECT rule, count(*) FROM decisions d JOIN outcome_rules r ON r.outcome = d.outcome GROUP BY 1"
        )
    )


def test_decisions_by_mode_verdict_and_rule_are_those_of_the_database(metered):
    ask_many(metered)
    numbers = Numbers(metered)
    counted = {
        (dict(labels)["mode"], dict(labels)["verdict"]): value
        for (_, labels), value in numbers.matching("itexd_decisions_total").items()
        if value
    }
    rules = {
        dict(labels)["rule"]: value
        for (_, labels), value in numbers.matching("itexd_decision_rules_total").items()
        if value
    }
    assert counted == by_mode_and_verdict(metered)
    assert rules == by_rule(metered)
    assert numbers("itexd_predicted_outcomes_total") == 20 == numbers("itexd_stored_decisions")
    assert numbers("itexd_requests_total", request="resolve") == 20
    assert numbers("itexd_request_duration_seconds_count", request="resolve") == 20
    resolved = numbers("itexd_resolution_duration_seconds_count")
    assert len(ENVIRONMENTS) <= resolved < 20  # again when the inventory comes
    assert resolved + numbers("itexd_remembered_resolutions_total") == 20
    assert numbers("itexd_commit_writes_sum") >= 20


SMALL = """
rules:
  - id: only
    severity: warning
    outcome: warning
    itex: ["2.14", "2.15", newest]
    when: {verbose: valid}
    message: "m"
    solution: {unset: [ITEX_VERBOSE]}
    source: "s"
    examples:
      - given: {keras: "0"}
        env: {ITEX_VERBOSE: "3"}
        expect: {holds: true, unset: [ITEX_VERBOSE]}
"""


def test_a_rule_that_leaves_the_set_is_counted_as_other(metered):
    ask_many(metered)
    total = Numbers(metered)("itexd_decision_rules_total")
    with metered.client() as client:
        fd = memfd(rule_files({"10-small.yaml": SMALL}))
        client.ok("rules_load", fds=[fd], name="small", activate=True)
        os.close(fd)
        client.resolve(env={"ITEX_VERBOSE": "3"}, declared={"keras": "0"})
    after = Numbers(metered)
    assert after("itexd_rules") == 1
    assert after("itexd_decision_rules_total", rule="only") == 1
    assert after("itexd_decision_rules_total", rule="other") == total


def test_states_reports_and_mismatches(metered, holders):
    with metered.client() as client:
        plain = client.resolve(declared={"keras": "0"})
        client.ok("accept", decision=plain.id)
        client.ok("report", decision=plain.id, mode=plain.outcome.mode)
        client.ok("report", decision=plain.id, mode="none")
        client.ok("report", decision=plain.id, mode="none")
        other = client.resolve(declared={"keras": "0"})
        client.ok("report", decision=other.id, mode="none")
        numbers = Numbers(metered)
        assert numbers("itexd_accepted_decisions_total") == 1
        assert numbers("itexd_reported_decisions_total") == 2
        assert numbers("itexd_mismatched_decisions_total") == 2
        process = holders.new()
        granted(ask(client, process))
        process.kill()
        process.wait()
    numbers = wait_for(metered, lambda now: now("itexd_undelivered_decisions_total") == 1)
    assert metered.rows("SELECT count(*) FROM decisions WHERE observed_mode IS NOT NULL")[0][0] == 2
    assert metered.rows("SELECT count(*) FROM decisions WHERE observed_match = 0")[0][0] == 2


def test_refusals_by_reason(metered):
    with metered.client() as client:
        client.error("explain", decision=4711)
        client.error("explain", decision=4711)
        client.error("report", decision=0, mode="nonsense")
    numbers = Numbers(metered)
    assert numbers("itexd_refusals_total", reason="no-decision") == 2
    assert numbers("itexd_refusals_total", reason="field") == 1
    assert numbers("itexd_refusals_total") == 3


def test_refused_connections(make_metered):
    service = make_metered({"connections_per_uid": 1}).start()
    with service.client(), service.client(hello=False) as other:
        assert other.receive().reply.error.code == Code.LIMIT
        assert Numbers(service)("itexd_refusals_total", reason="uid-connections") == 1


def test_leases_and_who_waits(metered, holders):
    with metered.client() as first, metered.client() as second:
        held = granted(ask(first, holders.new(), count=2, job="17"))
        accept(first, held)
        request = begin(second, holders.new(), wait_ms=PATIENT)
        position(second, request)
        numbers = Numbers(metered)
        assert numbers("itexd_leases", state="accepted", sharing="exclusive") == 1
        assert numbers("itexd_leases") == 1
        assert numbers("itexd_lease_queue") == 1
        assert numbers("itexd_lease_info", job_id="17") == 2
        first.ok("lease_release", lease=held.lease.id)
        granted(answer(second, request))
        numbers = Numbers(metered)
    assert numbers("itexd_lease_queue") == 0
    assert numbers("itexd_lease_answers_total", answer="granted") == 2
    assert numbers("itexd_lease_wait_seconds_count") == 2
    assert numbers("itexd_request_duration_seconds_count", request="resolve-with-devices") == 2
    assert not numbers.matching("itexd_request_duration_seconds_count", request="resolve")


def test_what_is_not_recorded_is_counted_apart(make_metered):
    service = make_metered()
    with small_disk(service.database.parent):
        service.start()
        ask_many(service, rounds=1)
        filler = fill_disk(service)
        before = Numbers(service)
        ask_many(service, rounds=1)
        after = Numbers(service)
        assert after("itexd_recording") == 0
        assert after("itexd_degraded") == 1
        assert after("itexd_decisions_total") == before("itexd_decisions_total")
        assert after("itexd_unrecorded_decisions_total") == before("itexd_unrecorded_decisions_total") + 4
        filler.unlink()
        wait_recorded(service, True)
        numbers = Numbers(service)
        assert numbers("itexd_recording") == 1
        assert numbers("itexd_recording_interruptions_total") == 1
        assert numbers("itexd_decisions_total") == service.rows("SELECT count(*) FROM decisions")[0][0]
        service.stop()


def test_counts_are_whole_under_load(metered):
    """Many clients at once, and a scrape behind them has all of it."""
    threads = [threading.Thread(target=ask_many, args=(metered,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    numbers = Numbers(metered)
    assert numbers("itexd_decisions_total") == 160
    assert numbers("itexd_decisions_total") == metered.rows("SELECT count(*) FROM decisions")[0][0]
