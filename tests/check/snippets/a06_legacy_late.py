import tensorflow as tf
import os
os.environ["TF_USE_LEGACY_KERAS"] = "1"

model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile("sgd", "mse")
