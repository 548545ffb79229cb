"""Intel's own driver on emulated GPUs, under the real service: what is known, leased, and then shown to jobs.

The driver emulates when debug keys say so. It then tells no PCI addresses, gives the tiles of a card its
UUID, and numbers what a mask shows anew; so what a job sees is compared by its shape: how many cards, of how
many tiles. Its 22.43 dies of a mask that names several tiles of a card without the first.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import harness
import pytest
from worker_process import EMULATED, METRICS

DRIVER = "libze_intel_gpu.so.1"
CRASHING = harness.BUILD / "tests" / "tools" / "crashing"
PERFMON = 1 << 38
FIRST, SECOND = "86800000-d50b-0000-0000-000000000000", "86800000-d50b-0000-0100-000000000000"


pytestmark = [
    pytest.mark.skipif(
        not harness.installed(DRIVER),
        reason=f"there is no {DRIVER}: install intel-opencl-icd to try the real driver",
    ),
    pytest.mark.skipif(
        harness.is_instrumented(harness.ITEXD),
        reason="a sanitizer's process cannot load the driver, which binds its compiler with RTLD_DEEPBIND",
    ),
]


def keys(cards=2, tiles=2):
    """The variables by which the driver emulates these."""
    return {**EMULATED, "CreateMultipleRootDevices": str(cards), "CreateMultipleSubDevices": str(tiles)}


class Node:
    """A service on emulated cards, and jobs of it."""

    def __init__(self, service, cards, tiles):
        self.service, self.cards, self.tiles = service, cards, tiles
        self.held = []

    def ctl(self, *arguments, **options):
        return self.service.ctl(*arguments, **options)

    def json(self, *arguments):
        result = self.ctl(*arguments, "--json")
        assert result.returncode == 0, result
        return json.loads(result.stdout)

    def worker(self):
        return self.json("status")["worker"]

    def devices(self):
        return self.json("devices")["devices"]

    def until(self, condition):
        deadline = time.monotonic() + harness.TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, self.service.log
            time.sleep(0.05)

    def hold(self, *options):
        """A job that has the devices until the test ends, and its decision."""
        process = subprocess.Popen(
            [
                harness.ITEXCTL,
                "run",
                "--quiet",
                *options,
                "--",
                "sh",
                "-c",
                "echo $ITEXD_DECISION; read line",
            ],
            env={
                **harness.INSTRUMENTED,
                **keys(self.cards, self.tiles),
                "ITEXD_SOCKET": str(self.service.socket),
                "PATH": os.environ["PATH"],
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.held.append(process)
        return self.decision(process.stdout.readline().split(":")[0])

    def decision(self, number):
        return self.json("explain", number)

    def let_go(self):
        for process in self.held:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        self.held = []


@pytest.fixture
def emulated(make_itexd):
    """emulated(cards, tiles): a started service whose inventory is there."""
    made = []

    def start(cards=2, tiles=2, env=None, config=None, user=None, **variables):
        words = {**keys(cards, tiles), **harness.INSTRUMENTED, **variables}
        given = " ".join(f"{name}={value}" for name, value in words.items())
        service = make_itexd(
            devices="auto",
            config={"sample_interval": "100ms", **(config or {})},
            arguments=[f"--worker-environment={given}"],
            env=env,
            user=user,
        ).start()
        node = Node(service, cards, tiles)
        made.append(node)
        node.until(lambda: [card["state"] for card in node.devices()] == ["healthy"] * cards)
        return node

    yield start
    for node in made:
        node.let_go()


# ---- The inventory ------------------------------------------------------------------------------------


def test_two_cards_of_two_tiles(emulated):
    node = emulated()
    first, second = node.devices()
    assert (first["key"], second["key"]) == (FIRST, SECOND), "told by their UUID, for they have no address"
    for card in (first, second):
        assert card["bdf"] is None
        assert len(card["tiles"]) == 2
        whole = node.json("devices", card["id"])["device"]
        assert whole["name"].startswith("Intel(R) Graphics")
        assert whole["memory"] == sum(tile["memory"] for tile in whole["tiles"]) > 0
        assert whole["eus"] > 0
        assert whole["pci_device"] == 0x0BD5
        assert whole["render_node"] is None and whole["kernel_driver"] is None
    worker = node.worker()
    assert worker["state"] == "up"
    assert worker["restarts"] == 0
    assert worker["driver_version"].startswith("1.3.")
    assert worker["api_version"] == "1.3"


def test_nothing_is_measured_and_nothing_is_zero(emulated):
    node = emulated()
    node.until(lambda: node.devices()[0]["sampled"])
    metrics = node.json("devices", "1")["device"]["metrics"]
    assert set(metrics) == set(METRICS)
    assert {(metric["value"], metric["missing"]) for metric in metrics.values()} == {(None, "not available")}
    assert node.worker()["sysman"].startswith("none: no sensors, 0x7800000")


def test_identity_outlives_the_service(emulated):
    node = emulated()
    before = [(card["id"], card["key"], card["first_seen"]) for card in details(node)]
    node.service.restart()
    node.until(lambda: [card["state"] for card in node.devices()] == ["healthy", "healthy"])
    assert [(card["id"], card["key"], card["first_seen"]) for card in details(node)] == before
    rows = node.service.rows("SELECT id, key, last_seen_ms > first_seen_ms FROM devices ORDER BY id")
    assert rows == [(1, FIRST, 1), (2, SECOND, 1)]


def details(node):
    return [node.json("devices", card["id"])["device"] for card in node.devices()]


# ---- The worker ---------------------------------------------------------------------------------------


def process_status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_the_sandbox_is_on_with_the_real_driver(emulated):
    node = emulated()
    pid = node.worker()["pid"]
    assert DRIVER in Path(f"/proc/{pid}/maps").read_text(), "that is Intel's"
    status = process_status(pid)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) in (0, PERFMON), "by itself none; with root's service what reads engines"
    assert int(status["PPid"]) != node.service.process.pid, "the spawner's, who has no clients"


def test_the_workers_environment_is_made_from_nothing(emulated):
    """What the service was started with does not reach it, but for language and time zone."""
    junk = {"ZE_AFFINITY_MASK": "0", "ZES_ENABLE_SYSMAN": "1", "SECRET": "x", "LANG": "C.UTF-8", "TZ": "UTC"}
    node = emulated(env=junk)
    environment = Path(f"/proc/{node.worker()['pid']}/environ").read_bytes().split(b"\0")
    variables = dict(word.decode().split("=", 1) for word in environment if word)
    own = {"ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1", "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}
    assert variables == {**keys(), **harness.INSTRUMENTED, **own, "LANG": "C.UTF-8", "TZ": "UTC"}


def test_a_crash_in_sysman_is_survived(emulated):
    """The driver's own, in its own code: the worker comes back without sysman, and the inventory stays."""
    node = emulated(LD_LIBRARY_PATH=CRASHING, CRASHING_SYSMAN_DRIVER=harness.installed(DRIVER))
    worker = node.worker()
    assert worker["state"] == "up"
    assert worker["restarts"] == 1
    assert worker["last_death"] == "killed by SIGSEGV in zesDevicePciGetProperties"
    assert worker["sysman"] == "off: the driver failed in it"
    assert [(card["key"], len(card["tiles"])) for card in node.devices()] == [(FIRST, 2), (SECOND, 2)]
    told = node.ctl("status").stdout
    assert "killed by SIGSEGV" in told and "off: the driver failed in it" in told
    assert process_status(worker["pid"])["Seccomp"] == "2"
    decision = node.hold("--gpus", "1")
    assert decision["verdict"] == "fixed"
    node.ctl("devices", "restart")
    node.until(lambda: node.worker()["restarts"] >= 3)
    node.until(lambda: node.worker()["state"] == "up")
    assert [card["state"] for card in node.devices()] == ["healthy", "healthy"], (
        "tried again, and survived again"
    )
    assert [lease["id"] for lease in node.json("leases")["leases"]] == [decision["lease"]["id"]]
    node.service.stop()
    for kind in ("worker-down", "sysman-off"):
        assert node.service.log.count(f"kind={kind}") == 2, node.service.log


