"""Calls: of the script's own functions and classes, which are walked, and of methods of what it holds."""

from __future__ import annotations

import ast

from . import expressions, externals, folding, keras_objects, statements
from .interpreter import DEEPEST_CALL, EXIT, RAISE, Frame, Leaves, Scope
from .libraries import TRANSPARENT
from .values import (
    ABSENT,
    NONE,
    UNKNOWN,
    Bound,
    Choice,
    ClassValue,
    Constant,
    External,
    Function,
    Instance,
    Items,
    KerasObject,
    LocalModule,
    Mapping,
    Maybe,
    Partial,
    Product,
    Rank,
    Sequence,
    Strategy,
    Super,
    Tensor,
    Text,
    join,
    options_of,
)
from .values import (
    Scope as StrategyScope,
)
from .world import NO, YES


class Arguments:
    """What a call passes. more, more_keywords: there may be others that are not known (*args, **kwargs)."""

    __slots__ = ("positional", "keywords", "more", "more_keywords")

    def __init__(self, positional=(), keywords=None, more=False, more_keywords=False):
        self.positional = list(positional)
        self.keywords = dict(keywords or {})
        self.more = more
        self.more_keywords = more_keywords

    def get(self, position, name, default=None):
        """The argument of this position or name; default where it is not given; UNKNOWN where it may be."""
        if position is not None and position < len(self.positional):
            return self.positional[position]
        if name in self.keywords:
            return self.keywords[name]
        return UNKNOWN if self.more_keywords or (self.more and position is not None) else default

    def values(self):
        return self.positional + list(self.keywords.values())

    def without_first(self):
        return Arguments(self.positional[1:], self.keywords, self.more, self.more_keywords)


def arguments_of(run, node):
    arguments = Arguments()
    for argument in node.args:
        if not isinstance(argument, ast.Starred):
            if not arguments.more:
                arguments.positional.append(expressions.evaluate(run, argument))
            else:
                expressions.evaluate(run, argument)
            continue
        items = expressions.extended(Items(), expressions.evaluate(run, argument.value))
        if items.exact and items.complete and not arguments.more:
            arguments.positional += [value for value, _ in items.entries]
        else:
            arguments.more = True
    for keyword in node.keywords:
        value = expressions.evaluate(run, keyword.value)
        if keyword.arg is not None:
            arguments.keywords[keyword.arg] = value
        elif isinstance(value, Mapping):
            for key, one, certain in value.entries():
                arguments.keywords[key] = one if certain else UNKNOWN
            arguments.more_keywords = arguments.more_keywords or not value.complete
        else:
            arguments.more_keywords = True
    return arguments


def call_expression(run, node):
    if isinstance(node.func, ast.Attribute):
        receiver = expressions.evaluate(run, node.func.value)
        return call_method(run, receiver, node.func.attr, arguments_of(run, node), node)
    function = expressions.evaluate(run, node.func)
    if function == External("builtins.super"):
        return super_of(run, node)
    return call(run, function, arguments_of(run, node), node)


def super_of(run, node):
    frame = run.frame
    arguments = [expressions.evaluate(run, argument) for argument in node.args]
    if len(arguments) == 2 and isinstance(arguments[0], ClassValue):
        return Super(arguments[0], arguments[1])
    owner = frame.function.owner if frame.function is not None else None
    return Super(owner, frame.receiver) if owner is not None and frame.receiver is not None else UNKNOWN


def over_options(run, options, function):
    """The function of each option, each a way of its own; the results joined."""
    results = []

    def way(option):
        results.append(function(option))

    run.either([lambda option=option: way(option) for option in options])
    if not results:
        raise Leaves(RAISE)
    return expressions.join_all(results)


def call(run, function, arguments, node):
    run.step()
    if isinstance(function, Choice):
        return over_options(run, function.options, lambda one: call(run, one, arguments, node))
    handler = _CALLS.get(type(function))
    return call_unknown(run, arguments, node) if handler is None else handler(run, function, arguments, node)


def call_unknown(run, arguments, node):
    """Code that is not seen gets the arguments: it may call them, and compile a model among them."""
    for value in arguments.values():
        hand_over(run, value)
    return UNKNOWN


def hand_over(run, value, seen=()):
    """The value goes to code that is not seen."""
    for option in options_of(value):
        if isinstance(option, (Function, Bound)):
            run.defer(option)
        elif isinstance(option, KerasObject):
            keras_objects.handed_over(run, option)
        elif isinstance(option, Instance):
            run.defer(option)
            if option.keras is not None:
                keras_objects.handed_over(run, option.keras)
        elif isinstance(option, Sequence) and option not in seen:
            for entry, _ in option.items.entries:
                hand_over(run, entry, (*seen, option))
        elif isinstance(option, Mapping) and option not in seen:
            for _, entry, _ in option.entries():
                hand_over(run, entry, (*seen, option))
        elif isinstance(option, Partial):
            hand_over(run, option.function, seen)


