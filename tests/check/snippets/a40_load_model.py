import sys
import tensorflow as tf

model = tf.keras.models.load_model(sys.argv[1])
print(model.evaluate(tf.zeros((1, 4)), tf.zeros((1, 1))))
