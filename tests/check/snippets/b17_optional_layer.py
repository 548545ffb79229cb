import sys
import tensorflow as tf
from tensorflow.keras import layers

stack = [layers.Conv2D(8, 3), layers.Flatten()]
if "--augment" in sys.argv:
    stack.insert(0, layers.RandomRotation(0.1))
stack += [layers.Dense(4)]
model = tf.keras.Sequential(stack)
model.compile(loss="mse")
