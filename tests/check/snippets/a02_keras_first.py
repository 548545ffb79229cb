import keras
from keras import layers
import tensorflow as tf

model = keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(10)])
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(tf.random.normal((128, 32)), tf.zeros((128,), tf.int32))