# ---- Functions of the script ------------------------------------------------------------------------


def call_plain(run, function, arguments, node):
    return call_function(run, function, None, arguments, node)


def call_bound(run, function, arguments, node):
    if isinstance(function.function, Function):
        return call_function(run, function.function, function.receiver, arguments, node)
    return call(run, function.function, arguments, node)


def call_function(run, function, receiver, arguments, node):
    """Walks the body with these arguments and returns what it may return."""
    if receiver is None and function.owner is not None and arguments.positional and function.kind == "plain":
        receiver, arguments = arguments.positional[0], arguments.without_first()  # Base.method(self, ...)
    if is_recursive(run, function):
        run.cuts += 1
        return UNKNOWN
    key = call_key(run, function, receiver, arguments)
    known = run.remembered.get(key)
    if known is not None and known[0] == run.world.version:
        return known[1]
    before = (run.world.version, run.events, run.cuts)
    result = walk_call(run, function, receiver, arguments, node)
    if before == (run.world.version, run.events, run.cuts) and is_immutable(result):
        run.remembered[key] = (run.world.version, result)
    return result


def call_key(run, function, receiver, arguments):
    keywords = tuple(sorted(arguments.keywords.items(), key=lambda item: item[0]))
    flags = (arguments.more, arguments.more_keywords, run.scanning, run.tail)
    return function, receiver, tuple(arguments.positional), keywords, flags


def is_immutable(value):
    kinds = (Constant, External, Product, Text, Rank)
    return value is UNKNOWN or all(isinstance(option, kinds) for option in options_of(value))


def walk_call(run, function, receiver, arguments, node):
    frame = Frame(
        Scope(function.module, function.scope), function.unit, function, receiver, run.world.depth()
    )
    bind_parameters(frame, function, receiver, arguments)
    function.executed = True
    certain, tail = run.certain, run.tail
    run.certain = run.sure() and function.certain
    run.tail = tail and node is run.tail_call
    run.frames.append(frame)
    run.world.begin()
    try:
        flow = walk_function(run, function, frame)
    finally:
        run.frames.pop()
        run.certain, run.tail = certain, tail
        end = run.world.take_back(False)
    end.goes_on = flow is None
    if not frame.captured:
        forget_names(frame, frame.returns + [end])
    if not run.world.join(frame.returns + [end]):
        raise Leaves(flow if flow in (RAISE, EXIT) else RAISE)
    if frame.yielded is not None:
        return yielded_value(function, frame)
    results = frame.results + ([NONE] if flow is None else [])
    return expressions.join_all(results) if results else NONE


def forget_names(frame, alternatives):
    """A function's own names are gone when it ends, unless a function that it made still sees them."""
    own = id(frame.scope.table)
    for alternative in alternatives:
        for mark in [mark for mark in alternative.changes if mark[0] == own]:
            del alternative.changes[mark]


def is_recursive(run, function):
    """What a function does when it calls itself is what it does anyway. A closure that is made anew is
    another one.
    """
    alike = [
        frame.function for frame in run.frames if frame.function and frame.function.node is function.node
    ]
    return len(run.frames) > DEEPEST_CALL or function in alike or len(alike) > 3


def walk_function(run, function, frame):
    if isinstance(function.node, ast.Lambda):
        frame.results.append(expressions.evaluate(run, function.node.body))
        frame.returns.append(run.world.changes_since(frame.depth))
        return "return"
    return statements.walk_body(run, function.node.body)


def yielded_value(function, frame):
    """What a generator stands for: a context made of one keeps the strategy's scope that it yields in."""
    value, strategy = frame.yielded
    if function.kind == "context":
        if strategy == NO:
            return Product("contextlib.context")
        return StrategyScope(Strategy(True) if strategy == YES else UNKNOWN)
    return Sequence(Items([(value, False)], value is not UNKNOWN, False))


