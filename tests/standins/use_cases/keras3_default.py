"""Keras 3 as it comes: the model is jit-compiled."""

import tensorflow as tf
import keras

model = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)])
model.compile(optimizer="adam", loss="mse", metrics=["mae"])
model.fit()
print(tf.config.list_physical_devices("XPU"))
