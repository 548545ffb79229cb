"""itexctl replay: past decisions under other rules - and under their own, where nothing may differ."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import secrets
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest
from asking import ask, holder
from harness import INSTRUMENTED, ITEXCTL, NOBODY, RULES, TIMEOUT, Code, pb, variables

HOUSE = """\
rules:
  - id: house-verbose
    severity: error
    outcome: error
    itex: ["2.14", "2.15", newest]
    when: {verbose: valid, notebook: true}
    message: "ITEX_VERBOSE is {ITEX_VERBOSE}: logs fill the disk"
    solution: {unset: [ITEX_VERBOSE]}
    source: "the house rules"
  - id: house-no-npd
    severity: error
    outcome: error
    itex: [newest]
    when: {npd: true, keras: "0", notebook: true}
    message: "no NPD here"
    solution: {set: {ITEX_ENABLE_NEXTPLUGGABLE_DEVICE: "0"}}
    source: "the house rules"
  - id: house-forbidden
    severity: error
    outcome: error
    itex: [newest]
    when: {ops_override: "true", keras: "0", notebook: true}
    message: "not here"
    solution_text: "ask somewhere else"
    source: "the house rules"
"""


@pytest.fixture
def house(itexd):
    """The shipped rules, and three of the house."""
    folder = itexd.directory / "house"
    shutil.copytree(RULES, folder)
    (folder / "50-house.yaml").write_text(HOUSE)
    return folder


def replay(service, *arguments, **options):
    """The JSON of a replay, whatever its status; options as for ctl()."""
    result = service.ctl("replay", "--json", *arguments, **options)
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout)


def changed(told):
    return {change: n for change, n in told["changed"].items() if n}


def groups(told, change):
    return [
        (group["from"], group["to"], group["how"], *group["rules"], group["decisions"])
        for group in told["groups"]
        if group["change"] == change
    ]


PLAIN = {"keras": "0", "itex": "newest", "notebook": "true"}


def make_some(client):
    """Six decisions of four kinds: verbose, quiet, one that house-forbidden rejects, one of Keras 3."""
    for job in ("v1", "v2"):
        client.resolve({"ITEX_VERBOSE": "3"}, PLAIN, job=job)
    for job in ("q1", "q2"):
        client.resolve({"ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "0", "ITEX_DISABLE_XLA": "1"}, PLAIN, job=job)
    client.resolve({"ITEX_OPS_OVERRIDE": "1"}, PLAIN, job="f1")
    client.resolve({}, {"keras": "3", "jit": "on", "itex": "newest"}, job="k1")


# ---- What would change ----------------------------------------------------------------------------------


def test_what_other_rules_would_change(itexd, client, house):
    make_some(client)
    told = replay(itexd, "--rules", house)
    assert (told["decisions"], told["replayed"], told["complete"]) == (6, 6, True)
    assert (told["rules"], told["against"], told["not_replayed"]) == (str(house), "what was decided", [])
    assert groups(told, "rejected") == [("fixed", "rejected", "by", "house-forbidden", 1)]
    assert groups(told, "mode") == [
        ("npd", "stream-executor", "by", "house-verbose", "house-no-npd", 2),
        ("npd", "stream-executor", "by", "house-no-npd", 1),
    ]
    assert groups(told, "environment")[0][:2] == (
        "",
        "set ITEX_ENABLE_NEXTPLUGGABLE_DEVICE, unset ITEX_VERBOSE",
    )
    assert told["unchanged"] == 3
    example = next(g for g in told["groups"] if g["change"] == "rejected")["examples"][0]
    assert (example["job"], example["uid"]) == ("f1", os.getuid())
    assert json.loads(itexd.ctl("explain", str(example["decision"]), "--json").stdout)["job"] == "f1"


def test_the_set_that_decided_changes_nothing(itexd, client):
    make_some(client)
    for arguments in (["--rules", "active"], ["--rules", "1"], ["--rules", RULES], ["--verify"]):
        told = replay(itexd, *arguments)
        assert (told["decisions"], told["unchanged"], changed(told)) == (6, 6, {}), arguments
        assert itexd.ctl("replay", *arguments, "--fail-on", "any").returncode == 0


def test_against_other_rules_than_those_that_decided(itexd, client, house):
    make_some(client)
    told = replay(itexd, "--rules", RULES, "--against", house)
    assert groups(told, "no-longer-rejected") == [("rejected", "fixed", "without", "house-forbidden", 1)]
    assert changed(replay(itexd, "--rules", house, "--against", house)) == {}
    told = replay(itexd, "--rules", house, "--against", "active")
    assert told["against"] == "rule set 1 (shipped, active)"
    assert told["changed"] == replay(itexd, "--rules", house)["changed"]


def test_files_one_by_one_and_loaded_sets(itexd, client, house):
    make_some(client)
    files = sorted(house.glob("[0-9]*.yaml"))
    by_folder = replay(itexd, "--rules", house)
    assert replay(itexd, "--rules", *files)["digest"] == by_folder["digest"]
    loaded = json.loads(itexd.ctl("rules", "load", house, "--json").stdout)
    by_number = replay(itexd, "--rules", loaded["id"])
    assert (by_number["digest"], by_number["changed"]) == (by_folder["digest"], by_folder["changed"])


def test_decisions_of_several_sets_are_verified_each_by_its_own(itexd, client, house):
    make_some(client)
    loaded = json.loads(itexd.ctl("rules", "load", house, "--activate", "--json").stdout)
    make_some(client)
    told = replay(itexd, "--verify")
    assert (told["decisions"], told["unchanged"], told["digest"]) == (12, 12, None)
    assert replay(itexd, "--rules", loaded["id"])["unchanged"] == 9
    assert replay(itexd, "--rules", "1")["unchanged"] == 9
    assert replay(itexd, "--rules", "1", "--rule-set", loaded["id"])["decisions"] == 6


def test_which_decisions(itexd, client):
    make_some(client)
    for option, value, n in (
        ("--job", "v1", 1),
        ("--rule", "house-verbose", 0),
        ("--since", "1 hour ago", 6),
        ("--until", "1 hour ago", 0),
        ("--uid", os.getuid(), 6),
        ("--itex", "newest", 6),
    ):
        assert replay(itexd, "--rules", "active", option, value)["decisions"] == n, option


def test_statuses(itexd, client, house):
    client.resolve({"ITEX_VERBOSE": "3"}, {"keras": "3", "jit": "on", "itex": "newest", "notebook": "true"})

    def status(*arguments):
        return itexd.ctl("replay", "--rules", house, *arguments).returncode

    assert [status(), status("--fail-on", "mode"), status("--fail-on", "any")] == [
        1,
        1,
        1,
    ]  # ok becomes fixed
    assert [status("--fail-on", "rejected"), status("--fail-on", "never")] == [0, 0]
    client.resolve({"ITEX_OPS_OVERRIDE": "1"}, PLAIN)
    assert [status("--fail-on", "rejected"), status("--fail-on", "never")] == [1, 0]


def test_mistakes(itexd, tmp_path):
    (tmp_path / "bad.yaml").write_text("rules: 3\n")
    for arguments, status, words in (
        ([], 2, "--rules takes"),
        (["--verify", "--rules", "1"], 2, "do not go with it"),
        (["--rules", tmp_path / "bad.yaml"], 78, "bad.yaml:1:"),
        (["--rules", tmp_path / "absent.yaml"], 78, "absent.yaml"),
        (["--rules", "4711"], 1, "4711"),
        (["--rules", "active", "--since", "whenever"], 2, "--since"),
        (["--rules", "active", "--fail-on", "sometimes"], 2, "--fail-on"),
        (["--rules", "active", "--socket", "/nowhere"], 69, "/nowhere"),
    ):
        result = itexd.ctl("replay", *arguments)
        assert (result.returncode, result.stdout) == (status, ""), arguments
        assert words in result.stderr.replace("\n  ", " "), result.stderr


# ---- How it is told --------------------------------------------------------------------------------------


def test_text(itexd, client, house):
    make_some(client)
    text = itexd.ctl("replay", "--rules", house).stdout
    assert text.startswith(f"{house}, against what was decided\n6 decisions from 20")
    rejected = "  1 would be rejected, and were not\n    1: fixed -> rejected, by house-forbidden\n"
    assert f"{rejected}      decision 5, " in text
    assert f"decision 5, uid {os.getuid()}, job f1, 20" in text
    assert "  3 unchanged\n" in text
    quiet = itexd.ctl("replay", "--rules", house, "--examples", "0").stdout
    assert "decision 5" not in quiet and "by house-forbidden" in quiet
    assert (
        itexd.ctl("replay", "--rules", house, "--job", "none").stdout.split("\n")[1] == "no decision matches"
    )


def test_a_jobs_name_does_not_steer_the_terminal(itexd, client, house):
    client.resolve({"ITEX_OPS_OVERRIDE": "1"}, PLAIN, job="a\x1b[2J\nb")
    text = itexd.ctl("replay", "--rules", house).stdout
    assert "\x1b" not in text and "job a\\x1b[2J\\nb" in text


def test_csv_has_a_line_for_each_decision_that_changes(itexd, client, house):
    make_some(client)
    client.resolve({"ITEX_OPS_OVERRIDE": "1"}, PLAIN, job='a,"b"')
    result = itexd.ctl("replay", "--rules", house, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["decision"] for row in rows] == ["7", "5", "2", "1"]
    assert rows[0]["job"] == 'a,"b"'
    assert (rows[1]["verdict_from"], rows[1]["verdict_to"], rows[1]["rules"], rows[1]["how"]) == (
        "fixed",
        "rejected",
        "house-forbidden",
        "by",
    )
    assert rows[1]["changes"].startswith("rejected")
    assert "7 decisions, 3 unchanged, 2 newly rejected" in result.stderr


# ---- Everything that a resolution depends on is kept ------------------------------------------------------


def differences(service):
    told = replay(service, "--verify")
    assert told["not_replayed"] == []
    return told["decisions"], [(g["change"], g["from"], g["to"], g["examples"]) for g in told["groups"]]


def test_odd_requests_come_to_the_same_again(itexd, client):
    client.resolve({"TF_XLA_FLAGS": "/etc/flags"}, {"keras": "3", "itex": "newest"})
    conflicting = [
        pb.Fact(**{"name": "keras", "value": "3", "from": "declared"}),
        pb.Fact(**{"name": "keras", "value": "2", "from": "script"}),
        pb.Fact(**{"name": "itex", "value": "2.15.0.3", "from": "node"}),
        pb.Fact(**{"name": "itex", "value": "newest", "from": "declared"}),
        pb.Fact(**{"name": "xla_flags_source", "value": "missing", "from": "environment"}),
    ]
    script = [pb.ScriptVariable(name="ITEX_OPS_OVERRIDE", value="1", file="a.py", line=3)]
    for more in (
        {"facts": conflicting, "env": variables({"TF_XLA_FLAGS": "/gone"})},
        {
            "script_env": script,
            "env": variables({"ITEX_OPS_OVERRIDE": "0", "LD_PRELOAD": "x", "SLURM_PROCID": "0"}),
        },
        {"oversized": ["TF_XLA_FLAGS", "ITEX_VERBOSE", "LD_LIBRARY_PATH"]},
        {"policy": "advise", "facts": conflicting},
        {"apply_errors": True, "env": variables({"ITEX_VERBOSE": "x", "ITEX_OPS_OVERRIDE": "1"})},
        {"launcher": True, "devices": pb.DeviceRequest(count=2)},
        {"inherited_digest": "0" * 64},
        {"devices": pb.DeviceRequest(count=1)},  # this service has none: rejected
        {"devices": pb.DeviceRequest(count=1, allow_none=True)},
    ):
        client.ok("resolve", request_id=secrets.token_bytes(16), **more)
    assert differences(itexd) == (10, [])


def test_what_leases_set_comes_to_the_same_again(node, holders):
    with node.client() as client:
        assert len(client.ok("devices").devices) == 2
        ask(client, holders.new(), env={"ONEAPI_DEVICE_SELECTOR": "level_zero:1", "ZE_AFFINITY_MASK": "9"})
        ask(client, holders.new(), tiles=True, policy="advise")
        ask(client, holders.new(), count=5)  # there are not so many
        ask(client, holders.new(), count=2)  # nor free ones
        client.resolve({"ZE_AFFINITY_MASK": "7"}, PLAIN)
        client.resolve({"ZE_AFFINITY_MASK": "0", "ZE_FLAT_DEVICE_HIERARCHY": "FLAT"}, PLAIN)
        slurm = {"SLURM_JOB_ID": "17", "ZE_AFFINITY_MASK": "1", "SLURM_STEP_GPUS": "1"}
        process = holders.new()
        client.resolve(slurm, PLAIN, devices=pb.DeviceRequest(count=1), holder=holder(process))
        client.resolve({**slurm, "ZE_AFFINITY_MASK": "7"}, PLAIN, devices=pb.DeviceRequest(count=1))
    assert differences(node) == (8, [])


def edit_facts(service, edit):
    """Changes the stored facts, as another version of itexd would have written them."""
    with contextlib.closing(sqlite3.connect(service.database, timeout=TIMEOUT)) as db, db:
        for number, body in db.execute("SELECT id, body FROM facts").fetchall():
            message = pb.Facts.FromString(body)
            db.execute("UPDATE facts SET body = ? WHERE id = ?", (edit(message), number))


def older(message):
    message.ClearField("replayable")
    return message.SerializeToString()


def newer(message):
    return message.SerializeToString() + b"\xc2\x3e\x03new"  # field 1000


def newer_fact(message):
    message.facts.add(name="quantum", value="yes")
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (older, "did not note all that it decided by"),
        (newer, "recorded by a newer itexd"),
        (newer_fact, "a fact that this itexctl does not know: quantum"),
        (lambda _: b"\xff", "cannot be decoded"),
    ],
)
def test_what_cannot_be_replayed_is_counted_and_told(itexd, client, edit, why):
    client.resolve(job="a")
    client.resolve(job="b")
    edit_facts(itexd, edit)
    told = replay(itexd, "--rules", "active")
    assert (told["decisions"], told["replayed"], told["unchanged"]) == (2, 0, 0)
    (reason,) = told["not_replayed"]
    assert why in reason["why"] and reason["decisions"] == 2
    assert [example["job"] for example in reason["examples"]] == ["b", "a"]
    assert "  2 could not be replayed\n" in itexd.ctl("replay", "--rules", "active").stdout
    assert itexd.ctl("replay", "--rules", "active").returncode == 0
    assert itexd.ctl("replay", "--rules", "active", "--fail-on", "any").returncode == 1
    assert itexd.ctl("replay", "--verify").returncode == 1


def test_facts_that_fit_into_no_packet_are_counted(itexd, client):
    flags = "--a " * 16330
    facts = [
        pb.Fact(**{"name": "xla_flags_file", "value": flags, "from": "environment"}),
        pb.Fact(**{"name": "keras", "value": "3", "from": "declared"}),
    ]
    request = pb.Resolve(
        request_id=secrets.token_bytes(16),
        env=variables({"TF_XLA_FLAGS": "/f"}),
        facts=facts,
        policy="advise",
    )
    client.ok("resolve", request)
    told = replay(itexd, "--rules", "active")
    assert [r["why"] for r in told["not_replayed"]] == ["its facts or outcome do not fit into a packet"]


def test_a_changed_outcome_is_found(itexd, client):
    client.resolve({}, PLAIN)
    with contextlib.closing(sqlite3.connect(itexd.database, timeout=TIMEOUT)) as db, db:
        outcome = pb.Outcome.FromString(db.execute("SELECT body FROM outcomes").fetchone()[0])
        outcome.mode = "stream-executor"
        db.execute("UPDATE outcomes SET body = ?", (outcome.SerializeToString(),))
    result = itexd.ctl("replay", "--verify")
    assert result.returncode == 1 and "1 would run in another mode" in result.stdout


# ---- Pages ------------------------------------------------------------------------------------------------


def test_every_decision_comes_once_through_many_pages(itexd, client, house):
    """Facts of each decision's own, and names that fill packets: both kinds of pages are cut by size."""
    for i in range(2500):
        client.send(
            "resolve",
            pb.Resolve(
                request_id=secrets.token_bytes(16),
                env=variables({"ITEX_VERBOSE": "3", "OMP_PLACES": f"{{{i}}}" if i % 2 else "cores"}),
                facts=[pb.Fact(**{"name": n, "value": v, "from": "declared"}) for n, v in PLAIN.items()],
                job=f"{i:0>250}",
            ),
        )
        if i % 50 == 49:
            for _ in range(50):
                client.reply()
    rows = list(csv.DictReader(io.StringIO(itexd.ctl("replay", "--rules", house, "--format", "csv").stdout)))
    assert [int(row["decision"]) for row in rows] == list(range(2500, 0, -1))
    assert [int(row["job"]) for row in rows] == list(range(2499, -1, -1))
    assert differences(itexd) == (2500, [])


