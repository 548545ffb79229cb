import multiprocessing as mp
import os


def worker(index, queue):
    os.environ["ZE_AFFINITY_MASK"] = str(index)
    import tensorflow as tf
    m = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    m.compile(loss="mse", jit_compile=False)
    queue.put(m.predict(tf.zeros((1, 1))))


if __name__ == "__main__":
    q = mp.Queue()
    ps = [mp.Process(target=worker, args=(i, q)) for i in range(2)]
    [p.start() for p in ps]
    [p.join() for p in ps]
