"""Use case 6: XLA through TensorFlow, which clusters the operators; Keras's own jit is off."""

import os

os.environ["TF_XLA_FLAGS"] = "--tf_xla_auto_jit=1"

import numpy as np
import tensorflow as tf

model = tf.keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3), classes=10)
model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", jit_compile=False)
model.fit(np.random.rand(32, 96, 96, 3).astype("float32"), np.random.randint(0, 10, 32), epochs=1)
