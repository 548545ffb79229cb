"""The simulated driver through the real loader, and masks: what is leased is what a driver then shows.

Every case is a process that loads the driver; simze-show makes one of each line of its input.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess

import harness
import pytest
from seen import run, show

HIERARCHIES = ("composite", "flat", "combined")
MASK_LINES = harness.BUILD / "tests" / "tools" / "mask-lines"
VALIDATION = {"ZE_ENABLE_VALIDATION_LAYER": "1", "ZE_ENABLE_PARAMETER_VALIDATION": "1"}
UNINITIALIZED = "0x78000001"


def masks(cards, tiles, lines):
    result = run([MASK_LINES, cards, tiles], "".join(f"{line}\n" for line in lines))
    assert result.returncode == 0, result.stderr
    answers = result.stdout.splitlines()
    assert len(answers) == len(lines)
    return answers


# ---- The driver ---------------------------------------------------------------------------------------


def test_without_a_mask(simulated):
    (seen,) = show(simulated())
    assert seen.devices == [(0, None), (1, None)]
    assert seen.tiles == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert seen.itex == seen.sycl == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("default", HIERARCHIES)
def test_the_hierarchy(simulated, default):
    """The default is the driver's; the variable goes over it, unless the driver is too old to know it."""
    cases = [{}] + [{"ZE_FLAT_DEVICE_HIERARCHY": name.upper()} for name in HIERARCHIES]
    cards, tiles = [(0, None), (1, None)], [(0, 0), (0, 1), (1, 0), (1, 1)]
    by_name = dict(zip(HIERARCHIES, (cards, tiles, tiles), strict=True))
    found = show(simulated(default=default), cases)
    assert [seen.devices for seen in found] == [by_name[default], cards, tiles, tiles]
    assert all(seen.devices == cards for seen in show(simulated(default=default, old=True), cases))


@pytest.mark.parametrize(
    ("hierarchy", "mask", "devices"),
    [
        ("COMPOSITE", "1", [(1, None)]),
        ("COMPOSITE", "1.0", [(1, 0)]),
        ("COMPOSITE", "1.0,0", [(0, None), (1, 0)]),
        ("COMPOSITE", "1,7", [(1, None)]),
        ("COMPOSITE", "", [(0, None), (1, None)]),
        ("FLAT", "1,2", [(0, 1), (1, 0)]),
        ("FLAT", "3,0.1", [(1, 1)]),
        ("COMBINED", "3", [(1, 1)]),
    ],
)
def test_a_mask(simulated, hierarchy, mask, devices):
    (seen,) = show(simulated(), [{"ZE_FLAT_DEVICE_HIERARCHY": hierarchy, "ZE_AFFINITY_MASK": mask}])
    assert seen.devices == devices


def test_a_mask_that_selects_nothing(simulated):
    (seen,) = show(simulated(), [{"ZE_AFFINITY_MASK": "9"}])
    assert (seen.result, seen.devices) == (UNINITIALIZED, [])


def test_a_mask_that_is_no_number_is_deadly(simulated):
    (seen,) = show(simulated(), [{"ZE_AFFINITY_MASK": "x"}])
    assert seen.signal == "6"


def test_the_order(simulated):
    own, by_pci = show(simulated(cards=3, reversed=True), [{}, {"ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1"}])
    assert [card for card, _ in own.devices] == [2, 1, 0]
    assert [card for card, _ in by_pci.devices] == [0, 1, 2]


def test_what_a_framework_lists(simulated):
    cases = [{"ITEX_TILE_AS_DEVICE": "0"}, {"SYCL_TILE_AS_DEVICE": "0"}]
    itex, sycl = show(simulated(cards=1), cases)
    assert (itex.itex, itex.sycl) == ([(0, None)], [(0, 0), (0, 1)])
    assert (sycl.itex, sycl.sycl) == ([(0, 0), (0, 1)], [(0, None)])


def test_no_card(simulated):
    node = simulated(cards=0)
    assert show(node)[0].result == UNINITIALIZED
    node = simulated(cards=2)
    node.change("gone 0", "gone 1")
    assert show(node)[0].result == UNINITIALIZED
    node.only("gone 0")
    assert show(node)[0].devices == [(1, None)]


def test_sysman_and_its_counters(simulated):
    node = simulated(cards=2)
    node.change("set 0 power 200", "set 1 power 50", "set 1 reset-required 1")
    (seen,) = show(node, [{}], "--sysman", ZES_ENABLE_SYSMAN="1")
    assert [round(float(power)) for power in seen.values["power"]] == [200, 50]
    assert seen.values["reset"] == ["0", "1"]
    result = run([harness.SIMZE_SHOW, "--sysman"], "", node.env)
    assert result.returncode == 1
    assert f"failed zesDeviceGetCardPowerDomain {UNINITIALIZED}" in result.stdout


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("fail zeInit 0x70000001", "result 0x70000001"),
        ("fail zeDeviceGet* 0x70000003", "failed zeDeviceGet 0x70000003"),
        ("fail zeDeviceGetProperties 0x70000003", "failed zeDeviceGetProperties 0x70000003"),
        ("garbage zeDeviceGet", "failed zeDeviceGetSubDevices 0x78000005"),
    ],
)
def test_a_fault(simulated, statement, said):
    node = simulated()
    node.change(statement)
    assert said in run([harness.SIMZE_SHOW], "", node.env).stdout.splitlines()


