import importlib


def Net(units):
    keras = importlib.import_module("tensorflow.keras")
    return keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(1)])
