from absl import app, flags, logging
import tensorflow as tf

FLAGS = flags.FLAGS
flags.DEFINE_integer("epochs", 3, "how many")


def create_model():
    return tf.keras.models.Sequential([
        tf.keras.layers.Dense(128, activation=tf.nn.relu),
        tf.keras.layers.Dense(10),
    ])


def main(_):
    logging.info("starting")
    model = create_model()
    model.compile(optimizer="adam", loss="mse", jit_compile=False)
    model.fit(tf.zeros((4, 8)), tf.zeros((4, 10)), epochs=FLAGS.epochs)


if __name__ == "__main__":
    app.run(main)
