"""itexctl run --supervise: a parent that lasts as long as the last process of the job, and not longer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from pathlib import Path

import pytest
from harness import INSTRUMENTED, ITEXCTL, TIMEOUT


@pytest.fixture
def node(make_itexd, simulated):
    gpus = simulated(cards=2, tiles=2)
    service = make_itexd(devices=gpus, config={"sample_interval": "100ms"}).start()
    service.gpus = gpus
    return service


@pytest.fixture
def supervised():
    """supervised(service, command...): started, killed with all its tree at the end."""
    started = []

    def start(service, *command, options=(), **more):
        environment = {**INSTRUMENTED, "PATH": os.environ["PATH"], "ITEXD_SOCKET": str(service.socket)}
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        words = [str(ITEXCTL), "run", "--quiet", "--supervise", *options, "--", *command]
        process = subprocess.Popen(words, env=environment, text=True, stdin=subprocess.DEVNULL, **more)
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait(TIMEOUT)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def leases(service):
    return json.loads(service.ctl("leases", "--json").stdout)["leases"]


def until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_status_is_the_commands(node, supervised, status):
    assert supervised(node, "sh", "-c", f"exit {status}").wait(TIMEOUT) == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_signal_that_ends_the_command_ends_it(node, supervised, number):
    assert supervised(node, "sh", "-c", f"kill -{int(number)} $$").wait(TIMEOUT) == -number


def test_what_cannot_be_executed(node, supervised, tmp_path):
    assert supervised(node, "no-such-command-here").wait(TIMEOUT) == 127
    (tmp_path / "plain").write_text("no program")
    assert supervised(node, str(tmp_path / "plain")).wait(TIMEOUT) == 126


def test_the_lease_lasts_as_long_as_what_was_left(node, supervised, tmp_path):
    end = tmp_path / "end"
    os.mkfifo(end)
    process = supervised(node, "sh", "-c", f"(exec >&-; read line < {end}) & exit 5", options=["--gpus", "1"])
    assert "go on, and keep its devices" in process.stderr.readline()
    assert process.poll() is None
    assert len(leases(node)) == 1
    end.write_text("now\n")
    assert process.wait(TIMEOUT) == 5
    until(lambda: not leases(node))


def test_signals_go_to_the_command(node, supervised):
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    process = supervised(node, "sh", "-c", script)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "got\n"
    assert process.wait(TIMEOUT) == 9


def test_signals_go_to_what_was_left(node, supervised):
    script = "(trap 'echo worker; exit 0' TERM; echo ready; while :; do sleep 0.05; done) & exit 0"
    process = supervised(node, "sh", "-c", script)
    assert process.stdout.readline() == "ready\n"
    assert "go on" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "worker\n"
    assert process.wait(TIMEOUT) == 0


def test_the_terminal_interrupts_once(node, supervised):
    """Both are in the foreground: what the terminal sends to all is not sent again."""
    ours, theirs = pty.openpty()
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, lambda *_: os.write(1, b'interrupted'))\n"
        "os.write(1, b'ready')\n"
        "time.sleep(0.5)\ntime.sleep(0.5)\nprint('end', flush=True)\n"
    )
    try:
        process = supervised(
            node, "/usr/bin/python3", "-c", script, stdout=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        said = read_until(ours, b"ready")
        os.write(ours, b"\x03")
        said += read_until(ours, b"end")
        assert said.count(b"interrupted") == 1, said
        assert process.wait(TIMEOUT) == 0
    finally:
        os.close(ours)


def has_ended(pid):
    """Gone, or waiting for whoever adopted it to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def read_until(fd, word):
    said = b""
    while word not in said:
        assert select.select([fd], [], [], TIMEOUT)[0], said
        try:
            said += os.read(fd, 4096)
        except OSError:  # the other end has gone
            raise AssertionError(said) from None
    return said


def test_a_killed_supervisor_leaves_no_job(node, supervised, tmp_path):
    script = "trap 'exit 0' TERM; echo $$; while :; do sleep 0.05; done"
    process = supervised(node, "sh", "-c", script)
    command = int(process.stdout.readline())
    process.kill()
    until(lambda: has_ended(command))


def test_what_happens_to_its_device_is_said(node, supervised):
    process = supervised(node, "sh", "-c", "echo ready; exec sleep 60", options=["--gpus", "2"])
    assert process.stdout.readline() == "ready\n"
    node.gpus.change("set 0 temperature 120")
    line = process.stderr.readline()
    assert line.startswith("itexctl: device 0000:3a:00.0: degraded"), line
    process.terminate()
    assert process.wait(TIMEOUT) == -signal.SIGTERM


def test_the_service_may_go_and_come(node, supervised):
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    process = supervised(node, "sh", "-c", script, options=["--gpus", "1"])
    assert process.stdout.readline() == "ready\n"
    node.restart()
    assert len(leases(node)) == 1
    process.terminate()
    assert process.wait(TIMEOUT) == 3


def test_without_a_service_it_supervises_too(tmp_path):
    result = subprocess.run(
        [ITEXCTL, "run", "--supervise", "--", "sh", "-c", "exit 4"],
        capture_output=True, text=True, timeout=TIMEOUT,
        env={**INSTRUMENTED, "PATH": os.environ["PATH"], "ITEXD_SOCKET": str(tmp_path / "none")},
    )  # fmt: skip
    assert result.returncode == 4
    assert len(result.stderr.splitlines()) == 1
