"""What modules that are not followed do when they are asked: dispatch by dotted name."""

from __future__ import annotations

from . import calls, environment, itex_calls, keras_objects, standard_calls, tensorflow_calls
from .libraries import RUNNERS, standing
from .modules import STANDARD
from .text import words
from .values import (
    NONE,
    UNKNOWN,
    Bound,
    Choice,
    Constant,
    External,
    Function,
    Instance,
    KerasObject,
    LocalModule,
    Mapping,
    Maybe,
    Partial,
    Product,
    Rank,
    Sequence,
    Strategy,
    Tensor,
    join,
    options_of,
)

# Other spellings of the same thing, longest first.
_SPELLINGS = (
    ("tensorflow.compat.v1.keras", "tensorflow.compat.v1.keras"),
    ("tensorflow.compat.v1.layers", "tensorflow.compat.v1.layers"),
    ("tensorflow.compat.v1.estimator", "tensorflow.estimator"),
    ("tensorflow.compat.v1.losses", "tensorflow.compat.v1.losses"),
    ("tensorflow.compat.v1.metrics", "tensorflow.compat.v1.metrics"),
    ("tensorflow.compat.v1.initializers", "tensorflow.compat.v1.initializers"),
    ("tensorflow.compat.v1", "tensorflow"),
    ("tensorflow.compat.v2", "tensorflow"),
    ("tensorflow.optimizers", "tensorflow.keras.optimizers"),
    ("tensorflow.losses", "tensorflow.keras.losses"),
    ("tensorflow.metrics", "tensorflow.keras.metrics"),
    ("tensorflow.initializers", "tensorflow.keras.initializers"),
    ("keras._tf_keras.keras", "keras"),
    ("keras.api._v2.keras", "keras"),
    ("keras.api", "keras"),
    ("tf_keras.api._v2.keras", "tf_keras"),
    ("intel_extension_for_tensorflow.python.ops", "intel_extension_for_tensorflow.ops"),
)
# Modules whose results may hold what they are given.
_CONTAINERS = words(
    """
    builtins collections copy functools itertools operator random types queue contextlib dataclasses
    weakref typing concurrent multiprocessing threading asyncio inspect argparse attr attrs easydict
    omegaconf hydra
    """
)
_LOADERS = frozenset(
    {
        "pickle.load",
        "pickle.loads",
        "joblib.load",
        "dill.load",
        "cloudpickle.load",
        "torch.load",
        "marshal.loads",
    }
)


def canonical(path):
    for spelling, name in _SPELLINGS:
        if path == spelling:
            return name
        if path.startswith(spelling + "."):
            return name + path[len(spelling) :]
    return path


def attribute_of_external(run, value, name, node):
    if value.path.startswith("builtins."):
        return UNKNOWN if value.path != "builtins.object" else External(f"{value.path}.{name}")
    return reach(run, canonical(f"{value.path}.{name}"), node)


def reach(run, path, node):
    """The thing behind a dotted name, noting that the script reaches for it."""
    set_here = run.patched.get(path)
    if set_here is not None:
        return UNKNOWN if isinstance(set_here, Maybe) else set_here
    route, rest = keras_objects.route_of(path)
    if route and rest:
        keras_objects.used(run, route, rest, node)
    elif path.startswith("tensorflow."):
        tensorflow_calls.reached(run, path, node)
    elif path.startswith("intel_extension_for_tensorflow.ops."):
        run.happens("custom ops", node)
    return known_constant(run, path) or External(path)


def known_constant(run, path):
    """The few attributes of modules that are plain values."""
    if path in ("typing.TYPE_CHECKING",):
        return Constant(False)
    if path == "sys.version_info":
        return Constant(tuple(run.python_version))
    if path == "sys.version_info.major":
        return Constant(run.python_version[0])
    if path == "os.sep":
        return Constant("/")
    return None


def read_item(run, value, index, node):
    """value[index] of something that is not the script's."""
    if value == External("os.environ"):
        return environment.item(run, index)
    if isinstance(value, Product):
        if value.path.startswith("tensorflow.config.list_") and isinstance(index, Rank):
            tensorflow_calls.indexed_by_rank(run, node)
        stored = run.products.get((value.path, "[]"))
        return value if stored is None else join(value, stored)
    return (
        UNKNOWN
        if standing_of(value.path) not in ("standard", "neutral", "tensorflow")
        else Product(value.path)
    )


def set_item(run, owner, index, value, node):
    if owner == External("os.environ"):
        environment.change(run, index, value, "set", node)
    elif owner == External("sys.modules"):
        name = index.value if isinstance(index, Constant) else None
        if isinstance(name, str) and isinstance(value, (External, LocalModule)):
            run.write(run.replaced, name, value)
        else:
            run.unseen("sys.modules is changed", node)
    else:
        run.defer(value)


def delete_item(run, owner, index, node):
    if owner == External("os.environ"):
        environment.unset(run, index, node)


def set_attribute_of_external(run, owner, name, value, node):
    if isinstance(owner, Product):
        tensorflow_calls.attribute_set(run, owner, name, value, node)
        if is_interesting(value):
            key = (owner.path, name)
            before = run.products.get(key)
            run.write(run.products, key, value if before is None else join(before, value))
        return
    if owner.path == "os" and name == "environ":
        environment.forget(run, node)
        return
    # A module is changed under the feet of its other users.
    run.write(run.patched, canonical(f"{owner.path}.{name}"), value)
    if owner.path.split(".")[0] in ("tensorflow", "keras", "tf_keras", "intel_extension_for_tensorflow"):
        run.unseen("a part of TensorFlow or Keras is replaced", node)
    run.defer(value)


