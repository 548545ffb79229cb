"""The device worker by itself, on the simulated driver: what it finds, what it measures, what it may do.

Two loaders: the one that is installed, and a stand-in for those that have zesInit. Where ITEXD_TEST_LOADER
names the folder of a real one, that is taken in the stand-in's place.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import time
from pathlib import Path

import harness
import pytest
from valgrind import in_use
from worker_process import METRICS, Died, Worker

NEWER = os.environ.get("ITEXD_TEST_LOADER", str(harness.SIMZE_LOADER))
LOADERS = {"installed": {}, "newer": {"LD_LIBRARY_PATH": NEWER}}
HAS_ZES_INIT = hasattr(ctypes.CDLL(harness.installed("libze_loader.so.1")), "zesInit")
WAYS = {"installed": "zes" if HAS_ZES_INIT else "legacy", "newer": "zes"}
PROBE = harness.BUILD / "tests" / "tools" / "libprobe-driver.so"
VALIDATION = {"ZE_ENABLE_VALIDATION_LAYER": "1", "ZE_ENABLE_PARAMETER_VALIDATION": "1"}
FIRST, SECOND = "0000:3a:00.0", "0000:4a:00.0"
UNSUPPORTED, REFUSED = "0x78000003", "0x70010000"


@pytest.fixture(params=LOADERS)
def loader(request):
    return request.param


@pytest.fixture
def worker(simulated):
    """worker(node, *arguments, **variables): started, ended with the test."""
    made = []

    def start(node, *arguments, loader="installed", wrapper=(), **variables):
        env = {**node.env, **LOADERS[loader], **variables}
        made.append(Worker("--substitute=SIMULATED", *arguments, env=env, wrapper=wrapper))
        return made[-1]

    yield start
    for one in made:
        one.__exit__()


def two_samples(worker, seconds=0.05):
    """The second sample, whose rates are over the time between."""
    worker.sample()
    time.sleep(seconds)
    return worker.sample()


# ---- Inventory ----------------------------------------------------------------------------------------


def tree(directory, *cards):
    """A machine's /sys as far as the worker looks: for each card its address and what its files say."""
    for bdf, files in cards:
        device = directory / "sys" / "bus" / "pci" / "devices" / bdf
        device.mkdir(parents=True)
        for name, text in {"vendor": "0x8086", "class": "0x038000", **files}.items():
            path = device / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == "driver":
                path.symlink_to(f"../../drivers/{text}")
            else:
                path.write_text(f"{text}\n")
    return directory


def test_the_driver(worker, simulated, loader):
    inventory = worker(simulated(), loader=loader).inventory()
    assert inventory.driver_version == "1.9.4242"
    assert inventory.api_version == "1.9"
    if loader == "installed":
        assert re.fullmatch(r"\d+\.\d+\.\d+", inventory.loader_version)
    assert inventory.sysman == WAYS[loader]
    assert inventory.substitute == "SIMULATED"
    assert not inventory.HasField("layer")


def test_a_card(worker, simulated, loader):
    """Everything that the driver tells of one, in either way of sysman."""
    node = simulated(cards=2, tiles=2, memory=64 << 30, name="Intel(R) Data Center GPU Max 1550")
    node.change("link 0 1")
    first, second = worker(node, loader=loader).inventory().cards
    assert (first.bdf, second.bdf) == (FIRST, SECOND)
    assert first.name == "Intel(R) Data Center GPU Max 1550"
    assert first.uuid == "8680d50b-0000-0000-003a-000000000000"
    assert first.pci_device == 0x0BD5
    assert first.memory_bytes == 64 << 30
    assert first.eus == 2 * 64 * 8
    assert first.flat_by_default
    assert [(tile.uuid, tile.memory_bytes) for tile in first.tiles] == [
        ("8680d50b-0000-0000-003a-000000000001", 32 << 30),
        ("8680d50b-0000-0000-003a-000000000002", 32 << 30),
    ]
    assert [(item.name, item.version) for item in first.firmware] == [
        ("GSC", "SIM.1.7"),
        ("OptionROM", "SIM.2.7"),
    ]
    assert (list(first.links), list(second.links)) == ([SECOND], [FIRST])
    # not known, and not nothing: there is no such card in this machine's /sys
    for field in ("kernel_driver", "render_node", "card_node", "numa_node", "cpus"):
        assert not first.HasField(field), field


