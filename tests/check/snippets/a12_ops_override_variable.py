import os
os.environ.update({"ITEX_OPS_OVERRIDE": "1", "ITEX_VERBOSE": "0"})
import tensorflow as tf
from tensorflow import keras

m = keras.Sequential([keras.layers.LayerNormalization(), keras.layers.Dense(2)])
m.compile(loss="mse")
