"""The database comes back, or another takes its place, while itexd serves: which rules are in force then."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))
import harness  # noqa: E402

SHIPPED = {
    path.name: path.read_text() for path in sorted(harness.RULES.glob("*.yaml")) if path.name != "facts.yaml"
}
DEADLINE = 20 * harness.SLOW


@pytest.fixture
def service():
    itexd = harness.Itexd()
    try:
        yield itexd.start()
    finally:
        itexd.cleanup()


def choose_own_rules(service):
    first, *rest = SHIPPED
    files = {first: SHIPPED[first] + "\n# ours\n", **{name: SHIPPED[name] for name in rest}}
    with service.client() as client:
        reply = client.ok(
            "rules_load", fds=[harness.memfd(harness.rule_files(files))], name="ours", activate=True
        )
        return reply.info.id


def start_without_database(service):
    """A directory is in its place; returns what puts the database back."""
    away = service.database.with_name("away")
    os.rename(service.database, away)
    os.mkdir(service.database)
    service.start()
    status = service.status()
    assert (status.state, status.recording, status.ruleset.id) == ("degraded", False, 0)
    with service.client() as client:
        assert not client.resolve(declared={"keras": "0"}).recorded

    def put_back():
        os.rmdir(service.database)
        os.rename(away, service.database)
        end = time.monotonic() + DEADLINE
        while service.status().ruleset.id == 0:
            assert time.monotonic() < end, f"the rules did not get a number: {service.status()}"
            time.sleep(0.05)
        with service.client() as client:
            assert client.resolve(declared={"keras": "0"}).recorded

    return put_back


def take_database_away(service):
    """While it serves; returns once decisions are recorded in the new one."""
    for path in service.database.parent.iterdir():
        if not path.name.endswith("-lock"):
            path.unlink()
    end = time.monotonic() + DEADLINE
    with service.client() as client:
        while not (service.database.exists() and client.resolve(declared={"keras": "0"}).recorded):
            assert time.monotonic() < end, f"nothing is recorded: {service.status()}"
            time.sleep(0.05)


def test_shipped_rules_go_into_a_new_database(service):
    take_database_away(service)
    assert (service.status().state, service.status().ruleset.name) == ("ok", "shipped")


def test_rules_that_were_chosen_go_into_a_new_database(service):
    choose_own_rules(service)
    take_database_away(service)
    assert (service.status().state, service.status().ruleset.name) == ("ok", "ours")
    service.stop()
    service.start()
    assert service.status().ruleset.name == "ours"


def test_shipped_rules_stay(service):
    service.stop()
    start_without_database(service)()
    assert (service.status().state, service.status().ruleset.id) == ("ok", 1)


def test_rules_that_were_chosen_come_back(service):
    chosen = choose_own_rules(service)
    service.stop()
    start_without_database(service)()
    status = service.status()
    assert (status.state, status.ruleset.id, status.ruleset.name) == ("ok", chosen, "ours")


def test_rules_that_cannot_be_read_any_more_are_told(service):
    chosen = choose_own_rules(service)
    service.stop()
    with sqlite3.connect(service.database) as database:
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE rule_sets SET files = x'00ffff' WHERE id = ?", (chosen,))
    database.close()
    start_without_database(service)()
    status = service.status()
    assert (status.state, status.ruleset.id) == ("degraded", 1)
    assert "activate another set" in status.problems[0]


def test_nothing_waits_behind_a_queue_of_one(service):
    """The store has room for one decision at a time: all are recorded, none is dropped."""
    service.stop()
    service.cleanup()
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
