import tensorflow as tf
from packaging import version

if version.parse(tf.__version__) >= version.parse("2.16"):
    import tf_keras as keras
else:
    from tensorflow import keras

model = keras.Sequential([keras.layers.Dense(1)])
model.compile(loss="mse")
