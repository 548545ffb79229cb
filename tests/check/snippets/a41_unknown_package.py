import tensorflow as tf
from our_group_tools import build_model, load_batches

model = build_model()
for batch in load_batches("/data"):
    model.train_on_batch(*batch)
