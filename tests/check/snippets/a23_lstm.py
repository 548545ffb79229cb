import tensorflow as tf

model = tf.keras.Sequential()
model.add(tf.keras.layers.Embedding(1000, 64))
model.add(tf.keras.layers.LSTM(128))
model.add(tf.keras.layers.Dense(10))
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
