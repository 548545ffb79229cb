import importlib

tf = importlib.import_module("tensorflow")
keras = importlib.import_module("tensorflow.keras")
model = keras.Sequential([keras.layers.Dense(1)])
model.compile(loss="mse")
