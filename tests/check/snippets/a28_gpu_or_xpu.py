import tensorflow as tf

devices = tf.config.list_physical_devices("XPU") or tf.config.list_physical_devices("GPU")
kind = "XPU" if tf.config.list_physical_devices("XPU") else "GPU"
with tf.device("/%s:0" % kind):
    print(tf.ones(3) + 1)
