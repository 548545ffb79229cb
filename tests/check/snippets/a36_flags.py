import os
os.environ["TF_XLA_FLAGS"] = "--tf_xla_auto_jit=1 --xla_gpu_autotune_level=2"
os.environ["SYCL_DEVICE_FILTER"] = "opencl:gpu"
os.environ["CUDA_VISIBLE_DEVICES"] = "0"
os.environ["ITEX_OPS_OVERRIDE"] = "yes"
os.environ["ITEX_LIMIT_MEMORY_SIZE_IN_MB"] = "4GB"
os.environ["ONEAPI_DEVICE_SELECTOR"] = "gpu"
os.environ["ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"] = "on"
os.environ["TF_AUTO_JIT_FLAG"] = "1"
os.environ["ITEX_DISABLE_XLA"] = "False"
os.environ["ITEX_VERBOSE"] = "true"
os.environ["ITEX_BACKEND"] = "cpu"
os.environ["ZE_AFFINITY_MASK"] = "all"
import tensorflow as tf
tf.print(tf.constant(1))
