"""What the service knows of the node's cards is in its predictions: masks and selectors that leave nothing.

The cards are simulated, and what is foreseen is held against what their driver then shows.
"""

from __future__ import annotations

import itertools
import os

import pytest
from asking import rules
from harness import pb, start_time
from seen import show

KNOWN = {"itex": "2.15.0.3", "keras": "0", "custom_ops": "false"}
NODES = {
    "flat": {"tiles": 2, "default": "flat"},  # as current drivers are with cards of this kind
    "old": {"tiles": 2, "default": "composite", "old": True},
    "without tiles": {"tiles": 1, "default": "flat"},
}
MASKS = [
    "",
    "0",
    "1",
    "2",
    "3",
    "7",
    "0.1",
    "1.1",
    "1.7",
    "7,1",
    "0;1",
    "010",
    "-1",
    "0x3",
    "1.0,0.1",
    "0.0,0.1",
]
HIERARCHIES = [None, "FLAT", "COMPOSITE", "COMBINED", "flat"]


@pytest.fixture
def start(make_itexd, simulated):
    """start(kind): a service that knows its cards, and the node."""

    def make(kind):
        node = simulated(cards=2, **NODES[kind])
        service = make_itexd(devices=node).start()
        with service.client() as client:
            assert len(client.ok("devices").devices) == 2
        return service, node

    return make


def foresee(client, **env):
    return client.resolve(env=env, declared=KNOWN).outcome


@pytest.mark.parametrize("kind", NODES)
def test_what_a_mask_leaves_is_foreseen(start, kind):
    """No device, and where TensorFlow and PJRT count tiles differently: as the driver has it."""
    service, node = start(kind)
    cases = []
    for mask, hierarchy in itertools.product(MASKS, HIERARCHIES):
        case = {"ZE_AFFINITY_MASK": mask, "SYCL_TILE_AS_DEVICE": "0"}
        cases.append({**case, "ZE_FLAT_DEVICE_HIERARCHY": hierarchy} if hierarchy else case)
    with service.client() as client:
        for case, seen in zip(cases, show(node, cases), strict=True):
            outcome = foresee(client, **case)
            held = {diagnostic.rule for diagnostic in outcome.diagnostics}
            assert ("mask-selects-none" in held) == (not seen.devices), case
            assert ("tile-mismatch" in held) == (seen.itex != seen.sycl), case
            expected = "ok" if seen.itex == seen.sycl else "error"
            if not seen.devices:
                expected = "no-device"
            foreseen = "ok" if outcome.predicted_outcome == "warning" else outcome.predicted_outcome
            assert foreseen == expected, (case, outcome)


def test_a_card_counted_too_far_is_nobodys_to_unset(start):
    service, _ = start("old")
    answer = service.ctl("resolve", "--json", "--itex=2.15.0.3", "--keras=0", env={"ZE_AFFINITY_MASK": "2"})
    assert answer.returncode == 1
    assert '"verdict":"rejected"' in answer.stdout
    assert '"cards":{"value":"2,2","from":"node"}' in answer.stdout


def test_a_lease_makes_it_moot(start):
    service, _ = start("old")
    answer = service.ctl("run", "--itex=2.15.0.3", "--keras=0", "--", "true", env={"ZE_AFFINITY_MASK": "2,3"})
    assert (answer.returncode, "ZE_AFFINITY_MASK=0" in answer.stderr) == (0, True), answer.stderr
    (decision,) = (line for line in service.ctl("query", "--json").stdout.splitlines() if line)
    assert '"predicted":{"mode":null,"outcome":"no-device"}' in decision
    assert '"verdict":"fixed"' in decision


@pytest.mark.parametrize(
    ("selector", "rule", "outcome"),
    [
        ("level_zero:1", None, "ok"),
        ("level_zero:2", "selector-selects-none", "no-device"),
        ("level_zero:*;!level_zero:0,1", "selector-selects-none", "no-device"),
        ("!level_zero:0", "selector-selects-none", "error"),
        ("opencl:*", "selector-selects-none", "error"),
    ],
)
def test_what_a_selector_leaves_is_foreseen(start, selector, rule, outcome):
    service, _ = start("old")
    with service.client() as client:
        foreseen = foresee(client, ONEAPI_DEVICE_SELECTOR=selector)
        assert foreseen.predicted_outcome == outcome
        assert [d.rule for d in foreseen.diagnostics] == ([rule] if rule else [])


def test_a_schedulers_mask_is_not_forbidden_but_foreseen(start):
    """Its job runs all the same, and will find nothing."""
    service, _ = start("old")
    devices = pb.DeviceRequest(count=1)
    holder = pb.Holder(pid=os.getpid(), start_time=start_time(os.getpid()))
    env = {"SLURM_JOB_ID": "17", "ZE_AFFINITY_MASK": "7"}
    with service.client() as client:
        decision = client.resolve(env=env, declared=KNOWN, devices=devices, holder=holder)
        assert "no-device" in rules(decision) and "mask-selects-none" not in rules(decision)
        assert decision.outcome.predicted_outcome == "no-device"
        assert not decision.outcome.predicted_mode
        assert decision.outcome.verdict == "ok"


def test_who_can_open_fewer_cards_has_fewer(start):
    """The simulated cards have no render nodes, so that each can be opened."""
    service, _ = start("old")
    told = pb.DeviceRequest(count=0, render_nodes_told=True, render_nodes=["renderD999"])
    with service.client() as client:
        decision = client.resolve(env={"ZE_AFFINITY_MASK": "1"}, declared=KNOWN, devices=told)
        assert decision.outcome.predicted_outcome == "ok"
