import keras
import tensorflow as tf
m = keras.Sequential([keras.layers.Dense(1)])
m.compile(loss='mse')