"""A stand-in for tests: imports as TensorFlow with its plugins would, and computes nothing."""

import importlib
import os
from importlib import metadata

from tensorflow import config, plugin  # noqa: F401

STAND_IN = True
__version__ = metadata.version("tensorflow")

plugin.load()


def function(body=None, jit_compile=None):
    return body if body is not None else lambda body: body


def __getattr__(name):
    if name != "keras":
        raise AttributeError(f"this stand-in of tensorflow has no {name}")
    legacy = os.environ.get("TF_USE_LEGACY_KERAS") in ("true", "True", "1")
    try:
        return importlib.import_module("tf_keras" if legacy else "keras")
    except ModuleNotFoundError:
        if not legacy:
            raise
        raise ImportError("Keras cannot be imported. Check that it is installed.") from None
