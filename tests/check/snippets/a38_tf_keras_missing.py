import os
os.environ["TF_USE_LEGACY_KERAS"] = "True"
import tensorflow as tf
tf.keras.Sequential([tf.keras.layers.Dense(1)]).compile(loss="mse")
