import os
os.environ["KERAS_BACKEND"] = "jax"
import tensorflow as tf
import keras

model = keras.Sequential([keras.layers.Dense(1)])
model.compile(loss="mse")