def test_rows_and_bodies_by_the_protocol(itexd, client):
    for i in range(5):
        client.resolve({"OMP_PLACES": f"{{{i // 2}}}"}, PLAIN, job=f"j{i}")
    page = client.ok("decision_rows", query=pb.Query(limit=3))
    assert [row.id for row in page.rows] == [5, 4, 3]
    assert [row.job for row in page.rows] == ["j4", "j3", "j2"]
    assert page.rows[1].facts == page.rows[2].facts != page.rows[0].facts
    assert (page.before, page.left, page.rows[0].ruleset, page.rows[0].advise) == (3, 2, 1, False)
    rest = client.ok("decision_rows", query=pb.Query(limit=3, before=page.before))
    assert [row.id for row in rest.rows] == [2, 1] and not rest.HasField("before") and rest.left == 0

    bodies = client.ok("decision_bodies", facts_of=[5, 3, 99], outcomes_of=[1])
    assert [body.decision for body in bodies.facts] == [5, 3, 99]
    assert {v.name: v.value for v in pb.Facts.FromString(bodies.facts[1].data).env} == {"OMP_PLACES": "{1}"}
    assert (bodies.facts[2].missing, bodies.facts[2].HasField("data")) == ("gone", False)
    assert pb.Outcome.FromString(bodies.outcomes[0].data).verdict == "fixed"
    assert client.error("decision_bodies").code == Code.BAD_REQUEST
    assert client.error("decision_bodies", facts_of=[1] * 1001).code == Code.BAD_REQUEST
    assert client.error("decision_rows", query=pb.Query(after=0)).code == Code.BAD_REQUEST


