"""Many short jobs on few tiles, while they, the service, its database and its disk are taken away in turn.

The observer is independent of the service: a job locks a file for each tile that it was given (flock, which
the kernel undoes before anybody can learn of the holder's end), so a tile given twice is met at once. Lease
ids rise with the grants, so the order is seen in them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import secrets
import select
import signal
import time
import traceback
from pathlib import Path

from disks import fill_disk, small_disk, wait_recorded
from harness import SLOW, TIMEOUT, Client, Refused, ServiceGone, pb, resolve_message, start_time

TILES = 4
AT_A_TIME = 12
WAIT_MS = int(120_000 * SLOW)
PATIENCE = 120 * SLOW  # without one job's end


class Board:
    """The observer: locks of tiles, and what jobs wrote down of themselves."""

    def __init__(self, directory):
        self.directory = directory
        self.log = directory / "log"
        self.log.touch()

    def write(self, **entry):
        """One write call, so that entries of several processes do not mix."""
        fd = os.open(self.log, os.O_WRONLY | os.O_APPEND)
        os.write(fd, json.dumps(entry).encode() + b"\n")
        os.close(fd)

    def take(self, job, decision):
        """Locks each of the decision's tiles until the process ends."""
        for device in decision.devices:
            fd = os.open(self.directory / f"{device.bdf}.{device.tile}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                other = os.pread(fd, 100, 0).decode()
                self.write(
                    job=job,
                    double=f"{device.bdf} tile {device.tile} is with {other}, and {decision.lease.id}",
                )
                os._exit(3)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"job {job} lease {decision.lease.id}".encode(), 0)

    def entries(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def assert_fine(self):
        wrong = [entry for entry in self.entries() if "double" in entry or "error" in entry]
        assert not wrong, wrong[:3]


def forked(board, job, body):
    """A job in a process of its own, without an interpreter's start. Returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        body()
        status = 0
    except BaseException:
        board.write(job=job, error=traceback.format_exc())
    finally:
        os._exit(status)


def connect(service):
    """A connection as soon as the service is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return Client(service.socket, timeout=PATIENCE)
        except (OSError, ServiceGone):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def myself():
    return pb.Holder(pid=os.getpid(), start_time=start_time(os.getpid()))


def receive_decision(client, request, waiting=None):
    """The reply to the request; waiting is called at the first event that says so."""
    while True:
        packet = client.receive()
        if packet.WhichOneof("kind") == "event":
            if packet.event.kind == "waiting" and waiting:
                waiting()
                waiting = None
        elif packet.reply.id == request:
            assert packet.reply.WhichOneof("body") == "decision", str(packet.reply)
            return packet.reply.decision


# ---- A storm -------------------------------------------------------------------------------------------


class Job:
    """A tile or two for a moment. `end` is where it kills itself: asked, got, accepted, anywhere or None."""

    def __init__(self, service, board, number, source):
        self.service = service
        self.board = board
        self.number = number
        self.count = source.choice([1, 1, 1, 2])
        self.end = source.choice([None] * 4 + ["asked", "got", "accepted", "anywhere"])
        self.moment = source.uniform(0.001, 0.06)
        self.work = source.uniform(0, 0.03)
        self.message = None
        self.decision = None
        self.asks = 0
        self.sent = self.waiting = None

    def run(self):
        if self.end == "anywhere":
            signal.signal(signal.SIGALRM, lambda *_: self.die_at("anywhere"))
            signal.setitimer(signal.ITIMER_REAL, self.moment)
        self.message = resolve_message(
            {},
            {"keras": "3", "itex": "newest"},
            secrets.token_bytes(16),
            devices=pb.DeviceRequest(count=self.count, tiles=True, wait_ms=WAIT_MS),
            holder=myself(),
            job=f"storm-{self.number}",
        )
        while True:
            # a service that goes away is asked again, for the same request
            with contextlib.suppress(ServiceGone, ConnectionError), connect(self.service) as client:
                if self.decision is None:
                    self.decision = self.ask(client)
                    self.check(self.decision)
                self.accept(client)
                break
        self.die_at("accepted")
        time.sleep(self.work)
        self.die_at("anywhere")

    def ask(self, client):
        self.asks += 1
        self.sent, self.waiting = time.monotonic_ns(), None
        request = client.send("resolve", self.message)
        self.die_at("asked")
        return receive_decision(client, request, self.note_waiting)

    def accept(self, client):
        request_id = self.message.request_id
        try:
            client.ok("accept", request_id=request_id, decision=self.decision.id)
        except Refused as refused:
            # the decision went with the database; the offer did not
            assert refused.code == pb.Error.NOT_FOUND
            client.ok("accept", request_id=request_id)

    def note_waiting(self):
        self.waiting = time.monotonic_ns()

    def check(self, decision):
        assert decision.HasField("lease"), f"{decision.outcome}"
        assert len(decision.devices) == self.count, f"{decision}"
        self.board.take(self.number, decision)
        self.board.write(
            job=self.number,
            asks=self.asks,
            sent=self.sent,
            waiting=self.waiting,
            lease=decision.lease.id,
            recorded=decision.recorded,
        )
        self.die_at("got")

    def die_at(self, place):
        if self.end == place:
            os.kill(os.getpid(), signal.SIGKILL)


class Storm:
    """Runs jobs, AT_A_TIME of them at once, and calls `incidents` when so many have ended."""

    def __init__(self, service, board, seed):
        self.service = service
        self.board = board
        self.source = random.Random(seed)
        self.running = {}
        self.ended = 0

    def run(self, n, incidents):
        poller = select.poll()
        started = 0
        while self.ended < n:
            while started < n and len(self.running) < AT_A_TIME:
                self.start(started, poller)
                started += 1
            ready = poller.poll(PATIENCE * 1000)
            assert ready, f"no job ended within {PATIENCE} s, {len(self.running)} are there:\n{self.state()}"
            for fd, _ in ready:
                self.reap(fd, poller)
                self.ended += 1
                incidents.pop(self.ended, lambda: None)()
        assert not incidents, "the storm was too short for all that was to happen"

    def start(self, number, poller):
        job = Job(self.service, self.board, number, self.source)
        pid = forked(self.board, number, job.run)
        fd = os.pidfd_open(pid)
        self.running[fd] = (pid, job)
        poller.register(fd, select.POLLIN)

    def reap(self, fd, poller):
        pid, job = self.running.pop(fd)
        poller.unregister(fd)
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        self.board.assert_fine()
        killed = os.WIFSIGNALED(status)
        assert killed == (job.end is not None) and (killed or os.WEXITSTATUS(status) == 0), (
            job.number,
            status,
        )

    def state(self):
        with self.service.client() as client:
            return f"{client.ok('leases')}\n{client.ok('status')}"

    def close(self):
        for pid, _ in self.running.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def assert_order_kept(entries):
    """Whoever was known to wait before another asked got its lease first. Those that a restart sent back have
    lost their place, and are not looked at."""
    asked_once = [entry for entry in entries if entry.get("asks") == 1]
    waited = [entry for entry in asked_once if entry["waiting"]]
    passed = [
        (early, late)
        for early in waited
        for late in asked_once
        if early["waiting"] < late["sent"] and early["lease"] > late["lease"]
    ]
    assert not passed, passed[:3]
    return len(waited)


def descriptors_of_the_dead(service):
    """How many processes that have ended the service still has a descriptor of."""
    own = Path(f"/proc/{service.process.pid}/fdinfo")
    return sum("Pid:\t-1\n" in entry.read_text() for entry in own.iterdir())


def assert_nothing_left(service):
    """Every lease ends with its holder, also those that were draining; then all tiles can be had at once."""
    deadline = time.monotonic() + TIMEOUT
    with service.client() as client:
        while (left := client.ok("leases")).leases or left.waiting:
            assert time.monotonic() < deadline, str(left)
            time.sleep(0.02)
        assert descriptors_of_the_dead(service) == 0
        decision = client.resolve(
            devices=pb.DeviceRequest(count=TILES, tiles=True, wait_ms=WAIT_MS), holder=myself(), job="last"
        )
        assert len({(device.bdf, device.tile) for device in decision.devices}) == TILES


def assert_history_is_whole(service):
    """What the database knows: no lease of the storm is open, and each decision's lease has its units."""
    service.stop()
    assert service.integrity() == "ok"
    assert service.rows("PRAGMA foreign_key_check") == []
    assert service.rows("SELECT count(*) FROM leases WHERE released_ms IS NULL AND job LIKE 'storm%'") == [
        (0,)
    ]
    assert service.rows(
        "SELECT count(*) FROM decisions WHERE lease NOT IN (SELECT lease FROM lease_units)"
    ) == [(0,)]


def remove_database(service):
    for path in service.database.parent.iterdir():
        if path.name.startswith("itexd.db") and not path.name.endswith("lock"):
            path.unlink()


def test_storm(as_root, make_itexd, simulated, tmp_path, rounds):
    jobs = rounds(120, 1000)
    service = make_itexd(devices=simulated(cards=2, tiles=2))
    board = Board(tmp_path)
    storm = Storm(service, board, seed=7)

    def kill_and_restart():
        service.kill()
        service.start()

    incidents = dict.fromkeys(range(20, jobs, 40), kill_and_restart)
    incidents[jobs * 3 // 10] = lambda: remove_database(service)
    incidents[jobs * 5 // 10] = lambda: fill_disk(service)
    incidents[jobs * 6 // 10] = lambda: (service.database.parent / "filler").unlink()
    with small_disk(service.database.parent):
        service.start()
        try:
            storm.run(jobs, incidents)
        finally:
            storm.close()
        waited = assert_order_kept(board.entries())
        assert waited > jobs / 10, "hardly anybody waited: the storm proves little of the order"
        assert {entry["recorded"] for entry in board.entries()} == {True, False}, "the disk was never full"
        assert_nothing_left(service)
        wait_recorded(service, True)
        assert_history_is_whole(service)
        service.cleanup()


# ---- Two jobs of four ranks ----------------------------------------------------------------------------


class Ranks:
    """Jobs of TILES ranks each that ask all at once, in any order, on as many tiles."""

    def __init__(self, service, board):
        self.service = service
        self.board = board
        self.pids = []

    def round(self, number, source):
        jobs = [f"ranks-{number}-{letter}" for letter in "ab"]
        start, go = os.pipe()
        answers, answer = os.pipe()
        ends = {job: os.pipe() for job in jobs}
        members = [(job, rank) for job in jobs for rank in range(TILES)]
        source.shuffle(members)
        for job, rank in members:
            self.pids.append(
                forked(self.board, job, lambda j=job, r=rank: self.rank(j, r, (start, go), answer, ends))
            )
        os.close(start)
        os.close(answer)
        os.close(go)  # and off they go
        self.watch(jobs, answers, ends)
        for fd in (answers, *(read for read, _ in ends.values())):
            os.close(fd)

    def rank(self, job, rank, start, answer, ends):
        os.close(start[1])
        for _, end in ends.values():
            os.close(end)
        os.read(start[0], 1)
        with connect(self.service) as client:
            message = resolve_message(
                devices=pb.DeviceRequest(
                    count=1, tiles=True, wait_ms=WAIT_MS, local_size=TILES, local_rank=rank
                ),
                holder=myself(),
                job=job,
                step="0",
            )
            decision = receive_decision(client, client.send("resolve", message))
            assert decision.HasField("lease"), f"{decision.outcome}"
            assert len(decision.devices) == TILES, f"{decision}"
            client.ok("accept", request_id=message.request_id, decision=decision.id)
        own = decision.devices[decision.lease.local_device]
        del decision.devices[:]
        decision.devices.append(own)
        self.board.take(f"{job} rank {rank}", decision)
        os.write(answer, f"{job} {decision.lease.id} {own.bdf}.{own.tile}\n".encode())
        os.read(ends[job][0], 1)  # a job of ranks goes on only when all of them are there

    def watch(self, jobs, answers, ends):
        """Each job's ranks get theirs together: the first that is complete ends, and the other follows."""
        got = {job: [] for job in jobs}
        text = b""
        poller = select.poll()
        poller.register(answers, select.POLLIN)
        while any(len(ranks) < TILES for ranks in got.values()):
            assert poller.poll(PATIENCE * 1000), f"ranks wait for one another: {got}"
            data = os.read(answers, 4096)
            self.board.assert_fine()
            assert data, f"ranks ended without an answer: {got}"
            *lines, text = (text + data).split(b"\n")
            for line in lines:
                job, lease, tile = line.decode().split()
                got[job].append((lease, tile))
                if len(got[job]) == TILES:
                    os.close(ends[job][1])
                    self.check(job, got)
        for pid in self.pids:
            assert os.waitpid(pid, 0)[1] == 0
        self.pids = []
        self.board.assert_fine()

    def check(self, job, got):
        assert len({lease for lease, _ in got[job]}) == 1, got
        assert len({tile for _, tile in got[job]}) == TILES, got
        # the other one has everything or waits as a whole
        assert all(len(ranks) in (0, TILES) for ranks in got.values()), got

    def close(self):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def test_two_jobs_of_four_ranks(make_itexd, simulated, tmp_path, rounds):
    service = make_itexd(devices=simulated(cards=2, tiles=2)).start()
    ranks = Ranks(service, Board(tmp_path))
    source = random.Random(11)
    try:
        for number in range(rounds(40, 1000)):
            ranks.round(number, source)
    finally:
        ranks.close()
    assert_nothing_left(service)
