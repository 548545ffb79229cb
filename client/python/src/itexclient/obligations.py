"""What no environment can express and the job must do itself: jit_compile=False at Model.compile.

`compile` is wrapped in the class that the script's Keras takes it from. What the script says explicitly is
never changed: under enforce an exception explains why it cannot work where the rule behind it is an error,
else there is one warning.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from itexclient.hook import COMPILES

JIT_OFF = "jit_compile=False"

_WRAPPED = "_itexclient_wrapped"


class JitCompileError(RuntimeError):
    """The script asks for jit_compile=True where the decided mode has nothing that could compile it."""


@dataclass
class JitOff:
    """How jit_compile=False is brought about in this process.

    say: prints one line for a person. explanation: why the decision asks for it. forbidden: the script's
    explicit True is an error under the decision, not a matter of taste.
    """

    say: Callable[[str], None]
    explanation: Callable[[], str]
    forbidden: Callable[[], bool]
    told: bool = False
    warned: bool = False

    def settle(self, given: Any) -> Any:
        """The value to compile with, for what the script gave; "auto" and None are as good as nothing."""
        if given is False:
            return False
        if given is None or given == "auto":
            if not self.told:
                self.told = True
                self.say(f"models are compiled with jit_compile=False, as was decided{self._because()}")
            return False
        if self.forbidden():
            raise JitCompileError(
                f"this script compiles a model with jit_compile={given!r}, which cannot work with what was "
                f"decided{self._because()}; leave jit_compile out, or set it to False"
            )
        if not self.warned:
            self.warned = True
            self.say(
                f"the script compiles a model with jit_compile={given!r} although jit_compile=False was "
                f"decided{self._because()}; it stays as the script says"
            )
        return given

    def _because(self) -> str:
        text = self.explanation()
        return f" ({text})" if text else ""


def _wrap(original: Callable[..., Any], jit: JitOff) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def compile(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return original(*args, **kwargs)  # which says what is wrong with the call
        given = bound.arguments.get("jit_compile")
        value = jit.settle(given)
        if value is not given:
            bound.arguments["jit_compile"] = value
        return original(*bound.args, **bound.kwargs)

    setattr(compile, _WRAPPED, True)
    return compile


def patch(module: ModuleType, jit: JitOff) -> None:
    """Wraps compile in a module of COMPILES; a second time only what has been put over it since."""
    cls = getattr(module, COMPILES[module.__name__], None)
    original = cls.__dict__.get("compile") if isinstance(cls, type) else None
    if original is None or getattr(original, _WRAPPED, False):
        return
    if "jit_compile" in inspect.signature(original).parameters:
        cls.compile = _wrap(original, jit)  # type: ignore[union-attr]


def patch_loaded(jit: JitOff) -> None:
    for name in COMPILES:
        module = sys.modules.get(name)
        if module is not None:
            patch(module, jit)
