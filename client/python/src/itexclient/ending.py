"""Ends that look like success: a framework that calls quit() leaves status 0 behind, and nobody trained
anything.

ITEX does so in two places. Its loader, at `import tensorflow`, runs Python that prints a traceback and
quits; its Keras 3 module prints one line in compile() or predict() and quits. Both look `quit` up by name
at the time of the call, so both are given one that ends with status 65 and the decision's explanation.
Should TensorFlow's import end the process in another way, with status 0 and by way of the interpreter's own
end, the mark that the import had begun and never ended is found there.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import NoReturn

STATUS = 65

_importing: int | None = None  # pid of the process that is in TensorFlow's import
_explain: Callable[[], str] | None = None
_registered = False


def explain_with(explain: Callable[[], str]) -> None:
    """explain gives the decision's part of the message; asked when there is something to say."""
    global _explain
    _explain = explain


def _say(what: str) -> None:
    more = _explain() if _explain else ""
    sys.stdout.flush()
    print(f"itexclient: {what}{'; ' + more if more else ''}", file=sys.stderr, flush=True)


def _quit_at_import(code: object = None) -> NoReturn:
    global _importing
    _importing = None  # the loader ends the process without coming back; it has been said
    _say("ITEX gave up at the import of TensorFlow and would have ended this job with status 0, untrained")
    raise SystemExit(STATUS)


def _quit_in_keras(code: object = None) -> NoReturn:
    _say("ITEX's Keras check gave up on this model and would have ended this job with status 0, untrained")
    raise SystemExit(STATUS)


def patch_keras3_module(module: ModuleType) -> None:
    """The module calls quit() by its global name; it now has one of its own."""
    module.quit = _quit_in_keras  # type: ignore[attr-defined]


def _at_exit() -> None:
    if _importing != os.getpid():
        return
    _say("this process ended in the import of TensorFlow, before the script was done")
    # The interpreter is ending, and its status can only be replaced by not going on with that.
    sys.stderr.flush()
    os._exit(STATUS)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Around TensorFlow's import."""
    global _importing, _registered
    if not _registered:
        atexit.register(_at_exit)
        _registered = True
    original = getattr(builtins, "quit", None)
    builtins.quit = _quit_at_import  # type: ignore[assignment]
    _importing = os.getpid()
    try:
        yield
    finally:
        _importing = None
        if original is None:
            del builtins.quit
        else:
            builtins.quit = original
