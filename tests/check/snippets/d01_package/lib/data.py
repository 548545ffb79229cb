import numpy


def batches():
    import tensorflow as tf
    return tf.data.Dataset.from_tensors(numpy.zeros((2, 2))).batch(2)
