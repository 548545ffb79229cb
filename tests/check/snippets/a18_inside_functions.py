import os
import sys


def setup(flags):
    os.environ["TF_XLA_FLAGS"] = flags
    os.environ["ITEX_DISABLE_XLA"] = "0"


def train():
    import tensorflow as tf

    with tf.device("/XPU:0"):
        net = tf.keras.Sequential([tf.keras.layers.Dense(1)])
        net.compile(loss="mse")
        net.fit(tf.ones((4, 2)), tf.ones((4, 1)))


def main(argv):
    setup("--tf_xla_auto_jit=1")
    train()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