def test_a_killed_worker_comes_back(emulated):
    node = emulated()
    before = node.worker()["pid"]
    os.kill(before, signal.SIGKILL)
    node.until(lambda: node.worker()["state"] == "up" and node.worker()["pid"] != before)
    assert node.worker()["last_death"].startswith("killed by SIGKILL")
    assert "without sysman" not in node.worker()["sysman"]
    assert len(node.devices()) == 2


# ---- What is said of it -------------------------------------------------------------------------------


def test_every_line_says_what_it_is_about(emulated):
    node = emulated()
    node.hold("--gpus", "1", "--job", "nightly")
    for arguments in (["devices"], ["devices", "1"], ["devices", "2"], ["leases"]):
        lines = node.ctl(*arguments).stdout.splitlines()
        assert lines, arguments
        assert all(line.startswith("EMULATED") for line in lines), lines
    about = ("devices ", "worker", "driver", "sysman", "inventory", "leases")
    for line in node.ctl("status").stdout.splitlines():
        if line.removeprefix("EMULATED").strip().startswith(about):
            assert line.startswith("EMULATED"), line
    ran = node.ctl("run", "--gpus", "1", "--", "true", env=keys())
    assert ran.returncode == 0
    assert all("EMULATED" in line for line in ran.stderr.splitlines()), ran.stderr
    busy = node.ctl("run", "--gpus", "2", "--", "true", env=keys())
    assert busy.returncode == 75
    assert all("EMULATED" in line for line in busy.stderr.splitlines()), busy.stderr
    for what in (["devices"], ["leases"], ["status"]):
        assert node.json(*what)["substitute"] == "EMULATED"
    told = node.service.log
    assert all("EMULATED" in line for line in told.splitlines() if line.startswith("event=device ")), told


# ---- Masks --------------------------------------------------------------------------------------------

