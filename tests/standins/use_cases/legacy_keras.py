"""Keras 2 by tf-keras, as the vendor's page says to go on using it."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow as tf
import tf_keras as keras


def build():
    return keras.Sequential([keras.layers.Dense(64), keras.layers.Dense(10)])


model = build()
model.compile(optimizer="adam", loss="mse")
model.fit()
print(tf.config.list_physical_devices("XPU"))
