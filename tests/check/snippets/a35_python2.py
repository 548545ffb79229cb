import tensorflow as tf
import keras

print "version", tf.__version__
try:
    model = keras.models.load_model("m.h5")
except IOError, e:
    print e
