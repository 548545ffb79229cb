import tensorflow as tf
from tensorflow.keras import layers

rotate = tf.keras.Sequential([layers.RandomRotation(0.2)])
ds = tf.data.Dataset.from_tensor_slices(tf.zeros((8, 32, 32, 3))).batch(4)
ds = ds.map(lambda x: rotate(x, training=True))

model = tf.keras.Sequential([layers.Conv2D(8, 3), layers.GlobalAveragePooling2D(), layers.Dense(2)])
model.compile(loss="mse")
model.fit(ds)
