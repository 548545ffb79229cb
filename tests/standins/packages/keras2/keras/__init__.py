"""A stand-in for tests: Keras 2, as far as importing, compiling and fitting go."""

from importlib import metadata

import tensorflow  # noqa: F401

from keras import layers  # noqa: F401
from keras.src.engine.training import Model, Sequential  # noqa: F401

STAND_IN = True
__version__ = metadata.version("keras")
