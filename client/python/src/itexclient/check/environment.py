"""The process's environment as the script reads and changes it."""

from __future__ import annotations

from .libraries import LOCAL_RANK_VARIABLES
from .values import NONE, UNKNOWN, Constant, Mapping, Product, Rank, Sequence, Table, Text, options_of
from .world import NO

LEGACY = "TF_USE_LEGACY_KERAS"

# What ITEX, TensorFlow, Keras or the driver read once, when they are loaded.
READ_AT_IMPORT = (
    "ITEX_",
    "ZE_",
    "ZES_",
    "SYCL_",
    "UR_",
    "ONEAPI_DEVICE_SELECTOR",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    LEGACY,
)
# What Python code reads in os.environ, which os.putenv does not change.
READ_BY_PYTHON = frozenset(
    {LEGACY, "KERAS_BACKEND", "ITEX_DISABLE_XLA", "ITEX_VERBOSE", "TF_XLA_FLAGS", "ITEX_OPS_OVERRIDE"}
)


class Change:
    """The script changes a variable. value: a Value, None where it is unset; how: as change() says.

    imported: had TensorFlow been imported by then, "no", "maybe" or "yes"; keras_imported likewise.
    """

    __slots__ = ("name", "value", "how", "spot", "certain", "imported", "keras_imported", "order")

    def __init__(self, name, value, how, spot, certain, imported, keras_imported):
        self.name = name
        self.value = value
        self.how = how
        self.spot = spot
        self.certain = certain
        self.imported = imported
        self.keras_imported = keras_imported
        self.order = 0


