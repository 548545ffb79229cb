"""Which process holds which capability: the loop none, the worker none of its own, the keeper two."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import ITEXD, NOBODY
from test_enforcement import settle, wait_child

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which has capabilities to give"),
    pytest.mark.skipif(
        b"libtsan" in ITEXD.read_bytes(), reason="the thread sanitizer starts a thread of its own before main"
    ),
]

FOWNER, PTRACE, PERFMON = 1 << 3, 1 << 19, 1 << 38


def state(path):
    """The sets of one process or thread, as numbers, and whether it can get no new ones."""
    fields = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
    sets = {name: int(fields[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    return sets, fields["NoNewPrivs"] == "1"


def of_process(pid):
    """Of all its threads, which have to be alike."""
    states = [state(task / "status") for task in Path(f"/proc/{pid}/task").iterdir()]
    assert all(each == states[0] for each in states), states
    return states[0]


def alike(value, bounding):
    return {"Inh": value, "Prm": value, "Eff": value, "Bnd": bounding, "Amb": value}


@pytest.fixture
def start(device_root, simulated, make_itexd):
    def make(**options):
        for i in range(2):
            device_root.add_card(i)
        return settle(
            make_itexd(
                config={"enforcement": True, "watch_use": "on"},
                devices=simulated(cards=2),
                arguments=[device_root.argument],
                **options,
            ).start()
        )

    return make


def check(node, loop, spawner, worker, keeper):
    """Each is (value of the sets, bounding set); of the spawner, which hands them on, what it may use."""
    assert of_process(node.process.pid) == (alike(*loop), True)
    assert of_process(wait_child(node, "device-worker")) == (alike(*worker), True)
    assert of_process(wait_child(node, "keeper")) == (alike(*keeper), True)
    sets, sealed = of_process(wait_child(node, "spawner"))
    assert sealed
    assert (sets["Prm"], sets["Eff"], sets["Bnd"]) == (spawner[0], spawner[0], spawner[1])


def test_as_root(start):
    """Of what root could do, nothing is left but what a child may be given, in the bounding set neither."""
    both, three = FOWNER | PTRACE, FOWNER | PTRACE | PERFMON
    check(
        start(),
        loop=(0, 0),
        spawner=(three, three),
        worker=(PERFMON, three),
        keeper=(both, three),
    )


@pytest.mark.parametrize(
    "names, given, worker, keeper",
    [
        (["fowner", "sys_ptrace"], FOWNER | PTRACE, 0, FOWNER | PTRACE),
        (["fowner"], FOWNER, 0, FOWNER),
        (["perfmon", "sys_ptrace"], PERFMON | PTRACE, PERFMON, PTRACE),
    ],
    ids=str,
)
def test_as_the_unit_has_it(start, names, given, worker, keeper):
    """A user with some, who may not change the bounding set, but no_new_privs makes that of no use."""
    node = start(user=NOBODY, capabilities=names)
    check(node, loop=(0, given), spawner=(given, given), worker=(worker, given), keeper=(keeper, given))


def test_as_a_user_without_any(start):
    node = start(user=NOBODY)
    for pid in (
        node.process.pid,
        *(wait_child(node, word) for word in ("spawner", "device-worker", "keeper")),
    ):
        sets, sealed = of_process(pid)
        assert sealed
        assert (sets["Inh"], sets["Prm"], sets["Eff"], sets["Amb"]) == (0, 0, 0, 0)
