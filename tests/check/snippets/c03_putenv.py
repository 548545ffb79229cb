import os
os.putenv("TF_USE_LEGACY_KERAS", "1")
os.putenv("ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", "0")
import tensorflow as tf
print(tf.sqrt(4.0))
