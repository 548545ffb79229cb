import argparse
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--net", choices=["a", "b"], default="a")
args = parser.parse_args()
model = None
if args.net == "a":
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
elif args.net == "b":
    model = tf.keras.applications.ResNet50(weights=None)
else:
    raise ValueError(args.net)
model.compile(loss="mse", jit_compile=True)
model.fit(tf.zeros((1, 1)), tf.zeros((1, 1)))
