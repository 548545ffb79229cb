"""ITEX's operators in place of TensorFlow's, which turns Keras 3's jit off."""

import os

os.environ["ITEX_OPS_OVERRIDE"] = "1"

import tensorflow as tf
import keras

model = keras.Sequential([keras.layers.Dense(64), keras.layers.Dense(10)])
model.compile(optimizer="adam", loss="mse")
model.fit()
print(tf.config.list_physical_devices("XPU"))
