"""A database that cannot be written, is garbage, or comes from the future: jobs are served all the same,
nothing that was there is lost, and recording resumes by itself."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import time

import disks
import pytest
from harness import NOBODY, TIMEOUT, Refused


def decide(service):
    with service.client() as client:
        return client.resolve(declared={"keras": "0", "itex": "newest"})


def assert_served_unrecorded(service):
    """The rules still decide; the answer says that it is not kept, and status says why."""
    decision = decide(service)
    assert decision.outcome.mode == "npd"
    assert not decision.recorded
    assert not decision.HasField("id")
    status = service.status()
    assert (status.state, status.recording) == ("degraded", False)
    assert status.problems
    return status


def wait_until_recorded(service):
    """Recording resumes on its own within the store's backoff; asking is what finds out."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        decision = decide(service)
        if decision.recorded:
            return decision
        time.sleep(0.1)
    raise AssertionError(f"recording did not resume: {service.status()}")


def aside(service):
    """Files that a corrupt database was moved to."""
    return sorted(p for p in service.database.parent.iterdir() if p.name not in known(service))


def known(service):
    return {service.database.name + suffix for suffix in ("", "-wal", "-shm", "-lock", ".lock")}


# ---- Corrupt -----------------------------------------------------------------------------------------


def garbage(size):
    return random.Random(7).randbytes(size)


@pytest.mark.parametrize(
    "content", [b"x", b"hello, this is no database\n" * 100, garbage(100_000)], ids=["x", "text", "random"]
)
def test_garbage_is_moved_aside_and_kept(make_itexd, content):
    service = make_itexd()
    service.database.write_bytes(content)
    service.start()
    service.assert_serves()
    moved = aside(service)
    assert [p.read_bytes() for p in moved] == [content]
    status = service.status()
    assert status.moved_aside.endswith(moved[0].name)
    assert status.state == "degraded", "until an administrator activates a set"
    assert any(moved[0].name in problem for problem in status.problems)
    service.stop()
    assert moved[0].name in service.log


def test_degraded_ends_when_an_administrator_activates_a_set(make_itexd):
    service = make_itexd()
    service.database.write_bytes(b"garbage" * 1000)
    service.start()
    with service.client() as client:
        client.ok("rules_activate", id=client.ok("status").ruleset.id)
        assert client.ok("status").state == "ok"


def test_a_torn_header_is_moved_aside_with_its_wal(itexd):
    decide(itexd)
    itexd.kill()
    wal = itexd.database.with_name(itexd.database.name + "-wal").read_bytes()
    with itexd.database.open("r+b") as file:
        file.write(b"\0" * 100)
    itexd.start()
    itexd.assert_serves()
    assert len(aside(itexd)) >= 1
    if wal:
        assert any(p.read_bytes() == wal for p in aside(itexd)), "the WAL may hold the only copy of decisions"


def test_corrupt_pages_are_found_at_start(itexd):
    for _ in range(50):
        decide(itexd)
    itexd.stop()
    size = itexd.database.stat().st_size
    with itexd.database.open("r+b") as file:
        for page in range(1, size // 4096):
            file.seek(page * 4096)
            file.write(garbage(512))
    itexd.start()
    itexd.assert_serves()
    assert len([p for p in aside(itexd) if not p.name.endswith(("-wal", "-shm"))]) == 1


def test_a_second_corruption_does_not_overwrite_the_first(make_itexd):
    service = make_itexd()
    service.database.write_bytes(b"first" * 1000)
    service.start()
    service.stop()
    service.database.write_bytes(b"second" * 1000)
    service.start()
    kept = {p.read_bytes()[:5] for p in aside(service)}
    assert {b"first", b"secon"} <= kept


def test_an_empty_file_is_a_new_database(make_itexd):
    service = make_itexd()
    service.database.touch()
    service.start()
    service.assert_serves()
    assert service.status().state == "ok"


def test_another_programs_database_is_not_written_to(make_itexd):
    service = make_itexd()
    with contextlib.closing(sqlite3.connect(service.database)) as db:
        db.execute("PRAGMA application_id = 42")
        db.execute("CREATE TABLE photographs(id)")
        db.commit()
    before = service.database.read_bytes()
    service.start()
    status = assert_served_unrecorded(service)
    assert any("another program" in problem for problem in status.problems)
    shown = json.loads(service.ctl("rules", "show", "--json").stdout)
    assert (shown["id"], shown["name"], shown["active"]) == (None, "shipped", True)
    assert json.loads(service.ctl("resolve", "--json").stdout)["ruleset"]["id"] is None
    service.stop()
    assert service.database.read_bytes() == before
    assert aside(service) == []


# ---- From the future ---------------------------------------------------------------------------------


def test_a_newer_database_is_refused_untouched(itexd):
    decide(itexd)
    itexd.stop()
    with contextlib.closing(sqlite3.connect(itexd.database)) as db:
        db.execute("PRAGMA user_version = 9999")
    before = itexd.database.read_bytes()
    assert itexd.start_expecting_failure() == 78
    assert itexd.database.read_bytes() == before
    assert aside(itexd) == []
    assert "newer" in itexd.log
    assert str(itexd.database) in itexd.log


# ---- Not writable ------------------------------------------------------------------------------------


def test_a_directory_in_its_place(make_itexd):
    service = make_itexd()
    service.database.mkdir()
    (service.database / "precious").write_text("x")
    service.start()
    status = assert_served_unrecorded(service)
    assert any(str(service.database) in problem for problem in status.problems)
    assert (service.database / "precious").exists()
    (service.database / "precious").unlink()
    service.database.rmdir()
    wait_until_recorded(service)
    assert service.status().recording


def test_a_directory_that_is_not_there(make_itexd):
    service = make_itexd()
    service.database.parent.rmdir()
    service.start()
    assert_served_unrecorded(service)
    service.database.parent.mkdir()
    wait_until_recorded(service)


def test_a_read_only_directory(as_root, make_itexd):
    """As another user, for root may write anywhere."""
    service = make_itexd(user=NOBODY)
    os.chown(service.database.parent, 0, 0)
    service.database.parent.chmod(0o555)
    service.start()
    assert_served_unrecorded(service)
    os.chown(service.database.parent, NOBODY, NOBODY)
    service.database.parent.chmod(0o755)
    wait_until_recorded(service)


def test_a_read_only_file(as_root, make_itexd):
    service = make_itexd(user=NOBODY).start()
    first = decide(service)
    service.stop()
    for path in service.database.parent.iterdir():
        os.chown(path, 0, 0)
        path.chmod(0o444)
    service.database.parent.chmod(0o555)
    os.chown(service.database.parent, 0, 0)
    service.start()
    assert_served_unrecorded(service)
    assert service.rows("PRAGMA quick_check") == [("ok",)]
    for path in [service.database.parent, *service.database.parent.iterdir()]:
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o755)
    again = wait_until_recorded(service)
    assert again.id > first.id
    with service.client(uid=NOBODY) as client:
        assert client.ok("explain", decision=first.id).id == first.id


