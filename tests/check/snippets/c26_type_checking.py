from __future__ import annotations
from typing import TYPE_CHECKING, Optional

import tensorflow as tf

if TYPE_CHECKING:
    import keras


def build(n: int, kind: Optional[keras.Model] = None) -> keras.Model:
    return tf.keras.Sequential([tf.keras.layers.Dense(n)])


m: keras.Model = build(3)
m.compile(loss="mse")