def test_what_the_kernel_knows_of_a_card(worker, simulated, tmp_path):
    files = {
        "driver": "i915",
        "drm/renderD129/dev": "226:129",
        "drm/card1/dev": "226:1",
        "drm/card1-DP-1/status": "disconnected",
        "numa_node": "1",
        "local_cpulist": "24-47,72-95",
    }
    unbound = {"numa_node": "-1"}
    root = tree(tmp_path, (FIRST, files), (SECOND, unbound))
    first, second = worker(simulated(), f"--device-root={root}").inventory().cards
    assert first.kernel_driver == "i915"
    assert (first.render_node, first.card_node) == ("/dev/dri/renderD129", "/dev/dri/card1")
    assert (first.numa_node, first.cpus) == (1, "24-47,72-95")
    for field in ("kernel_driver", "render_node", "card_node", "numa_node", "cpus"):
        assert not second.HasField(field), field


def test_a_card_without_tiles(worker, simulated):
    (card,) = worker(simulated(cards=1, tiles=0, memory=16 << 30)).inventory().cards
    assert (len(card.tiles), card.memory_bytes, card.eus) == (0, 16 << 30, 512)


def test_an_old_driver(worker, simulated):
    inventory = worker(simulated(old=True)).inventory()
    assert inventory.api_version == "1.3"
    assert [card.flat_by_default for card in inventory.cards] == [False, False]


def test_cards_come_in_the_order_of_their_addresses(worker, simulated, loader):
    """And sysman's, which are in the driver's own, are found by them."""
    node = simulated(cards=3, tiles=2, reversed=True)
    node.change("set 0 temperature 30", "set 1 temperature 40", "set 2 temperature 50")
    started = worker(node, loader=loader)
    assert [card.bdf for card in started.inventory().cards] == [FIRST, SECOND, "0000:5a:00.0"]
    assert [card["temperature"] for card in started.sample()] == [30, 40, 50]


def test_cards_without_an_address_are_told_by_their_uuid(worker, simulated, loader):
    node = simulated(cards=2, nopci=True, reversed=True)
    node.change("set 0 temperature 30", "set 1 temperature 40")
    started = worker(node, loader=loader)
    cards = started.inventory().cards
    assert not any(card.HasField("bdf") for card in cards)
    heat = {"003a": 30, "004a": 40}
    assert [card["temperature"] for card in started.sample()] == [heat[card.uuid[19:23]] for card in cards]


def test_a_uuid_that_is_repeated(worker, simulated, loader):
    """The address wins: each card keeps its own sensors."""
    node = simulated(cards=2)
    uuid = "8680d50b-0000-0000-0000-000000000000"
    node.change(f"uuid 0 {uuid}", f"uuid 1 {uuid}", "set 0 temperature 30", "set 1 temperature 40")
    started = worker(node, loader=loader)
    assert [(card.bdf, card.uuid) for card in started.inventory().cards] == [(FIRST, uuid), (SECOND, uuid)]
    assert [card["temperature"] for card in started.sample()] == [30, 40]


# ---- Its own view -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        {"ZE_AFFINITY_MASK": "0.0"},
        {"ZE_AFFINITY_MASK": "x"},
        {"ZE_FLAT_DEVICE_HIERARCHY": "FLAT"},
        {"ZE_ENABLE_PCI_ID_DEVICE_ORDER": "0"},
        {"ZES_ENABLE_SYSMAN": "0"},
    ],
    ids=str,
)
def test_no_variable_hides_a_card(worker, simulated, variables):
    """Whatever it is started with, it sees cards as wholes, all of them, in the order of addresses."""
    inventory = worker(simulated(reversed=True, default="flat"), **variables).inventory()
    assert [(card.bdf, len(card.tiles)) for card in inventory.cards] == [(FIRST, 2), (SECOND, 2)]


