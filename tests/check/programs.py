"""Programs as people would not write them: every way to set, import, build and compile, nested at random.

They are valid Python and run on the modules of recording.py. `random.random() < 0.5` is what nobody can know
beforehand.
"""

import random

_COIN = "random.random() < 0.5"
_VARIABLES = ("ITEX_OPS_OVERRIDE", "TF_USE_LEGACY_KERAS", "ITEX_DISABLE_XLA")
_VALUES = ("0", "1")


class Program:
    """One program; the same seed gives the same text."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.lines = [
            "import os, random, sys",
            "from os import environ",
            "FLAG = '0'",
            "models = []",
            "settings = {}",
        ]
        self.number = 0
        self.functions = []
        self.depth = 0

    def text(self):
        for _ in range(self.chance.randint(0, 3)):
            self.define()
        for _ in range(self.chance.randint(2, 8)):
            self.statement("")
        if self.chance.random() < 0.8:
            self.imports("")
        for _ in range(self.chance.randint(1, 8)):
            self.statement("")
        # Something must come behind a last try: what catches everything there only tells that the program has
        # failed.
        return "\n".join([*self.lines, "models.clear()"]) + "\n"

    def pick(self, *choices):
        return self.chance.choice(choices)

    def fresh(self, prefix):
        self.number += 1
        return f"{prefix}{self.number}"

    def add(self, indent, line):
        self.lines.append(indent + line)

    # ---- Statements -----------------------------------------------------------------------------

    def statement(self, indent, in_function=False):
        kinds = [
            self.environment,
            self.environment,
            self.assign,
            self.model,
            self.model,
            self.imports,
            self.other,
        ]
        if self.depth < 3:
            kinds += [self.branch, self.branch, self.loop, self.attempt, self.scope]
        if self.functions:
            kinds += [self.call, self.call]
        kind = self.chance.choice(kinds)
        if kind in (self.branch, self.loop):
            kind(indent, in_function)
        else:
            kind(indent)

    def block(self, indent, in_function=False):
        self.depth += 1
        for _ in range(self.chance.randint(1, 3)):
            self.statement(indent + "    ", in_function)
        self.depth -= 1

    def condition(self):
        return self.pick(_COIN, _COIN, "FLAG == '1'", "True", "not models", "1 > 2", f"FLAG == '1' or {_COIN}",
                         "len(settings) > 0", "os.environ.get('ITEX_DISABLE_XLA') == '1'")  # fmt: skip

    def branch(self, indent, in_function=False):
        self.add(indent, f"if {self.condition()}:")
        self.block(indent, in_function)
        leaving = self.chance.random()
        if in_function and leaving < 0.3:
            self.add(indent + "    ", self.pick("return None", "return 1", "return FLAG"))
        elif leaving < 0.06:
            self.add(indent + "    ", "sys.exit(1)")
        if self.chance.random() < 0.5:
            self.add(indent, "else:")
            self.block(indent, in_function)

    def loop(self, indent, in_function=False):
        name = self.fresh("i")
        self.add(indent, self.pick(f"for {name} in range(2):", f"for {name} in ('0', '1'):", f"for {name} in models[:]:",
                                   f"for {name} in range(int(random.random() * 3)):", f"for {name} in []:"))  # fmt: skip
        self.block(indent, in_function)
        if self.chance.random() < 0.3:
            self.add(indent + "    ", f"if {self.condition()}:")
            self.add(indent + "        ", self.pick("break", "continue"))
            if self.chance.random() < 0.6:
                self.statement(indent + "    ")

    def attempt(self, indent):
        self.add(indent, "try:")
        self.block(indent)
        if self.chance.random() < 0.3:
            self.add(indent + "    ", f"if {_COIN}: raise ValueError('x')")
        self.add(
            indent,
            f"except {self.pick('ImportError', 'Exception', '(ImportError, ValueError)', 'ValueError')}:",
        )
        self.block(indent)
        if self.chance.random() < 0.3:
            self.add(indent, "finally:")
            self.block(indent)

    def scope(self, indent):
        self.add(indent, "import tensorflow as tf")
        strategy = self.fresh("strategy")
        self.add(indent, f"{strategy} = tf.distribute.MirroredStrategy()")
        self.add(indent, f"with {strategy}.scope():")
        self.block(indent)

    # ---- Leaves ---------------------------------------------------------------------------------

    def value(self):
        return self.pick("'0'", "'1'", "FLAG", "str(1)", f"'1' if {_COIN} else '0'", "'%d' % 0", "f'{1}'", "'0' + ''",
                         "settings.get('v', '0')", "environ.get('ITEX_DISABLE_XLA', '0')")  # fmt: skip

    def environment(self, indent):
        name, value = self.chance.choice(_VARIABLES), self.value()
        self.add(indent, self.pick(f"os.environ['{name}'] = {value}", f"environ.update({{'{name}': {value}}})",
                                   f"os.environ.setdefault('{name}', {value})", f"environ.pop('{name}', None)",
                                   f"os.environ.update({name}={value})", f"environ |= {{'{name}': {value}}}"
                                   if indent == "" else f"os.environ['{name}'] = {value}"))  # fmt: skip

    def assign(self, indent):
        in_function = indent != ""
        target = self.pick("settings['v']", "settings['v']", "FLAG")
        if target == "FLAG" and in_function:
            target = "settings['v']"
        self.add(indent, f"{target} = {self.pick(repr('0'), repr('1'), 'FLAG', self.value())}")

    def imports(self, indent):
        self.add(indent, self.pick("import tensorflow as tf", "import tensorflow", "import keras",
                                   "import intel_extension_for_tensorflow as itex", "from tensorflow import keras as tk",
                                   "import importlib; importlib.import_module('tensorflow')"))  # fmt: skip

    def model(self, indent):
        name = self.fresh("m")
        route = self.pick("tf.keras", "tf.keras", "keras")
        self.add(indent, "import keras" if route == "keras" else "import tensorflow as tf")
        layers = [
            self.pick("Dense", "Flatten", "Dense", "RandomRotation") for _ in range(self.chance.randint(0, 2))
        ]
        made = ", ".join(f"{route}.layers.{layer}(1)" for layer in layers)
        if self.chance.random() < 0.3:
            self.add(indent, f"{name} = {route}.Input((1,))")
            for layer in layers or ["Dense"]:
                self.add(indent, f"{name} = {route}.layers.{layer}(1)({name})")
            self.add(indent, f"{name} = {route}.Model({route}.Input((1,)), {name})")
        else:
            self.add(indent, f"{name} = {route}.Sequential([{made}])")
        if self.chance.random() < 0.3:
            self.add(
                indent,
                f"if {self.condition()}: {name}.add({route}.layers.{self.pick('Dense', 'RandomZoom')}(1))",
            )
        if self.chance.random() < 0.2:
            self.add(indent, f"{name}.jit_compile = {self.pick('False', 'True')}")
        if self.chance.random() < 0.9:
            jit = self.pick("", ", jit_compile=False", ", jit_compile=True", ", jit_compile='auto'", f", jit_compile={_COIN}",
                            ", **({'jit_compile': False} if FLAG == '0' else {})")  # fmt: skip
            eager = self.pick("", "", ", run_eagerly=True", f", run_eagerly={_COIN}")
            self.add(indent, f"{name}.compile('adam', 'mse'{jit}{eager})")
        if self.chance.random() < 0.5:
            self.add(indent, f"{name}.fit()")
        if self.chance.random() < 0.2:
            self.add(indent, f"{name}.jit_compile = {self.pick('False', 'True')}")
        self.add(indent, f"models.append({name})")

    def other(self, indent):
        self.add(indent, "import tensorflow as tf")
        made = self.pick("tf.config.experimental.enable_op_determinism()", "tf.function(lambda: 1, jit_compile=True)",
                         "tf.function(lambda: 1)", "tf.constant(1)", "import intel_extension_for_tensorflow as itex; itex.ops.gelu(1)",
                         "[m.fit() for m in models]", "settings.clear()")  # fmt: skip
        self.add(indent, made)

    # ---- Functions ------------------------------------------------------------------------------

    def define(self):
        name = self.fresh("f")
        parameter = self.fresh("p")
        self.add("", f"def {name}({parameter}='0'):")
        outer, self.depth = self.depth, 1
        inner = list(self.functions)
        for _ in range(self.chance.randint(1, 4)):
            if self.chance.random() < 0.3:
                self.add("    ", f"os.environ['{self.chance.choice(_VARIABLES)}'] = {parameter}")
            else:
                self.statement("    ", in_function=True)
        self.depth = outer
        self.functions = inner
        if self.chance.random() < 0.5:
            self.add("    ", f"return {self.pick(parameter, repr('1'), 'models')}")
        self.functions = [*inner, name]

    def call(self, indent):
        name = self.chance.choice(self.functions)
        argument = self.pick("", "'1'", "FLAG", self.value())
        made = self.pick(f"{name}({argument})", f"settings['v'] = {name}({argument})", f"(lambda: {name}({argument}))()",
                         f"{_COIN} and {name}({argument})", f"[{name}({argument}) for _ in range(2)]")  # fmt: skip
        if made.startswith("settings"):
            made = f"settings['v'] = str({name}({argument}))[:1]"
        self.add(indent, made)
