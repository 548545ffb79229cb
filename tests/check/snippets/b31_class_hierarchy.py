from abc import ABC, abstractmethod
import tensorflow as tf


class Experiment(ABC):
    jit = True

    def __init__(self, units):
        self.units = units

    @abstractmethod
    def make_model(self): ...

    @property
    def compile_args(self):
        return {"optimizer": "adam", "loss": "mse", "jit_compile": self.jit}

    def run(self):
        model = self.make_model()
        model.compile(**self.compile_args)
        model.fit(tf.zeros((4, 3)), tf.zeros((4, self.units)))


class Dense(Experiment):
    jit = False

    def make_model(self):
        return tf.keras.Sequential([tf.keras.layers.Dense(self.units)])


Dense(7).run()
