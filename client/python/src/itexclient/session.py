"""What a script calls: its decision, its devices, and which of them is its own."""

from __future__ import annotations

import os

from . import _library
from .decision import Decision, of_handle
from .decision_text import inherited_decision


def _milliseconds(seconds: float, what: str) -> int:
    """At least 1; ValueError for what is no length of time."""
    if not 0 < seconds < 1 << 31:
        raise ValueError(f"{what} is a number of seconds above 0, not {seconds!r}")
    return max(1, min(round(seconds * 1000), (1 << 32) - 1))


def inherited(timeout: float = 2.0) -> Decision | None:
    """The decision that this process runs under already, as the service recorded it; ``report`` works on it.

    ITEXD_DECISION names it, which ``itexctl run`` sets and ``configure`` too. timeout: seconds for the whole
    of it. None where there is no such variable, where it was not recorded, where it is another user's, and
    where the service is away or does not answer in time. Never raises for what it finds (ValueError for a
    timeout that is none).
    """
    milliseconds = _milliseconds(timeout, "the timeout")
    now = inherited_decision()
    if now is None or now.id == 0:
        return None
    try:
        return of_handle(_library.inherited(None, milliseconds))
    except (RuntimeError, ValueError, MemoryError):
        return None


def local_device() -> int | None:
    """Which of the devices that this process sees is its own, or the first of its own; None without a lease.

    ITEXD_LOCAL_DEVICE says it. It is an index among TensorFlow's XPUs: all local ranks of a job see the
    devices of all, and each uses its own, unless the ranks were bound (bind="rank"), where it is 0.
    """
    text = os.environ.get("ITEXD_LOCAL_DEVICE", "")
    return int(text) if text.isascii() and text.isdigit() else None
