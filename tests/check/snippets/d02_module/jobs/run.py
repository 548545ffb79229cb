import tensorflow as tf


def main():
    keras = tf.keras
    m = keras.Sequential([keras.layers.Dense(1)])
    m.compile(loss='mse', jit_compile='auto')
