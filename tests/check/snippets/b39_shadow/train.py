import tensorflow as tf
import keras

model = keras.Sequential([])
