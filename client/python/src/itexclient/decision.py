"""A decision of itexd, copied out of the C library once: plain values, which outlive their connection."""

from __future__ import annotations

from ctypes import byref, c_char_p, c_int, c_void_p
from dataclasses import dataclass, field
from typing import Any

from . import _library
from .decision_text import Inherited as Inherited
from .decision_text import inherited_decision as inherited_decision
from .errors import ERR_ABSENT, ERR_INCOMPATIBLE, ERR_REFUSED, ERR_SERVICE, ERR_SLOW, Error

MODES = ("npd+xla", "npd", "stream-executor", "none")


@dataclass(frozen=True)
class Device:
    """A device that the job sees, in the order in which it numbers them.

    bdf: the PCI address; None where it has none. uuid: None where not known. tile: None for a whole card.
    name: as the driver has it, None where not known.
    """

    bdf: str | None
    uuid: str | None
    tile: int | None
    name: str | None


@dataclass(frozen=True)
class Diagnostic:
    """A rule that held, or that had to be applied.

    severity: "error", "warning", "unsupported", "info". solution: None where there is none. applied: the
    solution is in the decision's env.
    """

    rule: str
    severity: str
    message: str
    solution: str | None
    applied: bool


@dataclass(frozen=True)
class Decision:
    """What was decided for this job.

    id: for ``itexctl explain``; 0 where it was not recorded, or where there was no service to ask. digest: of
    the rules that decided; None without a service. mode: "npd+xla", "npd", "stream-executor", or "none" (no
    devices); None where nothing was decided, or where under advise nothing is reached. verdict: "ok",
    "fixed", "advised", "rejected"; None without a service. predicted_mode, predicted_outcome: what the job's
    own environment would have come to; None: not known. env: the changes to the environment; the value None
    unsets. obligations: what the job must do itself, as "jit_compile=False". devices: those that the job
    sees. lease: the number of the lease that holds them, None without one (none were asked for, or a
    scheduler gave them). local_device: the index in devices of this process's own device, or the first of its
    own; None without a lease. unmanaged: why there is no decision, where the job goes on without one; None
    otherwise.
    """

    id: int = 0
    digest: str | None = None
    mode: str | None = None
    verdict: str | None = None
    predicted_mode: str | None = None
    predicted_outcome: str | None = None
    env: dict[str, str | None] = field(default_factory=dict)
    obligations: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    devices: tuple[Device, ...] = ()
    lease: int | None = None
    local_device: int | None = None
    unmanaged: str | None = None
    _handle: _library.Handle | None = field(default=None, repr=False, compare=False)

    def report(self, mode: str, devices: int) -> bool | None:
        """Tells the service what this process really got, and gives back whether it is what was promised.

        mode: "npd+xla", "npd", "stream-executor", or "none" on the CPU. devices: how many XPUs TensorFlow
        has. None: it could not be told, for the decision is not recorded, the service is away, or this
        process is no descendant of the one that the decision was made for. Takes as long as the decision was
        allowed to (2 seconds by default). In a forked child, and for a decision that came by pickle, the
        service is asked for the decision anew, by ITEXD_DECISION. ValueError for another mode or a negative
        number.
        """
        if mode not in MODES:
            raise ValueError(f"the observed mode is one of {', '.join(MODES)}, not {mode!r}")
        if not 0 <= devices < 1 << 32:
            raise ValueError(f"a process has 0 or more devices, not {devices}")
        if self.id == 0:
            return None
        try:
            handle = self._own_handle()
            return None if handle is None else _report(handle, mode, devices)
        except Error as error:
            if error.status in (ERR_ABSENT, ERR_SLOW, ERR_INCOMPATIBLE, ERR_REFUSED, ERR_SERVICE):
                return None
            raise

    def _own_handle(self) -> _library.Handle | None:
        """The object behind it that this process may use; None where there is none, and none can be had."""
        if self._handle is not None and self._handle.mine():
            return self._handle
        now = inherited_decision()
        if now is None or now.id != self.id:
            return None
        return _library.inherited(None, 2000)


def _report(handle: _library.Handle, mode: str, devices: int) -> bool:
    library = _library.load()
    match = c_int(0)
    with handle as pointer:
        status = library.itex_decision_report(pointer, mode.encode(), devices, byref(match))
        said = _library.text(library.itex_decision_error(pointer))
    _library.check(status, said)
    return match.value != 0


# ---- Out of the C library -----------------------------------------------------------------------------


def _env(library: Any, pointer: c_void_p) -> dict[str, str | None]:
    name, value = c_char_p(), c_char_p()
    env = {}
    for index in range(library.itex_decision_env_count(pointer)):
        library.itex_decision_env(pointer, index, byref(name), byref(value))
        env[_library.text(name.value) or ""] = _library.text(value.value)
    return env


def _diagnostics(library: Any, pointer: c_void_p) -> tuple[Diagnostic, ...]:
    texts = [c_char_p() for _ in range(4)]
    applied = c_int()
    found = []
    for index in range(library.itex_decision_diagnostic_count(pointer)):
        library.itex_decision_diagnostic(pointer, index, *map(byref, texts), byref(applied))
        rule, severity, message, solution = (_library.text(t.value) for t in texts)
        found.append(Diagnostic(rule or "", severity or "", message or "", solution, bool(applied.value)))
    return tuple(found)


def _devices(library: Any, pointer: c_void_p) -> tuple[Device, ...]:
    bdf, uuid, name = c_char_p(), c_char_p(), c_char_p()
    tile = c_int()
    found = []
    for index in range(library.itex_decision_device_count(pointer)):
        library.itex_decision_device(pointer, index, byref(bdf), byref(uuid), byref(tile), byref(name))
        bdf_text, uuid_text, name_text = (_library.text(t.value) for t in (bdf, uuid, name))
        found.append(Device(bdf_text, uuid_text, tile.value if tile.value >= 0 else None, name_text))
    return tuple(found)


def of_handle(handle: _library.Handle) -> Decision:
    """Copies all of a decision of the C library, which stays behind it for what is told later."""
    library = _library.load()
    with handle as pointer:
        obligations = range(library.itex_decision_obligation_count(pointer))
        local = library.itex_decision_local_device(pointer)
        return Decision(
            id=library.itex_decision_id(pointer),
            digest=_library.text(library.itex_decision_ruleset_digest(pointer)),
            mode=_library.text(library.itex_decision_mode(pointer)),
            verdict=_library.text(library.itex_decision_verdict(pointer)),
            predicted_mode=_library.text(library.itex_decision_predicted_mode(pointer)),
            predicted_outcome=_library.text(library.itex_decision_predicted_outcome(pointer)),
            env=_env(library, pointer),
            obligations=tuple(
                _library.text(library.itex_decision_obligation(pointer, i)) or "" for i in obligations
            ),
            diagnostics=_diagnostics(library, pointer),
            devices=_devices(library, pointer),
            lease=library.itex_decision_lease(pointer) or None,
            local_device=local if local >= 0 else None,
            _handle=handle,
        )