@pytest.mark.usefixtures("as_root")
def test_users_see_their_own_only(itexd, client, house):
    client.resolve({"ITEX_VERBOSE": "3"}, PLAIN, job="root's")
    with itexd.client(uid=NOBODY) as nobody:
        nobody.resolve({"ITEX_VERBOSE": "3"}, PLAIN, job="own")
        assert [row.job for row in nobody.ok("decision_rows").rows] == ["own"]
        assert nobody.error("decision_rows", query=pb.Query(uid=0)).code == Code.NOT_PERMITTED
        bodies = nobody.ok("decision_bodies", facts_of=[1, 2], outcomes_of=[1])
        assert [body.missing for body in [*bodies.facts, *bodies.outcomes]] == ["gone", "", "gone"]
    told = replay(itexd, "--rules", house, user=NOBODY)
    assert told["decisions"] == 1 and told["groups"][0]["examples"][0]["job"] == "own"
    assert replay(itexd, "--rules", house)["decisions"] == 2
    assert replay(itexd, "--rules", house, "--uid", NOBODY)["decisions"] == 1


# ---- On the way --------------------------------------------------------------------------------------------


class Gate:
    """Stands between itexctl and the service, and lets so many answers through until it is opened."""

    def __init__(self, service, path, answers):
        self.service, self.left = service, answers
        self.reached, self.open = threading.Event(), threading.Event()
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client):
        upstream = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        upstream.connect(str(self.service.socket))
        with contextlib.suppress(OSError):
            while True:
                for ready in select.select([client, upstream], [], [])[0]:
                    packet = ready.recv(1 << 17)
                    if not packet:
                        client.close()
                        upstream.close()
                        return
                    if ready is client:
                        upstream.send(packet)
                        continue
                    if self.left == 0:
                        self.reached.set()
                        self.open.wait()
                    self.left = max(0, self.left - 1)
                    client.send(packet)


