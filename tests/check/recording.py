"""Modules that record what a script does to them: tensorflow, keras, tf_keras and ITEX as far as generated
programs go.

`Run.execute` really runs a program, on these modules, and says what was so. It is the measure of the
analyser, which has not run it: every fact that the analyser is certain of must be so in every run.
"""

import importlib
import os
import sys
import types

NAMES = ("tensorflow", "keras", "tf_keras", "intel_extension_for_tensorflow")
LEGACY = ("true", "True", "1")
UNSUPPORTED = {"RandomRotation", "RandomZoom"}


MOST_MODELS = 80


class TooLong(BaseException):
    """A program that doubles its models with every turn is not of interest."""


class Layer:
    def __init__(self, run, name):
        self.run, self.name = run, name

    def __call__(self, tensor):
        return Tensor(getattr(tensor, "layers", ()) + (self,))


class Tensor:
    def __init__(self, layers=()):
        self.layers = layers


class Model:
    def __init__(self, run, version, layers=()):
        self.run, self.version = run, version
        self.layers = list(layers)
        self.in_strategy = run.strategies > 0
        self.jit, self.eager, self.compiled, self.consumed = None, False, False, False
        run.models.append(self)
        if len(run.models) > MOST_MODELS:
            raise TooLong

    def __setattr__(self, name, value):
        object.__setattr__(self, "jit" if name == "jit_compile" else name, value)
        if name == "jit_compile":
            object.__setattr__(self, "compiled", True)

    def add(self, layer):
        self.layers.append(layer)

    def __call__(self, tensor):
        return Tensor(getattr(tensor, "layers", ()) + (self,))

    def compile(self, optimizer=None, loss=None, jit_compile="auto", run_eagerly=False):
        self.jit, self.eager, self.compiled, self.consumed = jit_compile, run_eagerly, True, False

    def fit(self, *_):
        if self.compiled:
            self.consumed = True
            self.run.settings.append((self, self.jit, self.eager))

    def flat(self):
        for one in self.layers:
            yield from one.flat() if isinstance(one, Model) else (one,)


class Keras(types.ModuleType):
    """One of the Kerases; every use of an attribute is a use of its version."""

    def __init__(self, name, run, version_of):
        super().__init__(name)
        self.__dict__.update(_run=run, _version_of=version_of, __path__=[], layers=Layers(run, version_of))

    def __getattribute__(self, name):
        if not name.startswith("_"):
            object.__getattribute__(self, "_run").keras_used(object.__getattribute__(self, "_version_of")())
        return object.__getattribute__(self, name)

    def Sequential(self, layers=()):  # noqa: N802
        return Model(self._run, self._version_of(), layers)

    def Model(self, inputs, outputs):  # noqa: N802
        return Model(self._run, self._version_of(), outputs.layers)

    def Input(self, shape=()):  # noqa: N802
        return Tensor()


class Naming(types.ModuleType):
    """TensorFlow's module: to name its keras is no use yet, and no proof of none."""

    def __init__(self, name, run):
        super().__init__(name)
        self.__dict__["_run"] = run

    def __getattribute__(self, name):
        if name == "keras":
            object.__getattribute__(self, "_run").named = True
        return object.__getattribute__(self, name)


class Layers:
    def __init__(self, run, version_of):
        self._run, self._version_of = run, version_of

    def __getattr__(self, name):
        self._run.keras_used(self._version_of())
        return lambda *_: Layer(self._run, name)


class Scope:
    def __init__(self, run):
        self.run = run

    def scope(self):
        return self

    def __enter__(self):
        self.run.strategies += 1

    def __exit__(self, *_):
        self.run.strategies -= 1


class Importer:
    """Finds the recording modules, so that their import is seen at the moment when it happens."""

    def __init__(self, run):
        self.run = run

    def find_spec(self, name, path=None, target=None):
        if name in NAMES and self.run.installed(name):
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return self.run.module(spec.name)

    def exec_module(self, module):
        self.run.imported(module.__name__)


