"""Use case 3: Keras 2 by tf_keras, as the vendor's page says: the variable, the package, the imports."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras import layers

model = keras.Sequential([layers.Flatten(input_shape=(28, 28)), layers.Dense(64, activation="relu"), layers.Dense(10)])
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(np.random.rand(256, 28, 28), np.random.randint(0, 10, 256), epochs=1)
print("TensorFlow", tf.__version__)
