import tensorflow as tf
def a0(): return tf.constant(1)
def a1(x): return [a0() for _ in range(x)]
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile(jit_compile=False)
