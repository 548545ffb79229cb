import tensorflow as tf
if True:
	layers = tf.keras.layers
	def f():
		return tf.keras.Sequential([layers.Dense(1)])
	m = f()
	m.compile(
		loss='mse',	jit_compile = False	)
