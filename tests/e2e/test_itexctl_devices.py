"""Devices and leases as a user of itexctl meets them: the real service on a simulated node of two cards."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest
from harness import BUILD, INSTRUMENTED, ITEXCTL, NOBODY, RULES, TIMEOUT, ctl

SIMZE = BUILD / "tests" / "simze" / "libsimze.so"
SHOW_LEASE = 'echo "$ITEXD_LEASE $ITEXD_LOCAL_DEVICE $ZE_AFFINITY_MASK $ZE_FLAT_DEVICE_HIERARCHY"'


@pytest.fixture
def node(make_itexd, simulated):
    """A started service on two cards of two tiles, and their control file as node.gpus."""
    gpus = simulated(cards=2, tiles=2)
    service = make_itexd(devices=gpus).start()
    service.gpus = gpus
    return service


@pytest.fixture
def running():
    """running(service, itexctl's arguments): started in the background, ended with the test."""
    started = []

    def start(service, *arguments, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        environment = {**INSTRUMENTED, "PATH": os.environ["PATH"], "ITEXD_SOCKET": str(service.socket)}
        environment.update(options.pop("env", {}))
        command = [ITEXCTL, *arguments]
        started.append(subprocess.Popen(command, env=environment, text=True, **options))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(TIMEOUT)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


HOLD = ["sh", "-c", "echo held; read line"]


def hold(running, service, *options):
    """A command under itexctl run that has started and lasts until its stdin ends."""
    process = running(service, "run", "--quiet", *options, "--", *HOLD, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "held\n", process.stderr.read()
    return process


def let_go(process):
    process.stdin.close()
    process.wait(TIMEOUT)


def leases(service):
    return json.loads(service.ctl("leases", "--json").stdout)


def until(service, condition):
    """Asks again until it is so: what ends a lease is an event inside the service."""
    deadline = time.monotonic() + TIMEOUT
    while not condition(found := leases(service)):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def devices(service):
    return json.loads(service.ctl("devices", "--json").stdout)["devices"]


# ---- Looking ------------------------------------------------------------------------------------------


def test_the_table(node, running):
    hold(running, node, "--gpus", "1", "--job", "nightly")
    result = node.ctl("devices", env={"COLUMNS": "80"})
    lines = result.stdout.splitlines()
    assert len(lines) == 3, result
    assert all(line.startswith("SIMULATED ") for line in lines)
    assert all(len(line) <= 80 for line in lines), lines
    assert "3a:00.0" in lines[1]
    assert "4a:00.0" in lines[2]
    assert all("healthy" in line for line in lines[1:])
    whole = node.ctl("devices").stdout
    assert "nightly" in whole, "a pipe gets everything"
    held = [bool(device["holder"]) for device in devices(node)]
    assert sorted(held) == [False, True]


def test_one_device_by_each_of_its_names(node):
    card = devices(node)[0]
    for name in (card["id"], card["bdf"], card["bdf"].removeprefix("0000:"), card["uuid"]):
        shown = json.loads(node.ctl("devices", name, "--json").stdout)
        assert shown["device"]["bdf"] == card["bdf"], name
        assert shown["substitute"] == "SIMULATED"
    lines = node.ctl("devices", card["id"]).stdout.splitlines()
    assert all(line.startswith("SIMULATED ") for line in lines)
    assert any(card["bdf"] in line for line in lines)
    unknown = node.ctl("devices", "9999")
    assert (unknown.returncode, unknown.stdout) == (1, "")


def test_a_metric_that_is_missing_is_no_zero(make_itexd, simulated):
    gpus = simulated(cards=1, tiles=2)
    gpus.change("deny 0 temperature", "unset 0 memory_used")
    service = make_itexd(devices=gpus, config={"sample_interval": "100ms"}).start()
    deadline = time.monotonic() + TIMEOUT
    metrics = {}
    while metrics.get("temperature", {}).get("missing") != "not permitted":
        assert time.monotonic() < deadline, metrics
        metrics = json.loads(service.ctl("devices", "3a:00.0", "--json").stdout)["device"]["metrics"]
        time.sleep(0.02)
    assert metrics["temperature"]["value"] is None
    said = service.ctl("devices", "3a:00.0").stdout.splitlines()
    assert any("temperature" in line and "not permitted" in line for line in said)
    row = service.ctl("devices").stdout.splitlines()[1]
    assert " 0 C" not in row


def test_status_says_how_the_worker_is(node):
    assert len(devices(node)) == 2, "once it has answered"
    told = json.loads(node.ctl("status", "--json").stdout)
    assert told["worker"]["state"] == "up"
    assert told["n_devices"] == 2
    assert told["substitute"] == "SIMULATED"
    lines = node.ctl("status").stdout.splitlines()
    worker = [line for line in lines if "worker" in line or "leases" in line]
    assert worker
    assert all(line.startswith("SIMULATED") for line in worker)


def test_without_a_service(nowhere):
    for arguments in (
        ["devices"], ["devices", "1"], ["devices", "drain", "1"], ["devices", "restart"], ["leases"],
        ["leases", "release", "1"],
    ):  # fmt: skip
        assert ctl(*arguments, socket_path=nowhere).returncode == 69, arguments


@pytest.fixture
def nowhere(tmp_path):
    return tmp_path / "nobody.sock"


# ---- Holding ------------------------------------------------------------------------------------------


def test_run_takes_one_device_and_gives_it_back(node):
    result = node.ctl("run", "--quiet", "--", "sh", "-c", SHOW_LEASE)
    assert result.returncode == 0, result
    number, local, mask, hierarchy = result.stdout.split()
    assert (local, mask, hierarchy) in {("0", "0", "COMPOSITE"), ("0", "1", "COMPOSITE")}
    until(node, lambda found: not found["leases"])
    assert int(number) > 0


def test_a_summary_of_run_is_marked(node):
    result = node.ctl("run", "--gpus", "1:tile", "--", "true")
    assert result.returncode == 0
    assert result.stderr.startswith("itexctl: SIMULATED "), result.stderr


def test_busy_is_75_and_nothing_runs(node, running):
    hold(running, node, "--gpus", "2")
    result = node.ctl("run", "--gpus", "1", "--", "echo", "ran")
    assert (result.returncode, result.stdout) == (75, ""), result
    assert "--wait" in result.stderr
    assert result.stderr.startswith("itexctl: SIMULATED "), result.stderr
    told = json.loads(node.ctl("resolve", "--gpus", "1", "--holder", str(os.getpid()), "--json").stdout)
    assert (told["mode"], told["verdict"], told["lease"], told["state"]) == (
        "none",
        "rejected",
        None,
        "asked",
    )


def test_waiting_ends_when_the_holder_does(node, running):
    holder = hold(running, node, "--gpus", "2")
    waiter = running(node, "run", "--gpus", "1", "--wait", "60", "--", "sh", "-c", SHOW_LEASE)
    first = waiter.stderr.readline()
    assert "position 1" in first
    assert "SIMULATED" in first
    found = until(node, lambda found: found["waiting"])
    assert found["waiting"][0]["pid"] == waiter.pid
    said = node.ctl("leases", env={"COLUMNS": "80"}).stdout.splitlines()
    assert all(line.startswith("SIMULATED") and len(line) <= 80 for line in said), said
    let_go(holder)
    out, _ = waiter.communicate(timeout=TIMEOUT)
    assert waiter.returncode == 0
    assert out.split()[0].isdigit()


def test_interrupted_while_waiting_the_queue_is_left(node, running):
    hold(running, node, "--gpus", "2")
    waiter = running(node, "run", "--gpus", "1", "--wait", "60", "--", "echo", "ran")
    until(node, lambda found: found["waiting"])
    waiter.send_signal(signal.SIGINT)
    out, _ = waiter.communicate(timeout=TIMEOUT)
    assert waiter.returncode == -signal.SIGINT, "a shell makes 130 of it"
    assert out == ""
    until(node, lambda found: not found["waiting"])


def test_on_a_terminal_waiting_is_one_line(node, running):
    holder = hold(running, node, "--gpus", "2")
    ours, theirs = pty.openpty()
    try:
        command = ["run", "--quiet", "--gpus", "1", "--wait", "60", "--", "true"]
        waiter = running(node, *command, stderr=theirs, env={"TERM": "xterm"})
        os.close(theirs)
        until(node, lambda found: found["waiting"])
        let_go(holder)
        assert waiter.wait(TIMEOUT) == 0
        said = b""
        while select.select([ours], [], [], 0)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:
                break
        assert b"position 1" in said
        assert said.startswith(b"\r\x1b[K")
        assert said.count(b"\n") == 1, said
    finally:
        os.close(ours)


def test_eval_of_env_holds_for_the_shell(node, running):
    path = f"{ITEXCTL.parent}:{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        env={**INSTRUMENTED, "PATH": path, "ITEXD_SOCKET": str(node.socket)},
    )  # fmt: skip
    try:
        shell.stdin.write(f'eval "$(itexctl env --gpus 2:tile --holder $$)"; {SHOW_LEASE}\n')
        number, local, mask, _ = shell.stdout.readline().split()
        assert local == "0"
        assert sorted(mask.split(",")) in (["0.0", "0.1"], ["1.0", "1.1"])
        found = leases(node)["leases"]
        assert [each["id"] for each in found] == [int(number)]
        assert found[0]["holders"][0]["pid"] == shell.pid
        assert found[0]["state"] == "accepted"
        shell.stdin.write("itexctl run --quiet -- sh -c 'echo $ITEXD_LEASE'\n")
        assert shell.stdout.readline() == f"{number}\n", "a command under the lease uses it"
    finally:
        shell.stdin.close()
        shell.wait(TIMEOUT)
        shell.stdout.close()
    until(node, lambda found: not found["leases"])


def test_a_nested_run_uses_the_lease_it_is_under(node):
    inner = f"{ITEXCTL} run --quiet -- sh -c 'echo $ITEXD_LEASE $ZE_AFFINITY_MASK'"
    result = node.ctl("run", "--quiet", "--gpus", "2", "--", "sh", "-c", f"echo $ITEXD_LEASE; {inner}")
    outer, lease, mask = result.stdout.split()
    assert lease == outer
    assert mask == "0,1", "what it sees stays what the lease has"


def test_gpus_0_and_offline_take_nothing(node):
    result = node.ctl("run", "--gpus", "0", "--", "sh", "-c", "echo lease=$ITEXD_LEASE")
    assert (result.returncode, result.stdout) == (0, "lease=\n")
    offline = ["run", "--offline", "--rules", RULES]
    assert node.ctl(*offline, "--", "true").returncode == 0
    assert node.ctl(*offline, "--gpus", "1", "--", "true").returncode == 75


def test_explain_tells_the_devices(node):
    told = json.loads(node.ctl("resolve", "--gpus", "1", "--holder", str(os.getpid()), "--json").stdout)
    assert told["lease"]["sharing"] == "exclusive"
    assert told["devices"][0]["bdf"].startswith("0000:")
    assert told["devices"][0]["tile"] is None
    assert set(told["lease"]) == {"id", "sharing", "state"}
    story = node.ctl("explain", told["decision"]).stdout.splitlines()
    assert any(told["devices"][0]["bdf"] in line for line in story)
    assert all(line.startswith("SIMULATED") for line in story), story
    again = json.loads(node.ctl("explain", told["decision"], "--json").stdout)
    assert again["devices"] == told["devices"]
    assert again["lease"]["id"] == told["lease"]["id"]


# ---- Administering ------------------------------------------------------------------------------------


def test_a_drained_device_is_not_given(node):
    said = node.ctl("devices", "drain", "3a:00.0", "--reason", "hums")
    assert said.returncode == 0, said
    assert said.stdout.startswith("SIMULATED device ")
    assert "drained" in node.ctl("devices").stdout.splitlines()[1]
    assert "hums" in node.ctl("devices", "3a:00.0").stdout
    assert node.ctl("run", "--gpus", "2", "--", "true").returncode == 75
    result = node.ctl("run", "--quiet", "--", "sh", "-c", "echo $ZE_AFFINITY_MASK")
    assert result.stdout == "1\n"
    assert node.ctl("devices", "undrain", "3a:00.0").returncode == 0
    assert devices(node)[0]["drained"] is False


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user to be refused as")
def test_rights(node):
    node.socket.parent.chmod(0o755)
    for arguments in (
        ["devices", "drain", "3a:00.0"], ["devices", "undrain", "3a:00.0"], ["devices", "restart"],
        ["devices", "reset", "3a:00.0"],
    ):  # fmt: skip
        result = node.ctl(*arguments, user=NOBODY)
        assert result.returncode == 77, (arguments, result)
    assert node.ctl("devices", user=NOBODY).returncode == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs two users")
def test_others_leases_have_no_names(node, running):
    node.socket.parent.chmod(0o755)
    hold(running, node, "--gpus", "1", "--job", "secret-project")
    seen = node.ctl("leases", "--json", user=NOBODY)
    assert "secret-project" not in seen.stdout
    found = json.loads(seen.stdout)["leases"]
    assert [each["uid"] for each in found] == [None]
    assert json.loads(node.ctl("leases", "--mine", "--json", user=NOBODY).stdout)["leases"] == []
    assert "secret-project" not in node.ctl("devices", user=NOBODY).stdout
    released = node.ctl("leases", "release", found[0]["id"], user=NOBODY)
    assert released.returncode == 77


def test_a_lease_is_released_by_an_administrator(node, running):
    hold(running, node, "--gpus", "1", "--job", "17")
    number = leases(node)["leases"][0]["id"]
    tried = node.ctl("leases", "release", number, "--dry-run")
    assert tried.returncode == 0, tried
    assert tried.stdout.startswith(f"SIMULATED lease {number} (")
    assert "would be released" in tried.stdout
    assert leases(node)["leases"]
    done = node.ctl("leases", "release", number)
    assert done.returncode == 0, done
    assert "is released" in done.stdout
    until(
        node,
        lambda found: all(each["id"] != number or each["state"] == "draining" for each in found["leases"]),
    )
    assert node.ctl("leases", "release", "987654").returncode == 1


def reset_environment(service):
    return {"ZE_ENABLE_ALT_DRIVERS": str(SIMZE), "SIMZE_CONTROL": str(service.gpus.path)}


def wait_state(service, wanted):
    deadline = time.monotonic() + TIMEOUT
    while (state := devices(service)[0]["state"]) != wanted:
        assert time.monotonic() < deadline, state
        time.sleep(0.02)


@pytest.mark.skipif(os.getuid() != 0, reason="a reset is root's")
def test_a_lost_device_is_reset(make_itexd, simulated):
    gpus = simulated(cards=2, tiles=2)
    service = make_itexd(devices=gpus, config={"sample_interval": "100ms"}).start()
    service.gpus = gpus
    gpus.change("lost 0")
    wait_state(service, "lost")
    result = service.ctl("devices", "reset", "3a:00.0", env=reset_environment(service))
    assert result.returncode == 0, result
    assert result.stdout.startswith("SIMULATED device ")
    assert "has been reset" in result.stdout
    wait_state(service, "healthy")
    assert devices(service)[0]["drained"] is False


@pytest.mark.skipif(os.getuid() != 0, reason="a reset is root's")
def test_a_leased_device_is_reset_by_force_only(node, running):
    hold(running, node, "--gpus", "2")
    refused = node.ctl("devices", "reset", "3a:00.0", env=reset_environment(node))
    assert refused.returncode == 75, refused
    forced = node.ctl("devices", "reset", "3a:00.0", "--force", env=reset_environment(node))
    assert forced.returncode == 0, forced
    assert "has been cut" in forced.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="a reset is root's")
@pytest.mark.parametrize("fault", ["fail zesDeviceReset 0x70000003", "crash zesDeviceReset"])
def test_a_reset_that_fails_says_why_and_gives_the_device_back(node, fault):
    node.gpus.change(fault)
    result = node.ctl("devices", "reset", "3a:00.0", "--json", env=reset_environment(node))
    assert result.returncode == 1, result
    told = json.loads(result.stdout)
    assert told["reset"] is False
    assert "0x70000003" in told["error"] or "zesDeviceReset" in told["error"]
    assert told["error"] in result.stderr
    wait_state(node, "healthy")
    assert node.ctl("run", "--quiet", "--gpus", "2", "--", "true").returncode == 0
