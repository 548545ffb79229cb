"""What systemd-analyze security says of the units, as it stands in the drop-ins and in docs/systemd.md."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from machine import BUILD, SOURCE

DROP_INS = ["acl", "foreign", "telemetry", "network"]
CAPABILITY = {"acl": "CAP_FOWNER", "foreign": "CAP_SYS_PTRACE", "telemetry": "CAP_PERFMON", "network": None}
MEASURED_WITH = 252
DOCUMENT = (SOURCE / "docs" / "systemd.md").read_text()


def version():
    if not shutil.which("systemd-analyze"):
        return 0
    return int(
        subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True).stdout.split()[1]
    )


pytestmark = pytest.mark.skipif(
    version() != MEASURED_WITH,
    reason=f"the scores are those of systemd {MEASURED_WITH}; others weigh otherwise",
)


@pytest.fixture
def score(tmp_path):
    """score(drop-in...): of the built unit with these."""

    def compute(*drop_ins):
        unit = tmp_path / "itexd.service"
        text = (BUILD / "systemd" / "itexd.service").read_text()
        unit.write_text(re.sub(r"^ExecStart=.*", "ExecStart=/bin/true", text, flags=re.MULTILINE))
        directory = tmp_path / "itexd.service.d"
        directory.mkdir()
        for name in drop_ins:
            shutil.copy(BUILD / "systemd" / f"{name}.conf", directory)
        result = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stderr == "", result.stderr  # an option that it does not know
        return re.search(r"Overall exposure level for itexd.service: (\d+\.\d)", result.stdout)[1]

    return compute


def documented(row):
    """The score of this row in the document's table."""
    return re.search(rf"^\| {row} \|.*\| (\d+\.\d) \|$", DOCUMENT, re.MULTILINE)[1]


def test_of_the_unit(score):
    default = score()
    assert float(default) <= 1.0
    assert default == documented("`itexd.service`")


@pytest.mark.parametrize("name", DROP_INS)
def test_of_a_drop_in(score, name):
    text = (BUILD / "systemd" / f"{name}.conf").read_text()
    said = re.search(r"^# systemd-analyze security: (\d+\.\d)$", text, re.MULTILINE)[1]
    assert score(name) == said == documented(f"`{name}.conf`")


def test_of_all_capabilities(score):
    assert score("acl", "foreign", "telemetry") == documented("all three capabilities")


@pytest.mark.parametrize("name", DROP_INS)
def test_a_drop_in_gives_one_capability(name):
    text = (BUILD / "systemd" / f"{name}.conf").read_text()
    wanted = [CAPABILITY[name]] if CAPABILITY[name] else []
    assert re.findall(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE) == wanted
    assert re.findall(r"^AmbientCapabilities=(.*)$", text, re.MULTILINE) == wanted
    assert f"{name}.conf" in re.search(r"^#   install .*$", text, re.MULTILINE)[0]
