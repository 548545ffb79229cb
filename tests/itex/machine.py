"""Where the real ITEX is, and the machine that it is shown: GPUs that Intel's driver emulates.

tests/itex/install has made the virtual environment. The driver enumerates what its debug keys describe, so
that import, device lists and modes are the real ones; whatever computes on such a device kills the process.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
VENV = Path(os.environ.get("ITEXD_ITEX_VENV", SOURCE / "build" / "itex-venv")).absolute()
SHIM = VENV / "lib" / "libitexd-loader-shim.so"
FLAVOURS = {"xpu": VENV, "cpu": VENV / "flavours" / "cpu", "none": VENV / "flavours" / "none"}
ITEX = "2.15.0.3"
TENSORFLOW = "2.15.1"
NOISE = {"TF_CPP_MIN_LOG_LEVEL": "1", "TF_ENABLE_ONEDNN_OPTS": "0"}


def python(flavour="xpu"):
    return FLAVOURS[flavour] / "bin" / "python"


def installed():
    return (VENV / "installed").exists()


def emulation(cards=2, tiles=2):
    """The driver's debug keys. It knows no card without tiles beside cards with some: all are alike."""
    return {
        "NEOReadDebugKeys": "1",
        "SetCommandStreamReceiver": "1",
        "ProductFamilyOverride": "pvc",
        "CreateMultipleRootDevices": str(cards),
        "CreateMultipleSubDevices": str(tiles),
        "AUBDumpCaptureFileName": "/dev/null",
    }


def surroundings(cards=2, tiles=2):
    """A job's environment on that machine, before anybody has decided anything."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": str(VENV / "lib"),
        "LD_PRELOAD": str(SHIM),
        "ONEAPI_DEVICE_SELECTOR": "level_zero:gpu",
        "UR_L0_USM_RESIDENT": "0x0",
        **NOISE,
        **emulation(cards, tiles),
    }


def changed(environment, changes):
    """The environment with changes in it; None unsets."""
    merged = {**environment, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _package(name):
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False
    )
    return shown.stdout or "not installed"


def versions():
    """What an observation depends on beside the environment."""
    release = Path("/etc/os-release").read_text()
    pinned = (Path(__file__).parent / "requirements.txt").read_text()
    return {
        "system": re.search(r'PRETTY_NAME="(.*)"', release)[1],
        "python": platform.python_version(),
        **{
            name: re.search(rf"^{name}==(.*)$", pinned, re.MULTILINE)[1]
            for name in (
                "intel-extension-for-tensorflow",
                "intel-extension-for-tensorflow-lib",
                "tensorflow",
                "keras",
                "dpcpp-cpp-rt",
            )
        },
        "libze1": _package("libze1"),
        "intel-opencl-icd": _package("intel-opencl-icd"),
    }