@pytest.mark.skipif(harness.is_instrumented(harness.ITEXD), reason="Intel's driver, if it is installed")
def test_an_empty_list_of_drivers_is_no_list(worker, simulated):
    """Set to nothing, the variable makes the loader crash; so it is as if it were unset."""
    inventory = worker(simulated(), ZE_ENABLE_ALT_DRIVERS="").inventory()
    assert inventory.driver_version != "1.9.4242"


# ---- Sysman -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "said", "measures"),
    [
        (f"fail zesInit {UNSUPPORTED}", "legacy", True),
        ("fail zesInit 0x78000001", "legacy", True),
        (f"fail zesInit {REFUSED}", f"zesInit: {REFUSED} (not permitted)", False),
        (f"fail zesDriverGet {REFUSED}", f"its list of devices: {REFUSED} (not permitted)", False),
        ("count zesDriverGet 0", "none: it lists none of these cards", False),
        (f"fail zesDevice* {UNSUPPORTED}", f"its list of devices: {UNSUPPORTED} (not supported)", False),
        (f"fail zesDeviceEnum* {UNSUPPORTED}", "zes", True),
    ],
)
def test_zes_and_what_is_in_its_place(worker, simulated, statement, said, measures):
    node = simulated()
    node.change(statement)
    started = worker(node, loader="newer")
    inventory = started.inventory()
    assert inventory.sysman == said
    assert len(inventory.cards) == 2
    assert (two_samples(started)[0]["power"] is not None) == measures


def test_legacy_that_answers_nothing_says_so(worker, simulated):
    node = simulated()
    node.change(f"fail zes* {UNSUPPORTED}")
    started = worker(node)
    inventory = started.inventory()
    assert inventory.sysman == f"none: no sensors, {UNSUPPORTED} (not supported)"
    assert [card.bdf for card in inventory.cards] == [FIRST, SECOND]
    assert set(two_samples(started)[0].values()) == {None}


def test_without_sysman(worker, simulated, loader):
    """No call of sysman is made, so that one which crashes is no matter."""
    node = simulated()
    node.change("crash zes*")
    started = worker(node, "--no-sysman", loader=loader)
    inventory = started.inventory()
    assert inventory.sysman == "not asked for"
    assert [len(card.tiles) for card in inventory.cards] == [2, 2]
    assert not inventory.cards[0].firmware
    assert set(two_samples(started)[0].values()) == {None}


def test_a_crash_in_sysman_is_told_as_one(worker, simulated, loader):
    node = simulated()
    started = worker(node, loader=loader)
    started.inventory()
    node.change("crash zesTemperatureGetState")
    with pytest.raises(Died) as died:
        started.sample()
    assert (died.value.signal, died.value.call, died.value.in_sysman) == (11, "zesTemperatureGetState", True)


def test_a_crash_elsewhere_is_not(worker, simulated):
    node = simulated()
    started = worker(node)
    started.inventory()
    node.change("crash zeDeviceGetStatus")
    with pytest.raises(Died) as died:
        started.sample()
    assert (died.value.call, died.value.in_sysman) == ("zeDeviceGetStatus", False)


# ---- Samples ------------------------------------------------------------------------------------------

MEASURED = {
    "temperature": 61,
    "memory_temperature": 72,
    "power": 300,
    "frequency": 1100,
    "frequency_limit": 1300,
    "throttle": 1 + 8,
    "utilisation": 0.5,
    "memory_used": 3 << 30,
    "memory_read": 4e9,
    "memory_write": 2e9,
    "ras_correctable": 5,
    "ras_uncorrectable": 2,
    "links": 3,
    "links_up": 2,
    "reset_required": 1,
}
RATES = ("power", "utilisation", "memory_read", "memory_write")
# What the API cannot leave out alone (tests/simze/README.md).
WITH = {
    "power": ["energy"],
    "energy": ["power"],
    "memory_read": ["memory_write"],
    "memory_write": ["memory_read"],
    "frequency": ["frequency_limit", "throttle"],
    "throttle": ["frequency", "frequency_limit"],
    "links": ["links_up"],
    "links_up": ["links"],
}


