import tensorflow as tf

gpus = tf.config.list_logical_devices("XPU")
if len(gpus) > 1:
    strategy = tf.distribute.MirroredStrategy(gpus)
else:
    strategy = tf.distribute.get_strategy()
with strategy.scope():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile(loss="mse")