ASKED = ["1", "2", "3", "4", "1:tile", "2:tile", "3:tile", "4:tile"]


class Shown:
    """What the driver showed a job: each card's number of tiles, and how many XPUs a framework lists."""

    def __init__(self, text):
        self.cards, self.itex, self.sycl = [], 0, 0
        for line in text.splitlines():
            word = line.split()[0]
            if word == "device":
                self.cards.append(0)
            elif word == "tile":
                self.cards[-1] += 1
            elif word in ("itex", "sycl"):
                setattr(self, word, getattr(self, word) + 1)


def expected(node, decision):
    """The same of what was leased, from the decision: its devices, and the mask that belongs to them."""
    known = [card["uuid"] for card in node.devices()]
    tiles = {}
    entries = []
    for device in decision["devices"]:
        card = known.index(device["uuid"])
        if device["tile"] is None:
            tiles[card] = node.tiles if node.tiles > 1 else 0
            entries.append(f"{card}")
        else:
            tiles[card] = tiles.get(card, 0) + 1
            entries.append(f"{card}.{device['tile']}")
    whole = decision["devices"][0]["tile"] is None
    # one tile of a card is a device without tiles of its own
    cards = [count if whole or count > 1 else 0 for _, count in sorted(tiles.items())]
    return cards, ",".join(entries), len(decision["devices"])


SHOW = f'echo "$ITEXD_DECISION $ZE_AFFINITY_MASK"; exec {harness.SIMZE_SHOW}'


def run_job(node, *options):
    """The decision, the mask, and what the real driver shows; None where it is rejected."""
    env = keys(node.cards, node.tiles)
    ran = node.ctl("run", "--quiet", *options, "--", "sh", "-c", SHOW, env=env)
    if ran.returncode == 75:
        return None
    first, rest = ran.stdout.split("\n", 1)
    token, mask = first.split()
    if ran.returncode == -signal.SIGSEGV:
        assert kills_the_driver(mask), ran
        return node.decision(token.split(":")[0]), mask, None
    assert ran.returncode == 0, ran
    return node.decision(token.split(":")[0]), mask, Shown(rest)


def kills_the_driver(mask):
    """Several tiles of a card, and not its first: so no card of two tiles can have one."""
    tiles = {}
    for card, _, tile in (entry.partition(".") for entry in mask.split(",")):
        tiles.setdefault(card, []).append(tile)
    return any(len(of_card) > 1 and "0" not in of_card for of_card in tiles.values())


def check_job(node, asked):
    """Runs it, and compares; False where there are not so many."""
    found = run_job(node, "--gpus", asked)
    if not found:
        return False
    decision, mask, shown = found
    cards, entries, count = expected(node, decision)
    assert mask == entries, decision
    assert count == int(asked.split(":")[0])
    if shown:
        assert shown.cards == cards, (asked, mask)
        assert shown.itex == shown.sycl == count
    return True


@pytest.mark.parametrize(("cards", "tiles"), [(1, 1), (1, 2), (2, 1), (2, 2), (2, 4), (3, 2), (4, 1)])
def test_the_driver_shows_what_was_leased(emulated, cards, tiles):
    """For every number that can be asked for, on a free node and on ones where something is taken."""
    node = emulated(cards, tiles)
    for taken in ([], ["--gpus", "1"], ["--gpus", "1:tile"]):
        if taken:
            node.hold(*taken)
        given = {asked for asked in ASKED if check_job(node, asked)}
        if not taken:
            per_card = max(tiles, 1)
            assert given == {
                asked
                for asked in ASKED
                if int(asked[0]) <= (cards * per_card if asked.endswith("tile") else cards)
            }
        node.let_go()
        node.until(lambda: not node.json("leases")["leases"])


def test_leases_of_several_jobs_do_not_meet(emulated):
    """Tile for tile until none is left: every one is given once, and each job's driver shows one."""
    node = emulated(2, 2)
    seen = []
    for _ in range(4):
        assert check_job(node, "1:tile")
        decision = node.hold("--gpus", "1:tile")
        seen += [(device["uuid"], device["tile"]) for device in decision["devices"]]
    assert sorted(seen) == [(FIRST, 0), (FIRST, 1), (SECOND, 0), (SECOND, 1)]
    assert not check_job(node, "1:tile")
    assert not check_job(node, "1")


def test_the_jobs_own_mask_gives_way(emulated):
    """One that selects nothing, and one on which this driver aborts the process."""
    node = emulated(2, 2)
    for mask in ("7", "x"):
        env = {**keys(), "ZE_AFFINITY_MASK": mask}
        alone = subprocess.run([harness.SIMZE_SHOW], env={**harness.INSTRUMENTED, **env}, capture_output=True)
        assert alone.returncode == -signal.SIGABRT or b"result 0x78000001" in alone.stdout
        ran = node.ctl("run", "--quiet", "--gpus", "2:tile", "--", harness.SIMZE_SHOW, env=env)
        assert Shown(ran.stdout).cards == [2], ran
