import os
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tensorflow as tf
import keras
from keras import layers
from keras.models import Sequential

model = Sequential([layers.Dense(1)])
model.compile(loss="mse", optimizer=keras.optimizers.SGD())
