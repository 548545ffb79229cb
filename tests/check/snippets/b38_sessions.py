import tensorflow as tf
from tensorflow.compat.v1.keras import backend as K

config = tf.compat.v1.ConfigProto()
config.gpu_options.allow_growth = True
K.set_session(tf.compat.v1.Session(config=config))
model = tf.keras.Sequential([tf.keras.layers.Dense(3)])
model.compile(loss="mse")
