"""The hook: installed by itexclient.pth, the runner or configure() in a job that runs under a decision.

All that is done here is to wait for the import of TensorFlow, Keras or ITEX: an interpreter that imports
none of them pays for a finder on sys.meta_path and no more. What is done then is in job.py.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

from itexclient.decision_text import Inherited, inherited_decision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

    from itexclient.job import Job

ITEX_KERAS3 = "intel_extension_for_tensorflow.python.override_keras3"

REQUIRE_MODE = "require-mode"  # what `itexctl run --require-mode` adds to the obligations

# Modules with a class whose compile() may have to be changed: Keras 3; Keras 2 as `keras`; tf-keras.
COMPILES = {
    "keras.src.trainers.trainer": "Trainer",
    "keras.src.engine.training": "Model",
    "keras.engine.training": "Model",
    "tf_keras.src.engine.training": "Model",
}
WATCHED = {"tensorflow", "keras", ITEX_KERAS3, *COMPILES}


class _Loader:
    """Loads as the original does, with something around it; leaves no trace of itself in the module."""

    def __init__(self, original: Any, around: Callable[[ModuleType], Any]) -> None:
        self._original = original
        self._around = around

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._original.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._original
        module.__loader__ = self._original
        with self._around(module):
            self._original.exec_module(module)


class _Loaded:
    """For a module that was loaded while it was looked for: the module as it is."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Finder:
    def __init__(self, under: Inherited) -> None:
        self._under: Inherited | None = under
        self._job: Job | None = None

    def follow(self, under: Inherited | None) -> None:
        """Another decision, or none any more. What itexctl was told of the whole job stays."""
        if under is not None and self._under is not None and REQUIRE_MODE in self._under.obligations:
            under.obligations = tuple(dict.fromkeys((*under.obligations, REQUIRE_MODE)))
        self._under = under

    def _the_job(self) -> Job | None:
        """Made at the first import that matters; None where not even that works."""
        if self._job is None and self._under is not None:
            try:
                from itexclient.job import Job

                self._job = Job(self._under)
            except Exception as error:
                sys.meta_path.remove(self)
                print(
                    "itexclient: the job runs without what itexclient would do in it: "
                    f"{type(error).__name__}: {error}",
                    file=sys.stderr,
                )
        return self._job

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        job = self._the_job() if name in WATCHED else None
        if job is None:
            return None
        if name == "keras" and "tensorflow" not in sys.modules:
            job.import_tensorflow_first()
            loaded = sys.modules.get("keras")
            if loaded is not None and loaded.__spec__ is not None:
                return ModuleSpec(name, _Loaded(loaded), origin=loaded.__spec__.origin, is_package=True)  # type: ignore[arg-type]
        around = job.around(name)
        spec = self._find(name, path, target) if around else None
        if around and spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader, around)  # type: ignore[assignment]
        return spec

    def _find(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None


_finder: _Finder | None = None


def install() -> None:
    """For the decision that this process runs under, by ITEXD_DECISION; again where that has changed.

    At the first import that matters it is settled.
    """
    global _finder
    under = inherited_decision()
    if _finder is not None:
        _finder.follow(under)
    elif under is not None:
        _finder = _Finder(under)
        sys.meta_path.insert(0, _finder)
