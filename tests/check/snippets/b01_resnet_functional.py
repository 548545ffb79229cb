# ResNet-ish, functional, helper functions with loops
import tensorflow as tf
from tensorflow.keras.layers import (Input, Conv2D, BatchNormalization, ReLU, Add,
                                     GlobalAveragePooling2D, Dense)
from tensorflow.keras import Model


def conv_bn(x, filters, stride=1):
    x = Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    x = BatchNormalization()(x)
    return ReLU()(x)


def block(x, filters, stride=1):
    shortcut = x
    y = conv_bn(x, filters, stride)
    y = Conv2D(filters, 3, padding="same")(y)
    if stride != 1 or shortcut.shape[-1] != filters:
        shortcut = Conv2D(filters, 1, strides=stride)(shortcut)
    return Add()([y, shortcut])


def resnet(classes=10, widths=(64, 128, 256), repeats=2):
    inputs = Input(shape=(32, 32, 3))
    x = inputs
    for i, width in enumerate(widths):
        for j in range(repeats):
            x = block(x, width, 2 if i and not j else 1)
    x = GlobalAveragePooling2D()(x)
    return Model(inputs=inputs, outputs=Dense(classes)(x), name="resnet")


if __name__ == '__main__':
    model = resnet()
    model.compile(optimizer=tf.keras.optimizers.SGD(0.1, momentum=0.9),
                  loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=['accuracy'], jit_compile=True)
    (x, y), _ = tf.keras.datasets.cifar10.load_data()
    model.fit(x / 255., y, batch_size=256, epochs=2)
