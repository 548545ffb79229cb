"""Started, killed, hung, upgraded, misconfigured: what systemd does with it, and what clients see."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager

from itexd_unit import SOCKET

PATIENT = ("--timeout=20s",)


@contextmanager
def calling(unit, callers=2):
    """Clients that call all the time; what they met is there afterwards."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [unit.python("calls.py", SOCKET, **pipes) for _ in range(callers)]
    met = []
    for process in processes:
        assert process.stdout.readline() == "calling\n"
    try:
        yield met
    finally:
        for process in processes:
            process.stdin.close()
        for process in processes:
            met.append(json.loads(process.stdout.read()))
            assert process.wait() == 0


def assert_all_served(unit, met):
    """Nobody was refused, and every answer that was seen is in the database, once."""
    answers = [number for each in met for number in each["answers"]]
    assert [each["refusals"] + each["other"] for each in met] == [[]] * len(met)
    assert all(len(each["answers"]) > 10 for each in met), met
    assert len(set(answers)) == len(answers)
    stored = json.loads(unit.out("itexctl", "status", "--json"))["decisions"]
    assert stored == len(answers) == max(answers)


# ---- Starting and stopping -------------------------------------------------------------------------------


def test_a_connection_starts_it(unit):
    assert unit.show("ActiveState") == "inactive"
    assert unit.status().startswith("ok: itexd ")
    assert unit.show("ActiveState") == "active"
    assert unit.show("StatusText")  # it tells what it does


def test_any_user_may_connect(unit):
    """And is who it is, not a uid of another namespace."""
    decided = json.loads(unit.out("itexctl", "resolve", "--json", user="daemon"))
    assert decided["decision"] == 1
    assert decided["peer"]["uid"] == int(unit.out("id", "-u", "daemon"))


def test_a_stop_leaves_the_socket_and_the_next_connection_starts_it(unit):
    inode = os.stat(unit.path(SOCKET)).st_ino
    unit.start()
    first = unit.pid
    unit.systemctl("stop", "itexd.service")
    assert unit.show("ActiveState") == "inactive" and unit.show("Result") == "success"
    assert unit.show("ActiveState", "itexd.socket") == "active"
    assert os.stat(unit.path(SOCKET)).st_ino == inode
    assert unit.status().startswith("ok: ")
    assert unit.pid != first


def test_a_stop_of_the_socket_ends_both(unit):
    unit.start()
    unit.systemctl("stop", "itexd.socket")
    assert unit.show("ActiveState") == "inactive"
    assert unit.path("/run/itexd-socket").is_dir() and not unit.path(SOCKET).exists()
    result = unit.ctl("status", check=False)
    assert result.returncode != 0 and "systemctl status itexd" in result.stderr


def test_its_children_go_with_it(unit):
    unit.start()
    unit.until(lambda: {"itexd-spawner", "itexd-worker"} <= unit.processes().keys(), "its children")
    pids = unit.processes().values()
    unit.systemctl("stop", "itexd.service")
    assert not [pid for pid in pids if unit.proc(pid, "comm").exists()]


# ---- Killed and hung -------------------------------------------------------------------------------------


def test_killed_it_is_back_by_itself(unit):
    """Without a client: those who hold devices do not connect again."""
    unit.start()
    before, leases = unit.pid, unit.path("/run/itexd/leases").read_bytes()
    unit.run("kill", "-KILL", before)
    unit.restarted(before)
    assert unit.show("NRestarts") == "1"
    assert unit.path("/run/itexd/leases").read_bytes() == leases


