import os


class Lazy:
    @property
    def tf(self):
        import tensorflow
        return tensorflow


lazy = Lazy()
os.environ["ITEX_OPS_OVERRIDE"] = "0"
print(lazy.tf.ones(3))
os.environ["ITEX_REMAPPER"] = "0"
