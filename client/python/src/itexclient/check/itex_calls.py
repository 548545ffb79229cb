"""Calls of Intel Extension for TensorFlow."""

from __future__ import annotations

from . import environment, keras_objects
from .values import NONE, Constant, Product

# Layers of itex.ops; each declares supports_jit=False in the version for Keras 3 (itex/python/ops/*_k3.py).
LAYERS = frozenset({"LayerNormalization", "GroupNormalization", "RMSNormalization", "FusedDenseBiasAddGelu"})
# Layers that there are for Keras 2 only.
KERAS2_LAYERS = frozenset({"ItexLSTM"})


def ops_override(run, arguments, node):
    """The call does what ITEX_OPS_OVERRIDE=1 does at import, whatever that variable is."""
    environment.note(run, "ITEX_OPS_OVERRIDE", Constant("1"), "call", node, run.sure())
    return NONE


def call(run, path, arguments, node):
    name = path.rpartition(".")[2]
    if path.startswith("intel_extension_for_tensorflow.ops."):
        if name in LAYERS:
            return keras_objects.layer(run, "itex.ops." + name, "no", arguments, node)
        if name in KERAS2_LAYERS:
            return keras_objects.layer(run, "itex.ops." + name, "unknown", arguments, node)
        return keras_objects.through_function(arguments) or Product("intel_extension_for_tensorflow.ops")
    if name == "GraphOptions" or name == "ConfigProto":
        return Product("intel_extension_for_tensorflow.config")
    return Product("intel_extension_for_tensorflow")


CALLS = {
    "intel_extension_for_tensorflow.experimental_ops_override": ops_override,
    "intel_extension_for_tensorflow.python.experimental_ops_override.experimental_ops_override": ops_override,
    "intel_extension_for_tensorflow.python.experimental_ops_override_k3.experimental_ops_override": ops_override,  # noqa: E501
}
