import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers as L
from tf_keras.optimizers import Adam


def build(width: int = 64) -> keras.Model:
    a = keras.Input((16,))
    x = L.Dense(width, activation="gelu")(a)
    x = L.LayerNormalization()(x)
    return keras.Model(a, L.Dense(1)(x))


model = build()
model.compile(optimizer=Adam(1e-3), loss="mse", jit_compile=False)
model.fit(tf.random.normal((64, 16)), tf.random.normal((64, 1)), verbose=2)