def linked(simulated):
    node = simulated(cards=4)
    node.base += ["link 0 1", "link 0 2", "link 0 3"]
    node.reset()
    return node


def test_everything_that_is_measured(worker, simulated, loader):
    node = linked(simulated)
    node.change(*(f"set 0 {name} {value}" for name, value in MEASURED.items()))
    started = worker(node, loader=loader)
    started.inventory()
    (first,) = started.sample()[:1]
    assert [name for name in METRICS if first[name] is None] == list(RATES), "a rate needs two readings"
    time.sleep(0.05)
    second = started.sample()[0]
    for name, value in MEASURED.items():
        expected = pytest.approx(value, rel=0.05) if name in RATES else value
        assert second[name] == expected, name
    assert second["energy"] - first["energy"] >= 300 * 0.05 * 0.9


def test_each_card_has_its_own(worker, simulated, loader):
    node = simulated(cards=2)
    node.change("set 0 power 100", "set 1 power 250", "set 0 temperature 20", "set 1 temperature 90")
    started = worker(node, loader=loader)
    started.inventory()
    first, second = two_samples(started)
    assert (first["temperature"], second["temperature"]) == (20, 90)
    assert first["power"] == pytest.approx(100, rel=0.05)
    assert second["power"] == pytest.approx(250, rel=0.05)


@pytest.mark.parametrize("metric", METRICS)
def test_what_is_missing_is_never_zero(worker, simulated, metric):
    """Not supported: not available. Not permitted: that. The others stay."""
    node = linked(simulated)
    whole = worker(node)
    whole.inventory()
    there = {name for name, value in two_samples(whole)[0].items() if value is not None}
    assert there == set(METRICS)
    for word, missing in (("unset", None), ("deny", "not permitted")):
        node.only(f"{word} 0 {metric}")
        started = worker(node)
        started.inventory()
        found = two_samples(started)[0]
        gone = {metric, *WITH.get(metric, ())}
        if metric == "frequency_limit":
            missing = None  # the API has no word for it
        assert {name: found[name] for name in gone} == dict.fromkeys(gone, missing), word
        assert {name for name in METRICS if isinstance(found[name], float)} == set(METRICS) - gone, word


def test_hwmon_where_sysman_may_not(worker, simulated, tmp_path):
    """Temperature and energy are anybody's in the kernel's hwmon."""
    files = {
        "driver": "xe",
        "hwmon/hwmon3/temp2_input": "48000",
        "hwmon/hwmon3/temp2_label": "pkg",
        "hwmon/hwmon3/temp3_input": "52500",
        "hwmon/hwmon3/temp3_label": "vram",
        "hwmon/hwmon3/energy1_input": "7000000",
    }
    root = tree(tmp_path, (FIRST, files))
    node = simulated(cards=1)
    node.change("deny 0 temperature", "deny 0 memory_temperature", "deny 0 energy", "deny 0 utilisation")
    started = worker(node, f"--device-root={root}")
    started.inventory()
    (card,) = started.sample()
    assert (card["temperature"], card["memory_temperature"], card["energy"]) == (48, 52.5, 7)
    assert card["power"] == "not permitted"
    assert card["utilisation"] == "not permitted"
    time.sleep(0.05)
    (root / "sys/bus/pci/devices" / FIRST / "hwmon/hwmon3/energy1_input").write_text("9000000\n")
    assert 0 < started.sample()[0]["power"] <= 2 / 0.05
    node.only("deny 0 memory_temperature")
    (card,) = started.sample()
    assert (card["temperature"], card["memory_temperature"]) == (45, 52.5), "one of them is enough to look"


def test_a_card_that_is_lost(worker, simulated, loader):
    node = simulated()
    started = worker(node, loader=loader)
    started.inventory()
    node.change("lost 1")
    cards = started.ask("sample").samples.cards
    assert [card.lost for card in cards] == [False, True]
    assert cards[1].lost_because == "zeDeviceGetStatus answers 0x70000001 (device lost)"
    assert cards[0].metrics[METRICS.index("temperature")].value == 45


