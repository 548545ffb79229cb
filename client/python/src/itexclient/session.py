"""What a script calls: its decision, its devices, and which of them is its own.

A decision changes the environment of the whole process: call configure and lease from the main thread, before
others read the environment.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from . import _library
from ._environment import Change
from ._request import Devices, Question, Request, milliseconds
from .decision import Decision, of_handle
from .decision_text import inherited_decision
from .errors import (
    Busy,
    Error,
    LeaseWarning,
    NoDevice,
    Rejected,
    ServiceError,
    TooLate,
    Unavailable,
    UnmanagedWarning,
)
from .hook import install as install_hook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Unpack

# ---- What is asked ------------------------------------------------------------------------------------


class Options(TypedDict, total=False):
    """What configure and lease can be told beside devices; see configure."""

    keras: int | str
    jit: bool | str
    custom_ops: bool
    itex: str
    facts: Mapping[str, str]
    policy: str
    errors_only: bool
    job: str
    timeout: float
    socket: str | os.PathLike[str]
    require: bool
    on_waiting: Callable[[int], object]


@dataclass(frozen=True)
class _Asked:
    question: Question
    require: bool
    on_waiting: Callable[[int], object] | None


def _value(name: str, value: object) -> str:
    """True and False as facts have them; 3 as "3"."""
    if isinstance(value, bool):
        return ("off", "on")[value] if name == "jit" else str(value).lower()
    return str(value)


def _declared(options: dict[str, Any]) -> dict[str, str]:
    """Takes the facts out of the options."""
    named = {name: options.pop(name, None) for name in ("keras", "jit", "custom_ops", "itex")}
    declared = {name: _value(name, value) for name, value in named.items() if value is not None}
    for name, value in (options.pop("facts", None) or {}).items():
        if declared.setdefault(name, _value(name, value)) != _value(name, value):
            raise ValueError(f"fact {name} is declared twice, as {declared[name]!r} and as {value!r}")
    return declared


def _asked(devices: Devices, given: Options) -> _Asked:
    options: dict[str, Any] = {**given}
    facts = _declared(options)
    socket = options.pop("socket", None)
    question = Question(
        facts=facts,
        devices=devices,
        policy=options.pop("policy", None),
        errors_only=options.pop("errors_only", False),
        job=options.pop("job", None),
        socket=None if socket is None else os.fspath(socket),
        timeout_ms=milliseconds(options.pop("timeout", 2.0), "the timeout"),
    )
    asked = _Asked(question, options.pop("require", False), options.pop("on_waiting", None))
    if options:
        raise TypeError(f"there is no option {', '.join(sorted(options))}; the options are {_OPTIONS}")
    return asked


_OPTIONS = ", ".join(Options.__annotations__)


def _installation() -> dict[str, str]:
    from .facts import installation

    return installation()


# ---- Deciding -----------------------------------------------------------------------------------------


def _refuse_if_loaded() -> None:
    if sys.modules.get("tensorflow") is not None:
        raise TooLate(
            "tensorflow is imported already and has read its environment: call itexclient before the first "
            "import of tensorflow (in a notebook: restart the kernel)"
        )


def _resolve(asked: _Asked) -> _library.Handle:
    """What was found on the node is left out the second time: the service may know fewer facts than we
    find."""
    question = replace(asked.question, found=_installation())
    try:
        with Request(question) as request:
            return request.answer(asked.on_waiting)
    except ServiceError:
        if not question.found:
            raise
    with Request(asked.question) as request:
        return request.answer(asked.on_waiting)


def _outer_lease() -> int | None:
    """The lease that this process runs under already, by its environment."""
    text = os.environ.get("ITEXD_LEASE", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _give_up(handle: _library.Handle) -> None:
    """What was offered is not wanted: others need not wait for it."""
    with handle as pointer:
        _library.load().itex_decision_release(pointer)
    handle.close()


def _resolve_within(asked: _Asked) -> _library.Handle:
    """Who asks for no devices and runs under a lease has that lease's, which then belong to the decision too.

    To ask for a device joins the outer lease, if it lives; if it does not, nothing was meant.
    """
    outer = _outer_lease()
    if asked.question.devices.count > 0 or outer is None:
        return _resolve(asked)
    try:
        handle = _resolve(replace(asked, question=replace(asked.question, devices=Devices(1))))
    except Unavailable:
        raise
    except Error:
        return _resolve(asked)
    with handle as pointer:
        joined: int = _library.load().itex_decision_lease(pointer)
    if joined == outer:
        return handle
    _give_up(handle)
    return _resolve(asked)


def _refusal(decision: Decision) -> Error:
    """The exception for a rejected decision."""
    because = [d for d in decision.diagnostics if d.severity in ("error", "unsupported") and not d.applied]
    kinds: dict[str, type[Error]] = {"devices-busy": Busy, "no-device": NoDevice}
    kind: type[Error] = Rejected
    if decision.mode == "none":
        for diagnostic in because:
            if diagnostic.rule in kinds:
                because, kind = [diagnostic], kinds[diagnostic.rule]
    text = " ".join(d.message + (f" {d.solution}" if d.solution else "") for d in because)
    explain = f" (itexctl explain {decision.id})" if decision.id else ""
    return kind(f"{text or 'the job is rejected: it can reach no valid mode'}{explain}", decision=decision)


def _accept(library: Any, handle: _library.Handle, decision: Decision) -> None:
    """Without a lease nothing depends on it but the record."""
    with handle as pointer:
        status = library.itex_decision_accept(pointer)
        said = _library.text(library.itex_decision_error(pointer))
        library.itex_decision_disconnect(pointer)
    if decision.lease is not None:
        _library.check(status, said)


def _put_in_force(handle: _library.Handle, decision: Decision) -> Change:
    library = _library.load()
    change = Change(decision.env)
    try:
        with handle as pointer:
            status = library.itex_decision_apply(pointer)
            said = _library.text(library.itex_decision_error(pointer))
        _library.check(status, said)
        change.follow()
        _accept(library, handle, decision)
    except BaseException:
        change.follow()
        change.undo()
        raise
    return change


def _resolve_and_apply(asked: _Asked) -> tuple[Decision, Change]:
    handle = _resolve_within(asked)
    try:
        decision = of_handle(handle)
        if decision.verdict == "rejected":
            raise _refusal(replace(decision, _handle=None))
        return decision, _put_in_force(handle, decision)
    except BaseException:
        handle.close()
        raise


def _decide(asked: _Asked, depth: int) -> tuple[Decision, Change | None]:
    """The decision in force and what it changed, which is None where the job goes on without a service.

    depth: how many calls above this one the script is.
    """
    _refuse_if_loaded()
    try:
        decision, change = _resolve_and_apply(asked)
    except Unavailable as error:
        if asked.require:
            raise
        text = f"this job runs without a decision, its environment as it is: {error}"
        warnings.warn(text, UnmanagedWarning, stacklevel=depth + 1)
        return Decision(unmanaged=str(error)), None
    install_hook()
    return decision, change


# ---- For scripts --------------------------------------------------------------------------------------

_in_force: tuple[_Asked, Decision] | None = None


def configure(
    *,
    gpus: int = 0,
    tiles: bool = False,
    shared: bool = False,
    memory: int | None = None,
    model: str | None = None,
    bind: str | None = None,
    numa: int | None = None,
    wait: float = 0.0,
    allow_none: bool = False,
    **options: Unpack[Options],
) -> Decision:
    """Asks for a decision and puts it in force in this process: to be called before TensorFlow is imported.

    What was decided is set and unset in the environment, os.environ and C's, all of it or nothing, with
    ITEXD_DECISION and, for a lease, ITEXD_LEASE and ITEXD_LOCAL_DEVICE; the service is told that it is in
    force. Versions that are installed are found without importing anything and go along. Source:
    itexclient(3), itex_resolve to itex_decision_accept.

    What the job is, where the service cannot see it (itexctl(1) lists all facts):

    keras: the version that the script uses, 0 for none, 2 or 3. jit: jit_compile as the model has it, True
    ("on"), False ("off") or "auto". custom_ops: it uses ITEX's own operators. itex: the version of
    intel-extension-for-tensorflow, or "newest". facts: any others, by name. job: the job's id; the
    scheduler's where nothing is said.

    Devices, none unless gpus is given; they are held until this process ends. Where it runs under a lease
    already, as in `itexctl run`, these devices stay, and are this decision's too:

    gpus: how many cards, or with tiles=True how many tiles. shared: others may share them. memory: bytes that
    must be free on each. model: a part of its name. bind: "node" (the default): all ranks of the node see the
    devices of all; "rank": each its own. numa: the NUMA node that they are preferably on. wait: seconds to
    wait for them. on_waiting: called with each new place in the queue, from 1, while it waits; what it raises
    ends the wait. allow_none: where the node has no device at all, none are meant.

    How it is decided: policy "enforce" or "advise", the service's own where nothing is said; errors_only:
    only solutions of errors and of unsupported cases. timeout: seconds for the service to answer, beside
    wait. socket: the service's socket; $ITEXD_SOCKET, else /run/itexd-socket/itexd.sock.

    Fail-open: where the service is absent, does not answer in time, speaks no common version of the protocol,
    or where the client library is missing, the environment stays as it is, one UnmanagedWarning says why, and
    the decision that comes back has `unmanaged` set. With require=True that is Unavailable instead.
    Everything else is an answer and raised, the environment being as it was: Busy, NoDevice, Rejected,
    Refused, NotApplied, ServiceError; ValueError or TypeError for an argument that cannot be.

    TooLate where tensorflow is imported already. Called again after that with the same options (a cell of a
    notebook that is run once more) it gives back the decision that is in force.
    """
    global _in_force
    devices = Devices(
        gpus, tiles, shared, memory, model, bind, numa, allow_none, milliseconds(wait, "wait", least=0)
    )
    asked = _asked(devices, options)
    if _in_force is not None and _in_force[0] == asked and sys.modules.get("tensorflow") is not None:
        return _in_force[1]
    decision, _ = _decide(asked, depth=2)
    _in_force = (asked, decision)
    return decision


@contextmanager
def lease(
    gpus: int = 1,
    *,
    tiles: bool = False,
    shared: bool = False,
    memory: int | None = None,
    model: str | None = None,
    wait: float = 0.0,
    bind: str | None = None,
    numa: int | None = None,
    allow_none: bool = False,
    **options: Unpack[Options],
) -> Iterator[Decision]:
    """Devices for a block: ``with itexclient.lease(gpus=1) as decision: ...``. As configure, which see for
    all options.

    At the end of the block, however it is left, the environment is put back, except what was changed again
    since, and the lease is given back: its devices go to whoever waits for them, once processes that the
    block started and that still use them have ended (as far as the service can see those: itexd(8),
    watch_use). Of a lease that ranks or other processes of the job share, only this process's part is given
    back.

    A device that is open cannot be given back. TensorFlow opens all devices that it sees when it is imported,
    and closes none before its process ends. So where it was imported in the block, or where this process has
    a device node open for another reason, the lease ends with the process, and lease and environment stay as
    they are. To use devices for a part of a process's life, let the block start a process that uses them.

    If the service cannot be told, a LeaseWarning says that the lease ends with the process instead. A forked
    child that leaves the block puts its own environment back and gives back nothing.

    Without a service the block runs all the same, after one UnmanagedWarning (require=True: Unavailable).
    Busy and NoDevice never fail open: the block is not entered.
    """
    if gpus < 1:
        raise ValueError(f"a lease is of 1 or more GPUs, not {gpus!r}; without devices there is configure()")
    devices = Devices(
        gpus, tiles, shared, memory, model, bind, numa, allow_none, milliseconds(wait, "wait", least=0)
    )
    decision, change = _decide(_asked(devices, options), depth=3)
    process = os.getpid()
    try:
        yield decision
    finally:
        if change is not None and not _devices_are_open():
            change.undo()
            install_hook()  # for the decision that it was under before, if it was
            if decision.lease is not None and os.getpid() == process:
                _give_back(decision, depth=3)


def _devices_are_open() -> bool:
    """Does this process have a device open, or TensorFlow, which opens all and closes none?"""
    if sys.modules.get("tensorflow") is not None:
        return True
    try:
        descriptors = os.listdir("/proc/self/fd")
    except OSError:
        return True  # it cannot be known
    for descriptor in descriptors:
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("/dev/dri/"):
                return True
        except OSError:
            continue  # closed in the meantime, as the listing's own
    return False


def _give_back(decision: Decision, depth: int) -> None:
    library = _library.load()
    handle = decision._handle
    assert handle is not None  # it has a lease and is this process's
    with handle as pointer:
        status = library.itex_decision_release(pointer)
        said = _library.text(library.itex_decision_error(pointer))
        library.itex_decision_disconnect(pointer)
    if status < 0:
        text = f"lease {decision.lease} could not be given back and ends with this process: {said}"
        warnings.warn(text, LeaseWarning, stacklevel=depth + 1)


def inherited(timeout: float = 2.0) -> Decision | None:
    """The decision that this process runs under already, as the service recorded it; ``report`` works on it.

    ITEXD_DECISION names it, which ``itexctl run`` sets and ``configure`` too. timeout: seconds for the whole
    of it. None where there is no such variable, where it was not recorded, where it is another user's, and
    where the service is away or does not answer in time. Never raises for what it finds (ValueError for a
    timeout that is none).
    """
    limit = milliseconds(timeout, "the timeout")
    now = inherited_decision()
    if now is None or now.id == 0:
        return None
    try:
        return of_handle(_library.inherited(None, limit))
    except (RuntimeError, ValueError, MemoryError):
        return None


def local_device() -> int | None:
    """Which of the devices that this process sees is its own, or the first of its own; None without a lease.

    ITEXD_LOCAL_DEVICE says it. It is an index among TensorFlow's XPUs: all local ranks of a job see the
    devices of all, and each uses its own, unless the ranks were bound (bind="rank"), where it is 0.
    """
    text = os.environ.get("ITEXD_LOCAL_DEVICE", "")
    return int(text) if text.isascii() and text.isdigit() else None
