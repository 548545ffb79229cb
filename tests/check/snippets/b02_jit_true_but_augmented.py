import tensorflow as tf
from tensorflow import keras

inputs = keras.Input((64, 64, 3))
x = keras.layers.RandomZoom(0.2)(inputs)
x = keras.layers.Conv2D(8, 3)(x)
x = keras.layers.Flatten()(x)
model = keras.Model(inputs, keras.layers.Dense(2)(x))
model.compile(loss="mse", jit_compile=True)
