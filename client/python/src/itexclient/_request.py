"""A question to the service: options into a request of the C library, and the wait for its answer."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping
from ctypes import byref
from dataclasses import dataclass, field
from typing import Any

from . import _library
from .errors import AGAIN

MOST_MILLISECONDS = (1 << 32) - 1


def milliseconds(seconds: float, what: str, least: int = 1) -> int:
    """As the C library counts; ValueError for what is no such length of time."""
    if not 0 <= seconds * 1000 <= MOST_MILLISECONDS or (seconds == 0 and least > 0):
        above = "above 0" if least > 0 else "of 0 or more"
        raise ValueError(f"{what} is a number of seconds {above}, 49 days at most, not {seconds!r}")
    return max(least, round(seconds * 1000))


@dataclass(frozen=True)
class Devices:
    """What is wanted, in the units of the C library. The defaults are the service's."""

    count: int = 0
    tiles: bool = False
    shared: bool = False
    memory: int | None = None
    model: str | None = None
    bind: str | None = None
    numa: int | None = None
    allow_none: bool = False
    wait_ms: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.count < 1 << 32:
            raise ValueError(f"the number of GPUs is 0 or more, not {self.count!r}")
        if self.memory is not None and not 0 < self.memory < 1 << 64:
            raise ValueError(f"the memory of a device is a number of bytes above 0, not {self.memory!r}")


@dataclass(frozen=True)
class Question:
    """Everything that is asked. facts are declared, found are from the node."""

    facts: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    devices: Devices = field(default_factory=Devices)
    policy: str | None = None
    errors_only: bool = False
    job: str | None = None
    socket: str | None = None
    timeout_ms: int = 2000


class Request:
    """One request of the C library, to be used with `with`: what is under way is given up at its end."""

    def __init__(self, question: Question) -> None:
        self._library = _library.load()
        self._handle = _library.Handle(self._library.itex_request_free)
        self._handle.pointer.value = self._library.itex_request_new()
        self._positions: list[int] = []
        self._told = _library.WAITING(lambda position, _: self._positions.append(position))
        if not self._handle.pointer.value:
            raise MemoryError("no memory for a request")
        self._fill(question)

    def __enter__(self) -> Request:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def _call(self, function: str, *arguments: Any) -> int:
        """Calls it with the request; raises its error, in its words."""
        coded = [os.fsencode(a) if isinstance(a, str) else a for a in arguments]
        with self._handle as pointer:
            status: int = getattr(self._library, function)(pointer, *coded)
            said = _library.text(self._library.itex_request_error(pointer)) if status < 0 else None
        _library.check(status, said)
        return status

    def _fill(self, question: Question) -> None:
        for name, value in question.facts.items():
            self._call("itex_request_set_fact", name, value)
        for name, value in question.found.items():
            self._call("itex_request_set_node_fact", name, value)
        if question.policy is not None:
            self._call("itex_request_set_policy", question.policy)
        if question.job is not None:
            self._call("itex_request_set_job", question.job)
        if question.socket is not None:
            self._call("itex_request_set_socket", question.socket)
        self._call("itex_request_set_apply_errors", question.errors_only)
        self._call("itex_request_set_timeout", question.timeout_ms)
        self._call("itex_request_on_waiting", self._told, None)
        self._fill_devices(question.devices)

    def _fill_devices(self, devices: Devices) -> None:
        if devices.count == 0:
            return
        self._call("itex_request_set_devices", devices.count, devices.tiles, devices.shared, devices.wait_ms)
        self._call("itex_request_set_allow_none", devices.allow_none)
        if devices.memory is not None:
            self._call("itex_request_set_memory", devices.memory)
        if devices.model is not None:
            self._call("itex_request_set_model", devices.model)
        if devices.bind is not None:
            self._call("itex_request_set_bind", devices.bind)
        if devices.numa is not None:
            self._call("itex_request_set_numa", devices.numa)

    def answer(self, on_waiting: Callable[[int], object] | None) -> _library.Handle:
        """Asks and waits, until the deadline at most. Ctrl-C and every other signal are handled while it
        waits.

        on_waiting is called with each new place in the queue for devices, from 1; what it raises ends the
        wait.
        """
        decision = _library.Handle(self._library.itex_decision_free)
        try:
            self._call("itex_resolve_start")
            self._wait(decision, on_waiting)
        except BaseException:
            decision.close()  # who keeps the traceback does not keep what was offered
            raise
        return decision

    def _wait(self, decision: _library.Handle, on_waiting: Callable[[int], object] | None) -> None:
        poll = select.poll()
        with self._handle as pointer:
            poll.register(self._library.itex_request_fd(pointer), self._library.itex_request_events(pointer))
        status = AGAIN
        while status == AGAIN:
            poll.poll()  # the deadline is among what it waits for
            status = self._call("itex_dispatch", byref(decision.pointer))
            positions = self._positions[:]
            del self._positions[:]
            if on_waiting is not None:
                for position in positions:
                    on_waiting(position)
