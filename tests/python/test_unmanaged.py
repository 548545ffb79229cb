"""Without a service to ask: the script runs all the same, one line says why, its environment is as it was."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess

import pytest
from harness import NOBODY, SLOW, pb
from scripts import PACKAGE, greet, reply, until

CONFIGURE = """
d = itexclient.configure(keras=0, {options})
show(d.unmanaged, d.id, d.verdict, d.mode, d.env, d.report("npd", 1))
show(os.environ.get("ITEX_DISABLE_XLA"), in_c("ITEX_DISABLE_XLA"), os.environ.get("ITEXD_DECISION"))
show("it goes on")
"""
REQUIRED = """
try:
    itexclient.configure(keras=0, require=True, {options})
except itexclient.Unavailable as error:
    show(str(error), error.status)
show(os.environ.get("ITEX_DISABLE_XLA"))
"""


def unmanaged(start, socket_path, words, status, options="", env=None):
    """Both ways: goes on with one warning; with require=True there is an exception."""
    env = {"ITEX_DISABLE_XLA": "as it was", **(env or {})}
    script = start(CONFIGURE.format(options=options), socket_path, env=env)
    nothing, environment, last = script.rest()
    assert words in nothing[0]
    assert nothing[1:] == [0, None, None, {}, None]
    assert environment == ["as it was", "as it was", None]
    assert last == "it goes on"
    said = [line for line in script.said().splitlines() if "Warning" in line]
    assert len(said) == 1, script.said()
    assert said[0].startswith("<string>:")  # the script's own line
    assert words in said[0]
    text, got = start(REQUIRED.format(options=options), socket_path, env=env).rest()[0]
    assert words in text
    assert got == status


def test_absent(start, tmp_path):
    unmanaged(start, tmp_path / "none", f"no itexd at {tmp_path}/none", -3)


def test_slow(start, fake):
    unmanaged(start, fake(lambda *_: None).path, "no answer", -4, options=f"timeout={0.3 * SLOW}")


def test_hung(start, itexd):
    itexd.process.send_signal(signal.SIGSTOP)
    try:
        unmanaged(start, itexd.socket, "no answer", -4, options=f"timeout={0.3 * SLOW}")
    finally:
        itexd.process.send_signal(signal.SIGCONT)


def test_newer(start, fake):
    newer = fake(lambda connection, request: greet(connection, request, major=9, minimum_major=9))
    unmanaged(start, newer.path, "versions 9 to 9", -5)


def test_something_else(start, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "other"))
        listener.listen()
        unmanaged(start, tmp_path / "other", "not itexd", -3)


def test_no_right_to_connect(start, itexd, as_root):
    os.chmod(itexd.socket, 0o600)
    script = start(
        "show(itexclient.configure(keras=0).unmanaged)",
        itexd.socket,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    [why] = script.rest()
    assert "Permission denied" in why


def test_without_the_library(start, itexd, tmp_path):
    """As a package that was copied: no library beside it, none that the loader finds."""
    shutil.copytree(PACKAGE, tmp_path / "package")
    env = {"PYTHONPATH": str(tmp_path / "package"), "LD_LIBRARY_PATH": str(tmp_path), "LD_PRELOAD": None}
    unmanaged(start, itexd.socket, "libitexclient.so.1 cannot be used", -3, env=env)


def test_a_library_that_is_too_old(start, itexd, tmp_path):
    """One without any of the functions, beside the package and where the loader looks."""
    shutil.copytree(PACKAGE, tmp_path / "package")
    for place in (tmp_path / "package" / "itexclient", tmp_path):
        library = place / "libitexclient.so.1"
        subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-o", library], check=True)
    env = {"PYTHONPATH": str(tmp_path / "package"), "LD_LIBRARY_PATH": str(tmp_path), "LD_PRELOAD": None}
    unmanaged(start, itexd.socket, "is older than 1.1", -3, env=env)


def test_a_block_without_a_service(start, tmp_path):
    script = start(
        """
with itexclient.lease(gpus=1) as d:
    show(d.unmanaged is not None, d.lease, itexclient.local_device())