@pytest.fixture
def gate(itexd, tmp_path):
    """gate(answers): hello is the first answer, a page of rows the second, bodies the third."""
    made = []

    def make(answers):
        made.append(Gate(itexd, tmp_path / f"gate-{len(made)}", answers))
        return made[-1]

    yield make
    for one in made:
        one.open.set()
        one.listener.close()


def begin(gate, *arguments, **options):
    environment = {
        **INSTRUMENTED,
        "PATH": os.environ.get("PATH", ""),
        "ITEXD_SOCKET": str(gate.path),
        "TERM": "xterm",
    }
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([ITEXCTL, "replay", *map(str, arguments)], env=environment, text=True, **options)


def many(client, n):
    for i in range(n):
        client.resolve({"OMP_PLACES": f"{{{i % 7}}}"}, PLAIN, job=f"j{i}")


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_at_once_with_what_was_seen(itexd, client, gate, house, signal_number):
    many(client, 1100)
    one = gate(3)
    process = begin(one, "--rules", house)
    assert one.reached.wait(TIMEOUT)  # the second page has been asked for, and does not come
    process.send_signal(signal_number)
    out, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal_number
    assert "INTERRUPTED after 250 of 1100 decisions" in out
    assert "\n250 decisions from 20" in out


def test_an_interrupt_before_anything_came(client, gate, house):
    many(client, 3)
    one = gate(0)
    process = begin(one, "--rules", house, "--json")
    assert one.reached.wait(TIMEOUT)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=TIMEOUT)
    told = json.loads(out)
    assert (process.returncode, told["complete"], told["decisions"]) == (-signal.SIGINT, False, 0)


