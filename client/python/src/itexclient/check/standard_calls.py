"""Calls of Python's own functions, as far as they matter to what a script does."""

from __future__ import annotations

import os.path
import pathlib

from . import calls, environment, expressions, folding, imports
from .interpreter import EXIT, Leaves
from .values import (
    NONE,
    UNKNOWN,
    Bound,
    ClassValue,
    Constant,
    External,
    Function,
    Instance,
    Items,
    LocalModule,
    Mapping,
    Partial,
    Product,
    Rank,
    Sequence,
    Text,
    options_of,
    truth,
)

# ---- Leaving ----------------------------------------------------------------------------------------


def leave(run, arguments, node):
    raise Leaves(EXIT)


def replace_process(run, arguments, node):
    """os.exec*: what comes after starts anew, in an environment that this run of the script has made."""
    run.unseen("the process starts itself anew", node)
    raise Leaves(EXIT)


# ---- Code that is not seen --------------------------------------------------------------------------


def unseen_code(run, arguments, node):
    for value in arguments.values():
        run.defer(value)
    run.unseen("code that is made at run time is run", node, own=True)
    return UNKNOWN


def namespace(run, arguments, node):
    """globals(), locals(), vars(): reading by a name that is made at run time, and maybe writing."""
    value = arguments.get(0, None)
    if isinstance(value, Instance):
        made = Mapping(False)
        made.table.update(value.table)
        return made
    return Product("argparse.namespace") if isinstance(value, Product) else UNKNOWN


def import_by_name(run, arguments, node):
    name, package = arguments.get(0, "name", UNKNOWN), arguments.get(1, "package", NONE)
    return imports.by_name(run, name, package, node)


def dunder_import(run, arguments, node):
    name = arguments.get(0, "name", UNKNOWN)
    value = imports.by_name(run, name, NONE, node)
    if (
        isinstance(name, Constant)
        and isinstance(name.value, str)
        and "." in name.value
        and len(arguments.values()) == 1
    ):
        return imports.by_name(run, Constant(name.value.split(".")[0]), NONE, node)
    return value


def run_path(run, arguments, node):
    run.unseen("another script is run", node, own=True)
    return UNKNOWN


# ---- Attributes by name -----------------------------------------------------------------------------


def get_attribute(run, arguments, node):
    owner, name = arguments.get(0, None, UNKNOWN), arguments.get(1, None, UNKNOWN)
    default = arguments.get(2, None)
    names = [option.value for option in options_of(name) if isinstance(option, Constant)]
    if len(names) != len(options_of(name)) or not all(isinstance(one, str) for one in names):
        return attribute_of_unknown_name(run, owner, node)
    found = [expressions.attribute_of(run, owner, one, node) for one in names]
    if default is not None and not isinstance(owner, (External, LocalModule)):
        found.append(default)
    return expressions.join_all(found)


def attribute_of_unknown_name(run, owner, node):
    """getattr(tf.keras.applications, args.model): something of there."""
    for option in options_of(owner):
        if isinstance(option, External) and option.path.split(".")[0] in ("tensorflow", "keras", "tf_keras"):
            return expressions.attribute_of(run, option, "*", node)
    if isinstance(owner, LocalModule):
        for value in list(owner.table.values()):
            if isinstance(value, (Function, ClassValue)):
                run.defer(value)
        return UNKNOWN
    return owner if isinstance(owner, Product) else UNKNOWN


def set_attribute(run, arguments, node):
    owner, name = arguments.get(0, None, UNKNOWN), arguments.get(1, None, UNKNOWN)
    value = arguments.get(2, None, UNKNOWN)
    if isinstance(name, Constant) and isinstance(name.value, str):
        expressions.assign_attribute(run, owner, name.value, value, node)
    else:
        run.defer(value)
    return NONE


def has_attribute(run, arguments, node):
    return UNKNOWN


# ---- Containers and conversions ---------------------------------------------------------------------


def make_dict(run, arguments, node):
    mapping = Mapping(not arguments.more and not arguments.more_keywords)
    for other in arguments.positional:
        if isinstance(other, Mapping):
            expressions.merge_mapping(mapping, other)
        elif not (isinstance(other, Sequence) and other.items.complete and not other.items.entries):
            mapping.state["items"] = Items((), False)
    mapping.table.update(arguments.keywords)
    return mapping


