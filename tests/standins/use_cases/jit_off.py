"""Keras 3 with jit_compile off."""

import tensorflow as tf
from keras import Sequential, layers

model = Sequential([layers.Dense(64), layers.Dense(10)])
model.compile(optimizer="adam", loss="mse", jit_compile=False)
model.fit()
print(tf.config.list_physical_devices("XPU"))
