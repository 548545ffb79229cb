"""The packages, built once a session, and machines of a clean root."""

from __future__ import annotations

import packages
import pytest


@pytest.fixture(scope="session")
def debs():
    """The folder of the Debian packages."""
    if why := packages.missing("dpkg-buildpackage", "dh"):
        pytest.skip(why)
    return packages.build("deb")


@pytest.fixture(scope="session")
def newer_debs(debs):
    """The same of a higher version."""
    return packages.build("deb", revision=2)


@pytest.fixture
def machine(debs):
    """A booted machine of a clean root, without any of the packages."""
    if why := packages.cannot_install():
        pytest.skip(why)
    with packages.machines.Machine(root=packages.clean_root(debs)) as made:
        made.boot()
        yield made
        print("---- journal\n" + made.journal("itexd.service"))
