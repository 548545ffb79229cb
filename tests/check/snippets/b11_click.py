import click
import tensorflow as tf


@click.command()
@click.option("--units", default=16)
def train(units):
    """Trains."""
    m = tf.keras.Sequential([tf.keras.layers.Dense(units), tf.keras.layers.Dense(1)])
    m.compile(loss="mse", jit_compile=True)
    m.fit(tf.zeros((4, 8)), tf.zeros((4, 1)))


if __name__ == "__main__":
    train()
