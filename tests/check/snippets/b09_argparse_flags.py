import argparse
import tensorflow as tf
from tensorflow import keras


def get_args():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--jit", action="store_true")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--eager", action="store_true")
    return ap.parse_args()


def main(args):
    model = keras.Sequential([keras.layers.Dense(32), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(args.lr), loss="mse", jit_compile=args.jit, run_eagerly=args.eager)
    model.fit(tf.zeros((8, 3)), tf.zeros((8, 1)))


main(get_args())