def bind_parameters(frame, function, receiver, arguments):
    table, parameters = frame.scope.table, function.node.args
    positional = [one.arg for one in parameters.posonlyargs + parameters.args]
    values = ([receiver] if receiver is not None and function.kind != "static" else []) + arguments.positional
    keywords = dict(arguments.keywords)
    for name, value in zip(positional, values):
        table[name] = value
    for name in positional[len(values) :] + [one.arg for one in parameters.kwonlyargs]:
        if name in keywords:
            table[name] = keywords.pop(name)
        elif arguments.more_keywords or (arguments.more and name in positional):
            table[name] = UNKNOWN
        else:
            table[name] = function.defaults.get(name, UNKNOWN)
    if parameters.vararg is not None:
        rest = Items(
            [(value, True) for value in values[len(positional) :]], not arguments.more, not arguments.more
        )
        table[parameters.vararg.arg] = Sequence(rest)
    if parameters.kwarg is not None:
        mapping = Mapping(not arguments.more_keywords)
        mapping.table.update(keywords)
        table[parameters.kwarg.arg] = mapping


def decorated(run, decorator, value):
    """What a decorator makes of a function or class."""
    made = expressions.evaluate(run, decorator)
    if isinstance(value, ClassValue):
        if decorator_path(made) in ("dataclasses.dataclass", "attr.s", "attr.dataclass", "attrs.define"):
            value.fields = fields_of(value.node)
        elif isinstance(made, (Function, Bound)):
            call(run, made, Arguments([value]), decorator)
        return value
    if isinstance(made, (Function, Bound, Partial)):
        result = call(run, made, Arguments([value]), decorator)
        return value if result is UNKNOWN or result == NONE else result
    path = decorator_path(made)
    kinds = {
        "builtins.staticmethod": "static",
        "builtins.classmethod": "class",
        "builtins.property": "property",
    }
    kinds.update({"functools.cached_property": "property", "contextlib.contextmanager": "context"})
    if not isinstance(value, Function):
        return value
    if path in kinds:
        value.kind = kinds[path]
    elif isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "deleter", "getter"):
        return property_of(run, decorator, value)
    elif path not in TRANSPARENT:
        # Whether, and when, the body is run is the decorator's affair.
        value.certain = False
        run.defer(value)
    return value


def property_of(run, decorator, value):
    """@x.setter: the name stays the property that reads it; what the setter does may happen."""
    getter = run.frame.scope.table.get(decorator.value.id) if isinstance(decorator.value, ast.Name) else None
    run.defer(value)
    return getter if isinstance(getter, Function) else value


def decorator_path(made):
    """The dotted name behind @name or @name(...)."""
    return made.path if isinstance(made, (External, Product)) else None


def fields_of(node):
    """The fields of a dataclass or named tuple in their order."""
    return [
        statement.target.id
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]


# ---- Classes ----------------------------------------------------------------------------------------


def new_class(run, node, bases):
    cls = ClassValue(node.name, run.frame.scope.module, run.frame.unit, bases, node)
    if External("typing.NamedTuple") in bases or any(
        isinstance(b, ClassValue) and b.fields is not None for b in bases
    ):
        inherited = [name for b in bases if isinstance(b, ClassValue) for name in b.fields or []]
        cls.fields = inherited + [name for name in fields_of(node) if name not in inherited]
    return cls


def instantiate(run, cls, arguments, node):
    instance = Instance(cls, run.sure())
    run.instances.append(instance)
    run.events += 1
    instance.keras = keras_objects.of_instance(run, instance, node)
    method, _ = expressions.find_in_class(cls, "__init__")
    if isinstance(method, Function):
        call_function(run, method, instance, arguments, node)
    elif cls.fields is not None:
        set_fields(run, instance, cls, arguments)
    elif instance.keras is not None:
        keras_objects.initialised(run, instance.keras, arguments, node)
    else:
        for value in arguments.values():
            hand_over(run, value)
    return instance


def set_fields(run, instance, cls, arguments):
    for position, name in enumerate(cls.fields):
        default, _ = expressions.find_in_class(cls, name)
        value = arguments.get(position, name)
        if value is None:
            value = UNKNOWN if default is ABSENT or default == Product("dataclasses.field") else default
        run.write(instance.table, name, value)
    method, _ = expressions.find_in_class(cls, "__post_init__")
    if isinstance(method, Function):
        call_function(run, method, instance, Arguments(), cls.node)


def call_instance(run, instance, arguments, node):
    method, _ = expressions.find_in_class(instance.cls, "__call__")
    if isinstance(method, Function):
        return call_function(run, method, instance, arguments, node)
    if instance.keras is not None:
        return keras_objects.call_layer(run, instance.keras, arguments, node)
    return call_unknown(run, arguments, node)


def call_external(run, function, arguments, node):
    return externals.call_external(run, function.path, arguments, node)


def call_keras(run, function, arguments, node):
    return keras_objects.call_layer(run, function, arguments, node)


