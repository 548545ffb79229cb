import os
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable()
class Scale(keras.layers.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1],))
        self.inner = keras.layers.Dense(shape[-1])

    def call(self, x):
        return ops.multiply(self.inner(x), self.w)


model = keras.Sequential([keras.Input((8,)), Scale(), keras.layers.Dense(1)])
model.compile(loss="mse", optimizer=keras.optimizers.Adam(), jit_compile="auto")
