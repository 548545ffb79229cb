"""Fixtures of the end-to-end tests; harness.py is what they hand out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import asking
import doctoring
import harness
import pytest
import valgrind
from device_root import DeviceRoot
from machine import need_namespaces


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="more rounds where a test repeats itself")


@pytest.fixture
def rounds(request):
    """rounds(short, long): how often a repeating test repeats."""
    return lambda short, long: long if request.config.getoption("--long") else short


@pytest.fixture
def make_itexd():
    """Makes services that end with the test; make_itexd(config) does not start one."""
    made = []

    def make(config=None, **options):
        made.append(harness.Itexd(config=config, **options))
        return made[-1]

    yield make
    for service in made:
        service.cleanup()


@pytest.fixture
def simulated():
    """Makes simulated nodes: simulated(cards=2, tiles=2, ...)."""
    with tempfile.TemporaryDirectory(prefix="itexd-gpus-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)

        def make(**shape):
            own = Path(tempfile.mkdtemp(dir=directory))
            own.chmod(0o755)
            return harness.Simulated(own, **shape)

        yield make


@pytest.fixture
def device_root():
    """A machine's devices as --device-root takes them, empty yet."""
    with tempfile.TemporaryDirectory(prefix="itexd-root-", dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        yield DeviceRoot(Path(directory))


@pytest.fixture
def whole(device_root):
    """A machine with a card that everybody may use, for one command of its own at a time."""
    need_namespaces()
    return doctoring.WholeMachine(device_root)


@pytest.fixture
def holders():
    """Processes that hold devices, until they are killed or the test ends."""
    made = asking.Holders()
    yield made
    made.end()


@pytest.fixture
def node(make_itexd, simulated):
    """A started service with two simulated cards of two tiles."""
    return make_itexd(devices=simulated(cards=2, tiles=2)).start()


@pytest.fixture
def memcheck(tmp_path):
    """How to run programs under valgrind's memcheck."""
    if why := valgrind.cannot_run():
        pytest.skip(why)
    made = valgrind.Memcheck(tmp_path)
    yield made
    made.close()


@pytest.fixture
def itexd(make_itexd):
    """A fresh, started service."""
    return make_itexd().start()


@pytest.fixture(scope="module")
def shared_itexd():
    """One started service for tests that leave nothing behind that another would see."""
    service = harness.Itexd()
    try:
        yield service.start()
    finally:
        service.cleanup()


@pytest.fixture
def client(itexd):
    with itexd.client() as connection:
        yield connection


@pytest.fixture
def shared_client(shared_itexd):
    with shared_itexd.client() as connection:
        yield connection


@pytest.fixture
def as_root():
    if os.geteuid() != 0:
        pytest.skip("needs root, to act as other users")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure shows the end of the log of every service that the test had."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for service in harness.Itexd.started:
            report.sections.append((f"log of {service.directory}", service.log[-6000:]))


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish():
    harness.Itexd.started[:] = [service for service in harness.Itexd.started if service.alive()]
