"""The process's environment, which exists twice: C's, which native code reads, and os.environ, Python's copy
of it.

A decision is applied to C's by the C library, which checks it; what came of it is copied into os.environ.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from functools import cache
from typing import Any

from . import _library

# What the C library sets beside what was decided.
OWN = ("ITEXD_DECISION", "ITEXD_LEASE", "ITEXD_LOCAL_DEVICE")


@cache
def _getenv() -> Any:
    function = ctypes.CDLL(None).getenv
    function.restype = ctypes.c_char_p
    function.argtypes = (ctypes.c_char_p,)
    return function


def _of_c(name: str) -> str | None:
    return _library.text(_getenv()(os.fsencode(name)))


def put(name: str, value: str | None) -> None:
    """In both; None unsets."""
    if value is not None:
        os.environ[name] = value
    elif name in os.environ:
        del os.environ[name]
    else:
        os.unsetenv(name)


class Change:
    """A decision in force in this process's environment, and what was there before."""

    def __init__(self, names: Iterable[str]) -> None:
        self._before = {name: _of_c(name) for name in (*names, *OWN)}
        self._now: dict[str, str | None] = {}

    def follow(self) -> None:
        """C's environment has been changed: makes os.environ agree."""
        self._now = {name: _of_c(name) for name in self._before}
        for name, value in self._now.items():
            put(name, value)

    def undo(self) -> None:
        """Puts back what was there before, except where it has been changed again since."""
        for name, value in self._before.items():
            if _of_c(name) == self._now.get(name, value):
                put(name, value)