class Run:
    """One execution of a program with one sequence of coin tosses."""

    def __init__(self, keras_version="3", has_tf_keras=False):
        self.keras_version, self.has_tf_keras = keras_version, has_tf_keras
        self.models, self.settings, self.used, self.order = [], [], set(), []
        self.strategies, self.at_import, self.legacy_of_tf = 0, None, None
        self.late_jit = self.custom_ops = self.determinism = self.override = False
        self.named = False
        self.failed = None

    def installed(self, name):
        return name != "tf_keras" or self.has_tf_keras

    def keras_used(self, version):
        self.used.add(version)

    def tf_keras_version(self):
        """Of tf.keras: what it was when it was first used stays."""
        if self.legacy_of_tf is None:
            self.legacy_of_tf = "2" if os.environ.get("TF_USE_LEGACY_KERAS") in LEGACY else self.keras_version
        return self.legacy_of_tf

    def module(self, name):
        if name == "keras":
            return Keras(name, self, lambda: self.keras_version)
        if name == "tf_keras":
            return Keras(name, self, lambda: "2")
        module = Naming(name, self) if name == "tensorflow" else types.ModuleType(name)
        module.__path__ = []
        if name == "tensorflow":
            self.fill_tensorflow(module)
        else:
            module.experimental_ops_override = lambda: setattr(self, "override", True)
            module.ops = types.SimpleNamespace(gelu=lambda *_: setattr(self, "custom_ops", True))
        return module

    def fill_tensorflow(self, module):
        def function(target=None, jit_compile=None):
            if jit_compile:
                self.late_jit = True
            return (lambda inner: inner) if target is None else target

        module.keras = Keras("tensorflow.keras", self, self.tf_keras_version)
        module.function = function
        module.constant = lambda *_: 0
        module.distribute = types.SimpleNamespace(MirroredStrategy=lambda *_: Scope(self))
        enable = types.SimpleNamespace(enable_op_determinism=lambda: setattr(self, "determinism", True))
        module.config = types.SimpleNamespace(experimental=enable)

    def imported(self, name):
        self.order.append(name)
        if self.at_import is None:
            self.at_import = dict(os.environ)
        if name != "tensorflow":
            importlib.import_module("tensorflow")  # they all bring it along
        if name == "tf_keras":
            self.used.add("2")
        if name == "keras":
            self.used.add(self.keras_version)

    def execute(self, text, toss):
        """Runs the program; `toss` is what its module `random` gives for random()."""
        saved = (
            dict(os.environ),
            sys.meta_path[:],
            {name: sys.modules.pop(name, None) for name in [*NAMES, "random"]},
        )
        for name in [name for name in sys.modules if name.split(".")[0] in NAMES]:
            del sys.modules[name]
        sys.meta_path.insert(0, Importer(self))
        chance = types.ModuleType("random")
        chance.random = toss
        sys.modules["random"] = chance
        try:
            exec(compile(text, "program", "exec"), {"__name__": "__main__", "__file__": "program"})
        except (SystemExit, TooLong):
            self.failed = "exit"
        except Exception as error:
            self.failed = f"{type(error).__name__}: {error}"
        finally:
            for name in [name for name in sys.modules if name.split(".")[0] in NAMES]:
                del sys.modules[name]
            sys.modules.pop("random", None)
            sys.modules.update({name: module for name, module in saved[2].items() if module is not None})
            sys.meta_path[:] = saved[1]
            os.environ.clear()
            os.environ.update(saved[0])
        for model in self.models:
            if model.compiled and not model.consumed:
                self.settings.append((model, model.jit, model.eager))
        return self

    # ---- What was so ----------------------------------------------------------------------------

    def contradicts(self, name, value):
        """What is wrong with a fact, None where it was so in this run or had no meaning in it."""
        if name == "jit":
            wrong = [words for words in map(self.jit_words, self.settings) if value not in words]
            return f"jit is {value}, a model of this run had {wrong}" if wrong else None
        truth = getattr(self, "truth_of_" + name)()
        return (
            None if truth is None or truth == {value} else f"{name} is {value}, this run had {sorted(truth)}"
        )

    def truth_of_keras(self):
        return self.used or ({"0"} if "tensorflow" in self.order and not self.named else None)

    def truth_of_import_order(self):
        first = [
            name
            for name in self.order
            if name in ("tensorflow", "keras", "intel_extension_for_tensorflow", "tf_keras")
        ]
        return {"keras-first" if first[0] == "keras" else "tensorflow-first"} if first else None

    def jit_words(self, setting):
        """What may be said of a model. On Keras 2 auto is off, and where the version is not known it is
        called auto.
        """
        model, jit, _ = setting
        word = {True: "on", False: "off"}.get(jit, "auto")
        if model.version == "2":
            return {"on"} if word == "on" else {"off", word}
        return {"off"} if word == "on" and (self.unsupported(model) or self.determinism) else {word}

    @staticmethod
    def unsupported(model):
        return any(layer.name in UNSUPPORTED for layer in model.flat())

    def truth_of_strategy(self):
        models = [setting[0] for setting in self.settings] or None
        return {str(model.in_strategy).lower() for model in models} if models else None

    def truth_of_unsupported_layer(self):
        models = [setting[0] for setting in self.settings] or None
        return {str(self.unsupported(model)).lower() for model in models} if models else None

    def truth_of_run_eagerly(self):
        return {str(eager).lower() for _, _, eager in self.settings} or None

    def truth_of_late_jit(self):
        return {str(self.late_jit).lower()} if self.order else None

    def truth_of_custom_ops(self):
        return {str(self.custom_ops).lower()} if self.order else None

    def truth_of_determinism(self):
        return {str(self.determinism).lower()} if self.order else None
