import argparse
from lib import build_model
from lib.data import batches
from lib import environment as env

env.prepare()
import tensorflow as tf

model = build_model()
model.compile(loss='mse', jit_compile=False)
model.fit(batches())
