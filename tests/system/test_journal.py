"""What itexd says, as a real journal has it: found by its fields, explained by its catalog."""

from __future__ import annotations

import json
import re

import pytest
from machine import SOURCE, TIMEOUT


def message_ids():
    text = (SOURCE / "daemon" / "log_events.h").read_text()
    return dict(re.findall(r'X\((\w+),\s*(?:\\\s*)?"[\w-]+", "[\w-]*", "([0-9a-f]{32})"', text))


@pytest.fixture
def journal(booted):
    """The journal's entries that match, once the service and the journal have written what they have."""
    booted.run("systemctl", "start", "itexd.service")

    def entries(*matches):
        booted.run("journalctl", "--sync")
        out = booted.out("journalctl", "--boot", "--output=json", *matches)
        return [json.loads(line) for line in out.splitlines()]

    def wait(*matches):
        for _ in range(int(TIMEOUT * 10)):
            if found := entries(*matches):
                return found
            booted.run("sleep", "0.1")
        raise AssertionError(f"no entry with {matches}")

    booted.entries, booted.wait = entries, wait
    yield booted
    booted.run("systemctl", "stop", "itexd.service")


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
        for _ in range(int(TIMEOUT * 10)):
            found = [one for one in journal.entries("_TRANSPORT=stdout") if " job=lines " in one["MESSAGE"]]
            if found:
                break
            journal.run("sleep", "0.1")
    finally:
        journal.run("mv", socket + ".away", socket)
    assert found[0]["MESSAGE"].startswith("event=decision decision=")
    assert found[0]["PRIORITY"] == "6"
    journal.run(*ask, "entries")
    assert journal.wait("ITEXD_JOB=entries")[0]["_TRANSPORT"] == "journal"
