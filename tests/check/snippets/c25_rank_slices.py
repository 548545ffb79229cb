import os
import tensorflow as tf

rank = int(os.getenv("SLURM_LOCALID", "0"))
xpus = tf.config.list_physical_devices("XPU")
tf.config.set_visible_devices(xpus[rank:rank + 1], "XPU")
mine = xpus[int(os.environ["MPI_LOCALRANKID"])]
print(mine)
