"""What a process really got, read once TensorFlow is imported: the device mode and how many XPUs.

Nothing here initialises a device or TensorFlow's context, so that a script may still configure both
afterwards. All of it was observed with the released 2.15.0.3 on emulated GPUs; the newest sources are read
the same way.
"""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

# ITEX sets these where they are unset, and only with XLA on.
XLA_SETS = ("ITEX_REMAPPER", "ITEX_LAYOUT_OPT", "ITEX_ENABLE_MULTIPLE_STREAM", "MHA")


@dataclass(frozen=True)
class Effective:
    """What was read, and where something cannot be told, why.

    mode: "npd+xla", "npd", "stream-executor", "none" on the CPU, or None. devices: the XPUs of TensorFlow.
    pjrt: those of PJRT, which ITEX counts by another variable; None where there is no PJRT, or it cannot
    be asked.
    """

    mode: str | None
    devices: int
    pjrt: int | None = None
    why: str = ""


def c_environment(name: str) -> str | None:
    """The variable as native code sees it: os.environ is Python's copy, which libraries do not change."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    value = getenv(os.fsencode(name))
    return None if value is None else os.fsdecode(value)


def before_import() -> frozenset[str]:
    """What must be known of the environment from before TensorFlow's import, for effective()."""
    return frozenset(name for name in XLA_SETS if c_environment(name) is not None)


def _itex_version() -> tuple[int, ...]:
    try:
        text = metadata.version("intel-extension-for-tensorflow")
    except metadata.PackageNotFoundError:
        return ()
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _auto_jit_enabled(tensorflow: Any) -> bool | None:
    """What 2.15 asks TensorFlow; a C++ bool, of which only the low byte counts."""
    library = Path(tensorflow.__file__).parent / "libtensorflow_cc.so.2"
    try:
        function = ctypes.CDLL(str(library)).TF_GetXlaAutoJitEnabled
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_ubyte
    return bool(function())


def _xla(tensorflow: Any, before: frozenset[str]) -> bool | None:
    if _itex_version() == (2, 15):
        enabled = _auto_jit_enabled(tensorflow)
        if enabled is not None:
            return enabled
    looked_at = [name for name in XLA_SETS if name not in before]
    if not looked_at:
        return None
    return any(c_environment(name) is not None for name in looked_at)


def _is_stream_executor(tensorflow: Any, xpu: Any) -> bool:
    """A device of the stream executor has a name among its details, one of NPD has no details."""
    return bool(tensorflow.config.experimental.get_device_details(xpu))


def effective(tensorflow: Any, before: frozenset[str]) -> Effective:
    """tensorflow: the imported module; before: of before_import(). Raises whatever TensorFlow raises."""
    xpus = tensorflow.config.list_physical_devices("XPU")
    if not xpus:
        return Effective("none", 0)
    if _is_stream_executor(tensorflow, xpus[0]):
        return Effective("stream-executor", len(xpus))
    xla = _xla(tensorflow, before)
    if xla is None:
        why = f"{', '.join(XLA_SETS)} were all set before the import"
        return Effective(None, len(xpus), _pjrt_devices(tensorflow), why)
    return Effective("npd+xla" if xla else "npd", len(xpus), _pjrt_devices(tensorflow))


def itex_plugin() -> str | None:
    """Path of ITEX's plugin, where TensorFlow has loaded it: by the libraries this process has mapped."""
    try:
        maps = Path("/proc/self/maps").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"\s(/\S*/libitex_\w+\.so)$", maps, re.MULTILINE)
    return found.group(1) if found else None


# ---- PJRT ---------------------------------------------------------------------------------------------

_API_HEADER = 5  # words before the first function: size, private, and a version of three
_ADDRESSABLE_DEVICES = 16  # PJRT_Client_AddressableDevices among the functions; PJRT only ever appends


class _AddressableDevicesArgs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("private", ctypes.c_void_p),
        ("client", ctypes.c_void_p),
        ("devices", ctypes.c_void_p),
        ("n_devices", ctypes.c_size_t),
    ]


def _pjrt_client(tensorflow: Any) -> int | None:
    library = ctypes.CDLL(str(Path(tensorflow.__file__).parent / "libtensorflow_cc.so.2"))
    library.TF_NewStatus.restype = ctypes.c_void_p
    library.TF_GetPjRtCClient.restype = ctypes.c_void_p
    status = ctypes.c_void_p(library.TF_NewStatus())
    client: int | None = library.TF_GetPjRtCClient(b"XPU", status)
    library.TF_DeleteStatus(status)
    return client


def _count_addressable(plugin: str, client: int) -> int | None:
    get_api = ctypes.CDLL(plugin).GetPjrtApi
    get_api.restype = ctypes.POINTER(ctypes.c_size_t)
    api = get_api()
    index = _API_HEADER + _ADDRESSABLE_DEVICES
    if not api or api[0] < (index + 1) * ctypes.sizeof(ctypes.c_size_t):
        return None
    function = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(api[index])
    arguments = _AddressableDevicesArgs(ctypes.sizeof(_AddressableDevicesArgs), None, client, None, 0)
    return None if function(ctypes.byref(arguments)) else arguments.n_devices


def _pjrt_devices(tensorflow: Any) -> int | None:
    plugin = itex_plugin()
    try:
        client = _pjrt_client(tensorflow) if plugin else None
        return _count_addressable(plugin, client) if plugin and client else None
    except (OSError, AttributeError):
        return None
