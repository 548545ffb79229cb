import os
import sys
import tensorflow as tf


def configure(argv):
    if "--plain" in argv:
        return
    os.environ["LATER"] = "1"
    tf.config.experimental.enable_op_determinism()


configure(sys.argv)
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile(loss="mse")
