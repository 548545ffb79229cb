"""Metrics on the socket that systemd opens: the service itself has no network."""

from __future__ import annotations

import re
import subprocess

from itexd_unit import METRICS_SOCKET

URL = "http://127.0.0.1:9489/metrics"
UNIX = "/run/itexd-metrics.sock"
SOCKET_DROP_INS = f"/etc/systemd/system/{METRICS_SOCKET}.d"


def fetch(unit, *where, **options):
    return unit.run("curl", "--silent", "--show-error", "--max-time", "20", *(where or (URL,)), **options)


def enable(unit):
    """As the unit says in its first line."""
    text = unit.path(unit.show("FragmentPath", METRICS_SOCKET)).read_text()
    command = re.search(r": (systemctl enable .*)$", text, re.MULTILINE)[1]
    unit.run("sh", "-c", command)


def assert_metrics(text):
    assert "\nitexd_build_info{" in text


def test_off_unless_enabled(unit):
    unit.start()
    assert fetch(unit, check=False).returncode == 7  # nobody listens
    names = unit.proc(unit.pid, "environ").read_text().split("\0")
    assert "LISTEN_FDNAMES=itexd" in names


def test_enabled_while_it_runs(unit):
    unit.start()
    before = unit.pid
    enable(unit)
    assert unit.pid != before
    assert_metrics(fetch(unit).stdout)
    assert_metrics(fetch(unit, user="nobody").stdout)
    names = dict(
        entry.partition("=")[::2] for entry in unit.proc(unit.pid, "environ").read_text().split("\0")
    )
    assert sorted(names["LISTEN_FDNAMES"].split(":")) == ["itexd", "metrics"]
    # requests go on by the other socket
    assert unit.status().startswith("ok: ")


def test_a_scrape_starts_the_service(unit):
    enable(unit)
    unit.systemctl("stop", "itexd.service")
    assert_metrics(fetch(unit).stdout)
    assert unit.show("ActiveState") == "active"


def test_a_scrape_during_a_restart_waits(unit):
    enable(unit)
    unit.run("kill", "-STOP", unit.pid)
    scrape = unit.machine.start("curl", "--silent", "--max-time", "60", URL, stdout=subprocess.PIPE)
    unit.run("kill", "-KILL", unit.pid)
    scrape.communicate()  # that one may have been accepted before; the next is not refused
    assert_metrics(fetch(unit).stdout)


def test_on_a_unix_socket_of_a_group(unit):
    """The drop-in of docs/systemd.md, with a group that is here."""
    directory = unit.path(SOCKET_DROP_INS)
    directory.mkdir()
    lines = ["[Socket]", "ListenStream=", f"ListenStream={UNIX}", "SocketGroup=daemon", "SocketMode=0660"]
    (directory / "unix.conf").write_text("\n".join(lines) + "\n")
    try:
        unit.systemctl("daemon-reload")
        enable(unit)
        assert_metrics(fetch(unit, "--unix-socket", UNIX, "http://localhost/metrics", user="daemon").stdout)
        assert (
            fetch(
                unit, "--unix-socket", UNIX, "http://localhost/metrics", user="nobody", check=False
            ).returncode
            == 7
        )
        assert fetch(unit, check=False).returncode == 7
    finally:
        unit.systemctl("disable", "--now", "--quiet", METRICS_SOCKET)
        unit.run("rm", "-r", SOCKET_DROP_INS)
        unit.systemctl("daemon-reload")
