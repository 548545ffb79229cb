"""What a name of the script can stand for, as far as the analyser knows it.

Values are compared by what they are (constants, dotted names) or by identity (everything that the script
makes). What is not known is UNKNOWN: it stays that way through every operation, and no fact is ever drawn
from it.

Things that the script changes in place keep their state in a Table, so that the world (world.py) can take
changes back and join the two ways on which a condition may have been passed.
"""

from __future__ import annotations

ABSENT = object()
MOST_OPTIONS = 6


class Value:
    __slots__ = ()


class _Unknown(Value):
    __slots__ = ()

    def __repr__(self):
        return "UNKNOWN"


UNKNOWN = _Unknown()


class Constant(Value):
    """A plain Python value. at_hand: it was read from the environment that the analyser itself has."""

    __slots__ = ("value", "at_hand")

    def __init__(self, value, at_hand=False):
        self.value = value
        self.at_hand = at_hand

    def __eq__(self, other):
        if not isinstance(other, Constant) or self.at_hand != other.at_hand:
            return False
        try:
            return type(self.value) is type(other.value) and bool(self.value == other.value)
        except RecursionError:
            return False

    def __hash__(self):
        return hash((type(self.value), self.value))

    def __repr__(self):
        return f"Constant({self.value!r})"


NONE = Constant(None)


class Text(Value):
    """A string of which only parts are known: an unknown part is None, one made of a local
    rank is RANK_PART.
    """

    __slots__ = ("parts",)
    RANK_PART = object()

    def __init__(self, parts):
        self.parts = tuple(parts)

    def __eq__(self, other):
        return isinstance(other, Text) and self.parts == other.parts

    def __hash__(self):
        return hash(self.parts)


class Rank(Value):
    """The number of this process among those of its node."""

    __slots__ = ()

    def __eq__(self, other):
        return isinstance(other, Rank)

    def __hash__(self):
        return 7


class External(Value):
    """What a dotted name of an imported module stands for, as in tensorflow.keras.layers.Dense."""

    __slots__ = ("path",)

    def __init__(self, path):
        self.path = path

    def __eq__(self, other):
        return isinstance(other, External) and self.path == other.path

    def __hash__(self):
        return hash(self.path)

    def __repr__(self):
        return f"External({self.path})"


class Product(Value):
    """Something that a module without a part in all this made: no layer, no model, and nothing made of it is
    one.
    """

    __slots__ = ("path",)

    def __init__(self, path):
        self.path = path

    def __eq__(self, other):
        return isinstance(other, Product) and self.path == other.path

    def __hash__(self):
        return hash(("product", self.path))

    def __repr__(self):
        return f"Product({self.path})"


class Choice(Value):
    """One of a few values, each of them known."""

    __slots__ = ("options",)

    def __init__(self, options):
        self.options = tuple(options)

    def __eq__(self, other):
        return isinstance(other, Choice) and set(self.options) == set(other.options)

    def __hash__(self):
        return hash(frozenset(self.options))


class LocalModule(Value):
    """A module of the script's own: its file is followed."""

    __slots__ = ("name", "table", "file", "package", "main", "complete")

    def __init__(self, name, file, package, main):
        self.name = name
        self.file = file
        self.package = package  # the name that relative imports start from
        self.main = main
        self.table = Table()
        self.complete = True  # False: parts of it could not be read, so that a missing name says nothing


class Function(Value):
    """A def or lambda of the script."""

    __slots__ = ("node", "module", "unit", "scope", "owner", "defaults", "kind", "certain", "executed")

    def __init__(self, node, module, unit, scope, owner=None):
        self.node = node
        self.module = module
        self.unit = unit
        self.scope = scope
        self.owner = owner
        self.defaults = {}
        self.kind = "plain"  # plain, static, class, property
        self.certain = True  # False: a decorator decides whether a call of it runs the body
        self.executed = False


class Bound(Value):
    """A method with its receiver."""

    __slots__ = ("function", "receiver")

    def __init__(self, function, receiver):
        self.function = function
        self.receiver = receiver


