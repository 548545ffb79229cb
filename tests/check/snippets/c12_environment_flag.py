import os
import tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile(loss="mse", jit_compile=bool(int(os.environ.get("USE_JIT", "0"))))
