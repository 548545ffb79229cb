from keras.src.trainers.trainer import Trainer


class Model(Trainer):
    pass


class Sequential(Model):
    def __init__(self, layers=()):
        self.layers = list(layers)
