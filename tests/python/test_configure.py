"""itexclient.configure against the real service: what is put in force, what is told, and what is refused."""

from __future__ import annotations

import pytest
from harness import ITEXCTL, NOBODY, SLOW
from scripts import until

PATIENT = 60 * SLOW


def explained(service, number):
    with service.client() as client:
        return client.ok("explain", decision=number)


def facts(decision):
    return {fact.name: (fact.value, getattr(fact, "from")) for fact in decision.facts.facts}


# ---- In force ------------------------------------------------------------------------------------------


def test_a_decision_is_in_force(start, itexd):
    script = start(
        """
import subprocess
decision = itexclient.configure(keras=0, itex="newest")
show(decision.id, decision.verdict, decision.mode, decision.predicted_outcome, decision.env)
show(os.environ["ITEX_DISABLE_XLA"], in_c("ITEX_DISABLE_XLA"))
show(os.environ["ITEXD_DECISION"], in_c("ITEXD_DECISION"), decision.digest)
show(subprocess.run(["printenv", "ITEX_DISABLE_XLA"], capture_output=True, text=True).stdout)
step()
show(decision.report("npd", 0), decision.report("none", 0))
""",
        itexd.socket,
    )
    decided, variable, itexd_decision, child = script.reach()
    number = decided[0]
    assert decided[1:] == ["fixed", "npd", "slow", {"ITEX_DISABLE_XLA": "1"}]
    assert variable == ["1", "1"]
    assert itexd_decision[:2] == [f"{number}:{itexd_decision[2]}:"] * 2
    assert child == "1\n"
    # It runs for days, and holds no connection, of which its user may have so many.
    until(lambda: itexd.status().peers == 1, "only the test's own connection is left")
    script.go()
    assert script.rest() == [[True, False]]
    assert script.said() == ""
    kept = explained(itexd, number)
    assert (kept.state, kept.observed.mode, itexd.status().decisions) == ("accepted", "none", 1)


def test_everything_of_a_decision_is_there(run, itexd):
    shown = run(
        """
d = itexclient.configure(keras=3, jit=False, itex="newest", policy="advise")
show(d.verdict, d.mode, d.predicted_mode, d.obligations, d.devices, d.lease, d.local_device, d.unmanaged)
show([[x.rule, x.severity, bool(x.message), x.solution, x.applied] for x in d.diagnostics])
d = itexclient.configure(keras=2, jit=True, itex="newest")
show(d.verdict, d.mode, d.obligations, d.env)
""",
        itexd.socket,
    )
    advised, diagnostics, fixed = shown
    assert advised == ["advised", "npd+xla", "npd+xla", [], [], None, None, None]
    assert ["keras3-5", "error", True, diagnostics[0][3], False] in diagnostics
    assert "ITEX_DISABLE_XLA=1" in diagnostics[0][3]
    assert fixed[:3] == ["fixed", "npd+xla", ["jit_compile=False"]]
    assert fixed[3] == {"TF_XLA_FLAGS": "--tf_xla_auto_jit=1"}


def test_what_is_to_be_unset_is_gone_in_both(run, itexd):
    shown = run(
        """
d = itexclient.configure(keras=3, itex="newest")
show(d.env, os.environ.get("TF_USE_LEGACY_KERAS"), in_c("TF_USE_LEGACY_KERAS"))
""",
        itexd.socket,
        env={"TF_USE_LEGACY_KERAS": "1"},
    )
    assert shown[0][0] == {"TF_USE_LEGACY_KERAS": None}
    assert shown[0][1:] == [None, None]


def test_what_is_declared_arrives(run, itexd):
    [number] = run(
        """
d = itexclient.configure(keras="3", jit=True, custom_ops=True, itex="2.15.0.3", job="mine",
                         facts={"strategy": True, "setuptools": "69.0"})
show(d.id)
""",
        itexd.socket,
    )
    decision = explained(itexd, number)
    told = facts(decision)
    assert told["keras"] == ("3", "declared")
    assert told["jit"] == ("on", "declared")
    assert told["custom_ops"] == ("true", "declared")
    assert told["strategy"] == ("true", "declared")
    assert told["setuptools"] == ("69.0", "declared")
    assert decision.job == "mine"


FOUND = """
found = types.ModuleType("itexclient.facts")
found.installation = lambda: {found}
sys.modules["itexclient.facts"] = found
"""


def test_what_is_installed_goes_along(run, itexd):
    [number] = run(
        FOUND.replace("{found}", "{'tensorflow': '2.15.1', 'itex': '2.15.0.3'}")
        + "show(itexclient.configure(keras=0).id)",
        itexd.socket,
    )
    told = facts(explained(itexd, number))
    assert told["tensorflow"] == ("2.15.1", "node")
    assert told["itex"] == ("2.15.0.3", "node")


