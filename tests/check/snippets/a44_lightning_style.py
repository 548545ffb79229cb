"""A trainer class in the style of other frameworks."""
import os
from dataclasses import dataclass

import tensorflow as tf


@dataclass
class Config:
    width: int = 128
    epochs: int = 3
    jit: bool = False


class Trainer:
    def __init__(self, config: Config):
        self.config = config
        self.model = None

    def build(self):
        inputs = tf.keras.Input((32,))
        x = tf.keras.layers.Dense(self.config.width)(inputs)
        self.model = tf.keras.Model(inputs, x)
        return self

    def compile(self):
        self.model.compile(optimizer="adam", loss="mse", jit_compile=self.config.jit)
        return self

    def fit(self):
        self.model.fit(tf.zeros((8, 32)), tf.zeros((8, 128)), epochs=self.config.epochs)


def main():
    Trainer(Config()).build().compile().fit()


if __name__ == "__main__":
    main()
