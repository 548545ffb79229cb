"""The device worker's life: what it is started with, how it ends, and what the service makes of its end.

What the driver does to it is test_faults.py; here it is ended from outside, does not start, or does not end.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import subprocess
import time

import harness
import pytest
from harness import pb

BACKOFF = 10  # milliseconds
DEATHS = 10  # in a row; then it is given up
PERFMON = 1 << 38  # the one capability that it may be given
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


@pytest.fixture
def start(make_itexd, simulated):
    """start(): a service on two simulated cards, which are service.gpus, with a client, service.asked."""
    clients = []

    def make(*arguments, cards=2, ready=True, **options):
        gpus = simulated(cards=cards, tiles=2)
        arguments = [f"--worker-backoff={BACKOFF}ms", "--sample-interval=100ms", *arguments]
        service = make_itexd(devices=gpus, arguments=arguments, **options).start()
        service.gpus = gpus
        service.asked = service.client()
        clients.append(service.asked)
        if ready:
            until(service, lambda worker: worker.state == "up" and worker.inventory_ms)
        return service

    yield make
    for client in clients:
        client.close()


def worker_of(service):
    return service.asked.ok("status").worker


def until(service, condition, timeout=harness.TIMEOUT):
    """Resolves on until the worker is so."""
    deadline = time.monotonic() + timeout
    while not condition(worker := worker_of(service)):
        assert service.asked.resolve(declared={"keras": "0"}).outcome.mode == "npd"
        assert time.monotonic() < deadline, worker
        select.select([service.asked.sock], [], [], 0.01)
    return worker


def take_a_card(service):
    """A lease for this process; its id."""
    message = harness.resolve_message(devices=pb.DeviceRequest(count=1))
    decision = service.asked.ok("resolve", message)
    assert decision.state == "offered", decision
    service.asked.ok("accept", request_id=message.request_id, decision=decision.id)
    return decision.lease.id


def leases(service):
    return [lease.id for lease in service.asked.ok("leases").leases]


def all_healthy(service):
    devices = service.asked.ok("devices").devices
    return len(devices) == 2 and all(device.state == "healthy" for device in devices)


def problems(service):
    return "\n".join(service.asked.ok("status").problems)


def is_back(service, ended):
    """Waits for another worker than the one that ended, with an inventory; returns it."""
    worker = until(service, lambda w: w.state == "up" and w.pid != ended.pid and w.restarts > ended.restarts)
    until(service, lambda _: all_healthy(service))
    return worker


# ---- What it is started with --------------------------------------------------------------------------


def environment(pid):
    with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
        return dict(line.split("=", 1) for line in file.read().split("\0") if line)


def environment_of_worker(pid):
    """None where this is no worker (yet, or any more)."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            return environment(pid) if "device-worker" in file.read() else None
    except OSError:
        return None


