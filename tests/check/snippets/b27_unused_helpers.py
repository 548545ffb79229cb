import tensorflow as tf
from tensorflow import keras


def old_model():
    with tf.device("/gpu:0"):
        m = keras.Sequential([keras.layers.LSTM(4), keras.layers.RandomRotation(1)])
        m.compile(loss="mse", jit_compile=False, run_eagerly=True)
    return m


def new_model():
    m = keras.Sequential([keras.layers.Dense(4)])
    m.compile(loss="mse")
    return m


new_model().fit(tf.zeros((4, 2)), tf.zeros((4, 4)))
