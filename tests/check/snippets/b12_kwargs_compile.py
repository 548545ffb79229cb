import tensorflow as tf

common = dict(optimizer="adam", loss="mse")
options = {**common, "jit_compile": False}


def build(**kwargs):
    m = tf.keras.Sequential([tf.keras.layers.Dense(3)])
    m.compile(**kwargs)
    return m


a = build(**options)
a.fit(tf.zeros((2, 3)), tf.zeros((2, 3)))
