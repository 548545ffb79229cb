import tensorflow as tf
from tensorflow import keras

base = keras.applications.EfficientNetB0(include_top=False, weights=None)
model = keras.Sequential([base, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)])
base.trainable = False
model.compile(loss="mse", optimizer="adam", jit_compile=False)
model.fit(tf.zeros((1, 224, 224, 3)), tf.zeros((1, 5)))
base.trainable = True
model.compile(loss="mse", optimizer=keras.optimizers.Adam(1e-5))
model.fit(tf.zeros((1, 224, 224, 3)), tf.zeros((1, 5)))
