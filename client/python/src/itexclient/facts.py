"""Facts of an installation, from its metadata alone: TensorFlow is never imported.

    from itexclient import facts
    facts.installation()    # {"tensorflow": "2.15.1", "keras_installed": "2", "setuptools": "68.0", ...}

Names and values are those of db/rules/facts.yaml with origin `declared`. What is not known is left out. That
a package is *not* there ("none", "false") is said only where TensorFlow is there: an interpreter without it
is not the job's.
"""

from __future__ import annotations

import importlib.machinery
import re
import sys
from importlib import metadata

__all__ = ["installation", "version_of", "has_hook"]

# The last number of the lib package's version is its flavour (2.15.0.3.2 is ITEX 2.15.0.3 for xpu).
_FLAVOURS = {0: "cpu", 1: "gpu", 2: "xpu"}
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "intel-tensorflow", "tensorflow-intel", "tf-nightly")


def version_of(distribution: str, path: list[str] | None = None) -> str | None:
    """The version of an installed distribution as its metadata says it, None where there is none or it cannot
    be read.

    path: folders to look in; None: sys.path.
    """
    wanted = re.sub(r"[-_.]+", "-", distribution).lower()
    try:
        found = metadata.distributions(name=distribution, path=sys.path if path is None else path)
        for one in found:
            name = one.metadata["Name"]
            if name and re.sub(r"[-_.]+", "-", name).lower() == wanted and one.version:
                return str(one.version)
    except Exception:  # metadata is whatever lies on the disk
        return None
    return None


def installation(path: list[str] | None = None) -> dict[str, str]:
    """The facts of this interpreter, or of one whose sys.path is `path`. Takes milliseconds;
    raises nothing.
    """
    facts: dict[str, str] = {}
    tensorflow = next((found for found in (version_of(name, path) for name in _TENSORFLOWS) if found), None)
    present = tensorflow is not None
    put(facts, "tensorflow", tensorflow)
    put(facts, "itex", version_of("intel-extension-for-tensorflow", path))
    put(facts, "setuptools", version_or_absence("setuptools", "setuptools", "none", present, path))
    put(facts, "keras_installed", keras_installed(present, path))
    put(facts, "tf_keras_installed", tf_keras_installed(present, path))
    put(facts, "lib_flavour", lib_flavour(present, path))
    if path is None:
        facts["notebook"] = "true" if in_ipython() else "false"
    return facts


def put(facts: dict[str, str], name: str, value: str | None) -> None:
    if value is not None:
        facts[name] = value


def version_or_absence(
    distribution: str, module: str, absent: str, present: bool, path: list[str] | None
) -> str | None:
    """The version; `absent` where neither metadata nor a module of that name is there and TensorFlow is."""
    found = version_of(distribution, path)
    if found is not None or not present:
        return found
    return None if module_is_there(module, path) else absent


def module_is_there(name: str, path: list[str] | None) -> bool:
    """A module without metadata: from a source tree, a zip, a distribution's own packages."""
    if name in sys.builtin_module_names:
        return True
    try:
        return importlib.machinery.PathFinder.find_spec(name, sys.path if path is None else path) is not None
    except (ImportError, OSError, ValueError):
        return True  # not known, which is not "none"


def keras_installed(present: bool, path: list[str] | None) -> str | None:
    found = version_or_absence("keras", "keras", "none", present, path)
    if found is None or found == "none":
        return found
    major = found.split(".")[0]
    return major if major in ("2", "3") else None


def tf_keras_installed(present: bool, path: list[str] | None) -> str | None:
    found = version_or_absence("tf-keras", "tf_keras", "false", present, path)
    return found if found in (None, "false") else "true"


def lib_flavour(present: bool, path: list[str] | None) -> str | None:
    distribution = "intel-extension-for-tensorflow-lib"
    found = version_or_absence(distribution, "intel_extension_for_tensorflow_lib", "none", present, path)
    if found is None or found == "none":
        return found
    numbers = numbers_of(found)
    itex = numbers_of(version_of("intel-extension-for-tensorflow", path) or "")
    # ITEX 1.x has three numbers of its own, later ones four.
    own = len(itex) if itex and numbers[: len(itex)] == itex else 4
    return _FLAVOURS.get(numbers[own]) if len(numbers) == own + 1 else None


def numbers_of(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", version.split("+")[0])]


def in_ipython() -> bool:
    """Does this process run in IPython? It is not imported for that."""
    ipython = sys.modules.get("IPython")
    shell = getattr(ipython, "get_ipython", None)
    try:
        return shell is not None and shell() is not None
    except Exception:
        return False


def has_hook(path: list[str] | None = None) -> bool:
    """Is the itexclient package, with the itexclient.pth that starts its hook, in this interpreter?"""
    import os
    import site

    folders = list(sys.path if path is None else path)
    folders += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    with_hook = any(os.path.isfile(os.path.join(folder or ".", "itexclient.pth")) for folder in folders)
    return with_hook and module_is_there("itexclient", path)
