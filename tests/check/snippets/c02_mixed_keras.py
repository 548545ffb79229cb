import tensorflow as tf
import tf_keras
import keras

teacher = tf_keras.Sequential([tf_keras.layers.Dense(1)])
student = keras.Sequential([keras.layers.Dense(1)])
student.compile(loss="mse", jit_compile=False)
teacher.compile(loss="mse", jit_compile=False)
