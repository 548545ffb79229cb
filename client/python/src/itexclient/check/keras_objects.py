"""Keras as the script uses it: which version, what its models are made of, and how they are compiled."""

from __future__ import annotations

from . import calls, expressions
from . import keras_tables as tables
from .values import (
    ABSENT,
    NONE,
    UNKNOWN,
    Choice,
    ClassValue,
    Constant,
    External,
    Function,
    Instance,
    Items,
    KerasObject,
    Mapping,
    Maybe,
    Product,
    Sequence,
    Tensor,
    bare,
    options_of,
)

_ROUTES = (
    ("tensorflow.keras", "tensorflow"),
    ("tensorflow.compat.v1.keras", "v1"),
    ("keras", "keras"),
    ("tf_keras", "tf_keras"),
)


class Use:
    """The script uses Keras by this route (tensorflow: tf.keras; keras; tf_keras; v1: tf.compat.v1.keras)."""

    __slots__ = ("route", "version", "spot", "certain")

    def __init__(self, route, version, spot, certain):
        self.route = route
        self.version = version
        self.spot = spot
        self.certain = certain


class Setting:
    """How a model is compiled: jit is on, off, auto or None; eager True, False or None; model None where not
    seen.
    """

    __slots__ = ("jit", "eager", "model", "spot", "certain", "how")

    def __init__(self, jit, eager, model, spot, certain, how):
        self.jit = jit
        self.eager = eager
        self.model = model
        self.spot = spot
        self.certain = certain
        self.how = how


# ---- Which Keras ------------------------------------------------------------------------------------


def route_of(path):
    """(route, what of Keras), or (None, '')."""
    for prefix, route in _ROUTES:
        if path == prefix:
            return route, ""
        if path.startswith(prefix + "."):
            return route, path[len(prefix) + 1 :]
    return None, ""


def used(run, route, rest, node):
    """The script reaches for something of Keras."""
    if run.scanning:
        return
    version = run.keras_version(route)
    run.happens(f"keras {version or '?'}")
    if rest.split(".")[0] not in tables.DATA_PARTS:
        run.happens("keras beyond data")
    if rest.split(".")[0] in tables.ONLY_KERAS3:
        run.notes.only_keras3 = True
    key = (id(run.frame.unit), node.lineno, node.col_offset, route)
    if key not in run.notes.uses:
        run.events += 1
        run.notes.uses[key] = Use(route, version, run.spot(node), run.sure())


def named(run, node):
    """from tensorflow import keras: nothing is loaded by it, and which Keras it is is decided when it is
    used.
    """
    run.happens("keras named")
    chosen = run.chosen.get("tensorflow")
    used(run, "tensorflow", "", node)
    run.write(run.chosen, "tensorflow", ABSENT if chosen is None else chosen)


def offers(path, name):
    """Does `from path import *` bring this name, being a part of Keras?"""
    route, rest = route_of(path)
    if not route:
        return False
    last = rest.rpartition(".")[2]
    if last == "layers" or last == "preprocessing":
        return tables.support_of(name) != "unknown" or name in tables.FUNCTIONS or name == "Input"
    if last == "models":
        return name in tables.MODELS or name in tables.LOADERS
    return last == "" and (
        name in tables.MODELS or name in tables.OTHER_PARTS or name in ("layers", "models", "Input")
    )


# ---- Making layers and models -----------------------------------------------------------------------


def make(run, what, model, own, node, version=None):
    made = KerasObject(what, model, own, version, run.happened("strategy"), run.spot(node))
    made.scope = run.scope_spot
    run.events += 1
    if not run.scanning:
        (run.notes.models if model else run.notes.layers).append(made)
    return made


def construct(run, route, rest, arguments, node):
    """A call of something of Keras."""
    head, _, name = rest.rpartition(".")
    first = rest.split(".")[0]
    version = run.keras_version(route)
    if name == "Input":
        return Tensor()
    if name in tables.MODELS and head in ("", "models", "engine", "src", "src.models"):
        return new_model(run, name, arguments, node, version)
    if name in tables.LOADERS or name == "from_config":
        return loaded_model(run, name, arguments, node, version)
    if name == "clone_model":
        return cloned(run, arguments, node, version)
    if first == "applications":
        return application(run, name, arguments, node, version)
    if first == "layers" or name == "Layer":
        return layer_by_name(run, name, arguments, node, version)
    if first in tables.OTHER_PARTS:
        return other_part(run, rest, arguments)
    return calls.call_unknown(run, arguments, node)


