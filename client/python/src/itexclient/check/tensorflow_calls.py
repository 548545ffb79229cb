"""TensorFlow's own functions: devices, strategies, determinism, and the ways to ask for XLA late."""

from __future__ import annotations

import re

from . import calls, keras_objects
from .values import (
    NONE,
    UNKNOWN,
    Bound,
    Constant,
    Function,
    Instance,
    Product,
    Sequence,
    Strategy,
    Text,
    options_of,
)

_GPU = re.compile(r"(?:^|[/:])(?:device:)?gpu(?::|$)", re.IGNORECASE)
_XPU = re.compile(r"(?:^|[/:])(?:device:)?xpu(?::|$)", re.IGNORECASE)
_STRATEGIES = re.compile(r"^tensorflow\.distribute\.(?:experimental\.)?\w*Strategy$")
_LISTS = frozenset(
    {
        "tensorflow.config.list_physical_devices",
        "tensorflow.config.list_logical_devices",
        "tensorflow.config.experimental.list_physical_devices",
        "tensorflow.config.experimental.list_logical_devices",
        "tensorflow.config.get_visible_devices",
        "tensorflow.config.experimental.get_visible_devices",
    }
)
_GPU_QUESTIONS = frozenset({"tensorflow.test.is_gpu_available", "tensorflow.test.gpu_device_name"})
# Functions that are given a device's name, and where.
_DEVICE_ARGUMENTS = {
    "tensorflow.device": (0, "device_name"),
    "tensorflow.distribute.OneDeviceStrategy": (0, "device"),
    "tensorflow.distribute.MirroredStrategy": (0, "devices"),
    "tensorflow.config.experimental.get_memory_info": (0, "device"),
    "tensorflow.config.experimental.reset_memory_stats": (0, "device"),
    "tensorflow.config.experimental.get_memory_usage": (0, "device"),
    "tensorflow.config.set_visible_devices": (1, "device_type"),
    "tensorflow.config.experimental.set_visible_devices": (1, "device_type"),
}
# What of TensorFlow is Keras under another name, in some of its versions.
_HIDDEN_KERAS = (
    "tensorflow.python.keras",
    "tensorflow.estimator",
    "tensorflow.compat.v1.layers",
    "tensorflow.layers",
)
_ON = (Constant(True), Constant(1), Constant("autoclustering"))
_OFF = (Constant(False), Constant(0), NONE, Constant(""))


def reached(run, path, node):
    """The script reaches for tensorflow.something."""
    for hidden in _HIDDEN_KERAS:
        if path == hidden or path.startswith(hidden + "."):
            run.happens("keras ?")
            if hidden == "tensorflow.python.keras":
                run.finding("private-keras", node)
    if path in ("tensorflow.*", "tensorflow.python", "tensorflow.core") and path.endswith("*"):
        run.unseen("a part of TensorFlow that is not known is used", node)


def call(run, path, arguments, node):
    handler = _CALLS.get(path)
    if handler is not None:
        return handler(run, path, arguments, node)
    if path in _LISTS:
        return list_devices(run, path, arguments, node)
    if path in _GPU_QUESTIONS:
        run.finding("gpu-name", node, what=path.rpartition(".")[2] + "()", places=False)
        return UNKNOWN
    if path in _DEVICE_ARGUMENTS:
        check_device(run, arguments.get(*_DEVICE_ARGUMENTS[path]), node, path)
    if _STRATEGIES.match(path):
        return Strategy(True)
    give_functions(run, path, arguments, node)
    through = keras_objects.through_function(arguments)
    return through if through is not None else Product(path)


def give_functions(run, path, arguments, node):
    """Functions of the script that TensorFlow will call; tf.map_fn and its like call them for certain."""
    for value in arguments.values():
        for option in options_of(value):
            if isinstance(option, (Function, Bound)) or isinstance(option, Instance) and option.keras is None:
                run.defer(option)


# ---- XLA --------------------------------------------------------------------------------------------


def tf_function(run, path, arguments, node):
    """tf.function as a call or, without a function, as what makes a decorator."""
    jit = arguments.get(None, "jit_compile")
    if jit is None:
        jit = arguments.get(None, "experimental_compile")
    if jit is None and (arguments.more_keywords or len(arguments.positional) > 4):
        jit = UNKNOWN
    asks_for_jit(run, jit, node, "tf.function(jit_compile=True)")
    function = arguments.get(0, "func")
    return Product("tensorflow.function") if function is None else function


def asks_for_jit(run, value, node, what):
    """Something that turns XLA on at run time gets this value; None: it is not given."""
    if value is None or value in _OFF:
        return
    if value in _ON:
        run.happens("late jit", node)
        run.finding("late-jit", node, what=what)
    else:
        run.may_happen("late jit")


def set_jit(run, path, arguments, node):
    asks_for_jit(run, arguments.get(0, "enabled", UNKNOWN), node, "tf.config.optimizer.set_jit()")
    return NONE


