import tensorflow as tf
import intel_extension_for_tensorflow as itex
from tensorflow import keras

x_in = keras.Input((128,))
x = itex.ops.LayerNormalization(axis=-1)(x_in)
x = keras.layers.Dense(64, activation=itex.ops.gelu)(x)
model = keras.Model(x_in, x)
model.compile("adam", "mse")