def new_model(run, name, arguments, node, version):
    made = make(run, "keras." + name, True, "yes", node, version)
    initialised(run, made, arguments, node)
    return made


def initialised(run, keras, arguments, node):
    """What the constructor of a model or layer gets: the layers that it is made of."""
    if not keras.model:
        add_layers_given(run, keras, arguments, keras.kind in tables.WRAPPERS)
        return
    if keras.kind != "Sequential":
        outputs = arguments.get(1, "outputs")
        if outputs is not None:
            functional(run, keras, arguments.get(0, "inputs", UNKNOWN), outputs)
        return
    given = arguments.get(0, "layers")
    if isinstance(given, Sequence):
        items = given.items
        run.write(keras.table, "parts", Items(items.entries, items.complete, False))
    elif given is not None and given != NONE and not is_empty(given):
        run.write(keras.table, "parts", Items((), False, False))


def is_empty(value):
    return isinstance(value, Constant) and value.value == ()


def functional(run, keras, inputs, outputs):
    """Model(inputs, outputs): the layers between the two."""
    tensors, complete = tensors_in(outputs)
    entries = [
        (source, tensor_is_sure) for tensor, tensor_is_sure in tensors for source in sorted_sources(tensor)
    ]
    starts, starts_known = tensors_in(inputs)
    whole = starts_known and all(not tensor.sources for tensor, _ in starts)
    complete = complete and all(tensor.complete for tensor, _ in tensors)
    if not whole:
        # It begins in the middle: which of the layers are behind that is not known.
        entries = [(source, False) for source, _ in entries]
    run.write(keras.table, "parts", Items(entries, complete, False))


def sorted_sources(tensor):
    return sorted(tensor.sources, key=lambda one: (one.spot.node.lineno, one.spot.node.col_offset, one.what))


def tensors_in(value, sure=True, depth=0):
    """([(Tensor, certain)], is all of it known)"""
    found, complete = [], True
    options = options_of(value)
    for option in options:
        certain = sure and len(options) == 1
        if isinstance(option, Tensor):
            found.append((option, certain))
        elif isinstance(option, Sequence) and depth < 4:
            complete = complete and option.items.complete
            for entry, entry_sure in option.items.entries:
                inner, inner_complete = tensors_in(entry, certain and entry_sure, depth + 1)
                found, complete = found + inner, complete and inner_complete
        elif isinstance(option, Mapping) and depth < 4:
            complete = complete and option.complete
            for _, entry, entry_sure in option.entries():
                inner, inner_complete = tensors_in(entry, certain and entry_sure, depth + 1)
                found, complete = found + inner, complete and inner_complete
        elif not isinstance(option, Constant):
            complete = False
    return found, complete


def loaded_model(run, name, arguments, node, version):
    """A model that comes from a file: its layers and how it was compiled are not seen."""
    made = make(run, "keras." + name, True, "unknown", node, version)
    made.seen = False
    run.write(made.table, "parts", Items((), False, False))
    compiles = arguments.get(2, "compile")
    if name == "load_model" and compiles != Constant(False) and not run.scanning:
        setting = Setting(None, None, made, run.spot(node), run.sure(), "load")
        run.write(made.table, "settings", frozenset({setting}))
    return made


def cloned(run, arguments, node, version):
    original = arguments.get(0, "model", UNKNOWN)
    made = make(run, "keras.clone_model", True, "yes", node, version)
    run.write(made.table, "parts", Items([(original, True)], original is not UNKNOWN, False))
    return made


def application(run, name, arguments, node, version):
    """keras.applications: functions that make models of layers which all support jit, and
    preprocess_input().
    """
    if name and (name[0].isupper() or name == "*"):
        return make(run, "keras.applications." + name, True, "yes", node, version)
    through = through_function(arguments)
    return through if through is not None else Product("keras.applications")


def layer_by_name(run, name, arguments, node, version):
    if name in tables.FUNCTIONS:
        return through_function(arguments) or UNKNOWN
    if name in ("deserialize", "serialize"):
        return UNKNOWN
    return layer(run, name, tables.support_of(name), arguments, node, version)


