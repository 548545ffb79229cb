"""itexctl explain: what an administrator wants to know of a decision stands at its beginning, and is true."""

from __future__ import annotations

import json
import re
import textwrap

import pytest
from asking import ask

UNTRAINED = {"keras": "3", "jit": "off", "itex": "newest"}


@pytest.fixture(scope="module")
def service(shared_itexd):
    return shared_itexd


def resolve(service, *arguments):
    """The number of a new decision."""
    made = service.ctl("resolve", "--clean-env", "--json", *arguments)
    return json.loads(made.stdout)["decision"]


def story(service, *arguments, **options):
    """The whole as one line, and what stands under its headings."""
    told = service.ctl("explain", *arguments, **options)
    assert told.returncode == 0, told
    parts = re.split(r"^(?=[A-Z])", told.stdout, flags=re.M)
    under = {part.partition("\n")[0]: " ".join(part.partition("\n")[2].split()) for part in parts if part}
    return " ".join(told.stdout.split()), under


def taken(service, report=None, job="taken", **fields):
    """A decision that a job has accepted, and reported on."""
    with service.client() as client:
        decision = client.resolve(declared=UNTRAINED, job=job, **fields)
        client.ok("accept", decision=decision.id, request_id=decision.request_id)
        if report:
            client.ok("report", decision=decision.id, mode=report[0], devices=report[1])
        # nobody waits for it to be written but who asks
        while client.ok("explain", decision=decision.id).state != "accepted":
            pass
        return decision.id


@pytest.mark.parametrize(
    ("arguments", "short"),
    [
        (
            ["--keras", "3", "--jit", "off", "--itex", "newest", "--job", "7"],
            "As it is, job 7 ends with status 0 without having trained. It was given mode npd, by what was "
            "done for keras3-5. It was only asked for: whether a job ran by it is not known here.",
        ),
        (
            ["--keras", "3", "--jit", "on", "--itex", "newest", "--job", "7"],
            "As far as is known, job 7 works as it is. It was left so, mode npd+xla. It was only asked for: ",
        ),
        (
            ["--env", "ZE_AFFINITY_MASK=x", "--job", "7"],
            "As it is, job 7 is killed by a signal. It was rejected, for no change that is permitted helps: "
            "affinity-mask. Nothing was started by it.",
        ),
        (
            ["--advise", "--keras", "3", "--jit", "off", "--itex", "newest", "--job", "7"],
            "It was only advised, and nothing changed: the policy was advise.",
        ),
        (
            ["--gpus", "1", "--holder", "1"],
            "It was rejected, for the devices that it asked for cannot be had.",
        ),
        (["--job", "7"], "What job 7 comes to as it is cannot be told without knowing keras, jit, itex."),
    ],
)
def test_it_begins_with_the_short_of_it(service, arguments, short):
    if "--holder" in arguments:
        arguments = [*arguments[:-1], str(service.process.pid)]
    assert short in story(service, resolve(service, *arguments))[1]["In short"]


@pytest.mark.parametrize(
    ("report", "short", "result"),
    [
        (
            None,
            "The job took it, and has not reported what it got",
            "observed nothing: the job has not reported",
        ),
        (("npd", 1), "The job took it, and reported just that.", "observed mode npd, 1 device: as decided"),
        (("none", 0), "The job took it, and then ran on the CPU.", "What was decided does not lead to that."),
        (("npd+xla", 1), "The job took it, and then reported mode npd+xla.", "not as decided"),
    ],
)
def test_it_says_what_became_of_the_job(service, report, short, result):
    under = story(service, taken(service, report))[1]
    assert short in under["In short"]
    assert result in under["Result"]
    assert ("itexctl doctor" in under["Result"]) == (report in (("none", 0), ("npd+xla", 1)))


