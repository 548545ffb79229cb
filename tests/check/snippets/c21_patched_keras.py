import sys
import tensorflow as tf
import tf_keras
sys.modules["keras"] = tf_keras
import keras
from keras.layers import Dense

model = keras.Sequential([Dense(1)])
model.compile(loss="mse")