def layer(run, name, own, arguments, node, version=None):
    made = make(run, name, False, own, node, version)
    if own == "recurrent" and not run.scanning:
        run.notes.recurrent.append(made)
    add_layers_given(run, made, arguments, wrapper=name in tables.WRAPPERS)
    return made


def add_layers_given(run, keras, arguments, wrapper=False):
    """Layers among the arguments become parts: of wrappers, and as activation=LeakyReLU()."""
    entries, complete = [], True
    for value in arguments.values():
        if any(isinstance(option, (KerasObject, Instance, Sequence)) for option in options_of(value)):
            entries.append((value, True))
        elif wrapper and value is UNKNOWN:
            complete = False
    if wrapper and (arguments.more or arguments.more_keywords):
        complete = False
    before = keras.table["parts"]
    run.write(
        keras.table, "parts", Items(before.entries + tuple(entries), before.complete and complete, False)
    )


def other_part(run, rest, arguments):
    """Losses, optimizers, utilities: functions and objects of the script among the arguments may be called by
    Keras.
    """
    for value in arguments.values():
        for option in options_of(value):
            if isinstance(option, (Function, Instance)):
                run.defer(option)
    through = through_function(arguments)
    return through if through is not None else Product("keras." + rest)


def through_function(arguments):
    """The tensor that a function of the library makes of symbolic ones; None where there are none among the
    arguments.
    """
    found = []
    for value in arguments.values():
        inner, _ = tensors_in(value)
        found += [tensor for tensor, _ in inner]
    if not found:
        return None
    unknown = (
        any(value is UNKNOWN for value in arguments.values()) or arguments.more or arguments.more_keywords
    )
    return expressions.through(found, not unknown)


def call_layer(run, keras, arguments, node):
    """layer(x): a symbolic tensor that has come through the layer too."""
    walk_own_method(run, keras, "build", node)
    walk_own_method(run, keras, "call", node)
    tensors, complete = [], True
    for value in arguments.positional[:1] + [v for k, v in arguments.keywords.items() if k != "training"]:
        inner, known = tensors_in(value)
        tensors += [tensor for tensor, _ in inner]
        complete = complete and (known or isinstance(value, (Product, Constant)))
    if not tensors and complete and arguments.values():
        return Product("tensorflow.tensor")
    sources = frozenset().union(*(tensor.sources for tensor in tensors)) | {keras}
    return Tensor(sources, complete and not arguments.more and all(tensor.complete for tensor in tensors))


def walk_own_method(run, keras, name, node):
    """A method of the script's own layer that Keras calls."""
    if keras.owner is None:
        return
    method, _ = expressions.find_in_class(keras.owner.cls, name)
    if isinstance(method, Function) and not method.executed:
        calls.call_function(run, method, keras.owner, calls.Arguments(more=True, more_keywords=True), node)


# ---- The script's own classes -----------------------------------------------------------------------


def of_instance(run, instance, node):
    """What an object of one of the script's classes is to Keras; None if it is nothing to it."""
    for base in expressions.mro(instance.cls):
        if not isinstance(base, External):
            continue
        if base.path.startswith("intel_extension_for_tensorflow.ops."):
            made = make(run, instance.cls.name, False, "no", node)
            made.owner = instance
            return made
        route, rest = route_of(base.path)
        name = rest.rpartition(".")[2]
        model = name in tables.MODELS
        if route and (model or name == "Layer" or rest.split(".")[0] == "layers"):
            own = "yes" if model else tables.support_of(name)
            made = make(run, instance.cls.name, model, own, node, run.keras_version(route))
            made.kind = name
            made.owner = instance
            return made
    return None


def may_be_layer(instance):
    """An object whose bases are not all seen."""
    for base in expressions.mro(instance.cls):
        if isinstance(base, ClassValue):
            continue
        if not isinstance(base, External):
            return not isinstance(base, Product)
        if base.path.split(".")[0] not in (
            "builtins",
            "abc",
            "typing",
            "enum",
            "threading",
            "dataclasses",
            "tensorflow",
        ):
            return True
    return False


# ---- Attributes and methods -------------------------------------------------------------------------