HOSTILE = {
    "ZE_AFFINITY_MASK": "1",
    "ZE_ENABLE_ALT_DRIVERS": "/no/such/driver.so",
    "ZES_ENABLE_SYSMAN": "1",
    "ZE_ENABLE_TRACING_LAYER": "1",
    "LD_BIND_NOW": "1",
    "HOME": "/home/nobody",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
}
OWN = {"ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1", "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}
INHERITED = {"TZ": "UTC", "LC_ALL": "C.UTF-8"}


def test_its_environment_is_made_from_nothing(start):
    service = start(env=HOSTILE)
    assert environment(worker_of(service).pid) == {
        **OWN,
        **INHERITED,
        **harness.INSTRUMENTED,
        "ZE_ENABLE_ALT_DRIVERS": str(harness.SIMZE),
        "SIMZE_CONTROL": str(service.gpus.path),
    }
    assert all_healthy(service)


def test_without_the_option_no_other_driver_is_named(make_itexd):
    instrumented = [f"{name}={value}" for name, value in harness.INSTRUMENTED.items()]
    more = [f"--worker-environment={' '.join(instrumented)}"] if instrumented else []
    service = make_itexd(devices="auto", env=HOSTILE, arguments=more).start()
    with service.client() as service.asked:
        # in an instrumented build the real driver ends it soon, again and again
        seen = []
        until(service, lambda worker: seen.append(environment_of_worker(worker.pid)) or seen[-1])
        assert seen[-1] == {**OWN, **INHERITED, **harness.INSTRUMENTED}


def test_its_sandbox(start):
    with open(f"/proc/{worker_of(start()).pid}/status", encoding="utf-8") as file:
        said = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    assert int(said["CapEff"], 16) & ~PERFMON == int(said["CapPrm"], 16) & ~PERFMON == 0


# ---- How it ends --------------------------------------------------------------------------------------


def test_killed(start):
    service = start()
    lease = take_a_card(service)
    before = worker_of(service)
    os.kill(before.pid, signal.SIGKILL)
    worker = is_back(service, before)
    assert worker.last_death == "killed by SIGKILL"
    assert leases(service) == [lease]


def test_stopped_while_it_is_asked(start):
    service = start(f"--worker-deadline={int(300 * harness.SLOW)}ms")
    before = worker_of(service)
    os.kill(before.pid, signal.SIGSTOP)
    worker = is_back(service, before)
    assert re.match("no answer within", worker.last_death)


def test_stopped_while_nothing_is_asked(start):
    """The heartbeat: every 5 s, with 10 s to answer."""
    service = start(cards=0)
    before = worker_of(service)
    os.kill(before.pid, signal.SIGSTOP)
    worker = until(service, lambda w: w.state == "up" and w.pid != before.pid, 15 + harness.TIMEOUT)
    assert worker.last_death == "no answer within 10000 ms"


# ---- Given up, and lifted -----------------------------------------------------------------------------


def deaths(service):
    """When the worker died, in milliseconds."""
    return [
        time for (time,) in service.rows("SELECT time_ms FROM events WHERE kind='worker-down' ORDER BY id")
    ]


def given_up(service):
    worker = until(service, lambda worker: worker.state == "given up", 6 + 2 * harness.TIMEOUT)
    assert worker.restarts >= DEATHS
    assert not worker.HasField("pid")
    assert not worker.HasField("next_start_ms")
    assert "device worker: given up after " + worker.last_death in problems(service)
    assert "itexctl devices restart" in problems(service)
    said = service.ctl("status").stdout
    assert "given up" in said
    assert worker.last_death in said
    return worker


def lift(service):
    result = service.ctl("devices", "restart")
    assert result.returncode == 0, result
    until(service, lambda worker: worker.state == "up")
    until(service, lambda _: all_healthy(service))
    assert problems(service) == ""


def test_a_worker_that_cannot_start(start, tmp_path):
    """A library that it needs is broken; then it is mended."""
    linked = subprocess.run(["ldd", harness.ITEXD], capture_output=True, text=True, check=True).stdout
    library = tmp_path / re.search(r"libseccomp\.so\.\d+", linked)[0]
    library.write_bytes(b"")
    tmp_path.chmod(0o755)
    service = start(f"--worker-environment=LD_LIBRARY_PATH={tmp_path}", ready=False)
    worker = given_up(service)
    assert worker.last_death == "exited with status 127"
    assert worker.restarts == DEATHS
    assert "127" in service.asked.ok("devices").none
    result = service.ctl("run", "--gpus", "1", "--", "true")
    assert result.returncode == 75, result
    assert "127" in result.stderr
    times = deaths(service)
    waits = [after - before for before, after in zip(times, times[1:])]
    assert len(waits) == DEATHS - 1
    slack = 10 * harness.SLOW  # a timer counts from the beginning of the loop's turn
    assert all(wait >= 0.75 * BACKOFF * 2**n - slack for n, wait in enumerate(waits)), waits
    library.unlink()
    result = service.ctl("devices", "restart")
    assert result.returncode == 0, result
    until(service, lambda worker: worker.state == "up")


def test_given_up_while_cards_are_leased(start):
    """What was known stays in use: the driver has died, and not the cards."""
    service = start()
    lease = take_a_card(service)
    service.gpus.change("crash zeInit")
    os.kill(worker_of(service).pid, signal.SIGKILL)
    worker = given_up(service)
    assert worker.last_death == "killed by SIGSEGV in zeInit"
    until(service, lambda _: [d.state for d in service.asked.ok("devices").devices] == ["stale", "stale"])
    assert leases(service) == [lease]
    message = harness.resolve_message(devices=pb.DeviceRequest(count=2))
    assert service.asked.ok("resolve", message).outcome.verdict == "rejected"
    result = service.ctl("run", "--quiet", "--gpus", "1", "--", "true")
    assert result.returncode == 0, result
    service.gpus.reset()
    lift(service)
    until(service, lambda _: leases(service) == [lease])


# ---- What starts it fails, or it does not end ---------------------------------------------------------


def spawner_of(service):
    pid = service.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
        (spawner,) = map(int, file.read().split())
    return spawner


def limits_of(pid):
    """Of each its soft and its hard value."""
    with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
        return {line[:25].strip(): line[25:].split() for line in file}


def limit_processes(pid, soft):
    """As its user, who may do so without CAP_SYS_RESOURCE."""
    subprocess.run(
        ["prlimit", f"--pid={pid}", f"--nproc={soft}:"],
        check=True,
        user=harness.NOBODY,
        group=harness.NOBODY,
        extra_groups=[],
    )


@as_root
def test_no_process_can_be_made(start):
    service = start(user=harness.NOBODY)
    spawner = spawner_of(service)
    before = worker_of(service)
    limit_processes(spawner, 1)
    os.kill(before.pid, signal.SIGKILL)
    until(service, lambda worker: "cannot be started: Resource temporarily unavailable" in worker.last_death)
    limit_processes(spawner, limits_of(spawner)["Max processes"][1])
    is_back(service, before)


def test_the_spawner_is_killed(start):
    """Its children go with it, and only another itexd can start them again."""
    service = start()
    lease = take_a_card(service)
    os.kill(spawner_of(service), signal.SIGKILL)
    until(service, lambda worker: worker.state == "given up")
    assert "restart itexd" in problems(service)
    assert leases(service) == [lease]
    result = service.ctl("devices", "restart")
    assert result.returncode != 0
    assert "restart itexd" in result.stderr


class Traced:
    """A process whose end is held back, as by a call that hangs in the kernel. By one thread only."""

    SEIZE, DETACH, TRACE_EXIT = 0x4206, 17, 0x40

    def __init__(self, pid):
        self.pid = pid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if self.libc.ptrace(self.SEIZE, pid, None, self.TRACE_EXIT) < 0:
            pytest.skip(f"processes cannot be traced here: {os.strerror(ctypes.get_errno())}")

    def let_go(self):
        os.waitpid(self.pid, 0)
        assert self.libc.ptrace(self.DETACH, self.pid, None, None) == 0


@as_root
def test_one_that_does_not_end(start):
    service = start()
    lease = take_a_card(service)
    before = worker_of(service)
    traced = Traced(before.pid)
    service.asked.ok("worker_restart")
    worker = until(service, lambda worker: worker.state == "stuck")
    assert worker.pid == before.pid
    assert f"pid {before.pid} hangs in the kernel" in problems(service)
    assert leases(service) == [lease]
    service.asked.ok("worker_restart")
    assert worker_of(service).state == "stuck", "no other is put beside it"
    traced.let_go()
    is_back(service, before)
    assert problems(service) == ""
