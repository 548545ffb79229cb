import keras_cv
import tensorflow as tf
from tensorflow import keras as k


class Classifier(k.Model):
    def __init__(self, backbone, n):
        super().__init__()
        self.backbone = backbone
        self.out = k.layers.Dense(n)

    def call(self, x):
        return self.out(self.backbone(x))


model = Classifier(keras_cv.models.ResNetBackbone(), 3)
model.compile(loss="mse")
