"""The fixtures of the end-to-end tests, and Python processes that use the source tree's itexclient."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parents[1] / "e2e"
sys.path[:0] = [str(E2E), str(E2E.parents[1] / "client" / "python" / "src")]
_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)

as_root, itexd, make_itexd, simulated = _e2e.as_root, _e2e.itexd, _e2e.make_itexd, _e2e.simulated
pytest_runtest_makereport = _e2e.pytest_runtest_makereport
pytest_runtest_logfinish = _e2e.pytest_runtest_logfinish

import scripts  # noqa: E402


@pytest.fixture
def node(make_itexd, simulated):
    """A service on two cards of two tiles."""
    return make_itexd(devices=simulated(cards=2, tiles=2)).start()


@pytest.fixture
def start():
    """start(text, socket, env) -> Script: a Python process that goes on while the test looks at it."""
    started = []

    def make(text, socket=None, **options):
        started.append(scripts.Script(text, socket, **options))
        return started[-1]

    yield make
    for script in started:
        script.end()


@pytest.fixture
def run(start):
    """run(text, socket, env) -> what the script showed, one after the other; it must end with 0."""

    def to_the_end(text, socket=None, **options):
        script = start(text, socket, **options)
        shown = script.rest()
        assert script.status() == 0, f"{shown}\n{script.said()}"
        return shown

    return to_the_end


@pytest.fixture
def fake(tmp_path):
    """fake(answer) -> a FakeService, in which answer(connection, request) plays the service."""
    services = []

    def make(answer):
        services.append(scripts.FakeService(tmp_path / f"fake{len(services)}", answer))
        return services[-1]

    yield make
    for service in services:
        service.stop()
