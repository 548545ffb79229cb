import sys
import tensorflow as tf
from tensorflow import keras

MODELS = {}


def register(f):
    MODELS[f.__name__] = f
    return f


@register
def small():
    return keras.Sequential([keras.layers.Dense(1)])


@register
def recurrent():
    return keras.Sequential([keras.layers.GRU(8), keras.layers.Dense(1)])


model = MODELS[sys.argv[1]]()
model.compile(optimizer="adam", loss="mse")
model.fit(tf.zeros((2, 3, 4)), tf.zeros((2, 1)))
