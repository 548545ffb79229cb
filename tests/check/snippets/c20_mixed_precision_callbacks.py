import datetime
import pathlib
import tensorflow as tf
from tensorflow.keras import callbacks, mixed_precision

mixed_precision.set_global_policy("mixed_bfloat16")


class Stop(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if (logs or {}).get("loss", 1) < 0.1:
            self.model.stop_training = True


model = tf.keras.Sequential([
    tf.keras.layers.InputLayer(input_shape=(4,)),
    *[tf.keras.layers.Dense(8, activation=tf.keras.layers.LeakyReLU(0.1)) for _ in range(3)],
    tf.keras.layers.Dense(1, dtype="float32"),
])
model.compile(optimizer=tf.keras.optimizers.legacy.SGD(), loss="mse")
log = pathlib.Path("logs") / datetime.datetime.now().isoformat()
model.fit(tf.zeros((4, 4)), tf.zeros((4, 1)), callbacks=[Stop(), callbacks.TensorBoard(log)])