def default_dict(run, arguments, node):
    return Mapping(False)


def make_sequence(run, arguments, node):
    value = arguments.get(0, None)
    if value is None:
        return Sequence()
    if isinstance(value, Product):
        return value
    if isinstance(value, Constant) and isinstance(value.value, tuple):
        return value
    return Sequence(expressions.extended(Items(), value))


def to_text(run, arguments, node):
    value = arguments.get(0, None, Constant(""))
    if isinstance(value, Rank):
        return Text((Text.RANK_PART,))
    return value if isinstance(value, Text) else folding.each(value, one_text)


def one_text(value):
    return folding.computed(str, value) if isinstance(value, Constant) else UNKNOWN


def to_number(run, arguments, node):
    value = arguments.get(0, None, UNKNOWN)
    if isinstance(value, (Rank, Product)):
        return value
    return folding.computed(int, value) if isinstance(value, Constant) else UNKNOWN


def to_float(run, arguments, node):
    value = arguments.get(0, None, UNKNOWN)
    return folding.computed(float, value) if isinstance(value, Constant) else UNKNOWN


def to_bool(run, arguments, node):
    known = truth(arguments.get(0, None, UNKNOWN))
    return UNKNOWN if known is None else Constant(known)


def length(run, arguments, node):
    value = arguments.get(0, None, UNKNOWN)
    if isinstance(value, Sequence) and value.items.exact and value.items.complete:
        return Constant(len(value.items.entries))
    if isinstance(value, Constant):
        return folding.computed(len, value)
    return Product("builtins.int") if isinstance(value, Product) else UNKNOWN


def number_range(run, arguments, node):
    values = arguments.positional
    if values and all(isinstance(value, Constant) and isinstance(value.value, int) for value in values):
        numbers = (
            range(*(value.value for value in values)) if len(values) < 3 or values[2].value else range(0)
        )
        if len(numbers) <= 8:
            return Constant(tuple(numbers))
        return Sequence(Items([(Product("builtins.int"), True)], True, False))
    return Product("builtins.range")


def enumerated(run, arguments, node):
    value = arguments.get(0, None, UNKNOWN)
    element, at_least_once = expressions.iterate(run, value, node)
    if element is None:
        return Sequence()
    pair = Sequence(Items([(Product("builtins.int"), True), (element, True)]))
    return Sequence(Items([(pair, at_least_once)], element is not UNKNOWN, False))


def zipped(run, arguments, node):
    elements = [expressions.iterate(run, value, node) for value in arguments.positional]
    if not elements or any(element is None for element, _ in elements):
        return Sequence()
    row = Sequence(Items([(element, True) for element, _ in elements]))
    return Sequence(Items([(row, all(sure for _, sure in elements))], True, False))


def mapped(run, arguments, node):
    """map(f, xs): f is called with what stands for every element."""
    function, value = arguments.get(0, None, UNKNOWN), arguments.get(1, None, UNKNOWN)
    element, at_least_once = expressions.iterate(run, value, node)
    if element is None:
        return Sequence()
    result = []

    def once():
        result.append(calls.call(run, function, calls.Arguments([element]), node))

    if at_least_once:
        once()
    else:
        run.either([once, lambda: None])
    made = result[0] if result else UNKNOWN
    return Sequence(Items([(made, at_least_once)], made is not UNKNOWN, False))


def same(run, arguments, node):
    """iter, sorted, reversed, copy: the contents stay what they are."""
    value = arguments.get(0, None, UNKNOWN)
    if isinstance(value, Sequence):
        items = value.items
        return Sequence(Items(items.entries, items.complete, False))
    return value if isinstance(value, (Product, Constant)) else UNKNOWN


def deep_copy(run, arguments, node):
    value = arguments.get(0, None, UNKNOWN)
    return value if isinstance(value, (Product, Constant)) else UNKNOWN


def element_of(run, arguments, node):
    """next, random.choice, max and min of one argument: one of the contents."""
    element, _ = expressions.iterate(run, arguments.get(0, None, UNKNOWN), node)
    return UNKNOWN if element is None or len(arguments.positional) > 1 else element


def is_instance(run, arguments, node):
    return UNKNOWN


