"""Use case 5: ITEX's operators in place of Keras's. The override turns jit off for models with normalization layers."""

import numpy as np
import tensorflow as tf
import intel_extension_for_tensorflow as itex

itex.experimental_ops_override()

inputs = tf.keras.Input((64,))
x = tf.keras.layers.Dense(64)(inputs)
x = tf.keras.layers.LayerNormalization()(x)
model = tf.keras.Model(inputs, tf.keras.layers.Dense(1)(x))
model.compile(optimizer="adam", loss="mse")
model.fit(np.random.rand(256, 64).astype("float32"), np.random.rand(256, 1), epochs=1)
