"""Under load and with failures the database, the journal and the metrics give the same counts.

What is in one and not in another is accounted for, to the last decision.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections import Counter

import pytest
from itexd_unit import SOCKET
from machine import BUILD, TIMEOUT

METRICS = "/run/itexd/metrics.sock"
DATABASE = "/var/lib/itexd"
CONTROL = "/etc/itexd/gpus"
DRIVER = "/opt/libsimze.so"  # where the sandbox lets it be seen, wherever the build is
CARDS = 2


class Counts:
    """The service with two simulated cards on a small disk, and the views of what it did."""

    def __init__(self, unit):
        self.unit = unit

    def start(self, level):
        unit = self.unit
        unit.path("/etc/itexd").mkdir(exist_ok=True)
        unit.path(CONTROL).write_text(f"cards {CARDS}\ntiles 2\n")
        unit.configure(
            f"log_level: {level}\n"
            f"metrics_socket: {METRICS}\n"
            f"simulated_driver: {DRIVER}\n"
            f"worker_environment: SIMZE_CONTROL={CONTROL}\n"
        )
        unit.run("cp", f"{BUILD}/tests/simze/libsimze.so", DRIVER)
        unit.run("mkdir", "-p", DATABASE)
        unit.run("mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "small", DATABASE)
        unit.run("chown", "itexd:itexd", DATABASE)
        unit.start()
        unit.until(self.worker, "a worker")
        return self

    def end(self):
        self.unit.systemctl("stop", "itexd.socket", "itexd.service")
        self.unit.run("umount", "--lazy", DATABASE)
        self.unit.path(CONTROL).unlink()

    def worker(self):
        """The pid of the device worker that has answered; None while there is none."""
        worker = json.loads(self.unit.out("itexctl", "status", "--json"))["worker"]
        return worker["pid"] if worker and worker["state"] == "up" else None

    def begin(self, *what):
        return self.unit.python("load.py", SOCKET, *what, env={"ITEXD_BUILD": BUILD}, stdout=subprocess.PIPE)

    @staticmethod
    def finish(process):
        said = process.communicate()[0]
        assert process.returncode == 0, said
        return Counter(json.loads(said.splitlines()[-1]))

    def load(self, *what):
        return self.finish(self.begin(*what))

    def metrics(self):
        """The samples by name and labels, of a snapshot that is made after this is asked."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(self.unit.path(METRICS)))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: itexd\r\nConnection: close\r\n\r\n")
            with connection.makefile() as answer:
                said = answer.read()
        assert said.startswith("HTTP/1.1 200 ")
        samples = {}
        for line in said.splitlines():
            if match := re.fullmatch(r"(\w+)(?:{(.*)})? ([0-9.e+]+)", line):
                labels = frozenset(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                samples[match[1], labels] = float(match[3])
        return samples

    def fill(self):
        self.unit.run("dd", "if=/dev/zero", f"of={DATABASE}/filler", "bs=4096", check=False)

    def make_room(self):
        self.unit.run("rm", f"{DATABASE}/filler")

    # ---- The views ----------------------------------------------------------------------------------------

    def rows(self):
        said = self.unit.out("itexctl", "query", "--json", "--limit", "0")
        return [json.loads(line) for line in said.splitlines()]

    def entries(self):
        self.unit.run("journalctl", "--sync")
        # no match: with one, journalctl leaves out the first entry behind the cursor that has it
        said = self.unit.out("journalctl", "--output=json", f"--after-cursor={self.unit.cursor}")
        return [
            entry
            for entry in map(json.loads, said.splitlines())
            if entry.get("SYSLOG_IDENTIFIER") == "itexd" and "ITEXD_EVENT" in entry
        ]


@pytest.fixture
def counts(unit):
    made = Counts(unit)
    yield made
    made.end()


def of(entries, event, **wanted):
    return [
        entry
        for entry in entries
        if entry["ITEXD_EVENT"] == event
        and all(entry.get(f"ITEXD_{name}") == value for name, value in wanted.items())
    ]


def several(entry, field):
    value = entry.get(field, [])
    return [value] if isinstance(value, str) else value


def left_out(entries):
    """How many, by the label of their event."""
    counts = Counter()
    for entry in (*of(entries, "log-limited"), *of(entries, "log-dropped")):
        counts[entry["ITEXD_OF"]] += int(entry["ITEXD_LINES"])
    return counts


def of_rows(rows):
    """What the database has, by what it can be counted."""
    counts = Counter()
    for row in rows:
        counts["decisions", row["verdict"], row["mode"]] += 1
        for rule in row["diagnostics"]:
            counts["rule", rule["rule"]] += 1
        counts["undelivered"] += row["state"] == "undelivered"
        counts["reports"] += row["observed"] is not None
        counts["mismatches"] += row["observed"] is not None and not row["observed"]["match"]
    return counts


def of_entries(entries):
    """The same of the journal, of what is said to be recorded."""
    counts = Counter()
    for entry in of(entries, "decision", RECORDED="yes"):
        counts["decisions", entry["ITEXD_VERDICT"], entry.get("ITEXD_MODE")] += 1
        for rule in several(entry, "ITEXD_RULE"):
            counts["rule", rule] += 1
    mismatches = [*of(entries, "mode-mismatch"), *of(entries, "device-mismatch")]
    reports = [*of(entries, "report"), *mismatches]
    counts["undelivered"] = len(
        [one for one in of(entries, "decision-undelivered") if "ITEXD_DECISION" in one]
    )
    counts["reports"] = len({entry["ITEXD_DECISION"] for entry in reports})
    counts["mismatches"] = len(mismatches)
    return counts


def sample(samples, name, **labels):
    return samples[f"itexd_{name}_total", frozenset(labels.items())]


def of_samples(samples):
    """The same of the metrics."""
    counts = Counter()
    for (name, labels), value in samples.items():
        of = dict(labels)
        if name == "itexd_decisions_total":
            mode = None if of["mode"] == "unknown" else of["mode"]
            counts["decisions", of["verdict"], mode] += int(value)
        elif name == "itexd_decision_rules_total":
            counts["rule", of["rule"]] += int(value)
    for name in ("undelivered", "reported", "mismatched"):
        counts[name] = int(sample(samples, f"{name}_decisions"))
    counts["reports"] = counts.pop("reported")
    counts["mismatches"] = counts.pop("mismatched")
    return counts


def refusals(samples):
    return sum(value for (name, _), value in samples.items() if name == "itexd_refusals_total")


def test_a_load_with_failures_is_counted_alike(counts):
    """Everything at a pace that the log keeps: nothing is left out, so all must be equal."""
    counts.start("debug")
    done = counts.load("mixed")
    for _ in range(2):
        before = counts.worker()
        counts.unit.run("kill", "-KILL", str(before))
        counts.unit.until(lambda before=before: counts.worker() not in (None, before), "another worker")
    counts.fill()
    done += counts.load("outage")
    counts.make_room()
    done += counts.load("until-recorded")

    entries, rows, samples = counts.entries(), counts.rows(), counts.metrics()
    assert not left_out(entries)
    assert {row["verdict"] for row in rows} == {"ok", "fixed", "advised", "rejected"}
    assert of_entries(entries) == of_rows(rows)
    assert +of_samples(samples) == +of_rows(rows)
    unrecorded = of(entries, "decision", RECORDED="no")
    assert len(unrecorded) == done["unrecorded"] >= 10
    assert sample(samples, "unrecorded_decisions") == done["unrecorded"]
    assert len(of(entries, "decision")) == done["decisions"] == len(rows) + len(unrecorded)
    for verdict in ("ok", "fixed", "advised", "rejected"):
        assert len(of(entries, "decision", VERDICT=verdict)) == done[f"verdict {verdict}"]
    assert [row["decision"] for row in rows] == [
        int(entry["ITEXD_DECISION"]) for entry in reversed(of(entries, "decision", RECORDED="yes"))
    ]
    told = of_entries(entries)
    for name in ("undelivered", "reports", "mismatches"):
        assert told[name] == done[name] > 0, name
    assert len(of(entries, "refused")) == refusals(samples) == done["refusals"] > 0
    accepted = sum(row["state"] == "accepted" for row in rows)
    assert accepted == sample(samples, "accepted_decisions") == done["accepted"]
    assert len(of(entries, "device", KIND="worker-down")) == 2
    assert sample(samples, "child_restarts", child="worker") == 2
    assert len(of(entries, "worker-up")) == 3
    interruptions = sample(samples, "recording_interruptions")
    assert len(of(entries, "recording-stopped")) == len(of(entries, "recording-resumed")) == interruptions > 0
    granted = [entry["ITEXD_LEASE"] for entry in of(entries, "lease-granted")]
    assert len(granted) == sample(samples, "lease_answers", answer="granted") == done["leases"]
    assert sorted(granted) == sorted(entry["ITEXD_LEASE"] for entry in of(entries, "lease-released"))


def test_what_a_flood_leaves_out_of_the_journal_is_told(counts):
    """For each kind of decision: what is in the database = its entries + those told as left out."""
    counts.start("info")
    done = counts.load("flood", "3000")
    assert done["decisions"] == 3000

    def complete():
        entries = counts.entries()
        missing = sum(left_out(entries).values())
        return entries if len(of(entries, "decision")) + missing >= 3000 else None

    entries, rows = counts.unit.until(complete, "the counts of what was left out"), counts.rows()
    missing = left_out(entries)
    assert set(missing) <= {"decision-ok", "decision-fixed", "decision-advised", "decision-rejected"}
    assert sum(missing.values()) > 1000
    for verdict in ("ok", "fixed", "advised", "rejected"):
        stored = sum(row["verdict"] == verdict for row in rows)
        assert len(of(entries, "decision", VERDICT=verdict)) + missing[f"decision-{verdict}"] == stored, (
            verdict
        )
        assert stored == done[f"verdict {verdict}"]
    assert +of_samples(counts.metrics()) == +of_rows(rows)
    assert not of(entries, "log-dropped")
    assert not json.loads(counts.unit.out("itexctl", "status", "--json"))["problems"]


def test_killed_it_has_logged_all_but_the_last(counts):
    """Nothing is logged that is not on disk; what is on disk and not logged was on its way then."""
    counts.start("info")
    process = counts.begin("steady")
    assert process.stdout.readline() == "begun\n"
    counts.unit.until(lambda: len(of(counts.entries(), "decision")) > 100, "decisions")
    before = counts.unit.pid
    counts.unit.run("kill", "-KILL", str(before))
    seen = counts.finish(process)["decisions"]
    counts.unit.restarted(before)
    counts.load("flood", "50")

    first, second = [], []
    for entry in of(counts.entries(), "decision"):
        (first if entry["_PID"] == str(before) else second).append(int(entry["ITEXD_DECISION"]))
    rows = counts.rows()
    stored = [row["decision"] for row in reversed(rows)]
    assert +of_samples(counts.metrics()) == +of_rows(rows[:50])  # since it was started again
    assert first == stored[: len(first)]
    assert second == stored[len(stored) - 50 :]
    on_their_way = stored[len(first) : len(stored) - 50]
    assert len(on_their_way) < 50  # what a turn of the client and the queue of the log held
    assert len(first) <= seen + 4
    assert seen <= len(first) + len(on_their_way)
