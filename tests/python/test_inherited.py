"""What a job knows of the decision that it was started under, and what it tells of what it got."""

from __future__ import annotations

import json

import pytest
from harness import ITEXCTL, NOBODY, SLOW

RUN = [ITEXCTL, "run", "--quiet", f"--timeout={20 * SLOW:.0f}s"]
MODE = [*RUN, "--keras=0", "--itex=newest", "--gpus=0", "--"]
DEVICES = [*RUN, "--keras=3", "--itex=newest", "--gpus=2", "--"]


def observed(service, number):
    shown = json.loads(service.ctl("explain", number, "--json").stdout)
    return shown["observed"]


def test_the_decision_of_run(run, itexd):
    [shown] = run(
        """
d = itexclient.inherited()
show(d.id, d.mode, d.verdict, d.env, d.digest == os.environ["ITEXD_DECISION"].split(":")[1], d.unmanaged)
""",
        itexd.socket,
        before=MODE,
    )
    assert shown[1:] == ["npd", "fixed", {"ITEX_DISABLE_XLA": "1"}, True, None]
    assert itexd.status().decisions == 1


@pytest.mark.parametrize(
    ("mode", "devices", "match"),
    [("npd+xla", 2, True), ("npd+xla", 1, False), ("npd", 2, False), ("none", 0, False)],
)
def test_what_it_got_is_compared(run, node, mode, devices, match):
    [shown] = run(
        f"d = itexclient.inherited()\nshow(d.id, len(d.devices), d.lease, d.local_device, \
itexclient.local_device(), d.report({mode!r}, {devices}))",
        node.socket,
        before=DEVICES,
    )
    assert shown[1:] == [2, shown[2], 0, 0, match]
    assert observed(node, shown[0]) == {"mode": mode, "devices": devices, "match": match}


def test_no_decision_is_none(run, itexd):
    assert (
        run(
            """
for text in (None, "", "nonsense", "0:abc:", "99999:abc:", "-1::", "1", str(1 << 70) + "::"):
    os.environ.pop("ITEXD_DECISION", None)
    if text is not None:
        os.environ["ITEXD_DECISION"] = text
    show(itexclient.inherited())
show(itexclient.local_device())
""",
            itexd.socket,
        )
        == [None] * 9
    )


