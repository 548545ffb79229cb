"""What is done inside a job that runs under a decision; hook.py calls it at the imports that matter.

Around the import of TensorFlow it

- loads TensorFlow first where Keras is asked for first, which ITEX cannot bear;
- looks whether anything has changed the decided environment since (an activate script, setvars.sh, the
  script itself);
- reads the mode and the devices that the job really got, reports them, and says what is not as it was
  promised, and why; under --require-mode the job ends there with status 65;
- compiles models without jit where that was decided, and makes a silent end with status 0 one with status
  65.

A script that works without the hook works with it: whatever fails in here is one warning, and the import
goes on as usual.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from itexclient import ending, mode, obligations
from itexclient.hook import COMPILES, ITEX_KERAS3, REQUIRE_MODE

if TYPE_CHECKING:
    from itexclient.decision import Decision
    from itexclient.decision_text import Inherited

STATUS = ending.STATUS


def say(text: str) -> None:
    print(f"itexclient: {text}", file=sys.stderr, flush=True)


class Job:
    """One per process. Everything it does at an import is guarded: see guarded."""

    def __init__(self, under: Inherited) -> None:
        self.under = under
        self.failed = False
        self._decision: Decision | None = None
        self._asked = False
        self._lock = threading.RLock()
        self.jit = (
            obligations.JitOff(self.inform, self.why_jit_off, self.jit_is_forbidden)
            if obligations.JIT_OFF in under.obligations
            else None
        )
        ending.explain_with(self.explanation)

    # ---- What was decided ----------------------------------------------------------------------------------

    def decision(self) -> Decision | None:
        """Asked for once, when it is needed; None where the service is away."""
        with self._lock:
            if not self._asked:
                self._asked = True
                from itexclient.session import inherited

                self._decision = inherited()
            return self._decision

    def explanation(self) -> str:
        """For messages: where to read on."""
        decision = self.decision()
        errors = [
            f"{diagnostic.rule}: {diagnostic.message}"
            for diagnostic in (decision.diagnostics if decision else ())
            if diagnostic.severity in ("error", "unsupported")
        ]
        if self.under.id:
            errors.append(f"itexctl explain {self.under.id} tells the whole decision")
        return "; ".join(errors)

    def _jit_rules(self) -> list[Any]:
        decision = self.decision()
        return [
            diagnostic
            for diagnostic in (decision.diagnostics if decision else ())
            if "jit_compile" in (diagnostic.solution or "")
        ]

    def why_jit_off(self) -> str:
        rules = self._jit_rules()
        return rules[0].rule if rules else ""

    def jit_is_forbidden(self) -> bool:
        return any(diagnostic.severity == "error" for diagnostic in self._jit_rules())

    # ---- Saying --------------------------------------------------------------------------------------------

    @staticmethod
    def inform(text: str) -> None:
        """What needs to be read once per node, not once per rank."""
        if os.environ.get("ITEXD_LOCAL_DEVICE", "0") == "0":
            say(text)

    def give_up(self, error: Exception) -> None:
        if not self.failed:
            self.failed = True
            say(f"the job runs without what itexclient would do in it: {type(error).__name__}: {error}")

    def guarded(self, function: Callable[..., object], *arguments: Any) -> None:
        """Nothing that fails in here may fail the script."""
        if self.failed:
            return
        try:
            function(*arguments)
        except Exception as error:
            self.give_up(error)

    # ---- At imports ------------------------------------------------------------------------------------

    def around(self, name: str) -> Callable[[ModuleType], Any] | None:
        """What is done around the execution of this module, as a context manager; None: nothing."""
        if self.failed:
            return None
        if name in COMPILES:
            return self.around_compile if self.jit else None
        return {"tensorflow": self.around_tensorflow, ITEX_KERAS3: self.around_itex_keras3}.get(name)

    def import_tensorflow_first(self) -> None:
        """ITEX's loader gives up where Keras has been imported before it.

        Where TensorFlow cannot be imported, Keras cannot either, and fails with the same exception: a second
        try in the same process was seen to hang.
        """
        if _keras_backend() == "tensorflow" and importlib.util.find_spec("tensorflow") is not None:
            importlib.import_module("tensorflow")

    # ---- Around TensorFlow's import ------------------------------------------------------------------

    def changed_since(self) -> list[str]:
        """The decided variables that are not as decided, as native code will see them."""
        decision = self.decision()
        changed = []
        for name, value in (decision.env if decision else {}).items():
            now = mode.c_environment(name)
            if now != value:
                was = "unset" if value is None else value
                changed.append(f"{name} was decided as {was} and is {'unset' if now is None else now}")
        return changed

    def set_by_script(self) -> list[str]:
        """Where the script sets variables itself that were to be others, as `itexctl run` has found."""
        tokens = [token for token in self.under.obligations if token.startswith("script:")]
        return [f"{token[7:]} sets a variable itself that was to be changed" for token in tokens]

    def check_environment(self) -> None:
        changed = self.changed_since()
        if changed:
            say(
                f"something has changed the environment since it was decided: {'; '.join(changed)}. "
                "Look at activate scripts (conda's activate.d, setvars.sh) and at what the script sets; "
                "run itexctl behind them"
            )

    def examine(self, tensorflow: ModuleType, before: frozenset[str]) -> None:
        """What the job got, against what was promised. May end the process: see --require-mode."""
        if self.jit:
            obligations.patch_loaded(self.jit)
        got = mode.effective(tensorflow, before)
        if got.mode is None:
            if REQUIRE_MODE in self.under.obligations:
                say(f"which mode this job got cannot be told: {got.why}")
            return
        decision = self.decision()
        if decision is None:
            return
        if got.pjrt is not None and got.pjrt != got.devices:
            say(
                f"TensorFlow lists {_count(got.devices)} and PJRT has {got.pjrt}: ITEX_TILE_AS_DEVICE and "
                "SYCL_TILE_AS_DEVICE are not equal"
            )
        matches = decision.report(got.mode, got.devices)
        if matches is None:
            matches = got.mode == decision.mode and got.devices >= len(decision.devices)
        if not matches:
            self.complain(decision, got)

    def complain(self, decision: Decision, got: mode.Effective) -> None:
        promised = (
            f"{decision.mode} on {_count(len(decision.devices))}" if decision.devices else f"{decision.mode}"
        )
        found = "the CPU and no XPU" if got.mode == "none" else f"{got.mode} on {_count(got.devices)}"
        changed = self.changed_since() or self.set_by_script()
        say(
            f"this job was promised {promised} and got {found}: {_cause(changed, got)}. "
            f"itexctl explain {self.under.id} tells the whole decision"
        )
        if REQUIRE_MODE in self.under.obligations:
            say("it ends here, as --require-mode asks")
            raise SystemExit(STATUS)

    @contextmanager
    def around_tensorflow(self, _: ModuleType) -> Iterator[None]:
        self.guarded(self.check_environment)
        before = mode.before_import()
        with ending.importing():
            yield
        self.guarded(self.examine, sys.modules["tensorflow"], before)

    @contextmanager
    def around_itex_keras3(self, module: ModuleType) -> Iterator[None]:
        yield
        self.guarded(ending.patch_keras3_module, module)

    @contextmanager
    def around_compile(self, module: ModuleType) -> Iterator[None]:
        yield
        if self.jit:
            self.guarded(obligations.patch, module, self.jit)


def _count(devices: int) -> str:
    return f"{devices} device{'' if devices == 1 else 's'}"


def _cause(changed: Sequence[str], got: mode.Effective) -> str:
    """The likeliest reason, from what can be seen in this process."""
    device_filter = mode.c_environment("SYCL_DEVICE_FILTER")
    if changed:
        return "; ".join(changed)
    if got.mode != "none":
        return "nothing was found that explains it"
    if device_filter is not None and "level_zero" not in device_filter:
        return f"SYCL_DEVICE_FILTER={device_filter} hides the Level Zero devices"
    if importlib.util.find_spec("intel_extension_for_tensorflow") is None:
        return f"intel-extension-for-tensorflow is not installed for {sys.executable}"
    from itexclient.facts import installation

    flavour = installation().get("lib_flavour")
    if flavour in ("cpu", "none"):
        return (
            "intel-extension-for-tensorflow-lib is not installed"
            if flavour == "none"
            else "the installed intel-extension-for-tensorflow-lib is the one for the CPU"
        )
    if mode.itex_plugin() is None:
        return "TensorFlow did not load ITEX's plugin"
    return "nothing was found that explains it"


def _keras_backend() -> str:
    """As Keras 3 chooses it: the variable, else its configuration, else TensorFlow."""
    backend = os.environ.get("KERAS_BACKEND")
    if backend is None:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        try:
            backend = json.loads((home / "keras.json").read_text()).get("backend")
        except (OSError, ValueError, AttributeError):
            backend = None
    return backend or "tensorflow"