class Entry:
    """What a variable is by now. value: a Value; None where it is unset."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Entry) and self.value == other.value

    __hash__ = None


class EnvironmentTable(Table):
    """Variables that the script has changed; one that is not there is as the script found it."""

    __slots__ = ()

    def join(self, key, left, right):
        return left if left == right else Entry(UNKNOWN)


def is_read_at_import(name):
    return any(name == one or (one.endswith("_") and name.startswith(one)) for one in READ_AT_IMPORT)


def is_of_interest(name):
    return is_read_at_import(name) or name == "KERAS_BACKEND"


def read(run, name, default):
    """os.environ.get(name, default)."""
    if name in LOCAL_RANK_VARIABLES:
        return Rank()
    entry = run.environment.get(name)
    if entry is not None:
        return default if entry.value is None else entry.value
    if not is_of_interest(name) or run.happened("environment") != NO:
        return UNKNOWN
    run.notes.reads.add(name)
    if name in run.at_hand:
        return Constant(run.at_hand[name], True)
    return Constant(default.value, True) if isinstance(default, Constant) else default


def change(run, name_value, value, how, node):
    """os.environ[name] = value, and its other spellings. how: set, setdefault, unset, putenv, call."""
    names = [option.value for option in options_of(name_value) if isinstance(option, Constant)]
    if not names or not all(isinstance(name, str) for name in names):
        run.notes.unseen.append(("a variable whose name is not known is set", run.spot(node)))
        run.may_happen("environment")
        return
    for name in names:
        change_one(run, name, value, how, node, run.sure() and len(names) == 1)


def change_one(run, name, value, how, node, sure):
    if isinstance(value, (Text, Rank, Product)):
        value = UNKNOWN
    if isinstance(value, Constant) and not isinstance(value.value, str):
        value = UNKNOWN  # os.environ would raise TypeError
    if how == "setdefault":
        present = run.environment.get(name)
        if present is not None and is_set(present.value):
            return
        if present is None:
            run.notes.reads.add(name)
            note(run, name, value, how, node, sure)
            found = run.at_hand.get(name)
            run.write(run.environment, name, Entry(Constant(found, True) if found is not None else value))
            return
        if present.value is UNKNOWN:
            note(run, name, value, how, node, False)
            run.write(run.environment, name, Entry(UNKNOWN))
            return
        how = "set"  # the script has unset it
    note(run, name, value, how, node, sure)
    run.write(run.environment, name, Entry(value))


def is_set(value):
    """Is a variable with this value there for certain?"""
    return value is not None and all(isinstance(option, Constant) for option in options_of(value))


def note(run, name, value, how, node, sure):
    run.events += 1
    if run.scanning:
        return
    imported = run.happened("tensorflow")
    key = (id(run.frame.unit), node.lineno, node.col_offset, name, imported)
    made = Change(name, value, how, run.spot(node), sure, imported, run.happened("keras"))
    earlier = run.notes.changes.pop(key, None)
    made.order = run.events
    if earlier is not None and not sure:
        once_more(run, earlier, made)
    run.notes.changes[key] = made


def once_more(run, earlier, made):
    """The same statement again, and not in every run: in a loop, or by another call of its function."""
    if earlier.value != made.value:
        made.value = UNKNOWN
    elif not any(one.name == made.name and one.order > earlier.order for one in run.notes.changes.values()):
        # Nothing has come between, so that it is what it was.
        made.certain = earlier.certain


def unset(run, name_value, node):
    change(run, name_value, None, "unset", node)


def update(run, arguments, node):
    """os.environ.update(...) and |=."""
    for other in arguments.positional:
        if isinstance(other, Mapping):
            for name, value, certain in other.entries():
                ways = [lambda name=name, value=value: change(run, Constant(name), value, "set", node)]
                run.either(ways if certain else [*ways, lambda: None], certain)
            if not other.complete:
                forget(run, node)
        elif isinstance(other, Sequence) and other.items.complete:
            for pair, _ in other.items.entries:
                update_pair(run, pair, node)
        else:
            forget(run, node)
    for name, value in arguments.keywords.items():
        change(run, Constant(name), value, "set", node)
    if arguments.more_keywords:
        forget(run, node)
    return NONE


def update_pair(run, pair, node):
    if isinstance(pair, Constant) and isinstance(pair.value, tuple) and len(pair.value) == 2:
        change(run, Constant(pair.value[0]), Constant(pair.value[1]), "set", node)
    elif isinstance(pair, Sequence) and len(pair.items.entries) == 2:
        change(run, pair.items.entries[0][0], pair.items.entries[1][0], "set", node)
    else:
        forget(run, node)


def forget(run, node):
    """Any variable may have been set."""
    if not run.scanning:
        run.notes.unseen.append(("variables that are not known are set", run.spot(node)))
    run.may_happen("environment")


def get(run, arguments, node):
    name = arguments.get(0, "key", UNKNOWN)
    default = arguments.get(1, "default", NONE)
    if isinstance(name, Constant) and isinstance(name.value, str):
        return read(run, name.value, default)
    return UNKNOWN


def item(run, index):
    if isinstance(index, Constant) and isinstance(index.value, str):
        value = read(run, index.value, UNKNOWN)
        return UNKNOWN if value == NONE else value
    return UNKNOWN


def setdefault(run, arguments, node):
    name, value = arguments.get(0, "key", UNKNOWN), arguments.get(1, "value", UNKNOWN)
    change(run, name, value, "setdefault", node)
    return item(run, name)


def pop(run, arguments, node):
    before = get(run, arguments, node)
    unset(run, arguments.get(0, "key", UNKNOWN), node)
    return before


def putenv(run, arguments, node):
    """Only the C environment changes: what Python code reads stays as it is."""
    name, value = arguments.get(0, "key", UNKNOWN), arguments.get(1, "value", UNKNOWN)
    known = name.value if isinstance(name, Constant) else None
    if known in READ_BY_PYTHON:
        note(run, known, value, "putenv", node, False)
        run.finding("putenv", node, name=known)
        run.write(run.environment, known, Entry(UNKNOWN))
    else:
        change(run, name, value, "set", node)
    return NONE


def clear(run, arguments, node):
    forget(run, node)
    for name in list(run.environment):
        run.write(run.environment, name, Entry(UNKNOWN))
    return NONE


def value_now(run, name):
    """(known, text or None) of a variable: what the script set, else what is at hand."""
    entry = run.environment.get(name)
    if entry is not None:
        if entry.value is None:
            return True, None
        if isinstance(entry.value, Constant):
            return True, entry.value.value
        return False, None
    if run.happened("environment") != NO:
        return False, None
    run.notes.reads.add(name)
    return True, run.at_hand.get(name)


def legacy_now(run):
    """Would Python code take TF_USE_LEGACY_KERAS for set? None where that is not known."""
    known, value = value_now(run, LEGACY)
    return value in ("true", "True", "1") if known else None


METHODS = {
    "get": get,
    "setdefault": setdefault,
    "update": update,
    "pop": pop,
    "clear": clear,
}
