import os

USE_NPD = False
VERBOSE = 1


def set_environment():
    global VERBOSE
    VERBOSE = 0
    os.environ["ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"] = "1" if USE_NPD else "0"
    os.environ["ITEX_VERBOSE"] = str(VERBOSE)


set_environment()
import tensorflow as tf
print(tf.constant(1))
