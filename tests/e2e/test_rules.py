"""Rule sets in the running service: load, check, activate, rollback, what a person may not do by rules, and
every kind of mistake in a file, each reported at its line and column while the active set stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import time

import pytest
import yaml
from harness import RULES, TIMEOUT, Code, memfd, pb, rule_files

GOOD = """\
name: house
rules:
  - id: house-verbose
    severity: warning
    outcome: warning
    itex: ["2.14", "2.15", newest]
    when: {verbose: valid}
    message: "ITEX_VERBOSE is {ITEX_VERBOSE}: logs fill the disk"
    solution: {unset: [ITEX_VERBOSE]}
    source: "the house rules"
    examples:
      - given: {keras: "0"}
        env: {ITEX_VERBOSE: "3"}
        expect: {holds: true, unset: [ITEX_VERBOSE]}
"""


def load(client, files, name="test", **fields):
    if isinstance(files, str):
        files = {"10-house.yaml": files}
    fd = memfd(rule_files(files))
    try:
        return client.call("rules_load", fds=[fd], name=name, **fields)
    finally:
        os.close(fd)


def loaded(client, files, **fields):
    reply = load(client, files, **fields)
    assert reply.WhichOneof("body") == "rules_load", reply.error.text
    return reply.rules_load


def refused(client, files, **fields):
    reply = load(client, files, **fields)
    assert reply.WhichOneof("body") == "error", f"accepted: {reply}"
    assert reply.error.code == Code.BAD_RULES, reply.error.text
    return reply.error.text


def active(client):
    sets = [s for s in client.ok("rules_list").sets if s.active]
    assert len(sets) == 1
    return sets[0]


def holding(client, env=None):
    decision = client.resolve(env or {"ITEX_VERBOSE": "3"}, {"keras": "0", "itex": "newest"})
    return {d.rule for d in decision.outcome.diagnostics}


# ---- The life of a set -------------------------------------------------------------------------------


def test_the_shipped_set_is_active_at_first(client):
    info = active(client)
    assert (info.origin, info.id) == ("shipped", 1)
    assert client.ok("status").rules == info.rules >= 30


def test_a_loaded_set_waits_until_it_is_activated(client):
    info = loaded(client, GOOD).info
    assert (info.origin, info.rules, info.active) == ("loaded", 1, False)
    assert active(client).origin == "shipped"
    assert "house-verbose" not in holding(client)
    client.ok("rules_activate", id=info.id)
    assert active(client).id == info.id
    assert holding(client) == {"house-verbose"}


def test_load_and_activate_in_one(client):
    info = loaded(client, GOOD, activate=True).info
    assert active(client).id == info.id


def test_decisions_name_the_set_they_were_made_by(client):
    before = client.resolve(declared={"keras": "0"})
    info = loaded(client, GOOD, activate=True).info
    after = client.resolve(declared={"keras": "0"})
    assert (after.ruleset.id, after.ruleset.digest) == (info.id, info.digest)
    assert before.ruleset.id != after.ruleset.id
    assert client.ok("explain", decision=before.id).ruleset == before.ruleset


def test_rollback_goes_to_the_set_before(client):
    first = active(client).id
    second = loaded(client, GOOD, activate=True).info.id
    client.ok("rules_rollback")
    assert active(client).id == first
    assert client.resolve(declared={"keras": "0"}).ruleset.id == first
    assert second != first


def test_rollback_with_nothing_before(client):
    error = client.error("rules_rollback")
    assert error.code == Code.NOT_FOUND


def test_activating_what_is_not_there(client):
    error = client.error("rules_activate", id=77)
    assert error.code == Code.NOT_FOUND
    assert "77" in error.text


def test_the_same_content_is_the_same_set(client):
    first = loaded(client, GOOD).info
    second = loaded(client, GOOD).info
    assert (first.id, first.digest) == (second.id, second.digest)
    assert len(client.ok("rules_list").sets) == 2


def test_check_only_stores_nothing(client):
    reply = loaded(client, GOOD, check_only=True)
    assert reply.rules == 1
    assert not reply.HasField("info")
    assert len(client.ok("rules_list").sets) == 1


def test_the_active_set_survives_a_restart(itexd):
    with itexd.client() as client:
        chosen = loaded(client, GOOD, activate=True).info.id
    itexd.restart()
    with itexd.client() as client:
        assert active(client).id == chosen
        assert holding(client) == {"house-verbose"}


def test_the_active_set_survives_kill(itexd):
    with itexd.client() as client:
        chosen = loaded(client, GOOD, activate=True).info.id
    itexd.kill()
    itexd.start()
    with itexd.client() as client:
        assert active(client).id == chosen


def test_show_gives_the_files_back(client):
    """Paged, byte for byte: what was loaded can be fetched and loaded elsewhere."""
    data, total = b"", 1
    while len(data) < total:
        page = client.ok("rules_show", offset=len(data))
        assert page.data
        data += page.data
        total = page.total
    shown = {f.name: f.text for f in pb.RuleFiles.FromString(data).files}
    on_disk = {p.name: p.read_text() for p in RULES.glob("*.yaml") if p.name != "facts.yaml"}
    assert shown == on_disk


# ---- Mistakes ----------------------------------------------------------------------------------------


def changed(old, new):
    return GOOD.replace(old, new)


def solution(text):
    return GOOD.replace("solution: {unset: [ITEX_VERBOSE]}", f"solution: {text}")


def without(text, start):
    return "".join(line for line in text.splitlines(True) if not line.lstrip(" -").startswith(start))


# What is wrong with the file, and a word of the message; every message has file:line:column.
MISTAKES = {
    "not YAML": ("rules: [", ""),
    "a tab": ("rules:\n\t- id: x\n", ""),
    "empty": ("", "empty"),
    "two documents": (GOOD + "---\n" + GOOD, "document"),
    "an anchor": (changed("when: {verbose: valid}", "when: &a {verbose: valid}"), "anchor"),
    "an alias": (changed("source: \"the house rules\"", "source: *a"), ""),
    "an unknown key": (changed("severity:", "sevrity:"), "sevrity"),
    "a key twice": (changed("    outcome: warning\n", "    outcome: ok\n    outcome: slow\n"), "outcome"),
    "a scalar for a list": ("rules: all\n", "rules"),
    "a list for a scalar": (changed("severity: warning", "severity: [warning]"), "severity"),
    "no id": (changed("  - id: house-verbose\n    severity", "  - severity"), "id"),
    "no message": (without(GOOD, "message:"), "message"),
    "no source": (without(GOOD, "source:"), "source"),
    "an unknown severity": (changed("severity: warning", "severity: fatal"), "fatal"),
    "an unknown outcome": (changed("outcome: warning", "outcome: doom"), "doom"),
    "an unknown generation": (changed('"2.14"', '"2.13"'), "2.13"),
    "an unknown fact": (changed("{verbose: valid}", "{verbos: valid}"), "verbose"),
    "an impossible value": (changed("{verbose: valid}", "{verbose: loud}"), "loud"),
    "a variable not allowed": (solution("{set: {PATH: /tmp}}"), "PATH"),
    "LD_PRELOAD": (solution('{set: {LD_PRELOAD: "/tmp/x.so"}}'), "LD_PRELOAD"),
    "PYTHONPATH": (solution('{set: {PYTHONPATH: "/tmp"}}'), "PYTHONPATH"),
    "a driver to load": (
        solution('{set: {ZE_ENABLE_ALT_DRIVERS: "/x.so"}}'), "ZE_ENABLE_ALT_DRIVERS"
    ),
    "an unknown flag": (solution('{xla_flag: {tf_no_such: "1"}}'), "tf_no_such"),
    "an unknown obligation": (solution("{obligation: [pray]}"), "pray"),
    "info with a solution": (
        changed("severity: warning", "severity: info").replace("outcome: warning", "outcome: ok"), "info"
    ),
    "a solution that does nothing": (solution("{}"), ""),
    "an id twice": (GOOD + GOOD.partition("rules:\n")[2], "house-verbose"),
    "a bad id": (changed("house-verbose", "House Verbose"), "House Verbose"),
    "an example that fails": (changed("expect: {holds: true", "expect: {holds: false"), "house-verbose"),
    "an unknown placeholder": (changed("{ITEX_VERBOSE}:", "{NO_SUCH}:"), "NO_SUCH"),
    "not UTF-8": (None, ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_shown_at_its_place_and_changes_nothing(shared_client, kind):
    text, word = MISTAKES[kind]
    before = active(shared_client).id
    if text is None:
        message = pb.RuleFiles(files=[pb.RuleFiles.File(name="10-house.yaml", text="ZZZZ" + GOOD)])
        data = message.SerializeToString().replace(b"ZZZZ", b"\xff\xfe#\n")
        fd = memfd(data)
        error = shared_client.error("rules_load", fds=[fd], name="x", activate=True)
        os.close(fd)
        assert error.code in (Code.BAD_RULES, Code.BAD_REQUEST)
    else:
        assert text != GOOD, "the mistake was not made"
        report = refused(shared_client, text, activate=True)
        assert re.search(r"10-house\.yaml:\d+:\d+: ", report), report
        assert word in report
    assert active(shared_client).id == before
    assert shared_client.ok("status").state == "ok"


def test_all_mistakes_of_all_files_in_one_run(shared_client):
    first = GOOD.replace("severity: warning", "severity: fatal").replace(
        "{verbose: valid}", "{verbos: valid}"
    )
    second = (
        GOOD.replace("house-verbose", "other")
        .replace("outcome: warning", "outcome: doom")
        .replace("name: house\n", "")
    )
    report = refused(shared_client, {"10-a.yaml": first, "20-b.yaml": second})
    assert "10-a.yaml:4:" in report
    assert "10-a.yaml:7:" in report
    assert re.search(r"20-b\.yaml:4:\d+: ", report)


def test_a_thousand_mistakes_fit_an_answer(shared_client):
    rules = "".join(f"  - id: r{n}\n    severity: fatal\n" for n in range(1500))
    report = refused(shared_client, "rules:\n" + rules)
    assert report.count("\n") > 20


def test_a_large_set_is_accepted(client):
    head, _, rule = GOOD.partition("    examples:")[0].partition("rules:\n")
    many = head + "rules:\n" + "".join(rule.replace("house-verbose", f"house-{n}") for n in range(2000))
    info = loaded(client, many, activate=True).info
    assert info.rules == 2000
    decision = client.resolve({"ITEX_VERBOSE": "3"}, {"keras": "0"})
    assert len(decision.outcome.diagnostics) == 100
    assert decision.outcome.diagnostics_omitted == 1900


def test_deep_nesting_is_refused(shared_client):
    refused(shared_client, "rules: " + "[" * 5000 + "]" * 5000)


def test_a_file_name_with_a_path_is_no_path(shared_client):
    reply = load(shared_client, {"../../etc/passwd.yaml": GOOD}, check_only=True)
    if reply.WhichOneof("body") == "error":
        assert reply.error.code in (Code.BAD_RULES, Code.BAD_REQUEST)


# ---- itexctl rules -----------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path):
    path = tmp_path / "house.yaml"
    path.write_text(GOOD)
    return path


def test_itexctl_loads_activates_lists_and_rolls_back(itexd, house):
    result = itexd.ctl("rules", "load", house, "--activate")
    assert result.returncode == 0, result.stderr
    sets = [json.loads(line) for line in itexd.ctl("rules", "list", "--json").stdout.splitlines()]
    assert [s["origin"] for s in sets if s["active"]] == ["loaded"]
    assert itexd.ctl("rules", "rollback").returncode == 0
    with itexd.client() as client:
        assert active(client).origin == "shipped"


def test_itexctl_check_without_a_service(house, tmp_path):
    from harness import ctl

    assert ctl("rules", "check", house, socket_path=tmp_path / "none").returncode == 0
    house.write_text(GOOD.replace("severity: warning", "severity: fatal"))
    result = ctl("rules", "check", house, socket_path=tmp_path / "none")
    assert result.returncode in (1, 78)
    assert re.search(r"house\.yaml:4:\d+: ", result.stderr + result.stdout)


def test_itexctl_load_of_a_bad_file(itexd, house):
    house.write_text(GOOD.replace("severity: warning", "severity: fatal"))
    result = itexd.ctl("rules", "load", house, "--activate")
    assert result.returncode == 78, result.stderr
    assert re.search(r"house\.yaml:4:\d+: ", result.stderr)


def test_itexctl_show_prints_what_can_be_loaded_again(itexd, house, tmp_path):
    itexd.ctl("rules", "load", house, "--activate")
    shown = itexd.ctl("rules", "show", "--files").stdout
    assert yaml.safe_load(shown)["rules"][0]["id"] == "house-verbose"


def test_the_shipped_rules_pass_their_own_check(tmp_path):
    from harness import ctl

    for command in ("check", "test"):
        result = ctl("rules", command, RULES, socket_path=tmp_path / "none")
        assert result.returncode == 0, result.stdout + result.stderr


# ---- Upgrades ----------------------------------------------------------------------------------------


@pytest.fixture
def upgradable(make_itexd):
    """A service whose shipped rules are a copy that a test can replace, as an upgrade does."""
    service = make_itexd()
    shipped = service.directory / "shipped"
    shutil.copytree(RULES, shipped)
    service.config["rules"] = str(shipped)
    service.shipped = shipped
    return service.start()


def upgrade(service):
    (service.shipped / "95-new.yaml").write_text(GOOD.replace("name: house\n", ""))


def test_an_upgrade_is_activated_where_nobody_chose(upgradable):
    upgrade(upgradable)
    upgradable.restart()
    with upgradable.client() as client:
        info = active(client)
        assert (info.id, info.origin) == (2, "shipped")
        assert not client.ok("status").HasField("ruleset_waiting")


def test_an_upgrade_waits_where_a_person_chose(upgradable):
    with upgradable.client() as client:
        chosen = loaded(client, GOOD, activate=True).info.id
    upgrade(upgradable)
    upgradable.restart()
    with upgradable.client() as client:
        assert active(client).id == chosen
        status = client.ok("status")
        assert status.ruleset_waiting.id > chosen
        client.ok("rules_activate", id=status.ruleset_waiting.id)
        assert not client.ok("status").HasField("ruleset_waiting")


def test_an_upgrade_waits_where_a_person_chose_a_shipped_set(upgradable):
    with upgradable.client() as client:
        client.ok("rules_activate", id=1)
    upgrade(upgradable)
    upgradable.restart()
    with upgradable.client() as client:
        assert active(client).id == 1
        assert client.ok("status").ruleset_waiting.id == 2


def test_a_restart_without_an_upgrade_stores_nothing(upgradable):
    upgradable.restart()
    with upgradable.client() as client:
        assert len(client.ok("rules_list").sets) == 1


def test_broken_shipped_rules_do_not_take_the_active_set_away(upgradable):
    (upgradable.shipped / "95-new.yaml").write_text("rules: [")
    upgradable.restart()
    with upgradable.client() as client:
        assert active(client).id == 1
        assert client.resolve(declared={"keras": "0"}).outcome.mode == "npd"
        assert any("95-new.yaml" in problem for problem in client.ok("status").problems)


def test_broken_shipped_rules_at_the_first_start(make_itexd, tmp_path):
    (tmp_path / "10-x.yaml").write_text("rules: [")
    service = make_itexd({"rules": str(tmp_path)})
    tmp_path.chmod(0o755)
    assert service.start_expecting_failure() == 78
    assert re.search(r"10-x\.yaml:\d+:\d+: ", service.log)


# ---- Who did what, and when --------------------------------------------------------------------------------


def history(service, *arguments):
    result = service.ctl("rules", "history", "--json", *arguments)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def told(events):
    return [(e["what"], e["ruleset"]["id"], e["comment"]) for e in events]


def test_history_of_the_rules(itexd, client, tmp_path):
    (tmp_path / "house.yaml").write_text(GOOD)
    assert told(history(itexd)) == [("shipped", 1, None), ("stored", 1, None)]
    for arguments in (
        ["load", tmp_path / "house.yaml", "--comment", "for the big disks"],
        ["activate", 2, "--comment", "Monday"],
        ["rollback", "--comment", "Tuesday\x1b[2J"],
        ["rollback"],
    ):
        assert itexd.ctl("rules", *arguments).returncode == 0
    events = history(itexd)
    assert told(events) == [
        ("rollback", 2, None),
        ("rollback", 1, "Tuesday\x1b[2J"),
        ("activated", 2, "Monday"),
        ("loaded", 2, "for the big disks"),
        ("shipped", 1, None),
        ("stored", 1, None),
    ]
    assert all(e["uid"] == os.getuid() for e in events)
    assert events[0]["ruleset"]["name"] == "house.yaml" and events[-1]["ruleset"]["origin"] == "shipped"
    assert [e["time"] for e in events] == sorted((e["time"] for e in events), reverse=True)
    assert told(history(itexd, "--limit", 2)) == told(events[:2])
    short = itexd.ctl("rules", "history", "--limit", 2)
    assert "there are older ones" in short.stderr and "\x1b" not in short.stdout
    table = itexd.ctl("rules", "history").stdout
    assert "rolled back to" in table and "shipped, activated by itself" in table and "\x1b" not in table


def test_a_set_that_is_carried_into_a_new_database_says_so(itexd, client):
    info = loaded(client, GOOD, activate=True, comment="mine").info
    assert active(client).id == info.id
    itexd.database.unlink()
    deadline = time.monotonic() + TIMEOUT
    while not (known := itexd.ctl("rules", "history", "--json").stdout) or '"carried"' not in known:
        assert time.monotonic() < deadline, known
        client.resolve()  # what is written finds that the file has gone
        time.sleep(0.05)
    assert ("carried", 1, None) in told(history(itexd))
    assert active(client).digest == info.digest


def test_activate_says_what_was_before_and_the_way_back(itexd, client):
    info = loaded(client, GOOD).info
    said = itexd.ctl("rules", "activate", info.id)
    assert said.returncode == 0
    assert (
        f"active: rule set {info.id} (test, digest {info.digest[:12]})\nbefore: rule set 1 (" in said.stdout
    )
    assert "itexctl rules rollback (or rules activate 1)" in said.stdout
    assert f'itexctl replay --rules {info.id} --against 1 --since "7 days ago"' in said.stdout
    assert "it was active before" in itexd.ctl("rules", "activate", info.id).stdout
    back = itexd.ctl("rules", "rollback").stdout
    assert "active: rule set 1 (" in back and f"(or rules activate {info.id})" in back


def test_comments_have_a_limit(itexd, client):
    assert load(client, GOOD, comment="x" * 1001).error.code == Code.BAD_REQUEST
    info = loaded(client, GOOD, comment="x" * 1000).info
    assert client.error("rules_activate", id=info.id, comment="x" * 1001).code == Code.BAD_REQUEST
    assert client.error("rules_rollback", comment="x" * 1001).code == Code.BAD_REQUEST
    for i in range(60):
        client.ok("rules_activate", id=1 + i % 2, comment=f"{i:0>1000}")
    page = client.ok("rules_history", limit=500)
    assert page.more and 40 < len(page.events) < 63  # as many as fit
    assert client.ok("rules_history", limit=1).events[0].comment == f"{59:0>1000}"
