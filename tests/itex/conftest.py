"""The suite's fixtures: the observations, a service for each machine, and the table of what was seen."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import machine
import pytest

sys.path.insert(0, str(machine.SOURCE / "tests" / "e2e"))

import harness  # noqa: E402
from observe import Observations, as_decided, ask  # noqa: E402


def results_directory():
    path = Path(os.environ.get("ITEXD_ITEX_RESULTS", machine.SOURCE / "build" / "itex-suite"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def pytest_sessionstart():
    if not machine.installed():
        pytest.exit(f"no real ITEX in {machine.VENV}: run tests/itex/install first", 2)


@pytest.fixture(scope="session")
def services():
    """services(cards, tiles): a running service that manages such a machine."""
    running = {}

    def service(cards=2, tiles=2):
        if (cards, tiles) not in running:
            keys = " ".join(f"{name}={value}" for name, value in machine.emulation(cards, tiles).items())
            made = harness.Itexd(devices="auto", arguments=[f"--worker-environment={keys}"])
            running[cards, tiles] = made.start()
        return running[cards, tiles]

    yield service
    for made in running.values():
        made.cleanup()


@pytest.fixture(scope="session")
def observations():
    made = Observations(results_directory() / "observations.json")
    yield made
    made.close()


@pytest.fixture(scope="session")
def decisions(request, services, observations):
    """What is decided for each selected point of the grid. Their observations are begun."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    points = [each["point"] for each in parameters if "point" in each]
    made = {point.name: ask(point, services(point.cards, point.tiles).ctl) for point in points}
    for point in points:
        observations.of(point)
        better = as_decided(point, made[point.name])
        if better:
            observations.of(better)
    return made


@pytest.fixture(scope="session")
def note():
    """note(...): a line of the table that the run leaves behind."""
    lines = []
    yield lambda **line: lines.append(line)
    about = {"versions": machine.versions(), "date": time.strftime("%Y-%m-%d"), "points": lines}
    (results_directory() / "grid.json").write_text(json.dumps(about, indent=1))
