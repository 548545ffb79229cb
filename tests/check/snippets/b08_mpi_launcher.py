#!/usr/bin/env python
from mpi4py import MPI
import os

comm = MPI.COMM_WORLD
local = comm.Split_type(MPI.COMM_TYPE_SHARED).Get_rank()
os.environ["ZE_AFFINITY_MASK"] = str(local)
import tensorflow as tf
import horovod.tensorflow as hvd
hvd.init()

@tf.function
def step(w, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(w * x)
    tape = hvd.DistributedGradientTape(tape)
    return tape.gradient(loss, w)

w = tf.Variable(tf.ones(4))
for i in range(100):
    w.assign_sub(step(w, tf.random.normal((4,))))
