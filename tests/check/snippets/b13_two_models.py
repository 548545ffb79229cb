import tensorflow as tf
from tensorflow import keras

gen = keras.Sequential([keras.layers.Dense(64), keras.layers.Dense(28)])
disc = keras.Sequential([keras.layers.Dense(64), keras.layers.Dense(1)])
disc.compile(loss="binary_crossentropy", optimizer="adam", jit_compile=False)
z = keras.Input((10,))
gan = keras.Model(z, disc(gen(z)))
gan.compile(loss="binary_crossentropy", optimizer="adam", jit_compile=True)
gan.fit(tf.zeros((4, 10)), tf.zeros((4, 1)))
disc.fit(tf.zeros((4, 28)), tf.zeros((4, 1)))