def test_an_answer_that_never_arrived_was_not_in_force(node, holders):
    with node.client() as client:
        lost = ask(client, holders.new(), job="lost")
    # the service waits a while for a retry before it says so
    state = ""
    while state != "undelivered":
        state = json.loads(node.ctl("explain", lost.id, "--json").stdout)["state"]
        assert state in ("offered", "undelivered")
    assert "never reached the job, so nothing of it was in force" in node.ctl(
        "explain", lost.id
    ).stdout.replace("\nSIMULATED   ", " ")


def test_the_newest_of_a_job_is_found_by_its_name(service):
    resolve(service, "--keras", "0", "--job", "named")
    newest = resolve(service, "--keras", "2", "--job", "named")
    resolve(service, "--keras", "0", "--job", "other")
    assert story(service, "--job", "named")[0].startswith(f"Decision {newest} ")
    assert json.loads(service.ctl("explain", "--job", "named", "--json").stdout)["decision"] == newest
    nothing = service.ctl("explain", "--job", "nobody's")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "no decision of job nobody's that you may see is kept" in nothing.stderr


def test_it_says_when_as_the_place_has_it(service):
    number = taken(service)
    utc, here = (story(service, number, env={"TZ": zone})[0] for zone in ("UTC", "Asia/Kolkata"))
    assert re.search(r"when \S+Z \([A-Z][a-z]+day \d\d:\d\d UTC\)", utc)
    assert re.search(r"when \S+Z \([A-Z][a-z]+day \d\d:\d\d IST\)", here)


def test_what_is_wrong_is_said(service):
    for arguments, said in (
        (["1", "--job", "x"], "takes a decision or --job, not both"),
        ([], "takes the number of one decision, or --job"),
        (["--now", "--json", "1"], "--now is for people"),
    ):
        result = service.ctl("explain", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert said in result.stderr


# ---- Rules have changed since ----------------------------------------------------------------------------

OTHERS = """
rules:
  - {id: mine, severity: warning, outcome: slow, when: {keras: "3"}, solution: {set: {ITEX_VERBOSE: "1"}},
     message: Words., source: us}
"""


@pytest.fixture
def changed(node, tmp_path):
    """A node whose rules have changed since: (node, what was decided before)."""
    before = resolve(node, "--keras", "3", "--jit", "off", "--itex", "newest", "--job", "old")
    node.ctl(
        "run",
        "--gpus",
        "1",
        "--keras",
        "3",
        "--jit",
        "on",
        "--itex",
        "newest",
        "--job",
        "leased",
        "--",
        "true",
    )
    assert "The same set is in force now." in story(node, before)[0]
    path = tmp_path / "others.yaml"
    path.write_text(textwrap.dedent(OTHERS))
    assert node.ctl("rules", "load", path, "--activate").returncode == 0
    return node, before


def test_it_says_that_the_rules_have_changed(changed):
    node, before = changed
    told = story(node, before)[0]
    assert "Now set 2, others.yaml, is in force; explain --now tells what it would decide." in told
    assert "would decide" not in story(node, before)[1]


def test_it_tells_what_would_be_decided_now(changed):
    node, before = changed
    decisions = node.status().decisions
    under = story(node, before, "--now")[1]["What set 2, others.yaml, in force now, would decide"]
    assert under == (
        "verdict fixed, mode npd+xla environment ITEX_VERBOSE=1 holds now mine no longer keras3-5"
    )
    assert node.status().decisions == decisions  # nobody asked anew
    same = resolve(node, "--keras", "0", "--itex", "newest")
    assert story(node, same, "--now")[1]["What set 2, others.yaml, in force now, would decide"] == (
        "The same would be decided."
    )


def test_what_a_lease_gave_is_no_difference(changed):
    node = changed[0]
    told = node.ctl("explain", "--job", "leased", "--now").stdout.replace("SIMULATED ", "")
    now = told.partition("would decide\n")[2]
    assert "rejected" not in now
    assert "ZE_AFFINITY_MASK" not in now.partition("environment")[0]
    assert re.search(r"holds now +mine", now)
