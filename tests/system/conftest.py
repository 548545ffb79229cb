"""One machine for all tests of the units: the build installed in it, its sockets listening."""

from __future__ import annotations

import json
import shutil
import sys

import machine as machines
import pytest
from itexd_unit import Unit

sys.path.insert(0, str(machines.SOURCE / "tests" / "e2e"))
import harness
from device_root import DeviceRoot

SIMULATED_DRIVER = "/usr/lib/itexd-libsimze.so"  # where ProtectHome= does not hide it
GPUS = "/dev/gpus"


@pytest.fixture(scope="session")
def booted():
    if why := machines.cannot_run():
        pytest.skip(why)
    with machines.Machine(read_only=[machines.SOURCE]) as made:
        made.install(machines.BUILD)
        made.boot()
        made.run("systemd-sysusers")
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure shows the end of the journal."""
    outcome = yield
    report = outcome.get_result()
    made = item.funcargs.get("booted") if hasattr(item, "funcargs") else None
    if report.failed and made and made.leader:
        report.sections.append(("journal", made.journal()[-6000:]))


@pytest.fixture
def unit(booted):
    """The units as after the installation."""
    made = Unit(booted)
    made.reset()
    return made


def simulated_devices(unit):
    return json.loads(unit.out("itexctl", "devices", "--json"))["devices"]


@pytest.fixture
def gpus(unit):
    """gpus(drop-in..., more of the configuration): the service, started, with two simulated cards.

    Their nodes are null devices, root's, which the unit lets it open.
    """
    shutil.copy(harness.SIMZE, unit.path(SIMULATED_DRIVER))
    root = unit.path(GPUS)
    root.mkdir()
    cards = DeviceRoot(root)
    for i in range(2):
        cards.add_card(i)
    control = root / "simulated-gpus"

    def start(*drop_ins, statements=(), **more):
        control.write_text("".join(f"{line}\n" for line in ("cards 2", "tiles 2", *statements)))
        lines = {
            "simulated_driver": SIMULATED_DRIVER,
            "worker_environment": f"SIMZE_CONTROL={GPUS}/simulated-gpus",
            "device_root": GPUS,
            "watch_interval": "100ms",
            **more,
        }
        unit.configure("".join(f"{name}: {json.dumps(value)}\n" for name, value in lines.items()))
        for name in drop_ins:
            unit.drop_in(name)
        unit.start()
        unit.until(lambda: len(simulated_devices(unit)) == 2, "the simulated devices")
        return unit

    return start
