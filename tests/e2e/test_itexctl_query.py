"""itexctl query: filters that combine, steady memory, following, and ends that come early."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import history
import pytest
from harness import INSTRUMENTED, ITEXCTL, SLOW, TIMEOUT, is_instrumented, pb

ROWS = 3000


@pytest.fixture(scope="module")
def past(shared_itexd):
    history.fill(shared_itexd, ROWS)
    return shared_itexd


def query(service, *arguments, limit=0):
    """The decisions as JSON objects."""
    result = service.ctl("query", "--json", "--limit", limit, *arguments)
    assert result.returncode == 0, result
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def everything(past):
    return query(past)


# ---- Filters -----------------------------------------------------------------------------------------

FILTERS = {
    ("--job", "job-77"): lambda row: row["job"] == "job-77",
    ("--step", "3"): lambda row: history.step(row) == "3",
    ("--uid", "1003"): lambda row: row["peer"]["uid"] == 1003,
    ("--user", "root"): lambda row: row["peer"]["uid"] == 0,
    ("--itex", "2.15.0.3"): lambda row: row["itex"] == "2.15.0.3",
    ("--verdict", "rejected"): lambda row: row["verdict"] == "rejected",
    ("--verdict", "fixed"): lambda row: row["verdict"] == "fixed",
    ("--mode", "npd"): lambda row: row["mode"] == "npd",
    ("--rule", "keras3-5"): lambda row: "keras3-5" in [each["rule"] for each in row["diagnostics"]],
    ("--rule-set", "1"): lambda row: row["ruleset"]["id"] == 1,
    ("--rule-set", "7"): lambda row: row["ruleset"]["id"] == 7,
    ("--predicted-mode", "npd+xla"): lambda row: row["predicted"]["mode"] == "npd+xla",
    ("--predicted-outcome", "exit0"): lambda row: row["predicted"]["outcome"] == "exit0",
    ("--predicted-outcome", "cpu"): lambda row: row["predicted"]["outcome"] == "cpu",
    ("--state", "undelivered"): lambda row: row["state"] == "undelivered",
    ("--state", "accepted"): lambda row: row["state"] == "accepted",
    ("--observed", "none"): lambda row: (row["observed"] or {}).get("mode") == "none",
    ("--mismatch",): lambda row: (row["observed"] or {}).get("match") is False,
}


@pytest.mark.parametrize("filters", FILTERS, ids=" ".join)
def test_a_filter(past, everything, filters):
    assert len(everything) == ROWS
    wanted = [row for row in everything if FILTERS[filters](row)]
    assert query(past, *filters) == wanted
    assert bool(wanted) == (filters not in {("--rule-set", "7"), ("--predicted-outcome", "cpu")})


def test_filters_combine(past, everything):
    pairs = list(itertools.combinations(FILTERS, 2))
    for first, second in pairs[::7]:
        if first[0] == second[0] or {first[0], second[0]} == {"--uid", "--user"}:
            continue
        wanted = [row["decision"] for row in everything if FILTERS[first](row) and FILTERS[second](row)]
        assert [row["decision"] for row in query(past, *first, *second)] == wanted, (first, second)


def test_times_bound(past, everything):
    middle = everything[ROWS // 2]
    since = query(past, "--since", middle["time"])
    until = query(past, "--until", middle["time"], "--mismatch")
    assert [row["decision"] for row in since] == list(range(ROWS, middle["decision"] - 1, -1))
    assert until == [row for row in everything[ROWS // 2 :] if FILTERS[("--mismatch",)](row)]


@pytest.mark.parametrize(
    ("zone", "told", "meant"),
    [
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z"),
        ("Europe/Berlin", "2026-03-29 01:30", "2026-03-29T00:30Z"),
        ("America/New_York", "2026-07-01", "2026-07-01T04:00Z"),
        ("UTC", "2026-07-01 00:00:00.000", "@1782864000"),
    ],
)
def test_a_time_without_zone_is_local(past, zone, told, meant):
    options = ["--json", "--limit", "1"]
    local = past.ctl("query", *options, "--until", told, env={"TZ": zone})
    assert (local.returncode, local.stdout) == (0, past.ctl("query", *options, "--until", meant).stdout)


def test_a_device_is_found_by_each_of_its_names(node):
    with node.client() as client:
        shown = client.ok("devices").devices
    for gpus in ("1", "1", "2"):
        held = node.ctl("run", "--gpus", gpus, "--job", f"with-{gpus}", "--", "true")
        assert held.returncode == 0, held
    node.ctl("resolve", "--keras", "0", "--job", "without")
    everything = query(node)
    for device in shown:
        wanted = [row for row in everything if device.bdf in [each["bdf"] for each in row["devices"]]]
        assert 1 <= len(wanted) <= 3
        for name in (
            device.id,
            device.bdf,
            device.bdf.removeprefix("0000:").upper(),
            device.uuid,
            device.uuid[:-2],
        ):
            if name == device.uuid[:-2] and shown[0].uuid[:-2] == shown[1].uuid[:-2]:
                continue
            assert query(node, "--device", name) == wanted, name
    refused = node.ctl("query", "--device", "0000:77:00.0")
    assert refused.returncode == 1
    assert "no device was ever called like that" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--state", "gone"], '--state takes asked, offered, accepted or undelivered, not "gone"'),
        (["--follow", "--until", "now"], "--follow and --until exclude each other"),
        (["--follow", "--fail-empty"], "--follow and --fail-empty exclude each other"),
        (["--since", "now", "--until", "yesterday"], "--since is later than --until"),
        (["--since", "2026-01-31T-1:00"], "--since takes a time such as"),
        (["--rule-set", "0"], "--rule-set takes a whole number from 1"),
    ],
)
def test_what_cannot_be_asked_is_said(past, arguments, said):
    result = past.ctl("query", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


def test_an_older_service_is_not_taken_at_its_word(tmp_path):
    """One that skips the newer fields answers with more than was asked for."""
    path = tmp_path / "sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen()

    def serve():
        peer, _ = listener.accept()
        for body in ("hello", "query"):
            request = pb.Request()
            request.ParseFromString(peer.recv(65536))
            packet = pb.ServerPacket()
            packet.reply.id = request.id
            getattr(packet.reply, body).SetInParent()
            if body == "hello":
                packet.reply.hello.MergeFrom(pb.HelloReply(name="itexd", major=1, minor=1, minimum_major=1))
            peer.send(packet.SerializeToString())
        peer.close()

    server = threading.Thread(target=serve)
    server.start()
    result = subprocess.run(
        [ITEXCTL, "query", "--mismatch", "--socket", path], capture_output=True, text=True, timeout=TIMEOUT
    )
    server.join()
    assert (result.returncode, result.stdout) == (69, "")
    assert "older than itexctl" in result.stderr


# ---- Formats -----------------------------------------------------------------------------------------


def test_csv_says_the_same(past, everything):
    printed = past.ctl("query", "--format", "csv", "--limit", 0, binary=True).stdout.decode()
    rows = list(csv.DictReader(io.StringIO(printed, newline="")))
    assert len(rows) == ROWS
    for row, decision in zip(rows, everything):
        observed = decision["observed"] or {"mode": "", "devices": "", "match": ""}
        assert row["decision"] == str(decision["decision"])
        assert row["step"] == history.step(decision)
        assert row["ruleset"] == str(decision["ruleset"]["id"])
        assert row["rules"].split() == [each["rule"] for each in decision["diagnostics"]]
        assert (row["observed_mode"], row["match"]) == (observed["mode"], str(observed["match"]).lower())


def test_csv_has_headings_without_rows(past):
    printed = past.ctl("query", "--format", "csv", "--job", "nobody")
    assert printed.stdout.startswith("decision,time,uid,job,")
    assert len(printed.stdout.splitlines()) == 1


def test_the_table_shows_what_a_job_got_instead(past):
    lines = past.ctl("query", "--mismatch", "--limit", 50, "--mode", "npd").stdout.splitlines()
    assert len(lines) > 10
    assert all("npd, got none" in line for line in lines[1:])


# ---- Many rows ----------------------------------------------------------------------------------------


def status_of(process, field):
    """A number of /proc/PID/status, kB; 0 of a process that has just ended, which has no memory any more."""
    found = re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.M)
    return int(found[1]) if found else 0


def test_memory_stays_as_it_is_through_many_rows(make_itexd, rounds):
    rows = rounds(30_000, 1_000_000)
    service = make_itexd().start()
    history.fill(service, rows)
    query(service, limit=1000)
    before = status_of(service.process.pid, "VmHWM")
    began = time.monotonic()
    with subprocess.Popen(
        [ITEXCTL, "query", "--limit", "0", "--format", "csv", "--socket", service.socket],
        stdout=subprocess.PIPE, env=INSTRUMENTED,
    ) as program:  # fmt: skip
        highest = lines = 0
        for lines, _ in enumerate(program.stdout, start=1):
            if lines % 1000 == 0 and program.poll() is None:
                highest = max(highest, status_of(program.pid, "VmHWM"))
    seconds = time.monotonic() - began
    after = status_of(service.process.pid, "VmHWM")
    print(f"{rows} rows in {seconds:.1f} s; itexctl {highest} kB; itexd {before} to {after} kB")
    assert (program.returncode, lines) == (0, rows + 1)
    if not is_instrumented(ITEXCTL):
        assert 0 < highest < 24_000
        assert after - before < 8_000


def test_a_rare_filter_stalls_nobody(make_itexd, rounds):
    """While somebody looks through all rows for what is not there, others have their answers in between."""
    service = make_itexd().start()
    history.fill(service, rounds(30_000, 1_000_000))
    searching = [
        subprocess.Popen(
            [ITEXCTL, "query", "--limit", "0", "--observed", "npd+xla", "--socket", service.socket],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=INSTRUMENTED,
        )
        for _ in range(4)
    ]  # fmt: skip
    waited = []
    with service.client() as client:
        while any(each.poll() is None for each in searching) or len(waited) < 20:
            began = time.monotonic()
            assert client.ok("explain", decision=7).id == 7
            waited.append(time.monotonic() - began)
    print(f"{len(waited)} answers, the longest after {max(waited) * 1000:.1f} ms")
    assert [each.wait(TIMEOUT) for each in searching] == [0] * 4
    assert max(waited) < 2 * SLOW


def test_who_wants_no_more_ends_it(past):
    """As in `itexctl query | head`."""
    result = subprocess.run(
        ["bash", "-c", '"$0" query --limit 0 | head -n 3; echo "${PIPESTATUS[0]}"', ITEXCTL],
        capture_output=True, text=True, timeout=TIMEOUT,
        env={**INSTRUMENTED, "PATH": os.environ["PATH"], "ITEXD_SOCKET": str(past.socket)},
    )  # fmt: skip
    *shown, status = result.stdout.splitlines()
    assert len(shown) == 3
    assert status in ("0", str(128 + signal.SIGPIPE))
    assert result.stderr == ""


def test_an_interrupt_ends_it_at_once_and_the_service_stops_reading(make_itexd, rounds):
    service = make_itexd().start()
    history.fill(service, rounds(60_000, 1_000_000))
    began = time.monotonic()
    # nobody reads: it waits in the middle of its output
    program = subprocess.Popen(
        [ITEXCTL, "query", "--limit", "0", "--json", "--socket", service.socket],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=INSTRUMENTED,
    )  # fmt: skip
    assert program.stdout.read(1000)
    others = service.status().peers
    began = time.monotonic()
    program.send_signal(signal.SIGINT)
    assert program.wait(TIMEOUT) == -signal.SIGINT
    assert time.monotonic() - began < SLOW
    program.communicate()
    while service.status().peers >= others:
        assert time.monotonic() - began < TIMEOUT
    service.assert_serves()


def processor_time(*processes):
    """Seconds, of all of them."""

    def of(process):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    return sum(map(of, processes))


def test_the_search_of_somebody_who_has_gone_is_given_up(make_itexd, request):
    """Many that each look through a million rows for what is not there, interrupted in the middle."""
    if not request.config.getoption("--long"):
        pytest.skip("takes a million rows")
    service = make_itexd().start()
    history.fill(service, 1_000_000)
    searching = [
        subprocess.Popen(
            [ITEXCTL, "query", "--limit", "0", "--observed", "npd+xla", "--socket", service.socket],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=INSTRUMENTED,
        )
        for _ in range(20)
    ]  # fmt: skip
    while service.status().peers < 20:
        pass
    began = processor_time(service.process.pid)
    while processor_time(service.process.pid) < began + 0.1:
        pass
    for each in searching:
        each.send_signal(signal.SIGINT)
    assert -signal.SIGINT in [each.wait(TIMEOUT) for each in searching]
    while service.status().peers > 1:
        pass
    before = processor_time(service.process.pid)
    select.select([], [], [], 1)
    spent = processor_time(service.process.pid) - before
    print(f"{spent:.2f} s of processor time in the second after")
    assert spent < 0.2


# ---- Following -----------------------------------------------------------------------------------------


class Follower:
    """A running itexctl query --follow, read line by line."""

    def __init__(self, service, *arguments):
        self.program = subprocess.Popen(
            [ITEXCTL, "query", "--follow", "--socket", service.socket, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, env=INSTRUMENTED,
        )  # fmt: skip
        self.unread = {"stdout": b"", "stderr": b""}

    def line(self, name="stdout"):
        stream = getattr(self.program, name)
        while b"\n" not in self.unread[name]:
            assert select.select([stream], [], [], TIMEOUT)[0], "nothing came"
            came = stream.read(65536)
            assert came, f"itexctl ended: {self.program.stderr.read()}"
            self.unread[name] += came
        line, _, self.unread[name] = self.unread[name].partition(b"\n")
        return line.decode()

    def jobs(self, n):
        return [json.loads(self.line())["job"] for _ in range(n)]

    def end(self):
        self.program.send_signal(signal.SIGINT)
        stdout, stderr = self.program.communicate(timeout=TIMEOUT)
        assert self.program.returncode == -signal.SIGINT
        return (self.unread["stdout"] + stdout).decode(), (self.unread["stderr"] + stderr).decode()


@pytest.fixture
def follow():
    started = []

    def start(*arguments):
        started.append(Follower(*arguments))
        return started[-1]

    yield start
    for each in started:
        each.program.kill()
        each.program.communicate()


def ask(service, *jobs):
    for job in jobs:
        assert service.ctl("resolve", "--keras", "0", "--job", job).returncode == 0


def test_following_shows_the_last_and_then_each_new_one_once(itexd, follow):
    ask(itexd, "a", "b", "c")
    follower = follow(itexd, "--json", "--limit", 2)
    assert follower.jobs(2) == ["b", "c"]
    ask(itexd, "d")
    assert follower.jobs(1) == ["d"]
    with itexd.client() as client:
        decision = client.resolve(declared={"keras": "0"}, job="e", holder=None)
        assert follower.jobs(1) == ["e"]
        client.ok("accept", decision=decision.id, request_id=decision.request_id)
        client.ok("report", decision=decision.id, mode="none", devices=0)
    ask(itexd, "f")
    assert follower.jobs(1) == ["f"]  # and not e once more
    assert follower.end() == ("", "")


def test_following_keeps_to_the_filters(itexd, follow):
    ask(itexd, "a", "b")
    follower = follow(itexd, "--json", "--job", "b")
    assert follower.jobs(1) == ["b"]
    ask(itexd, "a", "c", "b")
    assert follower.jobs(1) == ["b"]
    everything, nobody = (
        follow(itexd, "--json", "--limit", 0),
        follow(itexd, "--json", "--limit", 0, "--job", "z"),
    )
    assert everything.jobs(5) == ["a", "b", "a", "c", "b"]
    assert follow(itexd, "--json", "--limit", 0, "--since", "1 hour ago").jobs(5) == ["a", "b", "a", "c", "b"]
    ask(itexd, "z")
    assert nobody.jobs(1) == ["z"]


def test_following_as_a_table_prints_each_row_at_once(itexd, follow):
    follower = follow(itexd)
    ask(itexd, "first")
    assert follower.line().split() == ["DECISION", "TIME", "UID", "JOB", "VERDICT", "MODE", "RULES"]
    first = follower.line()
    ask(itexd, "second")
    second = follower.line()
    assert first.index("first") == second.index("second")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_following_goes_through_a_restart(itexd, follow, how):
    ask(itexd, "a")
    follower = follow(itexd, "--json")
    assert follower.jobs(1) == ["a"]
    getattr(itexd, how)()
    itexd.start()
    ask(itexd, "b")
    assert follower.jobs(1) == ["b"]
    # told when it is seen: at once between two questions, afterwards within one
    shown, said = follower.end()
    assert shown == ""
    assert "waiting for it, and going on where it was\nitexctl: itexd answers again\n" in said or said == (
        "itexctl: itexd was restarted; going on where it was\n"
    )
    assert len(said.splitlines()) <= 2


def test_following_into_another_database_begins_again(itexd, follow):
    ask(itexd, "a", "b", "c")
    follower = follow(itexd, "--json", "--limit", 1)
    assert follower.jobs(1) == ["c"]
    itexd.stop()
    for each in itexd.database.parent.glob("itexd.db*"):
        each.unlink()
    itexd.start()
    ask(itexd, "new")
    assert follower.jobs(1) == ["new"]
    said = follower.end()[1]
    assert "has begun a new database" in said


def test_following_needs_a_service_to_begin_with(tmp_path):
    result = subprocess.run(
        [ITEXCTL, "query", "--follow", "--socket", tmp_path / "none"], capture_output=True, timeout=TIMEOUT
    )
    assert result.returncode == 69


def test_following_ends_with_its_reader(itexd, follow):
    ask(itexd, "a")
    follower = follow(itexd, "--json")
    follower.jobs(1)
    follower.program.stdout.close()
    assert follower.program.wait(TIMEOUT) == 0  # though nothing new came


def test_following_costs_the_service_next_to_nothing(itexd, follow):
    """No busy polling: the processor time of a few seconds with ten followers."""
    ask(itexd, "a")
    followers = [follow(itexd, "--json") for _ in range(10)]
    for each in followers:
        each.jobs(1)
    processes = [itexd.process.pid, *(each.program.pid for each in followers)]
    before = processor_time(*processes)
    began = time.monotonic()
    select.select([], [], [], 2)
    spent, passed = processor_time(*processes) - before, time.monotonic() - began
    print(f"{spent:.2f} s of processor time in {passed:.1f} s with {len(followers)} followers")
    assert spent < 0.25 * passed * SLOW