def test_it_never_raises(start, fake, itexd, tmp_path, as_root):
    text = "show(itexclient.inherited(timeout=0.3))"
    environment = {"ITEXD_DECISION": "1:abc:"}
    assert start(text, tmp_path / "none", env=environment).rest() == [None]
    assert start(text, fake(lambda *_: None).path, env=environment).rest() == [None]
    with itexd.client() as client:
        number = client.resolve(declared={"keras": "0"}).id
    anothers = start(
        text,
        itexd.socket,
        env={"ITEXD_DECISION": f"{number}:abc:"},
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    assert anothers.rest() == [None]
    assert start("show(raised(itexclient.inherited, timeout=0)[0])", itexd.socket).rest() == ["ValueError"]


def test_who_is_no_descendant_may_not_report(start, itexd):
    with itexd.client() as client:  # the test's own decision, and the script descends from the test
        decision = client.resolve(declared={"keras": "0", "itex": "newest"})
    text = "d = itexclient.inherited()\nshow(d.report('npd', 0))"
    assert start(text, itexd.socket, env={"ITEXD_DECISION": f"{decision.id}::"}).rest() == [True]
    first = start("show(itexclient.configure(keras=0, itex='newest').id)\nstep()", itexd.socket)
    [number] = first.reach()
    assert start(text, itexd.socket, env={"ITEXD_DECISION": f"{number}::"}).rest() == [None]


def test_what_cannot_be_reported(run, itexd):
    shown = run(
        """
d = itexclient.inherited()
show(raised(d.report, "xla", 0), raised(d.report, "npd", -1)[0], raised(d.report, "npd", 1 << 32)[0])
show(itexclient.Decision(unmanaged="why").report("npd", 0))
""",
        itexd.socket,
        before=MODE,
    )
    assert shown[0][0][0] == "ValueError"
    assert "npd+xla, npd, stream-executor, none" in shown[0][0][1]
    assert shown[0][1:] == ["ValueError", "ValueError"]
    assert shown[1] is None


@pytest.mark.parametrize(("text", "index"), [("3", 3), ("", None), ("x", None), ("-1", None), ("²", None)])
def test_local_device(run, text, index):
    assert run("show(itexclient.local_device())", env={"ITEXD_LOCAL_DEVICE": text}) == [index]


def test_what_the_variable_says():
    from itexclient.decision_text import parse

    whole = parse("42:abc:jit_compile=False,script:a%2Cb%25.py:3,require-mode")
    assert (whole.id, whole.digest) == (42, "abc")
    assert whole.obligations == ("jit_compile=False", "script:a,b%.py:3", "require-mode")
    assert parse("0::").obligations == ()
    assert parse("7:abc:%252C").obligations == ("%2C",)
    for text in ("", ":", "::", "1:", "x:y:z", "-1:y:z", f"{1 << 64}:y:z", "²:y:z"):
        assert parse(text) is None, text


# ---- Processes and threads -----------------------------------------------------------------------------


def test_a_forked_child_reports_over_its_own_connection(run, itexd):
    shown = run(
        """
d = itexclient.configure(keras=0, itex="newest")
handle = d._handle
child = os.fork()
if child == 0:
    show("child", handle.mine(), d.report("npd", 0))
    del d, handle
    os._exit(0)
os.waitpid(child, 0)
show("parent", handle.mine(), d.report("npd", 0), d.report("none", 0))
""",
        itexd.socket,
    )
    assert shown == [["child", False, True], ["parent", True, True, False]]


def test_workers_of_multiprocessing(run, itexd):
    """Whichever way they begin: the decision travels, its connection does not."""
    shown = run(
        """
import multiprocessing
d = itexclient.configure(keras=0, itex="newest")
with multiprocessing.get_context("fork").Pool(2) as pool:
    show(pool.starmap(itexclient.Decision.report, [(d, "npd", 0)] * 4))
import copy, pickle
other = pickle.loads(pickle.dumps(d))
show(other == d, other._handle, other.report("npd", 0), copy.deepcopy(d) == d)
itexclient.configure(keras=0, itex="newest")  # from now on ITEXD_DECISION names this one
show(other.report("npd", 0), d.report("npd", 0))
""",
        itexd.socket,
    )
    assert shown == [[True] * 4, [True, None, True, True], [None, True]]


def test_many_threads_report_and_look(run, itexd):
    [shown] = run(
        """
import threading
d = itexclient.configure(keras=0, itex="newest")
wrong = []
def work():
    for _ in range(10):
        if d.report("npd", 0) is not True or itexclient.inherited().mode != "npd":
            wrong.append(1)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
show(len(wrong))
""",
        itexd.socket,
    )
    assert shown == 0


def test_a_fork_while_another_thread_reports(run, itexd):
    """The child's copy of the thread's lock is taken for ever; the child does not need it."""
    [shown] = run(
        """
d = itexclient.configure(keras=0, itex="newest")
with d._handle:  # as a thread that is in the middle of it
    child = os.fork()
    if child == 0:
        good = d.report("npd", 0)
        d._handle.close()
        os._exit(0 if good else 1)
    show(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""",
        itexd.socket,
    )
    assert shown == 0


def test_a_signal_handler_may_report(run, itexd):
    [shown] = run(
        """
import signal
d = itexclient.configure(keras=0, itex="newest")
signal.signal(signal.SIGUSR1, lambda *_: show(d.report("npd", 0)))
with d._handle:
    os.kill(os.getpid(), signal.SIGUSR1)
""",
        itexd.socket,
    )
    assert shown is True


def test_an_object_is_freed_exactly_once(run):
    """Dropped, closed and dropped, closed twice, in the child of a fork, in a cycle; never while in use."""
    shown = run(
        """
import gc
from itexclient._library import Handle
freed = []
def handle(number):
    return Handle(freed.append, number)

h = handle(1); del h
h = handle(2); h.close(); h.close(); del h
h = handle(3); cycle = [h]; cycle.append(cycle); del h, cycle; gc.collect()
show(freed)
h = handle(4); h.close(); show(raised(h.__enter__))
h = handle(None); del h
show(freed)
h = handle(5)
child = os.fork()
if child == 0:
    h.close(); del h
    show("child", freed)
    os._exit(0)
os.waitpid(child, 0)
del h
show("parent", freed)
"""
    )
    assert shown[0] == [1, 2, 3]
    assert shown[1][0] == "ValueError"
    assert shown[2] == [1, 2, 3, 4]
    assert shown[3] == ["child", [1, 2, 3, 4, 5]]
    assert shown[4] == ["parent", [1, 2, 3, 4, 5]]


# ---- What an import costs ------------------------------------------------------------------------------


def test_an_import_alone_loads_nothing(run):
    [shown] = run(
        """
import subprocess
code = "import sys; before = set(sys.modules); import itexclient; print(*(set(sys.modules) - before))"
show(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
"""
    )
    assert sorted(shown) == ["__future__", "itexclient"]


def test_everything_public_is_there(run):
    shown = run(
        """
from itexclient import *
import itexclient
show([name for name in itexclient.__all__ if not hasattr(itexclient, name)])
show(set(itexclient.__all__) <= set(dir(itexclient)), raised(getattr, itexclient, "nothing")[0])
"""
    )
    assert shown == [[], [True, "AttributeError"]]