def test_what_is_declared_beats_what_is_installed(run, itexd):
    [shown] = run(
        FOUND.replace("{found}", "{'itex': '2.15.0.3'}")
        + "d = itexclient.configure(keras=0, itex='newest')\nshow(d.mode, [x.rule for x in d.diagnostics])",
        itexd.socket,
    )
    assert shown[0] == "npd"
    assert "fact-conflict" in shown[1]


def test_a_service_that_knows_fewer_facts_decides_without_them(run, itexd):
    [shown] = run(
        FOUND.replace("{found}", "{'itex': 'newest', 'colour': 'blue'}")
        + "d = itexclient.configure(keras=0)\nshow(d.verdict, d.mode)",
        itexd.socket,
    )
    assert shown == ["fixed", "npd"]


def test_another_socket(run, itexd):
    assert run(
        "show(itexclient.configure(keras=0, itex='newest', socket=sys.argv[1]).mode)",
        arguments=[itexd.socket],
    ) == ["npd"]


# ---- Once it is too late -------------------------------------------------------------------------------


def test_tensorflow_is_there_already(run, itexd):
    shown = run(
        """
load_tensorflow()
show(raised(itexclient.configure, keras=0))
show(raised(itexclient.lease().__enter__))
show("ITEXD_DECISION" in os.environ)
""",
        itexd.socket,
    )
    assert [shown[0][0], shown[1][0], shown[2]] == ["TooLate", "TooLate", False]
    assert "before the first import of tensorflow" in shown[0][1]
    assert itexd.status().decisions == 0


def test_a_cell_that_is_run_again(run, itexd):
    shown = run(
        """
first = itexclient.configure(keras=0, itex="newest")
load_tensorflow()
show(itexclient.configure(keras=0, itex="newest") is first)
show(raised(itexclient.configure, keras=3, itex="newest")[0])
""",
        itexd.socket,
    )
    assert shown == [True, "TooLate"]


def test_a_blocked_import_is_none(run, itexd):
    assert run(
        "sys.modules['tensorflow'] = None\nshow(itexclient.configure(keras=0, itex='newest').mode)",
        itexd.socket,
    ) == ["npd"]


# ---- What is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        ("timeout=0", "ValueError", "above 0"),
        ("timeout=-1", "ValueError", "above 0"),
        ("timeout=float('nan')", "ValueError", "above 0"),
        ("gpus=1, wait=-1", "ValueError", "0 or more"),
        ("gpus=1, wait=1e9", "ValueError", "49 days"),
        ("gpus=-1", "ValueError", "-1"),
        ("gpus=1, memory=0", "ValueError", "bytes"),
        ("gpus=1, bind='socket'", "ValueError", "'node' or 'rank'"),
        ("policy='maybe'", "ValueError", "'enforce' or 'advise'"),
        ("facts={'Keras': '3'}", "ValueError", "Keras"),
        ("keras=3, facts={'keras': 2}", "ValueError", "twice"),
        ("job=''", "ValueError", "empty"),
        ("keras3=True", "TypeError", "keras3"),
        ("keras=4", "ServiceError", "keras"),
        ("facts={'colour': 'blue'}", "ServiceError", "colour"),
        ("gpus=1000000", "ServiceError", "512"),
    ],
)
def test_what_cannot_be_is_named(run, itexd, call, kind, words):
    [shown] = run(f"show(raised(itexclient.configure, {call}))", itexd.socket)
    assert shown[0] == kind, shown
    assert words in shown[1]


def test_a_rejected_job(start, itexd):
    """The connection is closed, though the exception is kept."""
    script = start(
        """
try:
    itexclient.configure(keras=0, itex="newest")
except itexclient.Rejected as error:
    kept = error
    show(str(error), error.decision.id, error.decision.verdict, [d.rule for d in error.decision.diagnostics])
show(os.environ.get("ITEXD_DECISION"), os.environ.get("ITEX_DISABLE_XLA"), in_c("ITEX_DISABLE_XLA"))
step()
""",
        itexd.socket,
        env={"ZE_AFFINITY_MASK": "x"},
    )
    shown = script.reach()
    until(lambda: itexd.status().peers == 1, "only the test's own connection is left")
    text, number, verdict, rules = shown[0]
    assert f"itexctl explain {number}" in text
    assert "ZE_AFFINITY_MASK" in text
    assert verdict == "rejected"
    assert rules
    assert shown[1] == [None, None, None]


def test_a_policy_that_is_locked(run, make_itexd):
    service = make_itexd({"locked": True}).start()
    [shown] = run("show(raised(itexclient.configure, keras=0, policy='advise'))", service.socket)
    assert shown[0] == "Refused"


# ---- Devices -------------------------------------------------------------------------------------------