def attribute_of_keras(run, keras, name, node):
    stored = keras.table.get("attribute " + name)
    if stored is not None:
        return stored
    if name in ("output", "outputs"):
        return Tensor({keras})
    if name in ("input", "inputs"):
        return Tensor()
    if name == "layers":
        parts = keras.table["parts"]
        return Sequence(Items(parts.entries, parts.complete and keras.owner is None, False))
    if name in (
        "trainable_variables",
        "variables",
        "weights",
        "trainable_weights",
        "losses",
        "metrics",
        "name",
        "dtype",
        "history",
        "built",
        "trainable",
        "optimizer",
        "metrics_names",
        "output_shape",
        "input_shape",
    ):
        return Product("keras.attribute")
    return UNKNOWN


def set_attribute(run, keras, name, value, node):
    """Sets an attribute of a model or layer; True if it is one that Keras itself reads.
    keras None: not seen.
    """
    if name == "jit_compile":
        jit_by_attribute(run, keras, jit_word(value), node)
        return True
    if name == "run_eagerly":
        eager_by_attribute(run, keras, value)
        return True
    if keras is None:
        return False
    if name == "supports_jit":
        word = {Constant(True): "yes", Constant(False): "no"}.get(value, "unknown")
        run.write(keras.table, "own", word)
        return True
    if keras.owner is None:
        run.write(keras.table, "attribute " + name, value)
        if isinstance(value, (KerasObject, Instance)) or value is UNKNOWN:
            parts = keras.table["parts"]
            added = parts.added(value, False)
            run.write(
                keras.table, "parts", Items(added.entries, parts.complete and value is not UNKNOWN, False)
            )
    return False


def jit_word(value):
    """on, off, auto, None for what jit_compile=value asks for."""
    if value is None or value == NONE or value == Constant("auto"):
        return "auto"
    if isinstance(value, Constant) and isinstance(value.value, (bool, int)) and not value.at_hand:
        return "on" if value.value else "off"
    return None


def jit_by_attribute(run, keras, word, node):
    if run.scanning:
        return
    before = keras.table.get("settings", frozenset()) if keras is not None else frozenset()
    eager = {setting.eager for setting in before}
    setting = Setting(
        word,
        eager.pop() if len(eager) == 1 else (None if eager else False),
        keras,
        run.spot(node),
        run.sure(),
        "attribute",
    )
    if keras is None:
        run.events += 1
        run.notes.settings.append(setting)
        return
    if not any(one.how in ("compile", "load") for one in before):
        run.write(keras.table, "early", frozenset({setting}))
    run.write(keras.table, "settings", frozenset({setting}))


def eager_by_attribute(run, keras, value):
    if keras is None or run.scanning:
        return
    eager = value.value if isinstance(value, Constant) and isinstance(value.value, bool) else None
    changed = {
        Setting(one.jit, eager, keras, one.spot, one.certain, one.how)
        for one in keras.table.get("settings", frozenset())
    }
    if changed:
        run.write(keras.table, "settings", frozenset(changed))


def call_method(run, keras, name, arguments, node):
    if name == "compile":
        compiled(run, keras, arguments, node)
        return NONE
    if name == "add":
        parts = keras.table["parts"]
        run.write(keras.table, "parts", parts.added(arguments.get(0, "layer", UNKNOWN)))
        return NONE
    if name in tables.CONSUMERS:
        consumed(run, keras)
        for value in arguments.values():
            give_to_keras(run, value)
        return Product("keras.history")
    if name in ("call", "__call__"):
        return call_layer(run, keras, arguments, node)
    if name == "pop":
        parts = keras.table["parts"]
        run.write(
            keras.table,
            "parts",
            Items(tuple((one, False) for one, _ in parts.entries), parts.complete, False),
        )
    for value in arguments.values():
        give_to_keras(run, value)
    return UNKNOWN if name in ("get_layer", "pop", "get_config") else Product("keras.result")


def give_to_keras(run, value, depth=0):
    """Callbacks and functions that Keras will call."""
    for option in options_of(value):
        if isinstance(option, (Function, Instance)):
            run.defer(option)
        elif isinstance(option, Sequence) and depth < 3:
            for entry, _ in option.items.entries:
                give_to_keras(run, entry, depth + 1)


