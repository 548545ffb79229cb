"""Use case 2: no Keras at all. XLA, which ITEX turns on for Keras 3, only makes it slower."""

import numpy as np
import tensorflow as tf


class Network(tf.Module):
    def __init__(self):
        super().__init__()
        self.hidden = tf.Variable(tf.random.normal((784, 64), stddev=0.05))
        self.output = tf.Variable(tf.random.normal((64, 10), stddev=0.05))

    def __call__(self, images):
        return tf.nn.relu(images @ self.hidden) @ self.output


@tf.function
def train_step(network, images, labels, rate):
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(images))
        loss = tf.reduce_mean(losses)
    for variable, gradient in zip(network.trainable_variables, tape.gradient(loss, network.trainable_variables)):
        variable.assign_sub(rate * gradient)
    return loss


def main():
    network = Network()
    for step in range(20):
        images = tf.constant(np.random.rand(64, 784), tf.float32)
        labels = tf.constant(np.random.randint(0, 10, 64))
        loss = train_step(network, images, labels, 0.1)
        print(step, float(loss))


if __name__ == "__main__":
    main()
