import argparse
import logging
import os
import time

import numpy as np
import tensorflow as tf

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("train")


class Linear(tf.Module):
    def __init__(self, n_in, n_out, name=None):
        super().__init__(name=name)
        self.w = tf.Variable(tf.random.normal([n_in, n_out]), name="w")
        self.b = tf.Variable(tf.zeros([n_out]), name="b")

    def __call__(self, x):
        return tf.matmul(x, self.w) + self.b


@tf.function
def step(model, x, y, rate):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x) - y))
    for variable, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables)):
        variable.assign_sub(rate * gradient)
    return loss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.01)
    args = parser.parse_args()
    model = Linear(8, 1)
    started = time.time()
    for i in range(args.steps):
        x = tf.constant(np.random.rand(32, 8), tf.float32)
        loss = step(model, x, tf.reduce_sum(x, 1, keepdims=True), args.rate)
        if i % 10 == 0:
            log.info("step %d loss %.4f", i, float(loss))
    print("took", time.time() - started, "pid", os.getpid())


if __name__ == "__main__":
    main()
