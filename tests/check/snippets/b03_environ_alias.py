from os import environ, putenv
import os as operating_system

env = environ
env["ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"] = "0"
operating_system.environ.setdefault("ITEX_TILE_AS_DEVICE", "0")
putenv("ZE_FLAT_DEVICE_HIERARCHY", "COMPOSITE")
environ |= {"SYCL_TILE_AS_DEVICE": "0"}
environ.update(dict(ITEX_CACHE_ONEDNN_OBJECT="1"))
environ.pop("TF_XLA_FLAGS", None)
del environ["ITEX_DISABLE_XLA"]

import tensorflow as tf

x = tf.random.uniform((10, 10))
print(tf.linalg.inv(x))
