"""A stand-in for tests: Keras 3, as far as importing, compiling and fitting go."""

from importlib import metadata

STAND_IN = True
__version__ = metadata.version("keras")

from keras import layers, src  # noqa: E402, F401
from keras.src.models import Model, Sequential  # noqa: E402, F401