def test_a_lease_outlasts_a_kill_and_a_restart(gpus):
    """And ends with its holder, which the next one watches."""
    unit = gpus()

    def holders():
        return [lease["holders"] for lease in json.loads(unit.out("itexctl", "leases", "--json"))["leases"]]

    job = unit.machine.start(
        *("itexctl", "run", "--quiet", "--gpus=1", "--", "sh", "-c", "echo runs; read unused"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert job.stdout.readline() == "runs\n"
    held = holders()
    assert len(held) == 1
    before = unit.pid
    unit.run("kill", "-KILL", before)
    unit.restarted(before)
    assert holders() == held
    unit.systemctl("restart", "itexd.service")
    assert holders() == held
    job.communicate("\n")
    unit.until(lambda: not holders(), "it ends with its holder")


def test_killed_while_clients_call(unit):
    unit.start()
    with calling(unit) as met:
        for _ in range(2):
            before = unit.pid
            unit.run("kill", "-KILL", before)
            unit.restarted(before)
    assert_all_served(unit, met)


def test_hung_it_is_killed_and_started_again(unit):
    unit.start()
    assert unit.show("WatchdogUSec") == "30s"
    unit.drop_in("soon", "WatchdogSec=1s")
    unit.systemctl("restart", "itexd.service")
    before = unit.pid
    unit.run("kill", "-STOP", before)
    waiting = unit.machine.start("itexctl", "status", *PATIENT, stdout=subprocess.PIPE)
    unit.restarted(before)
    assert waiting.communicate()[0].startswith("ok: ") and waiting.returncode == 0
    assert "Watchdog timeout" in unit.journal()


def test_a_healthy_one_outlives_its_watchdog(unit):
    """Three intervals, of which it feels each."""
    unit.drop_in("soon", "WatchdogSec=300ms")
    unit.start()
    before = unit.pid
    told = set()
    unit.until(lambda: told.add(unit.show("WatchdogTimestampMonotonic")) or len(told) > 6, "signs of life")
    assert unit.pid == before and "Watchdog timeout" not in unit.journal()


def test_a_spawner_that_is_killed_does_not_take_the_service_along(unit):
    unit.start()
    unit.until(lambda: "itexd-worker" in unit.processes(), "its children")
    before = unit.pid
    unit.run("kill", "-KILL", unit.processes()["itexd-spawner"])
    unit.until(lambda: unit.status().startswith("degraded: "), "it says so")
    assert unit.pid == before


# ---- Restarted and upgraded ------------------------------------------------------------------------------


def replace_program(unit, i):
    """As a package does: another file in its place, while the old one runs."""
    program = unit.out("readlink", f"/proc/{unit.pid}/exe")
    unit.run("cp", program, f"{program}.new")
    unit.run("sh", "-c", f"echo {i} >>{program}.new && mv {program}.new {program}")
    assert unit.out("readlink", f"/proc/{unit.pid}/exe").endswith(" (deleted)")


def test_upgraded_while_clients_call(unit):
    unit.start()
    with calling(unit) as met:
        for i in range(3):
            before = unit.pid
            replace_program(unit, i)
            unit.systemctl("restart", "itexd.service")
            assert unit.pid != before
            assert not unit.out("readlink", f"/proc/{unit.pid}/exe").endswith(" (deleted)")
    assert_all_served(unit, met)


def test_itexctl_during_restarts(unit):
    """The real client: it waits, and no call fails."""
    unit.start()
    call = "itexctl resolve >/dev/null || exit 1; n=$((n + 1))"
    script = f"n=0; while [ ! -e /run/enough ]; do {call}; done; echo $n"
    unit.run("rm", "-f", "/run/enough")
    caller = unit.machine.start("sh", "-c", script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(3):
        unit.systemctl("restart", "itexd.service")
    unit.run("touch", "/run/enough")
    out, error = caller.communicate()
    assert caller.returncode == 0, error
    assert int(out) == json.loads(unit.out("itexctl", "status", "--json"))["decisions"]


def test_reload(unit):
    unit.start()
    before = unit.pid
    assert "policy enforce" in unit.status()
    unit.configure("policy: advise\n")
    unit.systemctl("reload", "itexd.service")
    unit.until(lambda: "policy advise" in unit.status(), "the new configuration")
    unit.configure("policy: perhaps\n")
    unit.systemctl("reload", "itexd.service")
    unit.until(lambda: "perhaps" in unit.status(), "its status tells the mistake")
    assert "perhaps" in unit.show("StatusText")
    assert unit.pid == before and unit.show("ActiveState") == "active"


# ---- Not fit to run --------------------------------------------------------------------------------------


def test_wrong_configuration(unit):
    """It is not tried for ever, and who has waited for it is told, however long they would have waited."""
    unit.configure("durability: perhaps\n")
    result = unit.ctl("status", "--timeout=600s", check=False)
    assert result.returncode != 0 and "systemctl status itexd" in result.stderr
    unit.until(lambda: unit.show("ActiveState") == "failed", "it is given up")
    assert unit.show("ExecMainStatus") == "78"
    assert unit.journal().count("durability") <= 10
    assert unit.show("ActiveState", "itexd.socket") == "failed"
    refused = unit.ctl("status", check=False)
    assert refused.returncode != 0 and "systemctl status itexd" in refused.stderr
    # The reason is there. A coverage build adds a line for each of its files.
    shown = unit.systemctl("status", "--lines=1000", "itexd.service", check=False)
    assert "durability" in shown.stdout

    unit.configure("durability: full\n")
    unit.systemctl("reset-failed", "itexd.service", "itexd.socket")
    unit.systemctl("start", "itexd.socket")
    assert unit.status().startswith("ok: ")


def test_wrong_configuration_while_it_runs(unit):
    """A restart says so by its status."""
    unit.start()
    unit.configure("durability: perhaps\n")
    assert unit.systemctl("restart", "itexd.service", check=False).returncode != 0
    assert unit.show("ExecMainStatus") == "78"
    assert unit.show("NRestarts") == "0"


def test_one_that_keeps_crashing_is_given_up(unit):
    unit.drop_in("crashing", "ExecStart=\nExecStart=/bin/sh -c 'kill -SEGV $$$$'\nRestartSec=10ms")
    unit.systemctl("start", "itexd.service", check=False)
    unit.until(
        lambda: unit.show("Result") == "start-limit-hit" or unit.show("SubState") == "failed",
        "it is given up",
    )
    assert int(unit.show("NRestarts")) <= 10
