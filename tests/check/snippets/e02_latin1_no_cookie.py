import tensorflow as tf
# für später
