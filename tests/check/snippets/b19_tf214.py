import os
os.environ["ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"] = "1"
import tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile(loss="mse", jit_compile=True)
