import tensorflow as tf

gpus = tf.config.list_physical_devices('GPU')
if gpus:
    tf.config.experimental.set_memory_growth(gpus[0], True)
print("Num GPUs Available: ", len(tf.config.experimental.list_physical_devices("GPU")))

with tf.device('/GPU:0'):
    a = tf.random.normal((1000, 1000))
for i in range(2):
    with tf.device(f"/device:gpu:{i}"):
        b = tf.matmul(a, a)
