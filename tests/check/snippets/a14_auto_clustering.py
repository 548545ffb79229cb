import os

os.environ["TF_XLA_FLAGS"] = "--tf_xla_auto_jit=2 " + "--tf_xla_cpu_global_jit"

import tensorflow as tf
import keras

model = keras.models.Sequential([keras.layers.Dense(5)])
model.compile(loss="mse", jit_compile=True)
