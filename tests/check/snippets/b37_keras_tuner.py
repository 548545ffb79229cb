import keras_tuner
import tensorflow as tf
from tensorflow import keras


def build_model(hp):
    model = keras.Sequential([keras.layers.Dense(hp.Int("units", 8, 64)), keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="adam")
    return model


tuner = keras_tuner.RandomSearch(build_model, objective="val_loss", max_trials=3)
tuner.search(tf.zeros((8, 2)), tf.zeros((8, 1)), validation_split=0.5)
