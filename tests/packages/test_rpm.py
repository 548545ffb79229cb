"""The RPM packages are those of Debian, file by file."""

from __future__ import annotations

import re

import packages
import pytest
from packages import call, contents, deb

# What RPM's own conventions call them.
NAMES = {
    "itexd": "itexd",
    "itexctl": "itexctl",
    "libitexclient1": "libitexclient",
    "libitexclient-dev": "libitexclient-devel",
    "python3-itexclient": "python3-itexclient",
}
# Where a file is by the conventions of either: how the comparison names it.
PLACES = [
    (r"^/usr/lib/x86_64-linux-gnu/|^/usr/lib64/", "LIBRARIES/"),
    (r"^/usr/lib/systemd/|^/lib/systemd/", "SYSTEMD/"),
    (r"^/usr/lib/python3[^/]*/(dist|site)-packages/", "PYTHON/"),
    (r"^/usr/share/zsh/(site-functions|vendor-completions)/", "ZSH/"),
    (r"^(/usr/share/man/.*)\.gz$", r"\1"),
]
# Of one of them only, by its own rules.
OWN = re.compile(r"^/usr/share/(doc|licenses|lintian|python3)/|/__pycache__/|^/usr/lib/\.build-id/")


@pytest.fixture(scope="module")
def rpms():
    if why := packages.missing("rpmbuild", "rpm"):
        pytest.skip(why)
    return packages.build("rpm")


def rpm(folder, name):
    [found] = [path for path in folder.glob(f"{name}-[0-9]*.rpm") if not path.name.endswith(".src.rpm")]
    return found


def query(package, *words):
    return call("rpm", "--query", "--package", *words, package).splitlines()


def named(paths):
    kept = set()
    for path in paths:
        if not OWN.search(path):
            for pattern, place in PLACES:
                path = re.sub(pattern, place, path)
            kept.add(path)
    return kept


@pytest.mark.parametrize("name", NAMES)
def test_the_same_files(name, debs, rpms):
    rows = query(rpm(rpms, NAMES[name]), "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]")
    files = {path for rights, path in (row.split(" ", 1) for row in rows) if not rights.startswith("d")}
    assert named(files) == named(contents(deb(debs, name)))


def test_the_same_configuration_files(rpms):
    rows = query(rpm(rpms, "itexd"), "--queryformat", "[%{FILEFLAGS:fflags} %{FILENAMES}\n]")
    marked = [row for row in rows if row.split(" ")[0].startswith("c")]
    assert marked == ["cn /etc/itexd/itexd.yaml"], "configuration, and not replaced where it was changed"


def test_everything_has_a_license(rpms):
    for name in NAMES.values():
        if name != "libitexclient-devel":  # its library has it
            assert any("/licenses/" in path for path in query(rpm(rpms, name), "--list")), name


def test_source_package_has_the_archive(rpms):
    [source] = rpms.glob("*.src.rpm")
    assert sorted(query(source, "--list")) == [f"itexd-{packages.version()}.tar.xz", "itexd.spec"]
