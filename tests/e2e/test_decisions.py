"""Decisions through the running service: the contract's worked examples, one decision per request id, what is
recorded about it, and what explain and query give back."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time

import pytest
from harness import Code, Refused, resolve_message, start_time

KEYS = [
    "decision", "recorded", "state", "time", "job", "peer", "policy", "verdict", "mode", "predicted", "facts",
    "unknown", "env", "obligations", "diagnostics", "diagnostics_omitted", "alternatives", "devices", "lease",
    "observed", "ruleset", "itex",
]  # fmt: skip
NPD = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"
NEWEST, WHEEL = "newest", "2.15.0.3"


def changes(decision):
    return {v.name: v.value if v.HasField("value") else None for v in decision.outcome.env}


def rules(decision):
    return {d.rule: d.applied for d in decision.outcome.diagnostics}


def predicted(decision):
    def text(field):
        return getattr(decision.outcome, field) if decision.outcome.HasField(field) else None

    return text("predicted_mode"), text("predicted_outcome")


# ---- The contract's worked examples ------------------------------------------------------------------


def test_a_chain_keras_2_with_jit_and_npd_off(shared_client):
    decision = shared_client.resolve(
        {NPD: "0", "ITEX_OPS_OVERRIDE": "1", "TF_XLA_FLAGS": "--tf_xla_clustering_debug"},
        {"itex": NEWEST, "keras": "2", "jit": "on"},
    )
    assert predicted(decision) == (None, "abort")
    assert rules(decision) == {
        "keras3-3": True, "keras3-6": True, "legacy-unset": False, "npd-off-xla-on": False
    }  # fmt: skip
    because = {d.rule: list(d.because) for d in decision.outcome.diagnostics}
    assert because["keras3-6"] == ["keras3-3"]
    assert because["keras3-3"] == []
    assert changes(decision) == {"TF_XLA_FLAGS": "--tf_xla_clustering_debug --tf_xla_auto_jit=1", NPD: "1"}
    assert list(decision.outcome.obligations) == ["jit_compile=False"]
    assert (decision.outcome.mode, decision.outcome.verdict) == ("npd+xla", "fixed")


def test_keras_3_with_ops_override_would_have_exited_with_0(shared_client):
    decision = shared_client.resolve(
        {"ITEX_OPS_OVERRIDE": "1"}, {"itex": NEWEST, "keras": "3", "jit": "auto"}
    )
    assert predicted(decision) == ("npd+xla", "exit0")
    assert rules(decision) == {"keras3-5": True}
    assert changes(decision) == {"ITEX_DISABLE_XLA": "1"}
    assert (decision.outcome.mode, decision.outcome.verdict) == ("npd", "fixed")


def test_the_same_in_the_released_wheel_is_nothing(shared_client):
    decision = shared_client.resolve({"ITEX_OPS_OVERRIDE": "1"}, {"itex": WHEEL, "keras": "3", "jit": "auto"})
    assert (decision.outcome.mode, decision.outcome.verdict) == ("npd", "ok")
    assert not decision.outcome.env


def test_npd_forced_and_row_8_in_the_released_wheel(shared_client):
    decision = shared_client.resolve(
        {NPD: "0", "ITEX_OPS_OVERRIDE": "1", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}, {"itex": WHEEL}
    )
    assert predicted(decision) == ("npd+xla", "warning")
    assert {"keras3-8", "npd-forced", "xla-device-api"} <= set(rules(decision))
    assert changes(decision) == {
        "ITEX_OPS_OVERRIDE": "0",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_use_device_api=true",
    }
    assert (decision.outcome.mode, decision.outcome.verdict) == ("npd+xla", "fixed")


def test_disable_spelt_false_is_read_by_python_only(shared_client):
    decision = shared_client.resolve({"ITEX_DISABLE_XLA": "False"}, {"itex": NEWEST, "keras": "0"})
    assert predicted(decision) == ("npd+xla", "slow")
    assert set(rules(decision)) == {"keras3-2", "disable-spelling"}
    assert changes(decision) == {"ITEX_DISABLE_XLA": "1"}
    assert (decision.outcome.mode, decision.outcome.verdict) == ("npd", "fixed")


@pytest.mark.parametrize(("itex", "mode"), [(NEWEST, "npd+xla"), (WHEEL, "npd")])
def test_nothing_set_and_nothing_known(shared_client, itex, mode):
    decision = shared_client.resolve({}, {"itex": itex})
    assert (decision.outcome.mode, decision.outcome.verdict) == (mode, "ok")
    assert predicted(decision)[1] is None
    assert {"keras", "jit"} <= set(decision.outcome.unknown)


@pytest.mark.parametrize(
    ("itex", "rule", "mode"), [(NEWEST, "legacy-mismatch", "npd+xla"), (WHEEL, "jit-without-xla", "npd")]
)
def test_legacy_keras_asked_for_under_keras_3(shared_client, itex, rule, mode):
    decision = shared_client.resolve(
        {"TF_USE_LEGACY_KERAS": "1"}, {"itex": itex, "keras": "3", "jit": "auto"}
    )
    assert rule in rules(decision)
    assert decision.outcome.mode == mode
    assert decision.outcome.verdict == "fixed"
    if itex == NEWEST:
        assert changes(decision) == {"TF_USE_LEGACY_KERAS": None}
        assert rules(decision)["jit-without-xla"] is False


def test_following_the_page_to_the_letter_would_have_exited_with_0(shared_client):
    decision = shared_client.resolve(
        {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}, {"itex": NEWEST, "keras": "3", "jit": "on"}
    )
    assert {"keras-auto-jit", "auto-jit-not-exempt"} <= set(rules(decision))
    assert rules(decision)["auto-jit-not-exempt"]
    assert "jit_compile=False" in decision.outcome.obligations
    assert changes(decision) == {"ITEX_DISABLE_XLA": "1"}


def test_two_rules_of_one_job_in_one_decision(shared_client):
    decision = shared_client.resolve(
        {"ITEX_REMAPPER": "yes", "ITEX_VERBOSE": "loud"}, {"itex": NEWEST, "keras": "0"}
    )
    assert {"itex-bool", "verbose"} <= set(rules(decision))
    assert changes(decision)["ITEX_REMAPPER"] is None
    assert changes(decision)["ITEX_VERBOSE"] is None
    assert predicted(decision) == (None, "abort")


def test_advise_changes_nothing(shared_client):
    decision = shared_client.resolve(
        {"ITEX_DISABLE_XLA": "False"}, {"itex": NEWEST, "keras": "0"}, policy="advise"
    )
    assert (decision.policy, decision.outcome.verdict, decision.outcome.mode) == (
        "advise",
        "advised",
        "npd+xla",
    )
    assert not decision.outcome.env
    assert not decision.outcome.obligations
    assert not any(rules(decision).values())


def test_apply_errors_leaves_warnings(shared_client):
    decision = shared_client.resolve({}, {"itex": NEWEST, "keras": "0"}, apply_errors=True)
    assert decision.outcome.verdict == "advised"
    assert not decision.outcome.env


def test_devices_are_refused_for_now(shared_client):
    decision = shared_client.resolve({}, {"keras": "0"}, devices={"count": 1})
    assert (decision.outcome.mode, decision.outcome.verdict) == ("none", "rejected")
    assert not decision.HasField("lease")


def test_no_device_allowed_is_answered_as_if_none_was_asked(shared_client):
    decision = shared_client.resolve({}, {"keras": "0"}, devices={"count": 1, "allow_none": True})
    assert decision.outcome.mode == "npd"


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ({"no_such_fact": "1"}, "no_such_fact"),
        ({"keras": "7"}, "keras"),
        ({"npd_requested": "true"}, "npd_requested"),
    ],
)
def test_a_fact_that_cannot_be_declared(shared_client, declared, word):
    with pytest.raises(Refused) as refused:
        shared_client.resolve({}, declared)
    assert refused.value.code == Code.BAD_REQUEST
    assert word in refused.value.text


# ---- One request, one decision -----------------------------------------------------------------------


def test_the_same_request_id_is_the_same_decision(itexd, client):
    request_id = secrets.token_bytes(16)
    first = client.resolve(declared={"keras": "0"}, request_id=request_id)
    second = client.resolve(declared={"keras": "0"}, request_id=request_id)
    with itexd.client() as other:
        third = other.resolve(declared={"keras": "0"}, request_id=request_id)
    assert first.id == second.id == third.id
    assert first.outcome == second.outcome == third.outcome
    assert itexd.status().decisions == 1


def test_the_same_request_id_from_many_connections_at_once(itexd):
    request_id = secrets.token_bytes(16)
    clients = [itexd.client() for _ in range(16)]
    barrier = threading.Barrier(len(clients))
    ids = []

    def ask(connection):
        barrier.wait()
        ids.append(connection.resolve(declared={"keras": "0"}, request_id=request_id).id)

    threads = [threading.Thread(target=ask, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in clients:
        connection.close()
    assert len(ids) == 16
    assert len(set(ids)) == 1
    assert itexd.status().decisions == 1


def test_the_same_request_id_pipelined_on_one_connection(itexd, client):
    message = resolve_message(declared={"keras": "0"})
    sent = [client.send("resolve", message) for _ in range(8)]
    assert len({client.reply(request).decision.id for request in sent}) == 1


def test_the_same_request_id_after_a_restart(itexd):
    request_id = secrets.token_bytes(16)
    with itexd.client() as client:
        first = client.resolve(declared={"keras": "0"}, request_id=request_id)
    itexd.restart()
    with itexd.client() as client:
        assert client.resolve(declared={"keras": "0"}, request_id=request_id).id == first.id
    assert itexd.status().decisions == 1


def test_the_same_request_id_from_another_user_tells_nothing(as_root, itexd):
    request_id = secrets.token_bytes(16)
    with itexd.client() as client:
        first = client.resolve({"ITEX_VERBOSE": "1"}, {"keras": "0"}, request_id=request_id)
    with itexd.client(uid=65534) as other:
        try:
            second = other.resolve(declared={"keras": "0"}, request_id=request_id)
        except Refused:
            return
        assert second.id != first.id
        assert second.peer.uid == 65534


def test_different_request_ids_are_different_decisions(client):
    assert client.resolve(declared={"keras": "0"}).id != client.resolve(declared={"keras": "0"}).id


# ---- What is recorded --------------------------------------------------------------------------------


def test_who_asked_when_and_for_what(client):
    before = time.time_ns() // 1_000_000
    decision = client.resolve(declared={"keras": "0"}, job="4711", step="2")
    after = time.time_ns() // 1_000_000
    kept = client.ok("explain", decision=decision.id)
    assert (kept.peer.uid, kept.peer.pid) == (os.geteuid(), os.getpid())
    assert kept.peer.start == start_time(os.getpid())
    assert (kept.job, kept.step, kept.state) == ("4711", "2", "asked")
    assert before <= kept.time_ms <= after


def test_explain_gives_what_resolve_gave(client):
    decision = client.resolve(
        {NPD: "0", "ITEX_OPS_OVERRIDE": "1", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}, {"itex": WHEEL}
    )
    kept = client.ok("explain", decision=decision.id)
    assert kept.outcome == decision.outcome
    assert kept.facts == decision.facts
    assert kept.ruleset == decision.ruleset
    assert (kept.itex, kept.policy, kept.time_ms, kept.request_id) == (
        decision.itex, decision.policy, decision.time_ms, decision.request_id
    )  # fmt: skip


def test_explain_of_a_decision_that_is_not_there(client):
    error = client.error("explain", decision=123456)
    assert error.code == Code.NOT_FOUND
    assert "123456" in error.text


def test_only_variables_that_matter_are_kept(client):
    decision = client.resolve({"ITEX_OPS_OVERRIDE": "1", "SLURM_JOB_ACCOUNT": "secret"}, {"keras": "0"})
    kept = client.ok("explain", decision=decision.id)
    assert [v.name for v in kept.facts.env] == ["ITEX_OPS_OVERRIDE"]


def test_accept_is_recorded(itexd, client):
    request_id = secrets.token_bytes(16)
    decision = client.resolve(declared={"keras": "0"}, request_id=request_id)
    assert client.call("accept", request_id=request_id, decision=decision.id).WhichOneof("body") == "done"
    client.resolve(declared={"keras": "0"})  # its commit takes the accept along
    assert client.ok("explain", decision=decision.id).state == "accepted"
    itexd.restart()
    with itexd.client() as again:
        assert again.ok("explain", decision=decision.id).state == "accepted"


def test_accept_of_what_was_never_decided(client):
    error = client.error("accept", request_id=secrets.token_bytes(16), decision=99)
    assert error.code == Code.NOT_FOUND


def test_a_report_as_promised(client):
    decision = client.resolve(declared={"keras": "0", "itex": NEWEST})
    reply = client.ok("report", decision=decision.id, mode="npd", devices=0)
    assert (reply.match, reply.promised_mode) == (True, "npd")
    observed = client.ok("explain", decision=decision.id).observed
    assert (observed.mode, observed.match) == ("npd", True)


def test_a_report_that_differs_is_told_and_kept_once(client):
    decision = client.resolve(declared={"keras": "0", "itex": NEWEST})
    reply = client.ok("report", decision=decision.id, mode="none", devices=0)
    assert (reply.match, reply.promised_mode) == (False, "npd")
    client.call("report", decision=decision.id, mode="npd", devices=0)
    observed = client.ok("explain", decision=decision.id).observed
    assert (observed.mode, observed.match) == ("none", False), "the first report of a process counts"


def test_a_later_report_that_differs_takes_the_place_of_one_as_promised(client):
    decision = client.resolve(declared={"keras": "0", "itex": NEWEST})
    assert client.ok("report", decision=decision.id, mode="npd", devices=1).match
    assert not client.ok("report", decision=decision.id, mode="none", devices=0).match
    observed = client.ok("explain", decision=decision.id).observed
    assert (observed.mode, observed.match) == ("none", False)


def test_a_report_with_a_mode_that_does_not_exist(client):
    decision = client.resolve(declared={"keras": "0"})
    assert client.error("report", decision=decision.id, mode="warp", devices=0).code == Code.BAD_REQUEST


# ---- Query -------------------------------------------------------------------------------------------


@pytest.fixture
def history(client):
    """Nine decisions: three jobs, of which one has a warning fixed, one an abort prevented, one is fine."""
    made = {}
    for round_number in range(3):
        for job, env, keras in (
            ("slow", {}, "0"),
            ("dead", {NPD: "0", "TF_XLA_FLAGS": "--tf_xla_auto_jit=1"}, "0"),
            ("fine", {"ITEX_DISABLE_XLA": "1"}, "0"),
        ):
            decision = client.resolve(env, {"itex": NEWEST, "keras": keras}, job=job)
            made.setdefault(job, []).append(decision)
        del round_number
    return made


def ids(page):
    return [d.id for d in page.decisions]


def test_query_is_newest_first(client, history):
    every = sorted((d.id for decisions in history.values() for d in decisions), reverse=True)
    assert ids(client.ok("query", limit=100)) == every


@pytest.mark.parametrize(
    ("condition", "jobs"),
    [
        ({"job": "slow"}, {"slow"}),
        ({"rule": "keras3-6"}, {"dead"}),
        ({"rule": "keras3-2"}, {"slow"}),
        ({"mode": "npd+xla"}, {"dead"}),
        ({"mode": "npd"}, {"slow", "fine"}),
        ({"verdict": "ok"}, {"fine"}),
        ({"verdict": "fixed", "mode": "npd"}, {"slow"}),
        ({"uid": 12345}, set()),
        ({"job": "no such job"}, set()),
        ({"job": "' OR 1=1 --"}, set()),
    ],
)
def test_query_by(client, history, condition, jobs):
    page = client.ok("query", limit=100, **condition)
    assert {d.job for d in page.decisions} == jobs
    assert len(page.decisions) == 3 * len(jobs)


def test_query_by_time(client, history):
    middle = history["fine"][0]
    earlier = client.ok("query", until_ms=middle.time_ms - 60_000, limit=100)
    later = client.ok("query", since_ms=middle.time_ms + 60_000, limit=100)
    assert (ids(earlier), ids(later)) == ([], [])
    assert middle.id in ids(
        client.ok("query", since_ms=middle.time_ms, until_ms=middle.time_ms + 1, limit=100)
    )


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
def test_query_pages_give_every_row_once(client, history, limit):
    seen, before = [], 0
    for _ in range(20):
        page = client.ok("query", limit=limit, **({"before": before} if before else {}))
        assert len(page.decisions) <= limit
        seen += ids(page)
        if not page.HasField("before"):
            break
        before = page.before
    assert seen == sorted((d.id for decisions in history.values() for d in decisions), reverse=True)


def test_query_pages_fit_a_packet(client):
    """Two hundred decisions with all that can be long: a page stays under the packet's limit."""
    flags = " ".join(f"--tf_xla_unknown_{n}=1" for n in range(250))
    for _ in range(20):
        client.resolve({"TF_XLA_FLAGS": flags}, {"itex": NEWEST, "keras": "0"})
    seen, before = 0, 0
    while True:
        page = client.ok("query", limit=1000, **({"before": before} if before else {}))
        seen += len(page.decisions)
        if not page.HasField("before"):
            break
        before = page.before
    assert seen == 20


