"""Use case 4: Keras 3 with jit_compile disabled. Left alone, the newest ITEX ends it with status 0, untrained."""

import numpy as np
import tensorflow as tf


class Classifier(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten = tf.keras.layers.Flatten()
        self.dense = tf.keras.layers.Dense(10)

    def call(self, images):
        return self.dense(self.flatten(images))


model = Classifier()
model.compile(
    optimizer=tf.keras.optimizers.Adam(1e-3),
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    jit_compile=False,
)
model.fit(np.random.rand(256, 28, 28).astype("float32"), np.random.randint(0, 10, 256), epochs=1)
