import tensorflow as tf
import sys

Net = getattr(tf.keras.applications, sys.argv[1])
model = Net(weights=None, classes=10)
model.compile(loss="categorical_crossentropy", optimizer="sgd")