def call_partial(run, function, arguments, node):
    merged = Arguments(
        function.arguments.positional + arguments.positional,
        {**function.arguments.keywords, **arguments.keywords},
        function.arguments.more or arguments.more,
        function.arguments.more_keywords or arguments.more_keywords,
    )
    return call(run, function.function, merged, node)


def call_product(run, function, arguments, node):
    return externals.call_of_product(run, function, arguments, node)


# ---- Methods ----------------------------------------------------------------------------------------


def call_method(run, receiver, name, arguments, node):
    run.step()
    if isinstance(receiver, Choice):
        return over_options(run, receiver.options, lambda one: call_method(run, one, name, arguments, node))
    handler = _METHODS.get(type(receiver))
    if handler is None:
        return method_of_unknown(run, name, arguments, node)
    return handler(run, receiver, name, arguments, node)


def method_of_external(run, receiver, name, arguments, node):
    value = expressions.attribute_of(run, receiver, name, node)
    return call(run, value, arguments, node)


def method_of_instance(run, receiver, name, arguments, node):
    found = expressions.own_attribute(run, receiver, name, node)
    if found is not ABSENT:
        return call(run, found, arguments, node)
    if receiver.keras is not None:
        return keras_objects.call_method(run, receiver.keras, name, arguments, node)
    return call_unknown(run, arguments, node)


def method_of_super(run, receiver, name, arguments, node):
    value = expressions.of_super(run, receiver, name, node)
    if isinstance(value, (Function, Bound)):
        return call(run, value, arguments, node)
    keras = receiver.receiver.keras if isinstance(receiver.receiver, Instance) else None
    if keras is None:
        return call_unknown(run, arguments, node)
    if name == "__init__":
        keras_objects.initialised(run, keras, arguments, node)
        return NONE
    if name == "__call__":
        return keras_objects.call_layer(run, keras, arguments, node)
    return keras_objects.call_method(run, keras, name, arguments, node)


def method_of_constant(run, receiver, name, arguments, node):
    if arguments.more or arguments.more_keywords:
        return UNKNOWN
    if name == "join" and arguments.positional and isinstance(arguments.positional[0], Sequence):
        items = arguments.positional[0].items
        constants = [value for value, _ in items.entries if isinstance(value, Constant)]
        if not items.exact or not items.complete or len(constants) != len(items.entries):
            return UNKNOWN
        whole = Constant(tuple(value.value for value in constants), any(value.at_hand for value in constants))
        return folding.method(receiver, name, [whole], {})
    return folding.method(receiver, name, arguments.positional, arguments.keywords)


def method_of_text(run, receiver, name, arguments, node):
    return receiver if name in ("strip", "lstrip", "rstrip") else UNKNOWN


def method_of_sequence(run, receiver, name, arguments, node):
    items, value = receiver.items, arguments.get(0, None, UNKNOWN)
    if name in ("append", "add", "appendleft"):
        run.write(receiver.table, "items", items.added(value))
    elif name == "insert":
        added = Items(items.entries + ((arguments.get(1, None, UNKNOWN), True),), items.complete, False)
        run.write(receiver.table, "items", added)
    elif name in ("extend", "update"):
        run.write(receiver.table, "items", expressions.extended(items, value))
    elif name in ("pop", "remove", "popleft", "discard") or name.endswith("_update"):
        fewer = Items(tuple((one, False) for one, _ in items.entries), items.complete, False)
        run.write(receiver.table, "items", fewer)
        return expressions.item_of_sequence(fewer, UNKNOWN)
    elif name == "clear":
        run.write(receiver.table, "items", Items())
    elif name in ("reverse", "sort"):
        run.write(receiver.table, "items", Items(items.entries, items.complete, False))
    elif name == "copy":
        return Sequence(items)
    else:
        return UNKNOWN
    return NONE


def method_of_mapping(run, receiver, name, arguments, node):
    key = arguments.get(0, None, UNKNOWN)
    known = isinstance(key, Constant) and expressions.hashable(key.value)
    if name in ("get", "pop", "setdefault"):
        default = arguments.get(1, "default", NONE)
        if not known or (key.value not in receiver.table and not receiver.complete):
            return UNKNOWN
        found = receiver.table.get(key.value, default)
        if isinstance(found, Maybe):
            found = join(found.value, default)
        if name == "pop":
            run.write(receiver.table, key.value, ABSENT)
        elif name == "setdefault":
            run.write(receiver.table, key.value, found)
        return found
    if name == "update":
        update_mapping(run, receiver, arguments)
        return NONE
    if name in ("clear", "popitem"):
        empty_mapping(run, receiver, wholly=name == "clear")
        return NONE if name == "clear" else UNKNOWN
    if name == "copy":
        made = Mapping()
        expressions.merge_mapping(made, receiver)
        return made
    if name in ("items", "keys", "values"):
        return view_of_mapping(receiver, name)
    return UNKNOWN


