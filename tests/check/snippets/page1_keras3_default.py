"""Use case 1: Keras 3 as it comes. The model supports jit, so that Keras compiles it and it runs by XLA."""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def build_model(classes=10):
    inputs = keras.Input(shape=(28, 28, 1))
    x = layers.Conv2D(32, 3, activation="relu")(inputs)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def main():
    images = np.random.rand(256, 28, 28, 1).astype("float32")
    labels = np.random.randint(0, 10, 256)
    print("TensorFlow", tf.__version__)
    model = build_model()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, batch_size=64, epochs=1)


if __name__ == "__main__":
    main()
