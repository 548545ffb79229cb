"""What itexd says, as a real journal has it: found by its fields, explained by its catalog."""

from __future__ import annotations

import json
import re

import pytest
from machine import SOURCE


def message_ids():
    text = (SOURCE / "daemon" / "log_events.h").read_text()
    return dict(re.findall(r'X\((\w+),\s*(?:\\\s*)?"[\w-]+", "[\w-]*", "([0-9a-f]{32})"', text))


class Journal:
    """The service, and the journal's entries of this run of it."""

    def __init__(self, unit):
        self.unit, self.run, self.out = unit, unit.run, unit.out
        self.own = "_SYSTEMD_INVOCATION_ID=" + unit.show("InvocationID")

    def entries(self, *matches):
        self.run("journalctl", "--sync")
        said = self.out("journalctl", "--output=json", self.own, *matches)
        return [json.loads(line) for line in said.splitlines()]

    def wait(self, *matches):
        return self.unit.until(lambda: self.entries(*matches), f"an entry with {matches}")


@pytest.fixture
def journal(unit):
    unit.start()
    return Journal(unit)


def test_a_start_is_an_entry_with_fields(journal):
    (entry, *_) = journal.wait("MESSAGE_ID=" + message_ids()["STARTED"])
    assert entry["ITEXD_EVENT"] == "started"
    assert entry["SYSLOG_IDENTIFIER"] == "itexd"
    assert entry["PRIORITY"] == "5"
    assert entry["_TRANSPORT"] == "journal"
    assert entry["_SYSTEMD_UNIT"] == "itexd.service"
    assert entry["MESSAGE"].startswith("itexd 0.")
    assert entry["ITEXD_SOCKET"] in entry["MESSAGE"]


def test_a_job_is_found_by_its_id_whatever_is_in_it(journal):
    job = 'über\t"4711"\\ =x'
    journal.run(*("itexctl", "resolve", "--itex", "newest", "--keras", "3", "--jit", "off", "--job", job))
    (entry,) = journal.wait(f"ITEXD_JOB={job}")
    assert entry["ITEXD_EVENT"] == "decision"
    assert entry["ITEXD_VERDICT"] == "fixed"
    assert entry["ITEXD_RECORDED"] == "yes"
    assert entry["MESSAGE_ID"] == message_ids()["DECISION_FIXED"]
    assert entry["PRIORITY"] == "6"
    assert entry["MESSAGE"].isascii()
    assert entry["MESSAGE"].isprintable()
    (same,) = journal.entries("ITEXD_RULE=keras3-5", f"ITEXD_DECISION={entry['ITEXD_DECISION']}")
    assert same["__CURSOR"] == entry["__CURSOR"]
    row = json.loads(journal.out("itexctl", "explain", "--json", entry["ITEXD_DECISION"]))
    assert row["job"] == job
    rules = [said["rule"] for said in row["diagnostics"]]
    assert sorted(rules) == sorted(
        [entry["ITEXD_RULE"]] if isinstance(entry["ITEXD_RULE"], str) else entry["ITEXD_RULE"]
    )


def test_x_explains_and_says_what_to_do(journal):
    journal.run("journalctl", "--update-catalog")
    text = journal.out("journalctl", "--boot", "-x", "MESSAGE_ID=" + message_ids()["STARTED"])
    assert "Subject: itexd serves" in text
    assert "Defined-By: itexd" in text
    assert "man:itexd(8)" in text
    assert "@" not in text.partition("Subject:")[2]
    assert "itexctl status" in text


def test_entries_go_on_behind_a_restart_of_the_journal(journal):
    ask = ("itexctl", "resolve", "--itex", "newest", "--job")
    journal.run(*ask, "before")
    journal.run("systemctl", "restart", "systemd-journald.service")
    journal.run(*ask, "behind")
    for job in ("before", "behind"):
        assert [entry["_TRANSPORT"] for entry in journal.wait(f"ITEXD_JOB={job}")] == ["journal"]


def test_without_the_journals_socket_the_stream_has_lines(journal):
    """They are read by the journal itself, so they are entries all the same, by the stream."""
    ask = ("itexctl", "resolve", "--itex", "newest", "--job")
    socket = "/run/systemd/journal/socket"
    journal.run("mv", socket, socket + ".away")
    try:
        journal.run(*ask, "lines")
        found = journal.unit.until(
            lambda: [one for one in journal.entries("_TRANSPORT=stdout") if " job=lines " in one["MESSAGE"]],
            "a line",
        )
    finally:
        journal.run("mv", socket + ".away", socket)
    assert found[0]["MESSAGE"].startswith("event=decision decision=")
    assert found[0]["PRIORITY"] == "6"
    journal.run(*ask, "entries")
    assert journal.wait("ITEXD_JOB=entries")[0]["_TRANSPORT"] == "journal"