def standing_of(path):
    return standing(path, STANDARD)


def is_interesting(value, depth=0):
    """Could it be, hold or make a layer, a model, or something else that matters? UNKNOWN could."""
    if isinstance(value, (KerasObject, Instance, Tensor, Strategy, Choice, LocalModule)) or value is UNKNOWN:
        return True
    if isinstance(value, External):
        return bool(keras_objects.route_of(value.path)[0])
    if isinstance(value, Sequence):
        return not value.items.complete or any(
            depth > 3 or is_interesting(one, depth + 1) for one, _ in value.items.entries
        )
    if isinstance(value, Mapping):
        return not value.complete or any(
            depth > 3 or is_interesting(one, depth + 1) for _, one, _ in value.entries()
        )
    return not isinstance(value, (Constant, Product, Rank, Function, Bound, Partial)) and not hasattr(
        value, "parts"
    )


# ---- Calls ------------------------------------------------------------------------------------------


def call_external(run, path, arguments, node):
    exact = standard_calls.CALLS.get(path) or itex_calls.CALLS.get(path)
    if exact is not None:
        return exact(run, arguments, node)
    if path.endswith(".__init__") and arguments.positional and isinstance(arguments.positional[0], Instance):
        return unbound_init(run, arguments, node)
    if path.startswith("os.environ."):
        method = environment.METHODS.get(path[len("os.environ.") :])
        return method(run, arguments, node) if method else Product("os.environ")
    if path in RUNNERS:
        return run_now(run, arguments, node)
    if path.rpartition(".")[2] == "local_rank":
        return Rank()
    route, rest = keras_objects.route_of(path)
    if route:
        return keras_objects.construct(run, route, rest, arguments, node)
    kind = standing_of(path)
    if kind == "tensorflow":
        return tensorflow_calls.call(run, path, arguments, node)
    if kind == "itex":
        return itex_calls.call(run, path, arguments, node)
    if kind in ("standard", "neutral"):
        return call_neutral(run, path, arguments, node)
    if kind == "unknown" and path.split(".")[0] in run.harmless:
        return call_neutral(run, path, arguments, node)
    return calls.call_unknown(run, arguments, node)


def unbound_init(run, arguments, node):
    instance = arguments.positional[0]
    if instance.keras is not None:
        keras_objects.initialised(run, instance.keras, arguments.without_first(), node)
    return NONE


def run_now(run, arguments, node):
    """absl's app.run(main) and its like: the function is called, with what is not known."""
    for value in arguments.values():
        for option in options_of(value):
            if isinstance(option, (Function, Bound, Partial)):
                calls.call(run, option, calls.Arguments(more=True, more_keywords=True), node)
    return UNKNOWN


def call_neutral(run, path, arguments, node):
    values = arguments.values()
    for value in values:
        defer_functions(run, value)
    if path in _LOADERS:
        return UNKNOWN
    if path.split(".")[0] in _CONTAINERS:
        unclear = arguments.more or arguments.more_keywords or any(is_interesting(value) for value in values)
        return UNKNOWN if unclear else Product(path)
    return Product(path)


def defer_functions(run, value, depth=0):
    for option in options_of(value):
        if isinstance(option, (Function, Bound)):
            run.defer(option)
        elif isinstance(option, Partial):
            defer_functions(run, option.function, depth + 1)
        elif isinstance(option, Sequence) and depth < 3:
            for one, _ in option.items.entries:
                defer_functions(run, one, depth + 1)
        elif isinstance(option, Mapping) and depth < 3:
            for _, one, _ in option.entries():
                defer_functions(run, one, depth + 1)


def call_of_product(run, product, arguments, node):
    for value in arguments.values():
        defer_functions(run, value)
    return decorator_result(product, arguments)


def decorator_result(product, arguments):
    """@click.command() and its like: calling what a library made with a function of ours
    gives that function.
    """
    if len(arguments.positional) == 1 and isinstance(arguments.positional[0], (Function, Bound)):
        return arguments.positional[0]
    if (
        any(is_interesting(value) for value in arguments.values())
        and product.path.split(".")[0] in _CONTAINERS
    ):
        return UNKNOWN
    return product


def method_of_product(run, product, name, arguments, node):
    stored = run.products.get((product.path, name))
    if stored is not None:
        return calls.call(run, join(product, stored), arguments, node)
    if product.path.startswith("tensorflow.") and name in ("set_jit",):
        tensorflow_calls.call(run, "tensorflow.config.optimizer.set_jit", arguments, node)
    for value in arguments.values():
        defer_functions(run, value)
    if name in ("append", "add", "put", "setdefault", "update", "extend", "register"):
        keep_in(run, product, arguments)
    stored = run.products.get((product.path, "[]"))
    return product if stored is None else join(product, stored)


def keep_in(run, product, arguments):
    """What is put into a library's container comes out of it again."""
    for value in arguments.values():
        if is_interesting(value):
            key = (product.path, "[]")
            before = run.products.get(key)
            run.write(run.products, key, value if before is None else join(before, value))


def attribute_of_product(run, product, name):
    stored = run.products.get((product.path, name))
    return product if stored is None else join(product, stored)