def jit_scope(run, path, arguments, node):
    asks_for_jit(run, arguments.get(0, "compile_ops", Constant(True)), node, "jit_scope()")
    return Product(path)


def compile_by_xla(run, path, arguments, node):
    asks_for_jit(run, Constant(True), node, "tf.xla.experimental.compile()")
    return UNKNOWN


def attribute_set(run, owner, name, value, node):
    """config.graph_options.optimizer_options.global_jit_level = ON_1"""
    if name == "global_jit_level" and owner.path.startswith("tensorflow."):
        path = getattr(value, "path", "")
        if path.rpartition(".")[2] in ("ON_1", "ON_2"):
            run.happens("late jit", node)
            run.finding("late-jit", node, what="global_jit_level")
        elif value not in _OFF and path.rpartition(".")[2] not in ("OFF", "DEFAULT"):
            run.may_happen("late jit")


# ---- Devices ----------------------------------------------------------------------------------------


def list_devices(run, path, arguments, node):
    kind = arguments.get(0, "device_type")
    options = [option.value for option in options_of(kind)] if kind is not None and constants(kind) else []
    if "XPU" in options:
        run.notes.thinks_of_xpu = True
    if options == ["GPU"]:
        run.finding("gpu-name", node, what=f"{path.rpartition('.')[2]}('GPU')", places=False)
    return Product("tensorflow.config.list_devices")


def constants(value):
    return all(isinstance(option, Constant) for option in options_of(value))


def check_device(run, value, node, path):
    """A device's name, or a list of them."""
    names = []
    for option in options_of(value) if value is not None else ():
        names += [entry for entry, _ in option.items.entries] if isinstance(option, Sequence) else [option]
        if isinstance(option, Constant) and isinstance(option.value, tuple):
            names += [Constant(one) for one in option.value]
    texts = [shown_name(name) for name in names]
    if any(text is not None and _XPU.search(text) for text in texts):
        run.notes.thinks_of_xpu = True
    known = [text for text in texts if text]
    # Where the name is one of several, it is a mistake only if none of them is an XPU's.
    if known and len(known) == len(texts) and all(_GPU.search(text) for text in known):
        run.finding("gpu-name", node, what=f"{path.rpartition('.')[2]}({known[0]!r})", places=True)
    for name in names:
        if isinstance(name, Text) and Text.RANK_PART in name.parts:
            indexed_by_rank(run, node)


def shown_name(value):
    """The name as far as it is known; a number that is not known is 0."""
    if isinstance(value, Constant):
        return value.value if isinstance(value.value, str) else None
    if isinstance(value, Text):
        return "".join(part if isinstance(part, str) else "0" for part in value.parts)
    return None


def indexed_by_rank(run, node):
    """A device is chosen by the local rank: with one device per rank, all but the first rank fail."""
    if run.bind_rank:
        run.finding("local-rank-index", node)


def set_visible(run, path, arguments, node):
    check_device(run, arguments.get(*_DEVICE_ARGUMENTS[path]), node, path)
    return NONE


# ---- Strategies, determinism ------------------------------------------------------------------------


def get_strategy(run, path, arguments, node):
    return Strategy(False) if run.happened("strategy") == "no" else UNKNOWN


def set_strategy(run, path, arguments, node):
    strategy = arguments.get(0, "strategy", UNKNOWN)
    run.write(run.status, "strategy", "yes" if strategy == Strategy(True) else "maybe")
    return NONE


def enable_determinism(run, path, arguments, node):
    run.happens("determinism")
    run.notes.determinism.append(run.spot(node))
    return NONE


def application(run, path, arguments, node):
    """tf.compat.v1.app.run(): calls main of the script."""
    main = arguments.get(0, "main")
    main = main if main is not None else run.frame.scope.module.table.get("main", UNKNOWN)
    calls.call(run, main, calls.Arguments(more=True), node)
    return NONE


def call_at_once(run, path, arguments, node):
    """Functions that call what they are given."""
    function = arguments.get(0, "fn", UNKNOWN)
    return calls.call(run, function, calls.Arguments(more=True, more_keywords=True), node)


def checkpoint(run, path, arguments, node):
    return Product(path)


_CALLS = {
    "tensorflow.function": tf_function,
    "tensorflow.config.optimizer.set_jit": set_jit,
    "tensorflow.xla.experimental.jit_scope": jit_scope,
    "tensorflow.contrib.compiler.jit.experimental_jit_scope": jit_scope,
    "tensorflow.xla.experimental.compile": compile_by_xla,
    "tensorflow.config.set_visible_devices": set_visible,
    "tensorflow.config.experimental.set_visible_devices": set_visible,
    "tensorflow.distribute.get_strategy": get_strategy,
    "tensorflow.distribute.experimental_set_strategy": set_strategy,
    "tensorflow.config.experimental.enable_op_determinism": enable_determinism,
    "tensorflow.app.run": application,
    "tensorflow.map_fn": call_at_once,
    "tensorflow.train.Checkpoint": checkpoint,
    "tensorflow.numpy_function": checkpoint,
}