def test_a_card_that_has_left_the_bus(worker, simulated, tmp_path):
    root = tree(tmp_path, (FIRST, {"numa_node": "0"}))
    started = worker(simulated(cards=1), f"--device-root={root}")
    started.inventory()
    assert not started.ask("sample").samples.cards[0].lost
    (root / "sys/bus/pci/devices" / FIRST).rename(root / "away")
    (card,) = started.ask("sample").samples.cards
    assert (card.lost, card.lost_because) == (True, "it is no longer on the PCI bus")


def test_samples_are_of_the_last_inventory(worker, simulated):
    node = simulated(cards=3)
    started = worker(node)
    assert started.sample() == [], "there was none yet"
    assert len(started.inventory().cards) == 3
    assert len(started.sample()) == 3


# ---- A driver that lies -------------------------------------------------------------------------------

ENUMERATIONS = {
    "zeDriverGet": 8,
    "zeDeviceGet": 64,
    "zeDeviceGetSubDevices": 8,
    "zeDeviceGetMemoryProperties": None,
    "zesDriverGet": None,
    "zesDeviceGet": None,
    "zesDeviceEnumTemperatureSensors": None,
    "zesDeviceEnumPowerDomains": None,
    "zesDeviceEnumFrequencyDomains": None,
    "zesDeviceEnumEngineGroups": None,
    "zesDeviceEnumMemoryModules": None,
    "zesDeviceEnumRasErrorSets": None,
    "zesDeviceEnumFabricPorts": None,
    "zesDeviceEnumFirmwares": None,
}
COUNTS = (0, 1, 3, 8, 9, 64, 65, 100_000, 0x7FFFFFFF, 0xFFFFFFFF)


def check_counts(started, node):
    """Refused by name where it cannot be, at most what is there else; and never a card more."""
    for function, most in ENUMERATIONS.items():
        for count in COUNTS:
            node.only(f"count {function} {count}")
            reply = started.ask("inventory")
            if most is not None and count > most:
                assert reply.error.startswith(f"{function} says that there are {count}; "), reply
                assert started.sample() == [], "what is refused is not sampled"
            else:
                assert not reply.error, (function, count, reply.error)
                assert len(reply.inventory.cards) <= 2
                assert all(len(card.tiles) <= 2 for card in reply.inventory.cards)
                started.sample()
    node.reset()
    assert len(started.inventory().cards) == 2, "one lie does not last"


def check_garbage(started, node):
    """Any function answers nonsense: there are fewer cards or fewer values, and no card is made of it."""
    for function in [*FUNCTIONS, "ze*", "zes*"]:
        node.only(f"garbage {function}")
        reply = started.ask("inventory")
        for card in reply.inventory.cards:
            assert re.fullmatch(r"[\x20-\x7e]*", card.name)
            assert len(card.tiles) <= 8
            assert not card.HasField("memory_bytes") or card.memory_bytes < 1 << 50
        for readings in started.sample():
            assert all(0 <= value < 1e18 for value in readings.values() if isinstance(value, float))
    node.reset()
    assert len(started.inventory().cards) == 2


def functions():
    """Every function that the worker may call."""
    header = (harness.SOURCE / "daemon" / "worker" / "level_zero.h").read_text()
    return re.findall(r"^ +(?:MANDATORY|OPTIONAL|OWN)\((z\w+)", header, re.MULTILINE)


FUNCTIONS = functions()


def test_counts_are_not_believed(worker, simulated, loader):
    node = simulated()
    started = worker(node, loader=loader)
    assert len(started.inventory().cards) == 2
    check_counts(started, node)


def test_garbage_is_not_believed(worker, simulated, loader):
    node = linked(simulated)
    node.base[0] = "cards 2"
    node.base[2:] = ["link 0 1"]
    node.reset()
    started = worker(node, loader=loader)
    started.inventory()
    check_garbage(started, node)


