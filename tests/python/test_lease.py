"""itexclient.lease: devices for a block, and what the end of a block means where they are still open."""

from __future__ import annotations

import signal

import pytest
from harness import SLOW
from scripts import until

PATIENT = 60 * SLOW
TAKE_ALL = f"show(itexclient.configure(itex='newest', gpus=2, wait={PATIENT}).lease is not None)"


def free(service):
    return service.status().n_leases == 0


def test_a_block_has_devices(start, node):
    script = start(
        """
os.environ["ZE_AFFINITY_MASK"] = "7"
with itexclient.lease(gpus=1, keras=3, itex="newest") as d:
    show(d.lease, d.local_device, itexclient.local_device(), len(d.devices))
    show(os.environ["ZE_AFFINITY_MASK"], in_c("ZE_AFFINITY_MASK"), os.environ["ITEXD_LEASE"])
    step()
show(os.environ["ZE_AFFINITY_MASK"], in_c("ZE_AFFINITY_MASK"), os.environ.get("ZE_FLAT_DEVICE_HIERARCHY"))
show([n for n in os.environ if n.startswith("ITEXD_") and n != "ITEXD_SOCKET"], in_c("ITEXD_LEASE"))
show(itexclient.local_device())
step()
""",
        node.socket,
    )
    held, mask = script.reach()
    assert held == [held[0], 0, 0, 1]
    assert mask == ["0", "0", str(held[0])]
    assert node.status().n_leases == 1
    script.go()
    assert script.reach() == [["7", "7", None], [[], None], None]
    assert free(node)  # though the process goes on
    until(lambda: node.status().peers == 1, "only the test's own connection is left")


@pytest.mark.parametrize(
    "way", ["raise ValueError('x')", "os.kill(os.getpid(), 2); import time; time.sleep(100)"]
)
def test_however_the_block_is_left(start, node, way):
    script = start(
        f"""
try:
    with itexclient.lease(itex="newest"):
        show("in")
        {way}
except BaseException as error:
    show(type(error).__name__, os.environ.get("ZE_AFFINITY_MASK"))
step()
""",
        node.socket,
    )
    assert script.reach() == ["in", ["ValueError" if "raise" in way else "KeyboardInterrupt", None]]
    assert free(node)


def test_what_the_block_changes_itself_stays(run, node):
    [shown] = run(
        """
with itexclient.lease(itex="newest") as d:
    os.environ["ZE_AFFINITY_MASK"] = "5"
    os.environ["ITEX_VERBOSE"] = "1"
    del os.environ["ZE_FLAT_DEVICE_HIERARCHY"]
show(os.environ["ZE_AFFINITY_MASK"], os.environ["ITEX_VERBOSE"], os.environ.get("ZE_FLAT_DEVICE_HIERARCHY"))
""",
        node.socket,
    )
    assert shown == ["5", "1", None]


def test_one_block_after_the_other(run, node):
    """Also one that wants everything: the one before has given back all it had."""
    leases = run(
        f"""
for gpus in (2, 1, 2):
    with itexclient.lease(gpus=gpus, itex="newest", wait={PATIENT}) as d:
        show(d.lease)
""",
        node.socket,
    )
    assert leases == sorted(set(leases))


def test_tensorflow_keeps_its_devices(start, node):
    """It has opened them and closes none: lease and environment stay, until the process ends."""
    script = start(
        """
with itexclient.lease(itex="newest", gpus=2) as d:
    load_tensorflow()
show(os.environ["ITEXD_LEASE"] == str(d.lease), os.environ["ZE_AFFINITY_MASK"], d.report("npd+xla", 2))
step()
""",
        node.socket,
    )
    assert script.reach() == [[True, "0,1", True]]
    assert not free(node)
    other = start(TAKE_ALL, node.socket)
    until(lambda: node.status().n_waiting == 1, "somebody waits")
    script.end()
    assert other.rest() == [True]


def test_a_device_that_is_open_is_kept(start, node):
    script = start(
        """
readlink = os.readlink
os.readlink = lambda path: "/dev/dri/renderD128" if path.endswith("/1") else readlink(path)
with itexclient.lease(itex="newest"):
    pass
show("ITEXD_LEASE" in os.environ)
step()
""",
        node.socket,
    )
    assert script.reach() == [True]
    assert not free(node)


def test_busy_is_not_entered(start, node):
    holder = start("with itexclient.lease(gpus=2, itex='newest'):\n    step()", node.socket)
    holder.reach()
    [busy, environment] = start(
        """
show(raised(itexclient.lease(gpus=1).__enter__))
show(os.environ.get("ZE_AFFINITY_MASK"))
""",
        node.socket,
    ).rest()
    assert busy[0] == "Busy"
    assert environment is None


def test_a_lease_of_nothing(run, node):
    [shown] = run("show(raised(itexclient.lease(gpus=0).__enter__))", node.socket)
    assert shown[0] == "ValueError"
    assert "configure" in shown[1]


