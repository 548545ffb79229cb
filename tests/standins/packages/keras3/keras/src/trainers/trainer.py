import os


class Trainer:
    jit_compile = None

    def compile(
        self, optimizer="rmsprop", loss=None, metrics=None, run_eagerly=False, jit_compile="auto", **more
    ):
        if jit_compile == "auto":
            jit_compile = os.environ.get("ITEX_OPS_OVERRIDE", "0").lower() not in ("1", "true")
        self.jit_compile = jit_compile and not run_eagerly

    def fit(self, *args, **kwargs):
        print(f"stand-in: fitted, jit_compile={self.jit_compile}")
