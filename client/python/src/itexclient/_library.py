"""libitexclient.so.1 by ctypes: where it is found, what its functions take, and handles that are freed
exactly once.

The one in the wheel comes first, then the one that was installed beside this package, then whichever the
loader finds (LD_LIBRARY_PATH, ld.so.conf). No variable of ours names another: what a job loads is not to
depend on its environment.
"""

from __future__ import annotations

import ctypes
import os
import threading
from ctypes import POINTER, byref, c_char_p, c_int, c_short, c_size_t, c_uint, c_uint64, c_void_p
from functools import cache
from importlib import import_module
from typing import Any

from .errors import ERR_ABSENT, Unavailable, error_of

NAME = "libitexclient.so.1"
# The version of the interface that this package was written for.
NEEDED = (1, 1)

_TEXT = POINTER(c_char_p)
WAITING = ctypes.CFUNCTYPE(None, c_uint, c_void_p)

# The C library's functions: what they give back, then what they take.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "itex_version": (c_char_p,),
    "itex_status_text": (c_char_p, c_int),
    "itex_request_new": (c_void_p,),
    "itex_request_free": (None, c_void_p),
    "itex_request_error": (c_char_p, c_void_p),
    "itex_request_set_socket": (c_int, c_void_p, c_char_p),
    "itex_request_set_timeout": (c_int, c_void_p, c_uint),
    "itex_request_set_fact": (c_int, c_void_p, c_char_p, c_char_p),
    "itex_request_set_node_fact": (c_int, c_void_p, c_char_p, c_char_p),
    "itex_request_set_policy": (c_int, c_void_p, c_char_p),
    "itex_request_set_apply_errors": (c_int, c_void_p, c_int),
    "itex_request_set_job": (c_int, c_void_p, c_char_p),
    "itex_request_set_devices": (c_int, c_void_p, c_uint, c_int, c_int, c_uint),
    "itex_request_set_memory": (c_int, c_void_p, c_uint64),
    "itex_request_set_model": (c_int, c_void_p, c_char_p),
    "itex_request_set_bind": (c_int, c_void_p, c_char_p),
    "itex_request_set_numa": (c_int, c_void_p, c_int),
    "itex_request_set_allow_none": (c_int, c_void_p, c_int),
    "itex_request_on_waiting": (c_int, c_void_p, WAITING, c_void_p),
    "itex_resolve_start": (c_int, c_void_p),
    "itex_request_fd": (c_int, c_void_p),
    "itex_request_events": (c_short, c_void_p),
    "itex_dispatch": (c_int, c_void_p, POINTER(c_void_p)),
    "itex_decision_inherited": (c_int, c_char_p, c_uint, POINTER(c_void_p)),
    "itex_decision_free": (None, c_void_p),
    "itex_decision_disconnect": (None, c_void_p),
    "itex_decision_error": (c_char_p, c_void_p),
    "itex_decision_id": (c_uint64, c_void_p),
    "itex_decision_mode": (c_char_p, c_void_p),
    "itex_decision_verdict": (c_char_p, c_void_p),
    "itex_decision_predicted_mode": (c_char_p, c_void_p),
    "itex_decision_predicted_outcome": (c_char_p, c_void_p),
    "itex_decision_ruleset_digest": (c_char_p, c_void_p),
    "itex_decision_env_count": (c_size_t, c_void_p),
    "itex_decision_env": (c_int, c_void_p, c_size_t, _TEXT, _TEXT),
    "itex_decision_obligation_count": (c_size_t, c_void_p),
    "itex_decision_obligation": (c_char_p, c_void_p, c_size_t),
    "itex_decision_diagnostic_count": (c_size_t, c_void_p),
    "itex_decision_diagnostic": (
        c_int, c_void_p, c_size_t, _TEXT, _TEXT, _TEXT, _TEXT, POINTER(c_int)
    ),
    "itex_decision_device_count": (c_size_t, c_void_p),
    "itex_decision_device": (c_int, c_void_p, c_size_t, _TEXT, _TEXT, POINTER(c_int), _TEXT),
    "itex_decision_lease": (c_uint64, c_void_p),
    "itex_decision_local_device": (c_int, c_void_p),
    "itex_decision_apply": (c_int, c_void_p),
    "itex_decision_accept": (c_int, c_void_p),
    "itex_decision_release": (c_int, c_void_p),
    "itex_decision_report": (c_int, c_void_p, c_char_p, c_uint, POINTER(c_int)),
}  # fmt: skip


def _candidates() -> list[str]:
    here = os.path.dirname(os.path.abspath(__file__))
    found = [os.path.join(here, NAME)]
    try:  # written by the installation, which knows where its libraries are
        installed = import_module("._installed", __package__).LIBRARY
    except ImportError:
        pass
    else:
        found.append(os.path.normpath(os.path.join(here, installed)))
    return [path for path in found if os.path.exists(path)] + [NAME]


def _open(path: str) -> Any:
    library = ctypes.CDLL(path)
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


@cache
def load() -> Any:
    """The library with its prototypes; Unavailable where there is none, or one that is too old."""
    reasons = []
    for path in _candidates():
        try:
            return _open(path)
        except OSError as error:
            reasons.append(str(error))
        except AttributeError as error:
            reasons.append(f"{path} is older than {'.'.join(map(str, NEEDED))}: {error}")
    raise Unavailable(
        f"{NAME} cannot be used ({'; '.join(reasons)}): install itexd's client library", ERR_ABSENT
    )


def text(value: bytes | None) -> str | None:
    """A string of the library, bytes that are no UTF-8 included, as Python has those of the environment."""
    return None if value is None else os.fsdecode(value)


class Handle:
    """An object of the library: used by one thread at a time, freed exactly once, in the parent only used.

    The pointer is set by reference while the handle exists already, so that nothing can come between the
    library's making the object and its being owned. A forked child may only let it go.
    """

    __slots__ = ("_free", "_lock", "owner", "pointer")

    def __init__(self, free: Any, pointer: int | None = None) -> None:
        self._free = free
        self._lock = threading.RLock()  # a signal's handler may report while a report is under way
        self.owner = os.getpid()
        self.pointer = c_void_p(pointer)

    def __del__(self) -> None:
        value, self.pointer.value = self.pointer.value, None
        if value:
            self._free(value)

    def __enter__(self) -> c_void_p:
        """The object, for this thread alone. ValueError where it is another process's, or has been freed."""
        if not self.mine():
            raise ValueError("this decision belongs to the process that was forked from")
        self._lock.acquire()
        if not self.pointer.value:
            self._lock.release()
            raise ValueError("this decision has been freed")
        return self.pointer

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # a copy for another process is nothing that it could use

    def mine(self) -> bool:
        return self.owner == os.getpid()

    def close(self) -> None:
        """Frees it now. In a forked child the lock may be held by a thread that does not exist there."""
        if self.mine():
            with self._lock:
                self.__del__()
        else:
            self.__del__()


def check(status: int, said: str | None) -> None:
    """Raises what a status stands for, in the object's own words."""
    if status < 0:
        raise error_of(status, said or text(load().itex_status_text(status)) or f"status {status}")


def inherited(socket: str | None, timeout_ms: int) -> Handle:
    """itex_decision_inherited(3): raises, where there is none, as check() does."""
    library = load()
    handle = Handle(library.itex_decision_free)
    check(
        library.itex_decision_inherited(
            None if socket is None else os.fsencode(socket), timeout_ms, byref(handle.pointer)
        ),
        None,
    )
    return handle
