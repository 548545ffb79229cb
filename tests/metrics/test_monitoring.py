"""The alert rules and the dashboard that are shipped, against a real Prometheus and a service in trouble."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from asking import FIRST, PATIENT, accept, ask, begin, granted, position
from disks import wait_recorded

import monitoring

# Alerts of what a test cannot wait for, or of two nodes: promtool fires them, and here the series that they
# look at are looked for.
ONLY_SERIES = {
    "ItexdDown",
    "ItexdHangs",
    "ItexdDatabaseMovedAside",
    "ItexdUndelivered",
    "ItexdRefusals",
    "ItexdRejected",
    "ItexdSlow",
    "ItexdCommitsSlow",
    "ItexdWriteQueueLong",
    "ItexdWalLarge",
    "ItexdRuleSetWaits",
    "ItexdRuleSetsDiffer",
    "ItexdVersionsDiffer",
    "ItexdLogLost",
    "ItexdWorkerRestarts",
    "ItexdWorkerAway",
    "ItexdDeviceLost",
    "ItexdDeviceStale",
    "ItexdWaitsLong",
}
STATE = re.compile(r",?hw_state(?:=~?|!=)\"[^\"]*\"|,?state=~\"[^\"]*\"")


def series_of(expression):
    """What it looks at, without conditions on values and states."""
    return [STATE.sub("", text) for text in re.findall(r"(?:itexd_|hw_|up)\w*(?:\{[^}]*\})?", expression)]


def test_promtool_checks_the_rules():
    result = subprocess.run(["promtool", "check", "rules", monitoring.RULES], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_fires_and_is_silent():
    """promtool plays a series to each alert: one that fires it, and one that must not."""
    files = [Path(__file__).parent / name for name in ("alerts_test.yml", "alerts_of_days_test.yml")]
    result = subprocess.run(
        ["promtool", "test", "rules", *files], capture_output=True, text=True, cwd=files[0].parent
    )
    assert result.returncode == 0, result.stdout + result.stderr
    tried = "".join(file.read_text() for file in files)
    for alert in monitoring.alerts():
        for word in ("fires", "is silent"):
            assert f"  - name: {alert} {word}\n" in tried, f"no test says when {alert} {word}"


def test_every_alert_says_what_happened_and_how_bad_it_is():
    for group in yaml.safe_load(monitoring.RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}
            assert rule["annotations"]["summary"]


def decide_and_report(service):
    """Jobs of several kinds, one of which gets something else, and refusals."""
    with service.client() as client:
        for declared in ({"keras": "0"}, {"keras": "3", "jit": "on"}):
            decision = client.resolve(declared=declared)
            client.error("explain", decision=999_999)
        client.ok("report", decision=decision.id, mode="none")


def decide_without_recording(service):
    with service.client() as client:
        assert not client.resolve(declared={"keras": "0"}).recorded


def lose_database(service):
    """A directory is in its place: nothing is recorded until that has gone."""
    service.database.rename(service.database.with_name("elsewhere"))
    service.database.mkdir()


def bring_trouble(service, gpus, prometheus):
    decide_and_report(service)
    gpus.change(
        "set 0 temperature 104", "set 0 ras_uncorrectable 3", "set 0 throttle 8", "set 0 reset_required 1"
    )
    prometheus.wait('hw_status{hw_state="degraded"} == 1')
    prometheus.wait("increase(itexd_mismatched_decisions_total[5m]) > 0")
    lose_database(service)
    wait_recorded(service, False)
    decide_without_recording(service)
    prometheus.wait("itexd_recording == 0")
    prometheus.wait("increase(itexd_unrecorded_decisions_total[15m]) > 0")


@pytest.fixture
def troubled(make_itexd, simulated, holders, tmp_path):
    """A Prometheus that has scraped a service before there was trouble of every kind, and since."""
    gpus = simulated(cards=2, tiles=2)
    service = make_itexd({"sample_interval": "200ms"}, devices=gpus)
    prometheus = monitoring.Prometheus(tmp_path, monitoring.start_with_tcp(service))
    try:
        prometheus.wait('hw_power_watts{job="itexd"}')
        with service.client() as held, service.client() as waiting:
            accept(held, granted(ask(held, holders.new(), count=2, job="17")))
            position(waiting, begin(waiting, holders.new(), wait_ms=PATIENT))
            bring_trouble(service, gpus, prometheus)
            yield prometheus
    finally:
        prometheus.stop()


def check_that_every_expression_gives_something(troubled):
    """Of the dashboard all; of the alerts those whose trouble is there; of the others their series."""
    nothing = {}
    for name, expression in monitoring.panels().items():
        if not troubled.query(expression.replace("[5s]", "[1m]")):
            nothing[name] = expression
    for name, expression in monitoring.alerts().items():
        for one in series_of(expression) if name in ONLY_SERIES else [expression]:
            if not troubled.query(one):
                nothing[name] = one
    assert not nothing


def check_that_the_texts_of_alerts_can_be_filled_in(troubled):
    for name in ("ItexdDegraded", "ItexdNotRecording", "ItexdMismatches", "ItexdDeviceErrors"):
        troubled.wait(f'ALERTS{{alertname="{name}"}}')
    alerts = troubled.ask("alerts")["alerts"]
    for alert in alerts:
        for text in alert["annotations"].values():
            assert "error" not in text.replace("uncorrectable errors", ""), text
            assert "no value" not in text, text


def check_that_the_scrape_was_of_openmetrics_and_whole(troubled):
    (target,) = troubled.ask("targets")["activeTargets"]
    assert target["health"] == "up", target["lastError"]
    assert troubled.query("scrape_samples_scraped > 300")
    assert troubled.query(f'itexd_lease_info{{job_id="17",pci_bdf="{FIRST}"}} == 1')
    kinds = troubled.ask("targets/metadata", metric="itexd_build")
    assert [kind["type"] for kind in kinds] == ["info"], "only OpenMetrics has infos"


def test_a_prometheus_sees_all_of_it(troubled):
    """One node and one Prometheus for all three, for they take a while to start."""
    check_that_every_expression_gives_something(troubled)
    check_that_the_texts_of_alerts_can_be_filled_in(troubled)
    check_that_the_scrape_was_of_openmetrics_and_whole(troubled)
