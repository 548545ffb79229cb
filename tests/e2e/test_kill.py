"""kill -9 under load: every decision that a client saw is in the database, which is whole, and a retried
request is one decision."""

from __future__ import annotations

import contextlib
import random
import secrets
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from harness import BUILD, Client, ServiceGone

CLIENTS = 6


class Job(threading.Thread):
    """Resolves until the service goes away; keeps what it was told, and the request it has no answer to."""

    def __init__(self, path, seed, started):
        super().__init__(daemon=True)
        self.path = path
        self.random = random.Random(seed)
        self.started_event = started
        self.seen = []
        self.unanswered = None

    def environment(self):
        return {
            "ITEX_OPS_OVERRIDE": self.random.choice(["0", "1"]),
            "TF_XLA_FLAGS": f"--tf_xla_auto_jit={self.random.randint(0, 3)}",
            "ITEX_VERBOSE": str(self.random.randint(0, 9)),
        }

    def run(self):
        try:
            with Client(self.path) as client:
                while True:
                    self.unanswered = (secrets.token_bytes(16), self.environment())
                    request_id, env = self.unanswered
                    decision = client.resolve(env, {"keras": "3", "itex": "newest"}, request_id=request_id)
                    assert decision.recorded
                    self.seen.append(
                        (decision.id, request_id, decision.outcome.SerializeToString(deterministic=True))
                    )
                    self.unanswered = None
                    self.started_event.set()
        except (ServiceGone, OSError):
            pass


def kill_under_load(service, seed):
    """Kills after a random number of answers; returns the jobs."""
    started = threading.Event()
    jobs = [Job(service.socket, seed * 100 + n, started) for n in range(CLIENTS)]
    for job in jobs:
        job.start()
    assert started.wait(20), service.log
    target = random.Random(seed).randint(1, 400)
    while sum(len(job.seen) for job in jobs) < target and any(job.is_alive() for job in jobs):
        threading.Event().wait(0.001)
    service.kill()
    for job in jobs:
        job.join(20)
        assert not job.is_alive()
    return jobs


def check_everything_seen_is_there(service, jobs):
    seen = [entry for job in jobs for entry in job.seen]
    assert seen
    assert len({decision for decision, _, _ in seen}) == len(seen)
    with service.client() as client:
        for decision, request_id, outcome in seen:
            kept = client.ok("explain", decision=decision)
            assert kept.request_id == request_id
            assert kept.outcome.SerializeToString(deterministic=True) == outcome


def check_retries_are_one_decision(service, jobs):
    """Both those that were answered and those that were not, retried after the restart."""
    with service.client() as client:
        for job in jobs:
            if job.seen:
                decision, request_id, _ = job.seen[-1]
                assert client.resolve({}, {"keras": "3"}, request_id=request_id).id == decision
            if job.unanswered:
                request_id, env = job.unanswered
                first = client.resolve(env, {"keras": "3", "itex": "newest"}, request_id=request_id)
                again = client.resolve(env, {"keras": "3", "itex": "newest"}, request_id=request_id)
                assert first.id == again.id


def test_kill_under_load(itexd, rounds):
    total = 0
    for seed in range(rounds(15, 200)):
        jobs = kill_under_load(itexd, seed)
        itexd.start()
        assert itexd.integrity() == "ok"
        check_everything_seen_is_there(itexd, jobs)
        check_retries_are_one_decision(itexd, jobs)
        total += sum(len(job.seen) for job in jobs)
    distinct = itexd.status().decisions
    unanswered = rounds(15, 200) * CLIENTS
    assert total <= distinct <= total + unanswered, "a request became two decisions, or one was lost"


@pytest.mark.parametrize("seed", range(8))
def test_kill_during_start(make_itexd, seed):
    """Killed at any point of its first start, again and again, it comes up in the end and records."""
    source = random.Random(seed)
    service = make_itexd()
    service.write_config()
    for _ in range(6):
        service.spawn()
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.process.wait(source.uniform(0.001, 0.03))
        service.process.kill()
        service.process.wait()
    service.start()
    service.assert_serves()
    assert service.status().state == "ok"
    with service.client() as client:
        assert len(client.ok("rules_list").sets) == 1


def test_kill_during_a_load_of_rules(itexd):
    """The set is stored and active, or neither."""
    from test_rules import GOOD, active, load

    for number in range(5):
        text = GOOD.replace("house-verbose", f"house-{number}")

        def run(text=text):
            with contextlib.suppress(ServiceGone, OSError), itexd.client() as client:
                load(client, text, activate=True)

        thread = threading.Thread(target=run)
        thread.start()
        threading.Event().wait(0.002 * number)
        itexd.kill()
        thread.join()
        itexd.start()
        with itexd.client() as client:
            info = active(client)
            assert client.ok("rules_show", id=info.id).total > 0
            client.resolve(declared={"keras": "0"})
        assert itexd.integrity() == "ok"


def test_the_library_asks_again_after_a_kill(itexd):
    """A job whose service is killed between its question and the answer gets, asking again, one decision."""
    request_id = secrets.token_bytes(16)
    with contextlib.suppress(ServiceGone, OSError), itexd.client() as client:
        from harness import resolve_message

        client.send("resolve", resolve_message({}, {"keras": "0"}, request_id))
        itexd.kill()
        client.reply()
    itexd.process = None
    itexd.start()
    with itexd.client() as client:
        first = client.resolve({}, {"keras": "0"}, request_id=request_id)
        assert client.resolve({}, {"keras": "0"}, request_id=request_id).id == first.id
    assert itexd.status().decisions == 1


def test_the_clients_process_is_killed(itexd):
    """A job that dies while it asks disturbs nobody."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from harness import Client, resolve_message\n"
        "client = Client(sys.argv[2])\n"
        "print('ready', flush=True)\n"
        "while True: client.resolve(declared={'keras': '0'})\n"
    )
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(Path(__file__).parent), str(itexd.socket)],
            stdout=subprocess.PIPE,
            env={"ITEXD_BUILD": str(BUILD), "PATH": "/usr/bin:/bin"},
        )
        for _ in range(3)
    ]
    for job in jobs:
        assert job.stdout.readline() == b"ready\n"
        job.kill()
        job.wait()
        job.stdout.close()
    itexd.assert_serves()
