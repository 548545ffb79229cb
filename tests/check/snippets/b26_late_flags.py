import tensorflow as tf
import os
os.environ['TF_XLA_FLAGS'] = '--tf_xla_auto_jit=2'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'
tf.config.optimizer.set_jit(True)
tf.config.optimizer.set_jit('autoclustering')
print(tf.reduce_mean(tf.random.normal((100, 100))))
