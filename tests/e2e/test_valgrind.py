"""The service under valgrind, in short sessions with leases: no error, and nothing lost when it ends.

The loop and the spawner run under it; the children do not (test_worker.py has a test of the worker's).
"""

from __future__ import annotations

import json
import signal
import subprocess
import time

import harness
import pytest

# Valgrind makes it many times slower.
PATIENCE = harness.TIMEOUT * 3
HOLD = ["sh", "-c", "echo held; read line"]


class Session:
    """A service under memcheck, and commands that hold devices of it."""

    def __init__(self, memcheck, service, node):
        self.memcheck, self.service, self.node = memcheck, service, node
        self.held = []

    def start(self):
        self.service.spawn(wrapper=self.memcheck.wrapper)
        ready = self.service.notify.wait("READY=1", self.service.process, PATIENCE)
        assert ready is not None, self.service.log
        self.until(lambda: [card["state"] for card in self.devices()] == ["healthy", "healthy"])
        return self

    def stop(self):
        self.service.process.send_signal(signal.SIGTERM)
        status = self.service.process.wait(PATIENCE)
        self.service.process = None
        assert status == 0, self.service.log

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.service.log
            time.sleep(0.05)

    def ctl(self, *arguments, status=0):
        result = self.service.ctl(*arguments, timeout=PATIENCE)
        assert result.returncode == status, (arguments, result)
        return result

    def devices(self):
        return json.loads(self.ctl("devices", "--json").stdout)["devices"]

    def leases(self):
        return json.loads(self.ctl("leases", "--json").stdout)["leases"]

    def hold(self, *options):
        process = subprocess.Popen(
            [harness.ITEXCTL, "run", "--quiet", "--timeout", "60s", *options, "--", *HOLD],
            env={**harness.INSTRUMENTED, "ITEXD_SOCKET": str(self.service.socket), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.held.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    def let_go(self):
        for process in self.held:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        self.held = []


@pytest.fixture
def session(memcheck, make_itexd, simulated):
    node = simulated(cards=2, tiles=2)
    node.base.append("link 0 1")
    node.reset()
    service = make_itexd(
        devices=node,
        env=memcheck.env,
        config={
            "sample_interval": "100ms",
            "watch_use": "on",
            "watch_interval": "200ms",
            "drain_timeout": "200ms",
            "start_deadline": "60s",
            "worker_deadline": "60s",
        },
    )
    service.write_config()
    made = Session(memcheck, service, node)
    yield made
    made.let_go()


def test_a_session_with_leases(session, memcheck):
    session.start()
    session.ctl("run", "--timeout", "60s", "--gpus", "1", "--", "true")
    session.hold("--gpus", "1", "--job", "nightly")
    session.hold("--gpus", "2:tile", "--shared")
    session.ctl("run", "--timeout", "60s", "--gpus", "2", "--", "true", status=75)
    session.until(lambda: len(session.leases()) == 2)
    session.ctl("devices", "drain", "1")
    session.ctl("devices", "undrain", "1")
    session.ctl("devices", "1")
    session.ctl("status")
    session.ctl("leases", "release", str(session.leases()[0]["id"]))
    session.let_go()
    session.until(lambda: session.leases() == [])
    session.stop()
    memcheck.assert_clean(2)


def test_what_happens_to_devices(session, memcheck):
    """Hot, lost, gone, another card, a crash of the worker: each with a lease, told to its holder."""
    session.start()
    session.hold("--gpus", "2")
    for statement, state in (("set 0 temperature 120", "degraded"), ("lost 0", "lost")):
        session.node.only(statement)
        session.until(lambda state=state: session.devices()[0]["state"] == state)
    session.node.only("uuid 0 00000000-0000-0000-0000-000000000007", "gone 1")
    session.ctl("devices", "restart")
    session.until(lambda: {card["state"] for card in session.devices()} == {"changed", "lost"})
    session.node.only("crash zeDeviceGetStatus")
    session.until(lambda: "killed by SIGSEGV in zeDeviceGetStatus" in session.service.log)
    session.node.reset()
    session.let_go()
    session.ctl("devices", "restart")
    session.until(lambda: [card["state"] for card in session.devices()] == ["healthy", "healthy"])
    session.service.process.send_signal(signal.SIGHUP)
    session.ctl("status")
    session.stop()
    memcheck.assert_clean(2)


def test_leases_outlive_it(session, memcheck):
    """Stopped while devices are held and somebody waits; found again at the next start."""
    session.start()
    session.hold("--gpus", "1")
    holder = session.hold("--gpus", "1")
    session.ctl("run", "--timeout", "60s", "--wait", "100ms", "--gpus", "1", "--", "true", status=75)
    session.stop()
    memcheck.assert_clean(2)
    session.start()
    assert len(session.leases()) == 2
    holder.kill()
    session.until(lambda: len(session.leases()) == 1)
    session.stop()
    memcheck.assert_clean(4)


def test_it_is_stopped_while_a_lease_ends(session, memcheck):
    """The question whether somebody is still on the card is under way then, and is answered no more."""
    session.start()
    session.hold("--gpus", "2")
    session.let_go()
    session.stop()
    memcheck.assert_clean(2)
