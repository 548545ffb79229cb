"""The database comes back, or another takes its place, while itexd serves: which rules are in force then."""

from __future__ import annotations

import os
import sqlite3
import time

import harness

SHIPPED = {
    path.name: path.read_text() for path in sorted(harness.RULES.glob("*.yaml")) if path.name != "facts.yaml"
}
DEADLINE = 20 * harness.SLOW


def choose_own_rules(itexd):
    first, *rest = SHIPPED
    files = {first: SHIPPED[first] + "\n# ours\n", **{name: SHIPPED[name] for name in rest}}
    with itexd.client() as client:
        reply = client.ok(
            "rules_load", fds=[harness.memfd(harness.rule_files(files))], name="ours", activate=True
        )
        return reply.info.id


def start_without_database(itexd):
    """A directory is in its place; returns what puts the database back."""
    away = itexd.database.with_name("away")
    os.rename(itexd.database, away)
    os.mkdir(itexd.database)
    itexd.start()
    status = itexd.status()
    assert (status.state, status.recording, status.ruleset.id) == ("degraded", False, 0)
    with itexd.client() as client:
        assert not client.resolve(declared={"keras": "0"}).recorded

    def put_back():
        os.rmdir(itexd.database)
        os.rename(away, itexd.database)
        end = time.monotonic() + DEADLINE
        while itexd.status().ruleset.id == 0:
            assert time.monotonic() < end, f"the rules did not get a number: {itexd.status()}"
            time.sleep(0.05)
        with itexd.client() as client:
            assert client.resolve(declared={"keras": "0"}).recorded

    return put_back


def take_database_away(itexd):
    """While it serves; returns once decisions are recorded in the new one."""
    for path in itexd.database.parent.iterdir():
        if not path.name.endswith("-lock"):
            path.unlink()
    end = time.monotonic() + DEADLINE
    with itexd.client() as client:
        while not (itexd.database.exists() and client.resolve(declared={"keras": "0"}).recorded):
            assert time.monotonic() < end, f"nothing is recorded: {itexd.status()}"
            time.sleep(0.05)


def test_shipped_rules_go_into_a_new_database(itexd):
    take_database_away(itexd)
    assert (itexd.status().state, itexd.status().ruleset.name) == ("ok", "shipped")


def test_rules_that_were_chosen_go_into_a_new_database(itexd):
    choose_own_rules(itexd)
    take_database_away(itexd)
    assert (itexd.status().state, itexd.status().ruleset.name) == ("ok", "ours")
    itexd.stop()
    itexd.start()
    assert itexd.status().ruleset.name == "ours"


def test_shipped_rules_stay(itexd):
    itexd.stop()
    start_without_database(itexd)()
    assert (itexd.status().state, itexd.status().ruleset.id) == ("ok", 1)


def test_rules_that_were_chosen_come_back(itexd):
    chosen = choose_own_rules(itexd)
    itexd.stop()
    start_without_database(itexd)()
    status = itexd.status()
    assert (status.state, status.ruleset.id, status.ruleset.name) == ("ok", chosen, "ours")


def test_rules_that_cannot_be_read_any_more_are_told(itexd):
    chosen = choose_own_rules(itexd)
    itexd.stop()
    with sqlite3.connect(itexd.database) as database:
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE rule_sets SET files = x'00ffff' WHERE id = ?", (chosen,))
    database.close()
    start_without_database(itexd)()
    status = itexd.status()
    assert (status.state, status.ruleset.id) == ("degraded", 1)
    assert "activate another set" in status.problems[0]


def test_nothing_waits_behind_a_queue_of_one(itexd):
    """The store has room for one decision at a time: all are recorded, none is dropped."""
    itexd.stop()
    itexd.cleanup()
    tight = harness.Itexd(config={"write_queue": 1})
    try:
        tight.start()
        clients = [tight.client() for _ in range(8)]
        sent = [
            (client, client.send("resolve", harness.resolve_message(declared={"keras": "0"}, job=str(n))))
            for n in range(20)
            for client in clients
        ]
        decisions = [client.reply(request).decision for client, request in sent]
        assert all(decision.recorded for decision in decisions)
        assert len({decision.id for decision in decisions}) == len(sent)
        for client in clients:
            client.close()
    finally:
        tight.cleanup()