def compiled(run, keras, arguments, node):
    if run.scanning:
        return
    jit = jit_word(arguments.get(7, "jit_compile"))
    if arguments.get(7, "jit_compile") is UNKNOWN:
        jit = None
    eager = eager_word(arguments.get(5, "run_eagerly"))
    setting = Setting(jit, eager, keras, run.spot(node), run.sure(), "compile")
    for early in keras.table.get("early", frozenset()):
        run.notes.lost_attributes.append((early, setting))
    if keras.table.get("early"):
        run.write(keras.table, "early", frozenset())
    run.write(keras.table, "settings", frozenset({setting}))


def eager_word(value):
    """True, False or None, of run_eagerly=value."""
    if value is None or value == NONE:
        return False
    if isinstance(value, Constant) and isinstance(value.value, (bool, int)) and not value.at_hand:
        return bool(value.value)
    return None


def consumed(run, keras):
    """Training or inference: what has been set up to here is what counts."""
    settings = keras.table.get("settings")
    if run.scanning or not settings:
        return
    run.events += 1
    run.notes.consumed.add(keras)
    for setting in settings:
        if setting not in run.notes.settings:
            run.notes.settings.append(setting)


def handed_over(run, keras):
    """Code that is not seen gets the model: it may compile it anew, and add to it."""
    if run.scanning or not keras.model:
        return
    consumed(run, keras)
    run.notes.settings.append(Setting(None, None, keras, keras.spot, False, "elsewhere"))


def method_of_unknown(run, name, arguments, node):
    """A method of what is not known: compile() and fit() may well be those of a Keras model."""
    if run.scanning:
        return
    if name == "compile" or name in tables.CONSUMERS:
        run.events += 1
    if name == "compile":
        known = set(arguments.keywords) & tables.COMPILE_KEYWORDS or isinstance(
            arguments.get(0, "optimizer"), Constant
        )
        jit = jit_word(arguments.get(7, "jit_compile")) if known else None
        if arguments.get(7, "jit_compile") is UNKNOWN:
            jit = None
        eager = eager_word(arguments.get(5, "run_eagerly")) if known else None
        run.notes.settings.append(Setting(jit, eager, None, run.spot(node), run.sure(), "compile"))
    elif name in tables.CONSUMERS and not run.notes.settings_of_unknown:
        run.notes.settings_of_unknown.append(
            Setting(None, None, None, run.spot(node), run.sure(), "elsewhere")
        )


# ---- What a model is made of ------------------------------------------------------------------------


def flatten(keras):
    """([(KerasObject, certain)], complete): the model with all its parts."""
    found, seen, complete = [], set(), True
    waiting = [(keras, True)]
    while waiting:
        value, certain = waiting.pop()
        if isinstance(value, Choice):
            waiting += [(option, False) for option in value.options]
        elif isinstance(value, Instance):
            if value.keras is not None:
                waiting.append((value.keras, certain))
            elif may_be_layer(value):
                complete = False
        elif isinstance(value, Sequence):
            complete = complete and value.items.complete
            if id(value) not in seen:
                seen.add(id(value))
                waiting += [(entry, certain and sure) for entry, sure in value.items.entries]
        elif isinstance(value, Mapping):
            complete = complete and value.complete
            if id(value) not in seen:
                seen.add(id(value))
                waiting += [(entry, certain and sure) for _, entry, sure in value.entries()]
        elif isinstance(value, KerasObject):
            if (value, certain) in seen or (value, True) in seen:
                continue
            seen.add((value, certain))
            found.append((value, certain))
            parts = value.table["parts"]
            complete = complete and parts.complete
            waiting += [(entry, certain and sure) for entry, sure in parts.entries]
            if value.owner is not None:
                own = value.owner.table.values()
                waiting += [(bare(entry), certain and not isinstance(entry, Maybe)) for entry in own]
        elif value is UNKNOWN:
            complete = False
    return found, complete


def jit_support(keras):
    """(yes, no, recurrent or unknown, the layer that decides) of a model."""
    found, complete = flatten(keras)
    unsure, recurrent = not complete, None
    for one, certain in found:
        own = one.table["own"]
        if own == "no" and certain:
            return "no", one
        if own in ("no", "unknown"):
            unsure = True
        elif own == "recurrent":
            recurrent = one
    if unsure:
        return "unknown", recurrent
    return ("recurrent", recurrent) if recurrent else ("yes", None)
