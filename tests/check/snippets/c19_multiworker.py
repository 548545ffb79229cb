import json
import os

os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}})
import tensorflow as tf

options = tf.distribute.experimental.CommunicationOptions()
strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def build_and_compile():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile(loss="mse", jit_compile=False)
    return model


with strategy.scope():
    multi = build_and_compile()
multi.fit(tf.data.Dataset.from_tensors((tf.zeros((1, 1)), tf.zeros((1, 1)))))