def test_what_retention_takes_meanwhile_is_counted(itexd, client, gate):
    many(client, 20)
    one = gate(2)
    process = begin(one, "--rules", RULES, "--json")
    assert one.reached.wait(TIMEOUT)
    with contextlib.closing(sqlite3.connect(itexd.database, timeout=TIMEOUT)) as db, db:
        db.execute("DELETE FROM decisions WHERE id <= 20")
    # the rows are known, and bodies were asked for before: those that come with the answer count
    one.open.set()
    told = json.loads(process.communicate(timeout=TIMEOUT)[0])
    assert told["decisions"] == 20 == told["unchanged"] + sum(r["decisions"] for r in told["not_replayed"])


def test_progress_on_a_terminal_and_gone_at_the_end(client, gate):
    many(client, 1100)
    one = gate(3)
    controller, terminal = pty.openpty()
    process = begin(one, "--rules", RULES, stderr=terminal)
    os.close(terminal)
    assert one.reached.wait(TIMEOUT)
    seen = b""
    while b"replaying" not in seen:
        assert select.select([controller], [], [], TIMEOUT)[0]
        seen += os.read(controller, 4096)
    one.open.set()
    process.communicate(timeout=TIMEOUT)
    with contextlib.suppress(OSError):
        while select.select([controller], [], [], TIMEOUT)[0] and (more := os.read(controller, 4096)):
            seen += more
    os.close(controller)
    assert process.returncode == 0
    assert seen.endswith(b"\r\x1b[K") and b"\n" not in seen