def empty_mapping(run, mapping, wholly):
    for key in list(mapping.table):
        run.write(mapping.table, key, ABSENT if wholly else UNKNOWN)
    run.write(mapping.state, "items", Items() if wholly else Items((), False))


def view_of_mapping(mapping, name):
    entries = []
    exact = mapping.complete
    for key, value, certain in mapping.entries():
        pair = Sequence(Items([(Constant(key), True), (value, True)]))
        entries.append(({"items": pair, "keys": Constant(key), "values": value}[name], certain))
        exact = exact and certain
    return Sequence(Items(entries, mapping.complete, exact))


def update_mapping(run, mapping, arguments):
    complete = mapping.complete and not arguments.more and not arguments.more_keywords
    for other in arguments.positional:
        if isinstance(other, Mapping):
            complete = complete and other.complete
            for key, value in list(other.table.items()):
                run.write(mapping.table, key, expressions.put_over(mapping, key, value))
        else:
            complete = False
    for key, value in arguments.keywords.items():
        run.write(mapping.table, key, value)
    run.write(mapping.state, "items", Items((), complete))


def method_of_strategy(run, receiver, name, arguments, node):
    if name == "scope":
        return StrategyScope(receiver)
    if name in ("run", "experimental_run_v2") and arguments.positional:
        call(run, arguments.positional[0], Arguments(more=True, more_keywords=True), node)
        return UNKNOWN
    for value in arguments.values():
        run.defer(value)
    return Product("tensorflow.distribute.result")


def method_of_product(run, receiver, name, arguments, node):
    return externals.method_of_product(run, receiver, name, arguments, node)


def method_of_tensor(run, receiver, name, arguments, node):
    return Product("keras.tensor")


def method_of_unknown(run, name, arguments, node):
    if name == "scope" and not arguments.values():
        return StrategyScope(UNKNOWN)
    keras_objects.method_of_unknown(run, name, arguments, node)
    return call_unknown(run, arguments, node)


def comprehension(run, node):
    """[f(x) for x in y], walked once with x standing for every element."""
    made = run_comprehension(run, node, lambda: [expressions.evaluate(run, node.elt)])
    if made is None:
        return Sequence()
    values, at_least_once, filtered = made
    items = Items([(values[0], at_least_once and not filtered)], values[0] is not UNKNOWN, False)
    return Sequence(items)


def dictionary_comprehension(run, node):
    run_comprehension(
        run, node, lambda: [expressions.evaluate(run, node.key), expressions.evaluate(run, node.value)]
    )
    return Mapping(False)


def run_comprehension(run, node, element):
    """(values, is there one for certain, are some left out), None where there are none."""
    frame = run.frame
    inner = Frame(
        Scope(frame.scope.module, frame.scope), frame.unit, frame.function, frame.receiver, frame.depth
    )
    inner.catching = frame.catching
    inner.returned, inner.skipped = frame.returned, frame.skipped
    run.frames.append(inner)
    try:
        certain = filtered = False
        for number, generator in enumerate(node.generators):
            values, at_least_once = expressions.iterate(
                run, expressions.evaluate(run, generator.iter), generator.iter
            )
            if values is None:
                return None
            certain = at_least_once and (certain or number == 0)
            expressions.assign(run, generator.target, values)
            for test in generator.ifs:
                filtered = True
                expressions.evaluate(run, test)
        made = []
        if certain and not filtered:
            made = element()
        else:
            run.either([lambda: made.extend(element()), lambda: None])
        return made or [UNKNOWN], certain, filtered
    finally:
        run.frames.pop()


_CALLS = {
    Function: call_plain,
    Bound: call_bound,
    ClassValue: instantiate,
    Instance: call_instance,
    External: call_external,
    KerasObject: call_keras,
    Partial: call_partial,
    Product: call_product,
}
_METHODS = {
    External: method_of_external,
    LocalModule: method_of_external,
    ClassValue: method_of_external,
    Instance: method_of_instance,
    Super: method_of_super,
    Constant: method_of_constant,
    Text: method_of_text,
    Sequence: method_of_sequence,
    Mapping: method_of_mapping,
    Strategy: method_of_strategy,
    Product: method_of_product,
    Tensor: method_of_tensor,
    KerasObject: lambda *arguments: keras_objects.call_method(*arguments),
}
