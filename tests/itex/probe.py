"""The job of an observation: imports what it is told, then says what TensorFlow and PJRT have.

    probe.py RESULT MODULE...

RESULT holds JSON from the start, written anew at each step, so that it says how far a process came that died.
At the end it tries a first operation. Emulated devices are not up to one (SIGFPE), but ITEX reads some of its
variables only then, before it comes to that, and what it does about them can be told apart.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import sys

XLA_VARIABLES = ("ITEX_REMAPPER", "ITEX_LAYOUT_OPT", "ITEX_ENABLE_MULTIPLE_STREAM", "MHA")
GIVEN = ("ITEXD_DECISION", "ITEXD_LOCAL_DEVICE", "ZE_AFFINITY_MASK", "ZE_FLAT_DEVICE_HIERARCHY")
# PJRT_Api: a size, a private pointer, the version (size, private pointer, two ints), then functions.
PJRT_HEADER = 5
PJRT_CLIENT_ADDRESSABLE_DEVICES = 16


class AddressableDevices(ctypes.Structure):
    """PJRT_Client_AddressableDevices_Args"""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("priv", ctypes.c_void_p),
        ("client", ctypes.c_void_p),
        ("devices", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
    ]


class Result:
    def __init__(self, path):
        self.path = path
        self.said = {}

    def say(self, **more):
        self.said.update(more)
        beside = f"{self.path}.new"
        with open(beside, "w") as file:
            json.dump(self.said, file)
        os.replace(beside, self.path)


def set_for_c(names):
    """Which of them are in the C environment, where os.environ does not show what C code has set."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    getenv.argtypes = [ctypes.c_char_p]
    return [name for name in names if getenv(name.encode()) is not None]


def loaded(path):
    return ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)


def auto_jit(library):
    """TensorFlow's own word; a C++ bool, of which only the low byte is set."""
    return bool(library.TF_GetXlaAutoJitEnabled() & 0xFF)


def pjrt_client(library):
    """The client that the plugin made for XPUs, or None."""
    library.TF_NewStatus.restype = ctypes.c_void_p
    library.TF_GetPjRtCClient.restype = ctypes.c_void_p
    library.TF_GetPjRtCClient.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    return library.TF_GetPjRtCClient(b"XPU", library.TF_NewStatus())


def pjrt_devices(library, plugin_path):
    """How many devices PJRT has opened; None where there is no client."""
    client = pjrt_client(library)
    if not client:
        return None
    plugin = loaded(plugin_path)
    plugin.GetPjrtApi.restype = ctypes.POINTER(ctypes.c_size_t)
    address = plugin.GetPjrtApi()[PJRT_HEADER + PJRT_CLIENT_ADDRESSABLE_DEVICES]
    function = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(address)
    arguments = AddressableDevices(ctypes.sizeof(AddressableDevices), None, client, None, 0)
    if function(ctypes.byref(arguments)):
        raise RuntimeError("PJRT_Client_AddressableDevices failed")
    return arguments.count


def look(result, tf):
    package = os.path.dirname(tf.__file__)
    library = loaded(os.path.join(package, "libtensorflow_cc.so.2"))
    plugin = os.path.join(os.path.dirname(package), "tensorflow-plugins", "libitex_gpu.so")
    devices = tf.config.list_physical_devices("XPU")
    details = [tf.config.experimental.get_device_details(device) for device in devices]
    result.say(
        xpus=len(devices),
        details=details,
        set_by_xla=[name for name in set_for_c(XLA_VARIABLES) if name not in os.environ],
        auto_jit=auto_jit(library),
        pjrt=pjrt_devices(library, plugin),
    )


def operate(result, tf):
    try:
        with tf.device("/XPU:0"):
            tf.zeros([2])
    except Exception as error:
        result.say(operation=f"{type(error).__name__}: {error}"[:300])


def main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    result = Result(sys.argv[1])
    result.say(stage="import", given={name: os.environ[name] for name in GIVEN if name in os.environ})
    try:
        for name in sys.argv[2:]:
            importlib.import_module(name)
    except Exception as error:
        result.say(exception=type(error).__name__, message=str(error)[:300])
        return 1
    result.say(stage="look")
    tf = sys.modules["tensorflow"]
    look(result, tf)
    if result.said["xpus"]:
        result.say(stage="operate")
        operate(result, tf)
    result.say(stage="done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