def type_of(run, arguments, node):
    value = arguments.get(0, None, UNKNOWN)
    if len(arguments.values()) == 3:
        run.unseen("a class is made at run time", node)
    return value.cls if isinstance(value, Instance) else UNKNOWN


def partial(run, arguments, node):
    if not arguments.positional:
        return UNKNOWN
    rest = calls.Arguments(
        arguments.positional[1:], arguments.keywords, arguments.more, arguments.more_keywords
    )
    return Partial(arguments.positional[0], rest)


def reduced(run, arguments, node):
    function, value = arguments.get(0, None, UNKNOWN), arguments.get(1, None, UNKNOWN)
    element, _ = expressions.iterate(run, value, node)
    run.either(
        [
            lambda: calls.call(run, function, calls.Arguments([UNKNOWN, element or UNKNOWN]), node) and None,
            lambda: None,
        ]
    )
    return UNKNOWN


def unknown(run, arguments, node):
    for value in arguments.values():
        calls.hand_over(run, value)
    return UNKNOWN


def field(run, arguments, node):
    """dataclasses.field: the default is what matters."""
    if "default" in arguments.keywords:
        return arguments.keywords["default"]
    factory = arguments.keywords.get("default_factory")
    if factory is None:
        return Product("dataclasses.field")
    return calls.call(run, factory, calls.Arguments(), node)


def new_object(run, arguments, node):
    return NONE


# ---- Paths, modules, the environment ----------------------------------------------------------------


def path_function(name):
    function = getattr(os.path, name)

    def apply(run, arguments, node):
        values = arguments.positional
        if arguments.more or not values or not all(isinstance(value, Constant) for value in values):
            return UNKNOWN if any(value is UNKNOWN for value in values) else Product("os.path")
        if name in ("abspath", "realpath") and not str(values[0].value).startswith("/"):
            return UNKNOWN  # depends on where the job is started
        return folding.computed(lambda *parts: os.fspath(function(*parts)), *values)

    return apply


def make_path(run, arguments, node):
    values = arguments.positional
    if values and all(isinstance(value, Constant) for value in values):
        return folding.computed(pathlib.PurePath, *values)
    return Product("pathlib.Path")


def add_search_path(run, arguments, node):
    """sys.path.append and insert: modules of the script's own may be there."""
    for value in arguments.values():
        for option in options_of(value):
            if isinstance(option, Constant) and isinstance(option.value, str):
                run.finder.add(option.value, 0)
    return NONE


def put_environment(run, arguments, node):
    return environment.putenv(run, arguments, node)


def unset_environment(run, arguments, node):
    environment.unset(run, arguments.get(0, "key", UNKNOWN), node)
    return NONE


def update_environment(run, arguments, node):
    return environment.update(run, arguments, node)


def nothing(run, arguments, node):
    for value in arguments.values():
        if isinstance(value, (Function, Bound)):
            run.defer(value)
    return NONE


def suppress(run, arguments, node):
    return Product("contextlib.suppress")


def null_context(run, arguments, node):
    return Product("contextlib.nullcontext")


# ---- IPython, as magics.py writes it ----------------------------------------------------------------


def ipython(run, arguments, node):
    return External("IPython.shell")


def ipython_set_env(run, arguments, node):
    environment.change(run, arguments.get(0, None, UNKNOWN), arguments.get(1, None, UNKNOWN), "set", node)
    return NONE


def ipython_export(run, arguments, node):
    name = arguments.get(0, None, UNKNOWN)
    if isinstance(name, Constant) and environment.is_of_interest(name.value):
        run.finding("shell-export", node, name=name.value)
    return NONE


def ipython_install(run, arguments, node):
    words = str(getattr(arguments.get(0, None, UNKNOWN), "value", "")).lower().replace("_", "-")
    if any(word in words for word in ("keras", "tensorflow", "setuptools", "requirements", "-r ", ".")):
        run.installs(node)
    return NONE


def ipython_line_magic(run, arguments, node):
    """get_ipython().run_line_magic(name, rest), as an exported notebook has it."""
    name, rest = (getattr(arguments.get(n, None, UNKNOWN), "value", "") for n in (0, 1))
    if name in ("env", "set_env") and isinstance(rest, str):
        variable, separator, value = rest.partition("=" if "=" in rest else " ")
        if separator:
            environment.change(run, Constant(variable.strip()), Constant(value.strip()), "set", node)
    return UNKNOWN


