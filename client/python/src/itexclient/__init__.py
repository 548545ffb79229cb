"""Asks the node's itexd which device mode a training job is to run with, before TensorFlow is imported.

    import itexclient

    itexclient.configure(keras="3")
    import tensorflow as tf

Importing this package imports nothing else; what it offers is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .decision import Decision as Decision
    from .decision import Device as Device
    from .decision import Diagnostic as Diagnostic
    from .errors import Busy as Busy
    from .errors import Error as Error
    from .errors import LeaseWarning as LeaseWarning
    from .errors import NoDevice as NoDevice
    from .errors import NotApplied as NotApplied
    from .errors import Refused as Refused
    from .errors import Rejected as Rejected
    from .errors import ServiceError as ServiceError
    from .errors import TooLate as TooLate
    from .errors import Unavailable as Unavailable
    from .errors import UnmanagedWarning as UnmanagedWarning
    from .session import configure as configure
    from .session import inherited as inherited
    from .session import lease as lease
    from .session import local_device as local_device

__version__ = "0.1.0"

# What is public, and the module that has it.
_HOME = {
    "Decision": "decision",
    "Device": "decision",
    "Diagnostic": "decision",
    "Busy": "errors",
    "Error": "errors",
    "LeaseWarning": "errors",
    "NoDevice": "errors",
    "NotApplied": "errors",
    "Refused": "errors",
    "Rejected": "errors",
    "ServiceError": "errors",
    "TooLate": "errors",
    "Unavailable": "errors",
    "UnmanagedWarning": "errors",
    "configure": "session",
    "inherited": "session",
    "lease": "session",
    "local_device": "session",
}
__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