def test_no_progress_into_a_pipe(itexd, client):
    many(client, 3)
    assert itexd.ctl("replay", "--rules", "active").stderr == ""


# ---- The whole of it --------------------------------------------------------------------------------------


def test_a_rule_is_rolled_out_and_back_as_the_manual_says(itexd, client, house):
    """docs/replay.md, step by step, each command with the status it promises."""
    make_some(client)

    def step(*arguments, status=0):
        result = itexd.ctl(*arguments)
        assert result.returncode == status, (arguments, result.stdout, result.stderr)
        return result.stdout

    step("rules", "check", house)
    step("rules", "test", house)
    told = step("rules", "diff", "active", house)
    assert [line.split()[:2] for line in told.splitlines() if line.startswith("added")] == [
        ["added", "house-verbose"],
        ["added", "house-no-npd"],
        ["added", "house-forbidden"],
    ]
    step("replay", "--rules", house, "--since", "7 days ago", status=1)
    told = step("rules", "load", house, "--comment", "verbose logs fill the scratch disk")
    assert "itexctl replay --rules 2 " in told
    step("replay", "--rules", "2", "--against", "active", "--fail-on", "rejected", status=1)
    step("rules", "activate", "2", "--comment", "agreed on Monday")
    assert client.resolve({"ITEX_OPS_OVERRIDE": "1"}, PLAIN).outcome.verdict == "rejected"
    assert len(step("query", "--rule-set", "2", "--verdict", "rejected", "--json").splitlines()) == 1
    step("rules", "rollback", "--comment", "job 4711 must run")
    assert client.resolve({"ITEX_OPS_OVERRIDE": "1"}, PLAIN).outcome.verdict == "fixed"
    assert "job 4711 must run" in step("rules", "history")
    step("replay", "--verify")