def ipython_unknown(run, arguments, node):
    run.unseen("a magic that is not known is run", node, own=True)
    return NONE


def ipython_run(run, arguments, node):
    name = arguments.get(0, None, UNKNOWN)
    imports.run_file(run, name, node)
    return NONE


def type_annotation(run, arguments, node):
    return Product("typing.type")


CALLS = {
    "sys.exit": leave,
    "builtins.exit": leave,
    "builtins.quit": leave,
    "os._exit": leave,
    "os.abort": leave,
    "os.execv": replace_process,
    "os.execve": replace_process,
    "os.execvp": replace_process,
    "os.execvpe": replace_process,
    "os.execl": replace_process,
    "os.execle": replace_process,
    "os.execlp": replace_process,
    "builtins.exec": unseen_code,
    "builtins.eval": unseen_code,
    "builtins.compile": nothing,
    "builtins.globals": namespace,
    "builtins.locals": namespace,
    "builtins.vars": namespace,
    "importlib.import_module": import_by_name,
    "builtins.__import__": dunder_import,
    "importlib.reload": unknown,
    "runpy.run_path": run_path,
    "runpy.run_module": run_path,
    "importlib.util.spec_from_file_location": unseen_code,
    "importlib.machinery.SourceFileLoader": unseen_code,
    "builtins.getattr": get_attribute,
    "builtins.setattr": set_attribute,
    "builtins.hasattr": has_attribute,
    "builtins.dict": make_dict,
    "collections.OrderedDict": make_dict,
    "collections.defaultdict": default_dict,
    "builtins.list": make_sequence,
    "builtins.tuple": make_sequence,
    "builtins.set": make_sequence,
    "builtins.frozenset": make_sequence,
    "collections.deque": make_sequence,
    "builtins.str": to_text,
    "builtins.repr": to_text,
    "os.fspath": to_text,
    "builtins.int": to_number,
    "builtins.float": to_float,
    "builtins.bool": to_bool,
    "builtins.len": length,
    "builtins.range": number_range,
    "builtins.enumerate": enumerated,
    "builtins.zip": zipped,
    "builtins.map": mapped,
    "builtins.filter": unknown,
    "builtins.iter": same,
    "builtins.sorted": same,
    "builtins.reversed": same,
    "copy.copy": same,
    "copy.deepcopy": deep_copy,
    "builtins.next": element_of,
    "random.choice": element_of,
    "builtins.isinstance": is_instance,
    "builtins.issubclass": is_instance,
    "builtins.callable": is_instance,
    "builtins.type": type_of,
    "functools.partial": partial,
    "functools.reduce": reduced,
    "collections.namedtuple": unknown,
    "types.SimpleNamespace": unknown,
    "dataclasses.field": field,
    "builtins.object": new_object,
    "builtins.object.__init__": new_object,
    "builtins.print": nothing,
    "logging.info": nothing,
    "atexit.register": nothing,
    "pathlib.Path": make_path,
    "pathlib.PurePath": make_path,
    "pathlib.PosixPath": make_path,
    "sys.path.append": add_search_path,
    "sys.path.insert": add_search_path,
    "sys.path.extend": add_search_path,
    "site.addsitedir": add_search_path,
    "os.getenv": environment.get,
    "os.putenv": put_environment,
    "os.unsetenv": unset_environment,
    "os.environ.__setitem__": unknown,
    "contextlib.suppress": suppress,
    "contextlib.nullcontext": null_context,
    "IPython.get_ipython": ipython,
    "IPython.shell.set_env": ipython_set_env,
    "IPython.shell.shell_export": ipython_export,
    "IPython.shell.install": ipython_install,
    "IPython.shell.run_line_magic": ipython_line_magic,
    "IPython.shell.magic": unknown,
    "IPython.shell.unknown": ipython_unknown,
    "IPython.shell.run": ipython_run,
    "IPython.shell.result": unknown,
    "typing.TypeVar": type_annotation,
    "typing.cast": lambda run, arguments, node: arguments.get(1, "val", UNKNOWN),
}
for _name in ("join", "dirname", "basename", "abspath", "realpath", "normpath", "expanduser"):
    CALLS["os.path." + _name] = path_function(_name)