def test_devices_are_held_until_the_process_ends(start, node):
    script = start(
        """
d = itexclient.configure(keras=3, itex="newest", gpus=2)
show(d.lease, d.local_device, [[x.bdf, x.tile] for x in d.devices], os.environ["ZE_AFFINITY_MASK"])
show(itexclient.local_device(), os.environ["ITEXD_LEASE"])
del d
step()
""",
        node.socket,
    )
    held, own = script.reach()
    assert [held[1], [tile for _, tile in held[2]], held[3]] == [0, [None, None], "0,1"]
    assert own == [0, str(held[0])]
    [busy] = start("show(raised(itexclient.configure, gpus=1, timeout=30))", node.socket).rest()
    assert busy[0] == "Busy"
    assert "itexctl leases" in busy[1]
    script.go()
    assert script.status() == 0
    [free] = start("show(itexclient.configure(gpus=2, wait=30).lease)", node.socket).rest()
    assert free > held[0]


def test_under_a_lease_its_devices_stay(run, node):
    """Also where nothing is said of devices: what the job gets is compared with what it was promised."""
    [shown] = run(
        """
outer = itexclient.inherited()
d = itexclient.configure(itex="newest", keras=3)
show(d.id != outer.id, d.lease == outer.lease, [x.bdf for x in d.devices] == [x.bdf for x in outer.devices])
""",
        node.socket,
        before=[ITEXCTL, "run", "--quiet", "--timeout=60s", "--gpus=2", "--itex=newest", "--"],
    )
    assert shown == [True, True, True]


@pytest.mark.parametrize("managed", [True, False])
def test_a_lease_that_has_ended_is_none(start, node, itexd, managed):
    """And nothing is taken in its place."""
    script = start(
        """
d = itexclient.configure(itex="newest", keras=3)
show(d.verdict, d.lease, d.devices)
step()
""",
        node.socket if managed else itexd.socket,
        env={"ITEXD_LEASE": "999"},
    )
    assert script.reach() == [["ok", None, []]]
    assert node.status().n_leases == 0


def test_every_wish_arrives(run, node):
    [number] = run(
        """
d = itexclient.configure(itex="newest", gpus=2, tiles=True, shared=True, memory=1 << 20, model="Data Center",
                         numa=0, allow_none=True, wait=1.5)
show(d.id)
""",
        node.socket,
    )
    asked = explained(node, number).facts.devices
    assert (asked.count, asked.tiles, asked.shared, asked.memory_bytes) == (2, True, True, 1 << 20)
    assert (asked.model, asked.numa, asked.allow_none, asked.wait_ms) == ("Data Center", 0, True, 1500)


def test_no_such_devices(run, node, itexd):
    [impossible] = run("show(raised(itexclient.configure, gpus=3))", node.socket)
    assert impossible[0] == "NoDevice"
    [none] = run("show(raised(itexclient.configure, gpus=1))", itexd.socket)
    assert none[0] == "NoDevice"
    [allowed] = run("show(itexclient.configure(gpus=1, allow_none=True).lease)", itexd.socket)
    assert allowed is None


HOLDS = 'd = itexclient.configure(itex="newest", gpus=2)\nshow(d.lease)\nstep()\n'


def test_who_waits_is_told_where_it_stands(start, node):
    holder = start(HOLDS, node.socket)
    holder.reach()
    waiter = start(
        f"""
d = itexclient.configure(itex="newest", gpus=1, wait={PATIENT}, on_waiting=lambda at: show("at", at))
show(len(d.devices))
""",
        node.socket,
    )
    assert waiter.next() == ["at", 1]
    holder.end()
    assert waiter.rest() == [1]


def test_interrupted_while_it_waits(start, node):
    """Whether the traceback is kept or not, nobody waits any more, and nothing was changed."""
    holder = start(HOLDS, node.socket)
    holder.reach()
    waiter = start(
        f"""
try:
    itexclient.configure(itex="newest", gpus=1, wait={PATIENT}, on_waiting=lambda at: show("at", at))
except KeyboardInterrupt as error:
    kept = error
show("interrupted", os.environ.get("ITEXD_DECISION"))
step()
""",
        node.socket,
    )
    assert waiter.next() == ["at", 1]
    assert node.status().n_waiting == 1
    waiter.interrupt()
    assert waiter.next() == ["interrupted", None]
    until(lambda: node.status().n_waiting == 0, "nobody waits")


def test_a_callback_that_raises_ends_the_wait(start, node):
    holder = start(HOLDS, node.socket)
    holder.reach()
    waiter = start(
        f"""
class Enough(Exception):
    pass

def give_up(position):
    raise Enough(f"place {{position}}")

show(raised(itexclient.configure, itex="newest", gpus=1, wait={PATIENT}, on_waiting=give_up))
step()
""",
        node.socket,
    )
    assert waiter.reach() == [["Enough", "place 1"]]
    until(lambda: node.status().n_waiting == 0, "nobody waits")


def test_as_another_user(run, itexd, as_root):
    """Nothing of it needs more than the right to connect."""
    [shown] = run(
        "d = itexclient.configure(keras=0, itex='newest')\nshow(d.mode, d.report('npd', 0))",
        itexd.socket,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    assert shown == ["npd", True]
