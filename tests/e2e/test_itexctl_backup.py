"""itexctl backup: a whole file or none, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess

import pytest
from harness import ITEXCTL, TIMEOUT, ctl


@pytest.fixture
def silent(tmp_path):
    """A socket where somebody listens and never answers."""
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(TIMEOUT)
        yield path, listener


def test_a_whole_database(itexd, tmp_path):
    itexd.ctl("resolve", "--keras", "0")
    target = tmp_path / "copy.db"
    result = itexd.ctl("backup", target)
    assert result.returncode == 0, result.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(target) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_existing_file_stays_as_it_is(itexd, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("precious")
    assert itexd.ctl("backup", target).returncode == 2
    assert target.read_text() == "precious"
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere")
    assert itexd.ctl("backup", link).returncode == 2
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_left_without_a_service(tmp_path):
    target = tmp_path / "copy.db"
    assert ctl("backup", target, socket_path=tmp_path / "none").returncode == 69
    assert not target.exists()


def test_nothing_is_left_when_it_takes_too_long(silent, tmp_path):
    target = tmp_path / "copy.db"
    assert ctl("backup", "--timeout", "200ms", target, socket_path=silent[0]).returncode == 69
    assert not target.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_a_signal(silent, tmp_path, number):
    path, listener = silent
    target = tmp_path / "copy.db"
    process = subprocess.Popen(
        [ITEXCTL, "backup", target],
        env={"PATH": os.environ["PATH"], "ITEXD_SOCKET": str(path)},
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # who runs the tests may ignore it
    )
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(65536)
        assert target.exists()
        process.send_signal(number)
        assert process.wait(TIMEOUT) == -number
    assert not target.exists()
