import tensorflow as tf
from tensorflow import keras
m = keras.Sequential([keras.layers.Dense(1)])
m.compile(loss="mse", jit_compile=False)
