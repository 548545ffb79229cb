"""A stand-in for tests: the Python side of Intel Extension for TensorFlow, as far as imports see it."""

import tensorflow  # noqa: F401

STAND_IN = True