def test_any_call_may_fail(worker, simulated, loader):
    node = simulated()
    started = worker(node, loader=loader)
    started.inventory()
    for code in (UNSUPPORTED, REFUSED, "0x70000001", "0x7ffffffe"):
        for function in [*FUNCTIONS, "ze*", "zes*"]:
            node.only(f"fail {function} {code}")
            reply = started.ask("inventory")
            assert reply.WhichOneof("body") == "inventory", (function, code, reply.error)
            assert len(reply.inventory.cards) in (0, 2)
            if not reply.inventory.cards:
                assert reply.inventory.layer == "driver"
                assert code in reply.inventory.detail, (function, reply.inventory.detail)
            started.sample()
    node.reset()
    assert len(started.inventory().cards) == 2


# ---- The sandbox --------------------------------------------------------------------------------------


def process_status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_the_sandbox_is_closed_before_a_driver_is_there(worker, simulated):
    started = worker(simulated())
    started.inventory()
    status = process_status(started.pid)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    limits = Path(f"/proc/{started.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
    assert int(re.search(r"^Max open files +\d+ +(\d+) ", limits, re.MULTILINE).group(1)) <= 1024


def test_what_a_driver_may_not_do(simulated):
    """Tried from inside the driver, as the loader loads it."""
    with Worker(env={"ZE_ENABLE_ALT_DRIVERS": str(PROBE)}) as started:
        assert started.inventory().layer
        assert os.WEXITSTATUS(started.end()) == 0
        told = dict(line.split() for line in started.output().splitlines() if " " in line)
    refused = ("socket", "unix", "netlink", "exec", "fork", "trace", "signal", "namespace")
    assert {name: told[name] for name in refused} == dict.fromkeys(refused, str(errno.EPERM))
    allowed = ("thread", "file", "memory")
    assert {name: told[name] for name in allowed} == dict.fromkeys(allowed, "0")


def test_it_leaves_without_the_drivers_exit_handlers():
    """A driver may have threads in calls, beneath which they would run."""
    with Worker(env={"ZE_ENABLE_ALT_DRIVERS": str(PROBE)}) as started:
        started.inventory()
        assert "memory 0" in started.output()
        assert started.end() == 0
        assert "exit" not in started.output().splitlines()


def test_its_end_is_the_sockets_end(worker, simulated):
    started = worker(simulated())
    started.inventory()
    assert started.end() == 0
    assert started.output() == ""


def test_an_unknown_argument(simulated):
    with Worker("--mask=1") as started:
        assert os.WEXITSTATUS(started.end()) == 2
        assert "unknown argument" in started.output()


# ---- Looked at from outside ---------------------------------------------------------------------------


def mapped(pid, library):
    return library in Path(f"/proc/{pid}/maps").read_text()


def test_the_validation_layer_finds_nothing(worker, simulated):
    """What it objects to it makes fail, or prints: so nothing is missing, and nothing is said."""
    node = linked(simulated)
    plain, validated = worker(node), worker(node, **VALIDATION)
    assert plain.inventory() == validated.inventory()
    assert mapped(validated.pid, "libze_validation_layer.so")
    assert not mapped(plain.pid, "libze_validation_layer.so")
    for readings in two_samples(validated):
        assert not [name for name in METRICS if not isinstance(readings[name], float) and "link" not in name]
    assert all(isinstance(value, float) for value in validated.sample()[0].values())
    assert validated.end() == 0
    assert validated.output() == ""


def check_memory(memcheck, started, node, times):
    for _ in range(times):
        assert len(started.inventory().cards) == 2
        started.sample()
        started.sample()
    check_counts(started, node)
    check_garbage(started, node)
    assert started.end() == 0


def test_valgrind_finds_nothing(worker, simulated, memcheck):
    """Nor in what a lying driver makes it do; and what it holds does not grow with what it is asked."""
    node = simulated()
    node.base.append("link 0 1")
    node.reset()
    for times in (2, 12):
        check_memory(memcheck, worker(node, wrapper=memcheck.wrapper, **memcheck.env), node, times)
    memcheck.assert_clean(2)
    once, often = memcheck.reports()
    assert in_use(once) == in_use(often)
