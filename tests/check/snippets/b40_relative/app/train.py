from .models.net import Net
from .config import CONFIG as cfg
from . import envs

envs.setup(cfg["env"])

import tensorflow as tf


def main():
    net = Net(cfg["units"])
    net.compile(optimizer="adam", loss="mse", **cfg["compile"])
    net.fit(tf.zeros((2, 2)), tf.zeros((2, 1)))


if __name__ == "__main__":
    main()
