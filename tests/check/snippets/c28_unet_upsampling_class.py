import tensorflow as tf
from tensorflow.keras import Model
from tensorflow.keras.layers import Conv2D, Conv2DTranspose, Concatenate, MaxPool2D


class Down(tf.keras.layers.Layer):
    def __init__(self, filters):
        super().__init__()
        self.body = tf.keras.Sequential([Conv2D(filters, 3, padding="same"), Conv2D(filters, 3, padding="same")])
        self.pool = MaxPool2D()

    def call(self, x):
        y = self.body(x)
        return y, self.pool(y)


class UNet(Model):
    def __init__(self, base=8, depth=3):
        super().__init__()
        self.downs = [Down(base * 2 ** i) for i in range(depth)]
        self.ups = {}
        for i in reversed(range(depth)):
            self.ups[f"up{i}"] = Conv2DTranspose(base * 2 ** i, 2, strides=2)
        self.join = Concatenate()
        self.out = Conv2D(1, 1)

    def call(self, x, training=None):
        skips = []
        for down in self.downs:
            y, x = down(x)
            skips.append(y)
        for up, y in zip(self.ups.values(), skips[::-1]):
            x = self.join([up(x), y])
        return self.out(x)


unet = UNet()
unet.compile(optimizer="adam", loss="binary_crossentropy", jit_compile=True)
unet.fit(tf.zeros((1, 64, 64, 1)), tf.zeros((1, 64, 64, 1)))
