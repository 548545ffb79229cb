import tensorflow as tf
from tensorflow.keras import layers as L

make = {"dense": lambda n: L.Dense(n), "drop": lambda p: L.Dropout(p)}
spec = [("dense", 64), ("drop", 0.1), ("dense", 10)]
model = tf.keras.Sequential([make[kind](value) for kind, value in spec])
model.compile(loss="mse", optimizer=tf.keras.optimizers.Adam())