def test_a_crash(simulated):
    node = simulated()
    node.change("crash zeDriverGet")
    assert show(node)[0].signal == "11"


def test_a_hang(simulated):
    node = simulated()
    node.change("hang zeDriverGet")
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([harness.SIMZE_SHOW], env={**os.environ, **node.env}, timeout=0.3)


def test_a_misspelt_statement_is_deadly(simulated):
    node = simulated()
    node.change("sett 0 power 200")
    result = run([harness.SIMZE_SHOW], "", node.env)
    assert result.returncode == 97
    assert "line 3 is no statement of README.md: sett 0 power 200" in result.stderr


def test_the_validation_layer_finds_nothing(simulated):
    """Whatever it objects to, it makes fail."""
    node = simulated()
    node.change("link 0 1")
    env = {**node.env, "ZES_ENABLE_SYSMAN": "1"}
    plain, validated = (
        run([harness.SIMZE_SHOW, "--sysman"], "", {**env, **more}) for more in ({}, VALIDATION)
    )
    assert validated.returncode == 0
    assert validated.stdout.endswith("result 0x0\n")
    assert len(validated.stdout.splitlines()) == len(plain.stdout.splitlines())
    loaded = run([harness.SIMZE_SHOW], "", {**env, **VALIDATION, "LD_DEBUG": "files"}).stderr
    assert "libze_validation_layer" in loaded


# ---- Masks of leases ----------------------------------------------------------------------------------


def subsets(items):
    return [chosen for n in range(1, len(items) + 1) for chosen in itertools.combinations(items, n)]


def all_leases(cards, tiles):
    """Of whole cards, and of tiles, as a list of (card, tile or None)."""
    leases = subsets([(card, None) for card in cards])
    if tiles > 1:
        leases += subsets([(card, tile) for card in cards for tile in range(tiles)])
    return leases


def lease_line(visible, lease):
    bits = sum(1 << card for card in visible)
    units = ",".join(str(card) if tile is None else f"{card}.{tile}" for card, tile in lease)
    return f"lease {bits:x} {units}"


def environment(line):
    return dict(variable.split("=", 1) for variable in line.split("\t"))


def drivers(simulated, cards, tiles):
    """Every kind of driver; its own order is never that of the addresses."""
    for default in HIERARCHIES:
        yield simulated(cards=cards, tiles=tiles, default=default, reversed=True)
    yield simulated(cards=cards, tiles=tiles, default="composite", old=True, reversed=True)


@pytest.mark.parametrize(
    ("cards", "tiles", "visible"),
    [
        (1, 1, [(0,)]),
        (2, 2, [(0, 1)]),
        (4, 2, [(0, 1, 2, 3)]),
        (2, 1, subsets([0, 1])),
        (3, 2, subsets([0, 1, 2])),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else f"{len(value)}-views",
)
def test_a_driver_shows_what_is_leased(simulated, cards, tiles, visible):
    """Any lease, in any view of the node, by any driver: exactly its tiles, and as many XPUs as asked."""
    for seen_cards in visible:
        leases = all_leases(seen_cards, tiles)
        lines = [lease_line(seen_cards, lease) for lease in leases]
        environments = [environment(answer) for answer in masks(cards, tiles, lines)]
        for node in drivers(simulated, cards, tiles):
            # a process that cannot open a card's render node does not find the card
            node.change(*(f"gone {card}" for card in range(cards) if card not in seen_cards))
            for lease, env, seen in zip(leases, environments, show(node, environments), strict=True):
                what = (node.base, seen_cards, lease, env)
                whole = [(c, t) for c, _ in lease for t in range(tiles)] if tiles > 1 else lease
                assert seen.tiles == set(whole if lease[0][1] is None else lease), what
                assert seen.itex == seen.sycl == sorted(lease, key=str), what


def test_masks_are_read_as_the_driver_reads_them(simulated, rounds):
    """What the service makes of a mask that a scheduler wrote is what the driver makes of it."""
    choose = random.Random(4)
    entries = [
        "0",
        "1",
        "2",
        "3",
        "5",
        "0.0",
        "0.1",
        "1.0",
        "1.1",
        "1.2",
        "4.0",
        "1.",
        " 1",
        "01",
        "010",
        "0x1",
        "+1",
        "-1",
        "1;0",
        "4294967297",
        "18446744073709551616",
        "",
        "x",
        "0.x",
        "0.1.0",
        "0.1.1",
        "1.0.2",
        "0.1.0.0",
    ]
    texts = [",".join(choose.choices(entries, k=choose.randint(1, 4))) for _ in range(rounds(60, 2000))]
    for name in HIERARCHIES:
        node = simulated(cards=2, tiles=2, default=name)
        answers = masks(2, 2, [f"read 3 {name.upper()} {text}" for text in texts])
        cases = [{"ZE_AFFINITY_MASK": text, "ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1"} for text in texts]
        for text, answer, seen in zip(texts, answers, show(node, cases), strict=True):
            if answer == "dies":
                assert seen.signal == "6", text
                continue
            units = [tuple(map(int, unit.split("."))) for unit in answer.split()]
            tiles = {(u[0], t) for u in units for t in ((u[1],) if len(u) == 2 else (0, 1))}
            assert seen.signal is None, text
            assert seen.tiles == tiles, (name, text, answer)