class ClassValue(Value):
    __slots__ = ("name", "module", "unit", "bases", "table", "fields", "node")

    def __init__(self, name, module, unit, bases, node):
        self.name = name
        self.module = module
        self.unit = unit
        self.bases = tuple(bases)
        self.table = Table()
        self.fields = None  # of a dataclass or a named tuple: its names in order
        self.node = node


class Instance(Value):
    """An object of one of the script's classes; keras: what it is as a layer or model."""

    __slots__ = ("cls", "table", "keras", "certain")

    def __init__(self, cls, certain):
        self.cls = cls
        self.table = KeyTable()
        self.keras = None
        self.certain = certain


class Super(Value):
    __slots__ = ("owner", "receiver")

    def __init__(self, owner, receiver):
        self.owner = owner
        self.receiver = receiver


class Partial(Value):
    """functools.partial: a function and the calls.Arguments that it gets first."""

    __slots__ = ("function", "arguments")

    def __init__(self, function, arguments):
        self.function = function
        self.arguments = arguments


class Strategy(Value):
    """tf.distribute: real is False for what get_strategy() gives outside of any scope."""

    __slots__ = ("real",)

    def __init__(self, real):
        self.real = real

    def __eq__(self, other):
        return isinstance(other, Strategy) and self.real == other.real

    def __hash__(self):
        return hash(("strategy", self.real))


class Scope(Value):
    """strategy.scope(), before it is entered."""

    __slots__ = ("strategy",)

    def __init__(self, strategy):
        self.strategy = strategy


class Tensor(Value):
    """A symbolic tensor of the functional API: the layers that it came through, as far as they are known."""

    __slots__ = ("sources", "complete")

    def __init__(self, sources=frozenset(), complete=True):
        self.sources = frozenset(sources)
        self.complete = complete

    def __eq__(self, other):
        return isinstance(other, Tensor) and (self.sources, self.complete) == (other.sources, other.complete)

    def __hash__(self):
        return hash((self.sources, self.complete))


class Table(dict):
    """Names and values that can change; changed through World.write only."""

    __slots__ = ()

    def join(self, key, left, right):
        if left is ABSENT:
            return right
        if right is ABSENT:
            return left
        if isinstance(left, tuple) and isinstance(right, tuple):  # the star imports of a module
            return tuple(dict.fromkeys(left + right))
        return join(left, right)


