import numpy as np
import tensorflow as tf

(x, y), _ = tf.keras.datasets.mnist.load_data()
x = tf.cast(x.reshape(-1, 784), tf.float32) / 255.
w = tf.Variable(tf.zeros((784, 10)))
for i in range(0, len(x), 100):
    with tf.GradientTape() as t:
        logits = x[i:i + 100] @ w
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y[i:i + 100].astype(np.int32), logits))
    w.assign_sub(0.1 * t.gradient(loss, w))
