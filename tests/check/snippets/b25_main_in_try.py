import logging
import tensorflow as tf
from tensorflow import keras


def run():
    inputs = keras.layers.Input(shape=(4,))
    model = keras.models.Model(inputs, keras.layers.Dense(2)(inputs))
    model.compile(loss="mse")
    model.fit(tf.zeros((2, 4)), tf.zeros((2, 2)))


if __name__ == "__main__":
    try:
        run()
    except KeyboardInterrupt:
        print("stopped")
    except Exception:
        logging.exception("failed")
    finally:
        print("bye")
