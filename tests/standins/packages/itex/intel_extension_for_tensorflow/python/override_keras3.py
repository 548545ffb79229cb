"""The check that ends an uncompiled Keras 3 model with status 0."""

import os
from importlib import metadata

import keras

_EXEMPT = "--tf_xla_auto_jit=1" in os.environ.get("TF_XLA_FLAGS", "").replace(" ", "")


def _must_end(model):
    disabled = os.environ.get("ITEX_DISABLE_XLA", "0") not in ("0", "false")
    return not model.jit_compile and not disabled and not _EXEMPT


def _checked(original, line):
    def checked(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        if _must_end(self):
            print(line)
            quit()
        return result

    return checked


def override_keras3():
    if os.environ.get("TF_USE_LEGACY_KERAS") in ("true", "True", "1"):
        return
    if int(metadata.version("setuptools").split(".")[0]) >= 82:
        print("the stand-in of ITEX: its Keras check cannot run")
        return
    trainer = keras.src.trainers.trainer.Trainer
    if keras.__version__.startswith("3"):
        trainer.compile = _checked(trainer.compile, "stand-in: this model is not jit-compiled")
