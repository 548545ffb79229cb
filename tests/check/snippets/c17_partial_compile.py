import functools
import tensorflow as tf

jitted = functools.partial(tf.function, jit_compile=True)


@jitted
def f(x):
    return x * 2


@functools.partial(tf.function, jit_compile=False)
def g(x):
    return f(x)


print(g(tf.ones(3)))
