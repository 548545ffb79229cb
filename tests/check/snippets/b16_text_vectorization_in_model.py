import tensorflow as tf
from tensorflow.keras import layers

vectorize = layers.TextVectorization(max_tokens=1000, output_mode="int")
vectorize.adapt(["a b c", "d"])
model = tf.keras.models.Sequential()
model.add(tf.keras.Input(shape=(1,), dtype=tf.string))
model.add(vectorize)
model.add(layers.Embedding(1001, 16))
model.add(layers.GlobalAveragePooling1D())
model.add(layers.Dense(1))
model.compile("adam", "mse")
