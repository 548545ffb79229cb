import os
import tensorflow as tf
import horovod.tensorflow as hvd

hvd.init()
local_rank = hvd.local_rank()
devices = tf.config.list_physical_devices('XPU')
tf.config.set_visible_devices(devices[local_rank], 'XPU')
other = int(os.environ["OMPI_COMM_WORLD_LOCAL_RANK"])
with tf.device("/XPU:%d" % other):
    v = tf.Variable(1.0)
safe = devices[hvd.local_rank() % len(devices)]
