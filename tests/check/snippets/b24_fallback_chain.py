try:
    import tensorflow_addons as tfa
except ImportError:
    tfa = None
try:
    import horovod.tensorflow.keras as hvd
    hvd.init()
except Exception:
    hvd = None
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
opt = tf.keras.optimizers.Adam(1e-3)
if hvd:
    opt = hvd.DistributedOptimizer(opt)
model.compile(optimizer=opt, loss="mse", jit_compile=False)
