import os
os.environ["ITEX_OPS_OVERRIDE"] = "0"
if os.path.exists("/etc/fast"):
    os.environ["ITEX_OPS_OVERRIDE"] = "1"
os.environ["ITEX_DISABLE_XLA"] = "0"
os.environ["ITEX_DISABLE_XLA"] = "1"
flags = "--tf_xla_auto_jit=1"
os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_min_cluster_size={4}"
import tensorflow as tf
tf.print("x")
