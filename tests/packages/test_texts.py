"""What the packages' own files say agrees with the rest of the tree."""

from __future__ import annotations

import re
import subprocess

import packages
import pytest
import yaml
from packages import BUILD, SOURCE

EXAMPLE = SOURCE / "packaging/itexd.yaml"
KEY = re.compile(r"^#([a-z_]+): (.*)$", re.MULTILINE)


def test_versions_agree():
    version = packages.version()
    found = {
        "pyproject.toml": re.search(
            r'^version = "(.*)"$', (SOURCE / "client/python/pyproject.toml").read_text(), re.MULTILINE
        )[1],
        "debian/changelog": re.match(r"itexd \((.*)-", (SOURCE / "packaging/debian/changelog").read_text())[
            1
        ],
        "itexd.spec": re.search(
            r"^Version: +(\S+)$", (SOURCE / "packaging/itexd.spec").read_text(), re.MULTILINE
        )[1],
        "CHANGELOG.md": re.search(r"^## (\S+)", (SOURCE / "CHANGELOG.md").read_text(), re.MULTILINE)[1],
    }
    assert found == dict.fromkeys(found, version)


def options():
    """The keys of the configuration file with their defaults, as itexd itself has them."""
    text = subprocess.run(
        [BUILD / "daemon/itexd", "--help"], capture_output=True, text=True, check=True
    ).stdout
    text = text.partition("Also in the configuration file")[2]
    found = {}
    for entry in re.split(r"\n  (?=--)", text)[1:]:
        name = re.match(r"--([a-z-]+)", entry)[1].replace("-", "_")
        words = " ".join(entry.split())
        default = re.search(r"\(([^()]*)\)$", words)
        found[name] = default[1] if default else None
    return found


def check(path):
    return subprocess.run(
        [BUILD / "daemon/itexd", f"--config={path}", f"--rules={SOURCE / 'db/rules'}", "--check"],
        capture_output=True,
        text=True,
    )


def test_shipped_configuration_says_nothing():
    assert yaml.safe_load(EXAMPLE.read_text()) is None
    assert check(EXAMPLE).returncode == 0


def test_shipped_configuration_has_every_key():
    assert sorted(name for name, _ in KEY.findall(EXAMPLE.read_text())) == sorted(options())


def test_what_is_commented_is_the_default():
    said = dict(KEY.findall(EXAMPLE.read_text()))
    for name, default in options().items():
        if default is not None and name != "rules":  # the build's prefix is another
            assert said[name] == default, name


@pytest.mark.parametrize("name", sorted(options()))
def test_shipped_configuration_may_be_uncommented(name, tmp_path):
    """A key at a time, as an administrator does it."""
    if options()[name] is None:
        pytest.skip("has no default")
    text = re.sub(rf"^#({name}: )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    changed = tmp_path / "itexd.yaml"
    changed.write_text(text)
    done = check(changed)
    assert done.returncode == 0, done.stderr
