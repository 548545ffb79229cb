"""Jobs in namespaces as containers have them, made by unshare as root: what docs/containers.md promises."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time

import pytest
from harness import INSTRUMENTED, ITEXCTL, NOBODY, TIMEOUT, with_client_library

CTL = shlex.quote(str(ITEXCTL))
PID = ["--pid", "--fork", "--mount-proc"]
USER = ["--user", "--map-root-user", *PID]


@pytest.fixture
def node(as_root, make_itexd, simulated):
    return make_itexd(devices=simulated(cards=2, tiles=2)).start()


def enter(node, namespaces, script, user=None):
    """A shell script in new namespaces."""
    environment = {**INSTRUMENTED, "PATH": os.environ["PATH"], "ITEXD_SOCKET": str(node.socket)}
    identity = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    result = subprocess.run(
        ["unshare", *namespaces, "sh", "-c", script],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
        **identity,
    )  # fmt: skip
    if "unshare failed" in result.stderr or "Operation not permitted" in result.stderr:
        pytest.skip("namespaces may not be made here")
    return result


def leases(node):
    return json.loads(node.ctl("leases", "--json").stdout)["leases"]


def until_free(node):
    deadline = time.monotonic() + TIMEOUT
    while leases(node):
        assert time.monotonic() < deadline, leases(node)
        time.sleep(0.01)


@pytest.mark.parametrize(("namespaces", "user"), [(PID, None), (USER, NOBODY)], ids=["pid", "user"])
def test_run_holds_its_lease(node, namespaces, user):
    inner = (
        f"echo mask=$ZE_AFFINITY_MASK pid=$$; {CTL} leases --json; "
        f"{CTL} explain ${{ITEXD_DECISION%%:*}} --json"
    )
    result = enter(node, namespaces, f"{CTL} run --quiet --gpus 1 -- sh -c {shlex.quote(inner)}", user=user)
    assert result.returncode == 0, result.stderr
    first, held, told = result.stdout.splitlines()
    assert first.startswith("mask=0 pid=")
    lease = json.loads(held)["leases"][0]
    assert lease["uid"] == (user or 0)
    assert lease["mine"] is True
    assert json.loads(told)["lease"]["state"] == "accepted"
    until_free(node)


def test_process_1_may_hold(node):
    result = enter(node, PID, f"exec {CTL} run --quiet --gpus 1 -- sh -c 'echo $$'")
    assert result.stdout == "1\n"
    until_free(node)


def test_a_pid_of_the_container_is_not_taken_for_one_of_the_node(node):
    """1 is another process out there; its start time tells."""
    result = enter(node, PID, f"{CTL} env --gpus 1 --holder 1; echo status=$?")
    assert result.stdout.splitlines()[-1] != "status=0"
    assert "container" in result.stderr
    assert leases(node) == []


def test_root_of_a_container_administrates_nothing(node):
    result = enter(node, USER, f"id -u; {CTL} devices drain 3a:00.0", user=NOBODY)
    assert result.stdout == "0\n"
    assert result.returncode == 77


def test_a_report_from_inside(node):
    """By way of the hook's library: the process descends from the holder."""
    report = (
        "import ctypes\nlibrary = ctypes.CDLL('libitexclient.so.1')\n"
        "decision, match = ctypes.c_void_p(), ctypes.c_int()\n"
        "assert library.itex_decision_inherited(None, 10000, ctypes.byref(decision)) == 0\n"
        "assert library.itex_decision_report(decision, b'npd', 1, ctypes.byref(match)) == 0\n"
        "print('match', match.value)\n"
    )
    python = shlex.join(with_client_library("/usr/bin/python3", "-c", report))
    script = f"{CTL} run --quiet --gpus 1 --keras 0 --itex newest -- {python}"
    result = enter(node, PID, script)
    assert result.stdout == "match 1\n", result.stderr


def test_the_mounted_folder_survives_a_restart(node, tmp_path):
    """As a container has it; the service makes its socket anew meanwhile."""
    inside, ready, go = tmp_path / "inside", tmp_path / "ready", tmp_path / "go"
    inside.mkdir()
    os.mkfifo(ready)
    os.mkfifo(go)
    script = (
        f"mount --bind {node.socket.parent} {inside} && export ITEXD_SOCKET={inside}/{node.socket.name} && "
        f"{CTL} status >/dev/null && echo up > {ready} && read line < {go} && {CTL} status | head -n 1"
    )
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script],
        env={**INSTRUMENTED, "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert ready.read_text() == "up\n"
        node.restart()
        go.write_text("on\n")
        out, _ = process.communicate(timeout=TIMEOUT)
        assert out.startswith("ok: itexd")
    finally:
        process.kill()
        process.wait(TIMEOUT)
