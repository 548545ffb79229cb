"""XLA through TensorFlow: clusters of operators are compiled, the model itself is not."""

import os

os.environ["TF_XLA_FLAGS"] = "--tf_xla_auto_jit=1"

import tensorflow as tf
import keras

model = keras.Sequential([keras.layers.Dense(64), keras.layers.Dense(10)])
model.compile(optimizer="adam", loss="mse", jit_compile=False)
model.fit()
print(tf.config.list_physical_devices("XPU"))
