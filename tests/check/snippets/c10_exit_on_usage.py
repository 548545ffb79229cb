import os, sys

if len(sys.argv) < 2:
    print("usage: train.py DATA")
    sys.exit(2)

os.environ["ITEX_DISABLE_XLA"] = "1"
import tensorflow as tf
data = tf.io.read_file(sys.argv[1])