@pytest.fixture
def small_disk(as_root, make_itexd):
    """A service whose database is on a file system of its own that a test can fill."""
    service = make_itexd()
    with disks.small_disk(service.database.parent):
        yield service
        service.cleanup()


def test_a_full_disk_and_its_end(small_disk):
    service = small_disk.start()
    kept = [decide(service) for _ in range(5)]
    filler = disks.fill(service.database.parent)
    deadline = time.monotonic() + TIMEOUT
    while decide(service).recorded:
        assert time.monotonic() < deadline, "the disk is full and decisions are still said to be recorded"
    status = assert_served_unrecorded(service)
    assert any("full" in problem.lower() for problem in status.problems)
    filler.unlink()
    later = wait_until_recorded(service)
    assert service.integrity() == "ok"
    with service.client() as client:
        for decision in [*kept, later]:
            assert client.ok("explain", decision=decision.id).request_id == decision.request_id
    assert service.status().state == "ok"


def test_every_recorded_decision_survives_a_disk_that_fills_up(small_disk):
    """Decisions with much to say until nothing fits; what was said to be recorded is there afterwards."""
    service = small_disk.start()
    recorded = []
    with service.client() as client:
        for number in range(20000):
            decision = client.resolve(
                {"TF_XLA_FLAGS": f"--tf_xla_auto_jit=1 --tf_xla_unknown={'x' * 3000}{number}"}, {"keras": "0"}
            )
            if not decision.recorded:
                break
            recorded.append(decision.id)
        else:
            raise AssertionError("16 MB never filled up")
    service.kill()
    subprocess.run(["mount", "-o", "remount,size=64m", str(service.database.parent)], check=True)
    service.start()
    assert service.integrity() == "ok"
    with service.client() as client:
        for decision in recorded[:: max(1, len(recorded) // 100)]:
            assert client.ok("explain", decision=decision).id == decision
        assert client.ok("status").decisions >= len(recorded)


def test_explain_while_the_store_is_away_says_so(make_itexd):
    service = make_itexd()
    service.database.mkdir()
    service.start()
    with service.client() as client:
        with pytest.raises(Refused) as refused:
            client.ok("explain", decision=1)
        assert refused.value.text
        assert service.ctl("explain", "1").returncode in (1, 70, 75)


def test_unrecorded_decisions_in_itexctl(make_itexd):
    import json

    service = make_itexd()
    service.database.mkdir()
    service.start()
    result = service.ctl("resolve", "--keras", "0", "--itex", "newest", "--json")
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert (shown["decision"], shown["recorded"], shown["mode"]) == (None, False, "npd")
    assert "degraded" in service.ctl("status").stdout


# ---- Backup ------------------------------------------------------------------------------------------


def test_a_backup_taken_while_serving_is_whole(itexd):
    made = [decide(itexd).id for _ in range(30)]
    target = itexd.directory / "backup.db"
    result = itexd.ctl("backup", target)
    assert result.returncode == 0, result.stderr
    itexd.assert_serves()
    with contextlib.closing(sqlite3.connect(f"file:{target}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    itexd.stop()
    for path in itexd.database.parent.iterdir():
        path.unlink()
    itexd.database.write_bytes(target.read_bytes())
    itexd.start()
    with itexd.client() as client:
        assert client.ok("explain", decision=made[-1]).id == made[-1]


def test_a_backup_does_not_overwrite(itexd):
    target = itexd.directory / "backup.db"
    target.write_text("precious")
    assert itexd.ctl("backup", target).returncode not in (0, 70)
    assert target.read_text() == "precious"