# ---- The JSON of the contract ------------------------------------------------------------------------


def test_json_has_exactly_the_keys_of_the_contract(itexd, client):
    decision = client.resolve({"ITEX_DISABLE_XLA": "False"}, {"itex": NEWEST, "keras": "0"}, job="j")
    result = itexd.ctl("explain", decision.id, "--json")
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert list(shown) == KEYS
    assert shown["decision"] == decision.id
    assert set(shown["predicted"]) == {"mode", "outcome"}
    assert set(shown["peer"]) == {"uid", "pid", "start"}
    assert set(shown["env"]) == {"set", "unset"}
    assert set(shown["ruleset"]) == {"id", "name", "digest"}
    for diagnostic in shown["diagnostics"]:
        assert set(diagnostic) == {"rule", "severity", "message", "solution", "applied", "source", "because"}
    for fact in shown["facts"].values():
        assert set(fact) == {"value", "from"}
    assert shown["facts"]["keras"] == {"value": "0", "from": "declared"}
    assert shown["facts"]["jit"] == {"value": None, "from": "unknown"}
    assert shown["env"] == {"set": {"ITEX_DISABLE_XLA": "1"}, "unset": []}
    assert (shown["lease"], shown["observed"], shown["alternatives"], shown["devices"]) == (
        None,
        None,
        None,
        [],
    )
    assert shown["time"].endswith("Z")
    assert len(shown["time"]) == len("2026-01-31T10:00:00.123Z")


def test_json_of_query_is_one_object_a_line(itexd, history):
    result = itexd.ctl("query", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 9
    assert all(list(line) == KEYS for line in lines)


def test_json_of_resolve_is_that_of_explain(itexd):
    resolved = itexd.ctl("resolve", "--keras", "0", "--itex", "newest", "--json")
    assert resolved.returncode == 0, resolved.stderr
    shown = json.loads(resolved.stdout)
    explained = json.loads(itexd.ctl("explain", shown["decision"], "--json").stdout)
    assert shown == explained
