"""The drop-ins, put in force as they say: what each gives ends in one child, and its lack is told."""

from __future__ import annotations

import json

from conftest import GPUS
from test_sandbox import probed

FOWNER, PTRACE, PERFMON = 1 << 3, 1 << 19, 1 << 38
NODE = f"{GPUS}/dev/dri/renderD128"


def status(unit):
    return json.loads(unit.out("itexctl", "status", "--json"))


def wait_processes(unit, *names):
    return unit.until(lambda: set(names) <= (now := unit.processes()).keys() and now, f"{names} run")


def assert_capabilities(unit, given, worker, keeper):
    """Of each process the sets; the bounding set is the unit's, which without CAP_SETPCAP stays."""
    processes = wait_processes(unit, "itexd", "itexd-spawner", "itexd-worker", "itexd-keeper")
    for name, value in (("itexd", 0), ("itexd-worker", worker), ("itexd-keeper", keeper)):
        sets = {"Inh": value, "Prm": value, "Eff": value, "Amb": value, "Bnd": given}
        assert unit.capabilities(processes[name]) == sets, name
    spawner = unit.capabilities(processes["itexd-spawner"])
    assert (spawner["Prm"], spawner["Eff"], spawner["Bnd"]) == (given, given, given)
    assert set(processes) == {"itexd", "itexd-spawner", "itexd-worker", "itexd-keeper"}


# ---- acl.conf --------------------------------------------------------------------------------------------


def test_acl_gives_the_keeper_one_capability(gpus):
    unit = gpus("acl", enforcement=True, watch_use="on")
    assert_capabilities(unit, given=FOWNER, worker=0, keeper=FOWNER)


def test_with_acl_a_leased_node_is_for_its_holder_alone(gpus):
    """The node is root's, the service is not root."""
    unit = gpus("acl", enforcement=True)
    told = unit.out(
        "itexctl", "run", "--quiet", "--gpus=1", "--", "getfacl", "-cpn", NODE, f"{NODE[:-1]}9", user="nobody"
    )
    nobody, own = unit.out("id", "-u", "nobody"), unit.out("id", "-u", "itexd")
    assert f"user:{nobody}:rw-" in told and f"user:{own}:rw-" in told and "group::---" in told
    unit.until(lambda: "user:" + nobody not in unit.out("getfacl", "-cpn", NODE), "the access is as before")


def test_without_acl_it_is_named(gpus):
    unit = gpus(enforcement=True)
    said = status(unit)
    assert said["state"] == "degraded"
    assert any("not permitted" in problem and "acl.conf" in problem for problem in said["problems"]), said
    result = unit.ctl("run", "--gpus=1", "--wait=0", "--", "true", check=False, user="nobody")
    assert result.returncode != 0 and "acl.conf" in " ".join((result.stdout + result.stderr).split())


# ---- foreign.conf ----------------------------------------------------------------------------------------


def test_foreign_gives_the_keeper_one_capability(gpus):
    unit = gpus("foreign")  # watch_use is auto: with the capability it is on
    assert_capabilities(unit, given=PTRACE, worker=0, keeper=PTRACE)
    unit.until(lambda: status(unit)["foreign_use"] == "processes of all users are watched", "it looks at all")


def test_without_foreign_it_is_named(gpus):
    unit = gpus(watch_use="on")
    unit.until(lambda: "itexd's own user" in status(unit)["foreign_use"], "it looks")
    assert "not permitted" in status(unit)["foreign_use"] and "foreign.conf" in status(unit)["foreign_use"]


# ---- telemetry.conf --------------------------------------------------------------------------------------


def test_telemetry_gives_the_worker_one_capability(gpus):
    unit = gpus("telemetry", watch_use="on")
    assert_capabilities(unit, given=PERFMON, worker=PERFMON, keeper=0)


def test_without_telemetry_it_is_named(gpus):
    unit = gpus(statements=["deny 0 utilisation"])

    def refused():
        shown = json.loads(unit.out("itexctl", "devices", "1", "--json"))
        return "not permitted" in json.dumps(shown)

    unit.until(refused, "a sample")
    assert "telemetry.conf" in " ".join(unit.out("itexctl", "devices", "1").split())


def test_with_telemetry_counters_can_be_read(unit):
    """As the worker does: by the call that the unit itself refuses."""
    unit.drop_in("telemetry")
    assert probed(unit)["perf_event_open"] is None


# ---- All of them -----------------------------------------------------------------------------------------


def test_together(gpus):
    unit = gpus("acl", "foreign", "telemetry", "network", enforcement=True)
    assert_capabilities(unit, given=FOWNER | PTRACE | PERFMON, worker=PERFMON, keeper=FOWNER | PTRACE)
    assert status(unit)["state"] == "ok"
    assert unit.show("NeedDaemonReload") == "no"


def test_a_capability_more_than_the_children_may_have_is_nobodys(unit):
    """A drop-in of somebody's own: it ends in the first process."""
    both = "CAP_DAC_READ_SEARCH CAP_SYS_ADMIN"
    unit.drop_in("own", f"CapabilityBoundingSet={both}\nAmbientCapabilities={both}\nSystemCallFilter=capset")
    unit.start()
    for pid in wait_processes(unit, "itexd", "itexd-spawner", "itexd-worker").values():
        sets = unit.capabilities(pid)
        assert {name: value for name, value in sets.items() if name != "Bnd"} == dict.fromkeys(
            ("Inh", "Prm", "Eff", "Amb"), 0
        )