def test_a_block_in_a_block_shares_its_devices(start, node):
    script = start(
        """
with itexclient.lease(gpus=2, itex="newest") as outer:
    with itexclient.lease(gpus=1, itex="newest") as inner:
        show(inner.lease == outer.lease, len(inner.devices), inner.id != outer.id)
    show(os.environ["ITEXD_LEASE"] == str(outer.lease))
    show(os.environ["ITEXD_DECISION"].startswith(f"{outer.id}:"))
    step()
step()
""",
        node.socket,
    )
    assert script.reach() == [[True, 2, True], True, True]
    assert not free(node)
    script.go()
    script.reach()
    assert free(node)


def test_what_others_of_the_job_hold_stays_theirs(start, node):
    text = """
with itexclient.lease(gpus=2, itex="newest", job="mine") as d:
    show(d.lease)
    step()
step()
"""
    one, two = start(text, node.socket), start(text, node.socket)
    assert one.reach() == two.reach()
    one.go()
    one.reach()
    with node.client() as client:
        [lease] = client.ok("leases").leases
    assert [holder.pid for holder in lease.holders] == [two.process.pid]
    two.go()
    two.reach()
    assert free(node)


# ---- Other processes -----------------------------------------------------------------------------------


def test_a_child_that_leaves_the_block(start, node):
    """It came by fork: it gives nothing back, and its own environment is put back."""
    script = start(
        """
with itexclient.lease(itex="newest") as d:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        show("parent", os.environ.get("ITEXD_LEASE") is not None)
        step()
if not child:
    show("child", os.environ.get("ITEXD_LEASE"))
    os._exit(0)
step()
""",
        node.socket,
    )
    assert script.reach() == [["child", None], ["parent", True]]
    assert not free(node)
    script.go()
    script.reach()
    assert free(node)


def test_what_the_block_starts_is_of_the_lease(run, node):
    """A process of its own for the devices is how a program uses them for a while."""
    [shown] = run(
        '''
import subprocess
with itexclient.lease(gpus=2, itex="newest") as d:
    inner = """
import itexclient
d = itexclient.inherited(30)
print(d.id, len(d.devices), d.report("npd+xla", 2))
"""
    done = subprocess.run([sys.executable, "-c", inner], capture_output=True, text=True, check=True)
    show(done.stdout.split(), d.id)
''',
        node.socket,
    )
    assert shown == [[str(shown[1]), "2", "True"], shown[1]]


RANK = """
with itexclient.lease(itex="newest", wait=60, bind={bind!r}) as d:
    show(itexclient.local_device(), d.local_device, len(d.devices), os.environ["ZE_AFFINITY_MASK"])
    step()
"""


def ranks(start, service, bind):
    """Two processes of one parent, as a launcher starts them."""
    text = RANK.format(bind=bind)
    return [
        start(text, service.socket, env={"MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": str(rank)})
        for rank in range(2)
    ]


def test_ranks_have_one_mask_and_an_index_each(start, node):
    both = ranks(start, node, None)
    assert [rank.reach() for rank in both] == [[[0, 0, 2, "0,1"]], [[1, 1, 2, "0,1"]]]
    for rank in both:
        rank.go()
        assert rank.status() == 0
    until(lambda: free(node), "both have given back")


def test_ranks_that_are_bound_see_their_own(start, node):
    both = ranks(start, node, "rank")
    assert [rank.reach() for rank in both] == [[[0, 0, 1, "0"]], [[0, 0, 1, "1"]]]


def test_a_schedulers_devices_are_not_ours(run, node):
    shown = run(
        """
with itexclient.lease(gpus=1, itex="newest") as d:
    show(d.lease, d.local_device, itexclient.local_device(), os.environ["ZE_AFFINITY_MASK"])
show("ITEXD_DECISION" in os.environ)
""",
        node.socket,
        env={"SLURM_JOB_ID": "17", "ZE_AFFINITY_MASK": "1", "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"},
    )
    assert shown == [[None, None, None, "1"], False]


# ---- The service at the end of a block -----------------------------------------------------------------

BLOCK = """
with itexclient.lease(itex="newest", timeout={timeout}):
    step()
show(os.environ.get("ITEXD_LEASE"))
step()
"""


def test_a_restart_within_the_block(start, node):
    script = start(BLOCK.format(timeout=PATIENT), node.socket)
    script.reach()
    node.restart()
    assert not free(node)
    script.go()
    assert script.reach() == [None]
    assert free(node)
    assert script.said() == ""


def test_away_at_the_end_of_the_block(start, node):
    script = start(BLOCK.format(timeout=5), node.socket)
    script.reach()
    node.stop()
    script.go()
    assert script.reach() == [None]
    assert "LeaseWarning" in script.said()
    assert "ends with this process" in script.said()
    node.start()
    assert not free(node)
    script.end()
    until(lambda: free(node), "the process has ended")


def test_killed_in_the_block(start, node):
    script = start(BLOCK.format(timeout=PATIENT), node.socket)
    script.reach()
    script.process.send_signal(signal.SIGKILL)
    until(lambda: free(node), "the process has ended")


def test_a_thread_may_hold_its_own_block(run, node):
    """One after the other: the environment is the process's."""
    assert run(
        """
import threading
def work():
    with itexclient.lease(itex="newest") as d:
        show(d.lease is not None)
for _ in range(2):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
""",
        node.socket,
    ) == [True, True]
