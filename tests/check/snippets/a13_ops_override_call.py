import tensorflow as tf
import intel_extension_for_tensorflow as itex

itex.experimental_ops_override()

x = inp = tf.keras.layers.Input((32,))
x = tf.keras.layers.LayerNormalization()(x)
model = tf.keras.Model(inp, tf.keras.layers.Dense(3)(x))
model.compile(loss="mse", optimizer="adam")
