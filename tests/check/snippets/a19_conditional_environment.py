import argparse, os

p = argparse.ArgumentParser()
p.add_argument("--no-xla", action="store_true")
a = p.parse_args()
if a.no_xla:
    os.environ["ITEX_DISABLE_XLA"] = "1"
os.environ["ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"] = "1" if a.no_xla else "0"

import tensorflow as tf
print(tf.config.list_physical_devices("XPU"))
