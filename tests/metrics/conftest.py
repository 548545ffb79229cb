"""The fixtures of the end-to-end tests, and services whose metrics can be read."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parents[1] / "e2e"
sys.path[:0] = [str(E2E)]
_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)

holders, make_itexd, simulated = _e2e.holders, _e2e.make_itexd, _e2e.simulated
pytest_runtest_makereport = _e2e.pytest_runtest_makereport
pytest_runtest_logfinish = _e2e.pytest_runtest_logfinish


@pytest.fixture
def make_metered(make_itexd):
    """make_itexd, with metrics at a Unix socket in the service's directory."""

    def make(config=None, **options):
        service = make_itexd(config, **options)
        service.config["metrics_socket"] = str(service.directory / "metrics.sock")
        return service

    return make


@pytest.fixture
def metered(make_metered, simulated):
    """A service on two cards of two tiles."""
    service = make_metered(devices=simulated(cards=2, tiles=2))
    return service.start()
