import tensorflow as tf

with open("config.py") as f:
    exec(f.read())
print(tf.reduce_sum(tf.ones(3)))
