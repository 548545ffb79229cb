import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")
best, patience = 1e9, 0
while True:
    history = model.fit(tf.zeros((4, 2)), tf.zeros((4, 1)), verbose=0)
    loss = history.history["loss"][-1]
    if loss < best:
        best, patience = loss, 0
        continue
    patience += 1
    if patience > 3:
        break
tf.config.run_functions_eagerly(False)