class Maybe(Value):
    """In a table whose keys can be asked for: this value, or no such key."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Maybe) and self.value == other.value

    def __hash__(self):
        return hash(("maybe", self.value))


class KeyTable(Table):
    """A table where it matters whether a key is there: of a dict, of an object whose class
    has a value of that name.
    """

    __slots__ = ()

    def join(self, key, left, right):
        if (
            left is not ABSENT
            and right is not ABSENT
            and not isinstance(left, Maybe)
            and not isinstance(right, Maybe)
        ):
            return join(left, right)
        values = [bare(value) for value in (left, right) if value is not ABSENT]
        return Maybe(values[0] if len(values) == 1 else join(*values))


def bare(value):
    """The value of a Maybe, where it is there."""
    return value.value if isinstance(value, Maybe) else value


class Items:
    """The state of a list or of a model's parts: (value, certain) each.

    complete: nothing can be in it that is not listed. exact: the list's length and order are known too.
    """

    __slots__ = ("entries", "complete", "exact")

    def __init__(self, entries=(), complete=True, exact=True):
        self.entries = tuple(entries)
        self.complete = complete
        self.exact = exact

    def __eq__(self, other):
        return isinstance(other, Items) and (self.entries, self.complete, self.exact) == (
            other.entries,
            other.complete,
            other.exact,
        )

    __hash__ = None

    def added(self, value, certain=True):
        if len(self.entries) >= 2000:
            return Items(self.entries, False, False)
        return Items(self.entries + ((value, certain),), self.complete, self.exact and certain)

    def merged(self, other):
        if self == other:
            return self
        right = dict(other.entries)
        entries = [(value, certain and right.get(value, False)) for value, certain in self.entries]
        left = dict(self.entries)
        entries += [(value, False) for value, _ in other.entries if value not in left]
        return Items(entries, self.complete and other.complete, False)


class ItemsTable(Table):
    __slots__ = ()

    def join(self, key, left, right):
        if left is ABSENT or right is ABSENT:
            return right if left is ABSENT else left
        if isinstance(left, Items):
            return left.merged(right)
        if isinstance(left, str):
            return left if left == right else "unknown"
        return left | right if isinstance(left, frozenset) else join(left, right)


class Sequence(Value):
    """A list, tuple or set."""

    __slots__ = ("table",)

    def __init__(self, items=None):
        self.table = ItemsTable()
        self.table["items"] = items if items is not None else Items()

    @property
    def items(self):
        return self.table["items"]


class Mapping(Value):
    """A dict. The table has what is under constant keys; the state's items are values under keys that are not
    known.
    """

    __slots__ = ("table", "state")

    def __init__(self, complete=True):
        self.table = KeyTable()
        self.state = ItemsTable()
        self.state["items"] = Items((), complete)

    def entries(self):
        """(key, value, is it there for certain) of what is under constant keys."""
        return [(key, bare(value), not isinstance(value, Maybe)) for key, value in self.table.items()]

    @property
    def complete(self):
        """Has it no other keys than those of the table?"""
        return self.state["items"].complete and not self.state["items"].entries


class KerasObject(Value):
    """A layer or model.

    own: what it says of jit itself: "yes" (supports it), "no", "unknown", or "recurrent" (LSTM and GRU); in
    the table, for the script may set it. version: of the Keras that it is of, "2", "3" or None. in_strategy:
    "no", "maybe", "yes".
    """

    __slots__ = ("what", "kind", "model", "table", "version", "in_strategy", "spot", "scope", "owner", "seen")

    def __init__(self, what, model, own, version, in_strategy, spot):
        self.what = what
        self.kind = what.rpartition(".")[2]  # the class of Keras that it is, or that it is derived from
        self.model = model
        self.version = version
        self.in_strategy = in_strategy
        self.spot = spot
        self.scope = None  # where the strategy's scope was entered
        self.owner = None  # the Instance whose attributes are parts of it too
        self.seen = True  # False: made where it cannot be seen (load_model), or handed to code that cannot
        self.table = ItemsTable()
        self.table["parts"] = Items()
        self.table["own"] = own


def join(left, right):
    """A value that may be either."""
    if left is right or left == right:
        return left
    if isinstance(left, Constant) and isinstance(right, Constant) and left.value is right.value:
        return Constant(left.value, True)
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return Tensor(left.sources | right.sources, left.complete and right.complete)
    options = []
    for value in (left, right):
        for option in value.options if isinstance(value, Choice) else (value,):
            if option not in options:
                options.append(option)
    return Choice(options) if len(options) <= MOST_OPTIONS else UNKNOWN


def options_of(value):
    return value.options if isinstance(value, Choice) else (value,)


def constant_of(value, *kinds):
    """The Python value of a constant of one of these types, else None. A constant None is None too."""
    if isinstance(value, Constant) and (not kinds or isinstance(value.value, kinds)):
        return value.value
    return None


def truth(value):
    """True, False, or None where it is not known. What the environment at hand decides is not known."""
    if isinstance(value, Constant):
        return None if value.at_hand else bool(value.value)
    if isinstance(value, (Function, Bound, ClassValue, LocalModule, KerasObject, External)):
        return True
    if isinstance(value, Sequence):
        items = value.items
        if items.exact and items.complete:
            return bool(items.entries)
        return True if any(certain for _, certain in items.entries) else None
    if isinstance(value, Choice):
        truths = {truth(option) for option in value.options}
        return truths.pop() if len(truths) == 1 else None
    return None
