"""What is given out is well-formed for every reader, and what docs/metrics.md says."""

from __future__ import annotations

import re
import subprocess

import pytest
from asking import accept, ask, granted
from harness import SOURCE
from scraping import ACCEPT, OPEN, PLAIN, Numbers, get, samples, wait_for

HEADS = {"counter": "_total", "info": "_info"}


def measured(numbers):
    return bool(numbers.matching("hw_power_watts"))


def test_a_strict_parser_reads_both_formats_and_finds_the_same(metered):
    wait_for(metered, measured)
    open_text, plain_text = get(metered).text, get(metered, accept=None).text
    assert open_text.endswith("# EOF\n")
    assert "# EOF" not in plain_text
    in_open, in_plain = samples(open_text), samples(plain_text, plain=True)
    assert in_open.keys() == in_plain.keys()


def test_promtool_has_nothing_to_say(metered):
    wait_for(metered, measured)
    text = get(metered, accept=None).text
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (ACCEPT, OPEN),
        ("application/openmetrics-text", OPEN),
        ("application/openmetrics-text; version=1.0.0", OPEN),
        ("application/openmetrics-text; version=0.0.1", PLAIN),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.5", PLAIN),
        ("application/openmetrics-text;q=0", PLAIN),
        ("text/plain;version=0.0.4", PLAIN),
        ("*/*", PLAIN),
        (None, PLAIN),
        ("text/html, garbage;;;q=x,,=", PLAIN),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(metered, accept, given):
    response = get(metered, accept=accept)
    assert response.status == 200
    assert response.getheader("Content-Type") == given


def documented():
    """{name of the samples: type} of the tables."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (SOURCE / "docs" / "metrics.md").read_text(), re.MULTILINE)
    assert len(rows) == len({name for name, _ in rows})
    return dict(rows)


def test_the_documentation_lists_every_metric_and_no_other(metered):
    heads = re.findall(r"^# TYPE (\w+) (\w+)$", get(metered).text, re.MULTILINE)
    assert {name + HEADS.get(kind, ""): kind for name, kind in heads} == documented()


def test_the_documentation_names_every_label(metered, holders):
    """Labels that samples have are in their row, but for `common` ones and a histogram's own."""
    with metered.client() as client:
        granted(ask(client, holders.new(), job="17"))
    numbers = wait_for(metered, measured)
    text = (SOURCE / "docs" / "metrics.md").read_text()
    common = {"pci_bdf", "hw_id", "hw_name", "com_intel_subdevice_id"}
    for name, labels in numbers.samples:
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        row = re.search(rf"^\| `(?:{name}|{base})` .*$", text, re.MULTILINE)[0]
        known = set(re.findall(r"`(\w+)`", row)) | {"le"} | (common if "common" in row else set())
        assert {label for label, _ in labels} <= known, row


def test_names_of_jobs_are_escaped_and_bounded(metered, holders):
    job = 'a"b\\c\nd\x01\u00e9' + "\u20ac" * 60
    with metered.client() as client:
        decision = granted(ask(client, holders.new(), job=job))
        accept(client, decision)
        numbers = Numbers(metered)
    (labels,) = [dict(labels) for name, labels in numbers.samples if name == "itexd_lease_info"]
    assert labels["job_id"].startswith('a"b\\c\nd?\u00e9\u20ac\u20ac')
    assert 120 < len(labels["job_id"].encode()) <= 128
    assert (labels["state"], labels["sharing"], labels["tile"]) == ("accepted", "exclusive", "")


def test_no_other_metric_names_the_job(metered, holders):
    with metered.client() as client:
        granted(ask(client, holders.new(), job="only-here"))
    named = [line for line in Numbers(metered).text.splitlines() if "only-here" in line]
    assert len(named) == 1
    assert named[0].startswith("itexd_lease_info{")
