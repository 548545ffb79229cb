"""ITEX as native code: reads the C environment once, chooses the mode, sets variables of its own, runs its
loader's Python.

STANDIN_CARDS (default 2) and STANDIN_TILES (default 2) say what the node has.
"""

import ctypes
import os
import re
from importlib import metadata

from tensorflow import config

_libc = ctypes.CDLL(None)
_libc.getenv.restype = ctypes.c_char_p

LOADER = """
try:
  from intel_extension_for_tensorflow.python.override_keras3 import override_keras3
  override_keras3()
except BaseException:
  import traceback
  print(traceback.format_exc())
  print('the stand-in of ITEX gives up: import TensorFlow first')
  quit()
"""


def _get(name):
    value = _libc.getenv(name.encode())
    return None if value is None else value.decode()


def _native(name, default):
    value = _get(name)
    return default if value is None else value.lower() in ("1", "true")


def _auto_jit():
    found = re.findall(r"--tf_xla_auto_jit=(\S+)", _get("TF_XLA_FLAGS") or "")
    if not found:
        return 0
    return 1 if found[-1] == "fusible" else int(re.sub(r"\D", "", found[-1]) or 0)


def _modes(generation):
    """NPD, XLA."""
    if generation < (2, 15):
        return False, False
    requested = _native("ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", True)
    if generation == (2, 15):
        return _auto_jit() > 0 or requested, _auto_jit() > 0
    off = _native("ITEX_DISABLE_XLA", False) or _native("TF_USE_LEGACY_KERAS", False)
    return requested, _auto_jit() > 0 or not off


def _tiles_count():
    return _native("ITEX_TILE_AS_DEVICE", True)


def _devices():
    cards, tiles = int(os.environ.get("STANDIN_CARDS", "2")), int(os.environ.get("STANDIN_TILES", "2"))
    device_filter = _get("SYCL_DEVICE_FILTER")
    if device_filter is not None and "level_zero" not in device_filter:
        return 0
    units = {(card, tile) for card in range(cards) for tile in range(tiles)}
    mask = _get("ZE_AFFINITY_MASK")
    if mask:
        wanted = [tuple(map(int, entry.split("."))) for entry in mask.split(",")]
        units = {unit for unit in units if any(unit[: len(entry)] == entry for entry in wanted)}
    return len(units) if _tiles_count() else len({card for card, _ in units})


def load():
    try:
        version = metadata.version("intel-extension-for-tensorflow")
        flavour = metadata.version("intel-extension-for-tensorflow-lib").rsplit(".", 1)[1]
    except metadata.PackageNotFoundError:
        return
    if flavour == "0":
        return
    generation = tuple(int(part) for part in version.split(".")[:2])
    npd, xla = _modes(generation)
    if (_get("ITEX_OPS_OVERRIDE") or "0").lower() not in ("0", "1", "true", "false"):
        os.abort()
    if xla and not npd:
        os.abort()
    count = _devices()
    if count == 0 and _get("SYCL_DEVICE_FILTER") is None:
        raise RuntimeError("No device of requested type available")
    if xla:
        for name in ("ITEX_REMAPPER", "ITEX_LAYOUT_OPT", "MHA"):
            _libc.setenv(name.encode(), b"0", 0)
        _libc.setenv(b"ITEX_ENABLE_MULTIPLE_STREAM", b"1", 0)
    config._offer(count, {} if npd else {"device_name": "XPU"})
    if generation > (2, 15):
        ctypes.pythonapi.PyRun_SimpleString(LOADER.encode())
