try:
    import keras
except ImportError:
    from tensorflow import keras
import tensorflow as tf

model = keras.Sequential([keras.layers.Dense(1)])
model.compile()