show(raised(itexclient.lease(gpus=1, require=True).__enter__)[0])
""",
        tmp_path / "none",
    )
    assert script.rest() == [[True, None, None], "Unavailable"]
    assert script.said().count("UnmanagedWarning") == 1
    assert script.said().startswith("<string>:")


def test_a_restart_in_between_is_not_noticed(start, itexd):
    """The service is away when the script reports, and comes back."""
    script = start(
        "d = itexclient.configure(keras=0, itex='newest')\nshow(d.mode)\nstep()\nshow(d.report('npd', 0))",
        itexd.socket,
    )
    assert script.reach() == ["npd"]
    itexd.restart()
    script.go()
    assert script.rest() == [True]


def test_away_when_it_reports(start, itexd):
    script = start(
        "d = itexclient.configure(keras=0, itex='newest', timeout=5)\n"
        "show(d.mode)\nstep()\nshow(d.report('npd', 0))",
        itexd.socket,
    )
    assert script.reach() == ["npd"]
    itexd.stop()
    script.go()
    assert script.rest() == [None]


# ---- A service that is there, and not right ------------------------------------------------------------


MASK = pb.Variable(name="ZE_AFFINITY_MASK", value="0")


def decides(accepted=None, waiting=False, lease=None, **outcome):
    """A service that decides that for everybody; accepted: what it answers to accept, a Done by itself."""

    def answer(connection, request):
        kind = request.WhichOneof("body")
        if kind == "hello":
            greet(connection, request)
        elif kind == "resolve":
            decision = pb.Decision(id=42, recorded=True, outcome=pb.Outcome(**outcome))
            if lease is not None:
                decision.lease.id = lease
            for position in (2, 1) if waiting else ():
                event = pb.Event(kind="waiting", position=position)
                connection.send(pb.ServerPacket(event=event).SerializeToString())
            reply(connection, request, decision=decision)
        elif accepted is None:
            reply(connection, request, done=pb.Done())
        else:
            accepted(connection, request)

    return answer


def ended(connection, request):
    reply(connection, request, error=pb.Error(code=pb.Error.NOT_FOUND, text="the lease has ended"))


def test_what_was_offered_has_ended(start, fake):
    """The environment is put back, and the connection closed, though the exception is kept."""
    service = fake(decides(verdict="fixed", mode="npd", lease=7, env=[MASK], accepted=ended))
    script = start(
        """
try:
    itexclient.configure(gpus=1)
except itexclient.ServiceError as error:
    kept = error
show(str(kept), os.environ.get("ZE_AFFINITY_MASK"), in_c("ZE_AFFINITY_MASK"), os.environ.get("ITEXD_LEASE"))
step()
""",
        service.path,
    )
    assert script.reach() == [["the lease has ended", None, None, None]]
    until(lambda: not service.connections, "the connection is closed")


def test_away_when_it_accepts(start, fake):
    """Devices that nobody knows to be taken are not used; a mode alone is in force all the same."""
    text = f"""
d = itexclient.configure(gpus=1, timeout={0.3 * SLOW})
show(d.unmanaged is not None, os.environ.get("ZE_AFFINITY_MASK"), in_c("ZE_AFFINITY_MASK"))
"""
    silent = {"accepted": lambda *_: None, "verdict": "fixed", "mode": "npd", "env": [MASK]}
    assert start(text, fake(decides(lease=7, **silent)).path).rest() == [[True, None, None]]
    assert start(text, fake(decides(**silent)).path).rest() == [[False, "0", "0"]]


def test_interrupted_with_the_decision_in_hand(start, fake):
    service = fake(decides(verdict="ok", mode="npd", waiting=True))
    script = start(
        """
def refuse(position):
    if position == 1:
        raise OSError("no patience")
    step()  # until the rest has come

try:
    itexclient.configure(gpus=1, wait=60, on_waiting=refuse)
except OSError as error:
    kept = error
show(str(kept))
step()
""",
        service.path,
    )
    script.reach()
    until(lambda: service.answered == 2, "the decision is sent")
    script.go()
    assert script.reach() == ["no patience"]
    until(lambda: not service.connections, "the connection is closed")


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "PYTHONPATH"])
def test_what_no_rule_may_touch(start, fake, name):
    changes = [pb.Variable(name="ITEX_DISABLE_XLA", value="1"), pb.Variable(name=name, value="/tmp/evil")]
    script = start(
        f"""
before = os.environ.get("{name}")
show(raised(itexclient.configure, keras=0))
show(os.environ.get("{name}") == before == in_c("{name}"), os.environ.get("ITEX_DISABLE_XLA"))
""",
        fake(decides(verdict="fixed", mode="npd", env=changes)).path,
    )
    error, environment = script.rest()
    assert error[0] == "NotApplied"
    assert name in error[1]
    assert environment == [True, None]


def test_bytes_that_are_no_text(start, fake):
    """Values of the environment need not be UTF-8; they are as os.environ has them."""

    def answer(connection, request):
        if request.WhichOneof("body") == "hello":
            greet(connection, request)
        elif request.WhichOneof("body") == "accept":
            reply(connection, request, done=pb.Done())
        else:
            change = pb.Variable(name="ITEX_X", value="QQ")
            decision = pb.Decision(id=42, recorded=True, outcome=pb.Outcome(verdict="fixed", env=[change]))
            packet = pb.ServerPacket(reply=pb.Reply(id=request.id, decision=decision))
            connection.send(packet.SerializeToString().replace(b"QQ", b"\xff\xfe"))

    [shown] = start(
        "d = itexclient.configure()\nshow(ascii(d.env['ITEX_X']), d.env['ITEX_X'] == os.environ['ITEX_X'])",
        fake(answer).path,
    ).rest()
    assert shown == ["'\\udcff\\udcfe'", True]
