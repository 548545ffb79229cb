"""One machine for all tests of the units: the build installed in it, its sockets listening."""

from __future__ import annotations

import machine as machines
import pytest
from itexd_unit import Unit


@pytest.fixture(scope="session")
def booted():
    if why := machines.cannot_run():
        pytest.skip(why)
    with machines.Machine(read_only=[machines.SOURCE]) as made:
        made.install(machines.BUILD)
        made.boot()
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
