"""Expressions: what a name, a call, an operation stands for."""

from __future__ import annotations

import ast
import builtins

from . import calls, externals, folding, imports, keras_objects, statements
from .folding import each
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
    Product,
    Rank,
    Sequence,
    Super,
    Tensor,
    bare,
    join,
    truth,
)

_BUILTINS = frozenset(dir(builtins))


def evaluate(run, node):
    run.step()
    handler = _EXPRESSIONS.get(type(node))
    return UNKNOWN if handler is None else handler(run, node)


# ---- Atoms ------------------------------------------------------------------------------------------


def constant(run, node):
    return Constant(node.value)


def name(run, node):
    value = run.look_up(node.id)
    if value is not ABSENT:
        return value
    stars = run.frame.scope.module.table.get("*", ())
    if stars:
        found = imports.from_stars(run, stars, node)
        if found is not None:
            return found
    if node.id == "get_ipython":
        return External("IPython.get_ipython")
    return External("builtins." + node.id) if node.id in _BUILTINS else UNKNOWN


def joined_string(run, node):
    pieces = []
    for piece in node.values:
        if isinstance(piece, ast.FormattedValue):
            form = evaluate(run, piece.format_spec) if piece.format_spec is not None else Constant("")
            value = evaluate(run, piece.value)
            known = isinstance(form, Constant) and isinstance(form.value, str)
            pieces.append((value if known else UNKNOWN, piece.conversion, form.value if known else ""))
        else:
            pieces.append(str(getattr(piece, "value", "")))
    return folding.formatted(pieces)


def display(run, node):
    """[a, b], (a, b), {a, b}: constants stay a constant tuple where they were one."""
    items = Items()
    values = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            inner = evaluate(run, element.value)
            values = None
            items = extended(items, inner)
            continue
        value = evaluate(run, element)
        if values is not None:
            values.append(value)
        items = items.added(value)
    if (
        isinstance(node, ast.Tuple)
        and values is not None
        and all(isinstance(value, Constant) for value in values)
    ):
        return Constant(tuple(value.value for value in values), any(value.at_hand for value in values))
    return Sequence(items)


def extended(items, value):
    """The items followed by those of another sequence."""
    if isinstance(value, Sequence):
        more = value.items
        return Items(
            items.entries + more.entries, items.complete and more.complete, items.exact and more.exact
        )
    if isinstance(value, Constant) and isinstance(value.value, tuple):
        return Items(
            items.entries + tuple((Constant(v), True) for v in value.value), items.complete, items.exact
        )
    return Items(items.entries, items.complete and isinstance(value, (Constant, Product)), False)


def dictionary(run, node):
    mapping = Mapping()
    for key, value in zip(node.keys, node.values):
        made = evaluate(run, value)
        if key is None:
            merge_mapping(mapping, made)
            continue
        known = evaluate(run, key)
        if isinstance(known, Constant) and hashable(known.value):
            mapping.table[known.value] = made
        else:
            mapping.state["items"] = Items((), False)
    return mapping


def hashable(value):
    try:
        hash(value)
    except TypeError:
        return False
    return True


def merge_mapping(mapping, other):
    """Into a mapping that nobody else has yet."""
    if isinstance(other, Mapping):
        for key, value in other.table.items():
            mapping.table[key] = put_over(mapping, key, value)
        complete = mapping.complete and other.complete
    else:
        complete = False
    mapping.state["items"] = Items((), complete)


# ---- Operations -------------------------------------------------------------------------------------


def binary(run, node):
    left, right = evaluate(run, node.left), evaluate(run, node.right)
    tensors = [value for value in (left, right) if isinstance(value, Tensor)]
    if tensors:
        return through(tensors, all(not maybe_tensor(value) for value in (left, right)))
    if isinstance(node.op, ast.Mod) and isinstance(left, Constant) and isinstance(left.value, str):
        return each(right, lambda one: modulo(left, one))
    if isinstance(left, Sequence) and isinstance(node.op, ast.Add):
        return Sequence(extended(left.items, right))
    if isinstance(left, Sequence) and isinstance(node.op, ast.Mult):
        items = left.items
        return Sequence(Items(items.entries, items.complete, False))
    if isinstance(left, Mapping) and isinstance(node.op, ast.BitOr):
        mapping = Mapping()
        merge_mapping(mapping, left)
        merge_mapping(mapping, right)
        return mapping
    if isinstance(left, Product) or isinstance(right, Product):
        return (left if isinstance(left, Product) else right) if UNKNOWN not in (left, right) else UNKNOWN
    return each(left, lambda one: each(right, lambda other: folding.binary(node.op, one, other)))


def modulo(left, right):
    if isinstance(right, Sequence) and right.items.exact:
        return folding.percent(left, [value for value, _ in right.items.entries])
    if isinstance(right, Constant):
        whole = folding.computed(lambda a, b: a % b, left, right)
        return whole if whole is not UNKNOWN else folding.percent(left, right)
    return folding.percent(left, right)


def maybe_tensor(value):
    """Could a symbolic tensor of unknown origin be hidden in it?"""
    return value is UNKNOWN


def through(tensors, complete=True):
    """What an operation makes of symbolic tensors."""
    sources = frozenset().union(*(tensor.sources for tensor in tensors))
    return Tensor(sources, complete and all(tensor.complete for tensor in tensors))


def unary(run, node):
    value = evaluate(run, node.operand)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        return UNKNOWN if known is None else Constant(not known)
    if isinstance(value, (Tensor, Product)):
        return value
    return each(value, lambda one: folding.unary(node.op, one))


def boolean(run, node):
    """and, or: what stands behind a part that may decide is walked as a branch."""
    deciding = isinstance(node.op, ast.Or)
    values = []

    def rest(position):
        value = evaluate(run, node.values[position])
        known = truth(value)
        last = position == len(node.values) - 1
        if last or known is deciding:
            values.append(value)
            return
        if known is None:
            values.append(value)
            run.either([lambda: None, lambda: rest(position + 1)])
            return
        rest(position + 1)

    rest(0)
    joined = values[0]
    for value in values[1:]:
        joined = join(joined, value)
    return joined


def comparison(run, node):
    left = evaluate(run, node.left)
    results = []
    for operation, right_node in zip(node.ops, node.comparators):
        right = evaluate(run, right_node)
        results.append(folding.compare(operation, left, right))
        left = right
    known = [truth(one) for one in results]
    if False in known:
        return Constant(False)
    return UNKNOWN if None in known else Constant(True)


def conditional(run, node):
    known = truth(evaluate(run, node.test))
    if known is not None:
        return evaluate(run, node.body if known else node.orelse)
    values = []
    run.either(
        [
            lambda: values.append(evaluate(run, node.body)),
            lambda: values.append(evaluate(run, node.orelse)),
        ]
    )
    if not values:
        return UNKNOWN
    return values[0] if len(values) == 1 else join(values[0], values[1])


def function(run, node):
    frame = run.frame
    made = Function(node, frame.scope.module, frame.unit, frame.scope.parent if frame.owner else frame.scope)
    statements.capture(run)
    made.defaults = statements.defaults_of(run, node.args)
    run.functions.append(made)
    run.events += 1
    return made


def walrus(run, node):
    value = evaluate(run, node.value)
    run.bind(node.target.id, value)
    return value


def awaiting(run, node):
    return evaluate(run, node.value)


def yielding(run, node):
    value = evaluate(run, node.value) if node.value is not None else NONE
    run.frame.yielded = (value, run.happened("strategy"))
    return UNKNOWN


# ---- Attributes and items ---------------------------------------------------------------------------


def attribute(run, node):
    return attribute_of(run, evaluate(run, node.value), node.attr, node)


def attribute_of(run, value, name, node):
    if isinstance(value, Choice):
        return calls.over_options(run, value.options, lambda one: attribute_of(run, one, name, node))
    handler = _ATTRIBUTES.get(type(value))
    return UNKNOWN if handler is None else handler(run, value, name, node)


def put_over(mapping, key, value):
    """What mapping[key] is when another mapping, which has this value or Maybe it, is put over it."""
    if not isinstance(value, Maybe):
        return value
    return mapping.table.join(key, mapping.table.get(key, ABSENT), value)


def of_module(run, value, name, node):
    found = value.table.get(name, ABSENT)
    if found is not ABSENT:
        return found
    return imports.submodule(run, value, name)


def own_attribute(run, instance, name, node):
    """An attribute that the instance or its class has, ABSENT where neither is known to have it."""
    found = instance.table.get(name, ABSENT)
    if found is not ABSENT and not isinstance(found, Maybe):
        return found
    in_class, _ = find_in_class(instance.cls, name)
    if in_class is ABSENT:
        return bare(found)
    in_class = bound(run, in_class, instance, node)
    return in_class if found is ABSENT else join(found.value, in_class)


def of_instance(run, value, name, node):
    found = own_attribute(run, value, name, node)
    if found is not ABSENT:
        return found
    if value.keras is not None:
        return keras_objects.attribute_of_keras(run, value.keras, name, node)
    return UNKNOWN


def find_in_class(cls, name):
    """(value, class) of an attribute in a class and its bases, depth first; (ABSENT, base)
    where none has it.
    """
    for one in mro(cls):
        if isinstance(one, ClassValue):
            found = one.table.get(name, ABSENT)
            if found is not ABSENT:
                return found, one
    return ABSENT, None


def mro(cls):
    """The class and its bases: its own first, as far as depth first is the order."""
    order, waiting = [], [cls]
    while waiting and len(order) < 100:
        one = waiting.pop(0)
        if one not in order:
            order.append(one)
            if isinstance(one, ClassValue):
                waiting = list(one.bases) + waiting
    return order


def bound(run, found, receiver, node):
    """An attribute found in a class, as the instance has it."""
    if not isinstance(found, Function) or found.kind == "static":
        return found
    if found.kind == "property":
        return calls.call(run, Bound(found, receiver), calls.Arguments(), node)
    return Bound(
        found, receiver.cls if found.kind == "class" and isinstance(receiver, Instance) else receiver
    )


def of_class(run, value, name, node):
    found, _ = find_in_class(value, name)
    if found is ABSENT:
        return Constant(value.name) if name == "__name__" else UNKNOWN
    if isinstance(found, Function) and found.kind == "class":
        return Bound(found, value)
    return found


def of_super(run, value, name, node):
    """What the bases have, with the receiver kept."""
    receiver = value.receiver
    cls = receiver.cls if isinstance(receiver, Instance) else receiver
    order = mro(cls) if isinstance(cls, ClassValue) else []
    behind = order[order.index(value.owner) + 1 :] if value.owner in order else []
    for one in behind:
        if isinstance(one, ClassValue):
            found = one.table.get(name, ABSENT)
            if found is not ABSENT:
                return bound(run, found, receiver, node)
    if isinstance(receiver, Instance) and receiver.keras is not None:
        return keras_objects.attribute_of_keras(run, receiver.keras, name, node)
    return External("builtins.object." + name) if not behind else UNKNOWN


def of_constant(run, value, name, node):
    return folding.attribute(value, name)


def of_product(run, value, name, node):
    return externals.attribute_of_product(run, value, name)


def of_sequence(run, value, name, node):
    return UNKNOWN


def of_tensor(run, value, name, node):
    return Product("keras.tensor")


def of_function(run, value, name, node):
    if name == "__name__" and hasattr(value.node, "name"):
        return Constant(value.node.name)
    return Product("builtins.function") if name.startswith("__") else UNKNOWN


def subscript(run, node):
    value = evaluate(run, node.value)
    index = evaluate(run, node.slice)
    return each(value, lambda one: item_of(run, one, index, node))


def item_of(run, value, index, node):
    if isinstance(value, Constant) and isinstance(index, Constant):
        return folding.computed(lambda a, b: a[b], value, index)
    if isinstance(value, Mapping):
        return item_of_mapping(value, index)
    if isinstance(value, Sequence):
        return item_of_sequence(value.items, index)
    if isinstance(value, (External, Product)):
        return externals.read_item(run, value, index, node)
    return value if isinstance(value, Tensor) else UNKNOWN


def item_of_mapping(mapping, index):
    """The value of a known key; of another one, any of the values."""
    known = isinstance(index, Constant) and hashable(index.value)
    if known and index.value in mapping.table:
        return bare(mapping.table[index.value])
    others = mapping.state["items"]
    values = [value for value, _ in others.entries] + (
        [] if known else [one for _, one, _ in mapping.entries()]
    )
    return join_all(values) if values and others.complete else UNKNOWN


def item_of_sequence(items, index):
    number = index.value if isinstance(index, Constant) and isinstance(index.value, int) else None
    if (
        items.exact
        and items.complete
        and number is not None
        and -len(items.entries) <= number < len(items.entries)
    ):
        return items.entries[number][0]
    if not items.complete or not items.entries:
        return UNKNOWN
    joined = items.entries[0][0]
    for value, _ in items.entries[1:]:
        joined = join(joined, value)
    return joined


def slice_of(run, node):
    bounds = [evaluate(run, part) for part in (node.lower, node.upper, node.step) if part is not None]
    if any(isinstance(one, Rank) for one in bounds):
        return Rank()
    return UNKNOWN


def starred(run, node):
    return evaluate(run, node.value)


# ---- Binding ----------------------------------------------------------------------------------------


def assign(run, target, value):
    run.step()
    if isinstance(target, ast.Name):
        run.bind(target.id, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        unpack(run, target.elts, value)
    elif isinstance(target, ast.Starred):
        assign(run, target.value, UNKNOWN)
    elif isinstance(target, ast.Attribute):
        assign_attribute(run, evaluate(run, target.value), target.attr, value, target)
    elif isinstance(target, ast.Subscript):
        owner = evaluate(run, target.value)
        assign_item(run, owner, evaluate(run, target.slice), value, target)


def unpack(run, targets, value):
    parts = [UNKNOWN] * len(targets)
    if isinstance(value, Constant) and isinstance(value.value, tuple) and len(value.value) == len(targets):
        parts = [Constant(one, value.at_hand) for one in value.value]
    elif isinstance(value, Sequence) and value.items.exact and len(value.items.entries) == len(targets):
        parts = [one for one, _ in value.items.entries]
    elif isinstance(value, (Product, Tensor)):
        parts = [value] * len(targets)
    elif isinstance(value, Sequence):
        parts = [item_of_sequence(value.items, UNKNOWN)] * len(targets)
    if any(isinstance(target, ast.Starred) for target in targets):
        parts = [part if isinstance(part, Product) else UNKNOWN for part in parts]
    for target, part in zip(targets, parts):
        assign(run, target, part)


def assign_attribute(run, owner, name, value, node):
    if isinstance(owner, Instance):
        if owner.keras is not None and keras_objects.set_attribute(run, owner.keras, name, value, node):
            return
        run.write(owner.table, name, value)
    elif isinstance(owner, (ClassValue, LocalModule)):
        run.write(owner.table, name, value)
    elif isinstance(owner, KerasObject):
        keras_objects.set_attribute(run, owner, name, value, node)
    elif isinstance(owner, (External, Product)):
        externals.set_attribute_of_external(run, owner, name, value, node)
    elif isinstance(owner, Choice):
        run.either([lambda one=one: assign_attribute(run, one, name, value, node) for one in owner.options])
    elif name in ("jit_compile", "run_eagerly") and owner is UNKNOWN:
        keras_objects.set_attribute(run, None, name, value, node)
    else:
        run.defer(value)


def assign_item(run, owner, index, value, node):
    if isinstance(owner, External):
        externals.set_item(run, owner, index, value, node)
    elif isinstance(owner, Mapping):
        if isinstance(index, Constant) and hashable(index.value):
            run.write(owner.table, index.value, value)
        else:
            keep_under_unknown_key(run, owner, value)
    elif isinstance(owner, Sequence):
        items = owner.items
        entries = tuple((one, False) for one, _ in items.entries) + ((value, False),)
        run.write(owner.table, "items", Items(entries, items.complete, False))
    elif isinstance(owner, Choice):
        run.either([lambda one=one: assign_item(run, one, index, value, node) for one in owner.options])
    else:
        run.defer(value)


def keep_under_unknown_key(run, mapping, value):
    """mapping[?] = value: it may be a new key, or take the place of any other."""
    others = mapping.state["items"]
    run.write(mapping.state, "items", Items((*others.entries, (value, False)), others.complete, False))
    for key, before in list(mapping.table.items()):
        run.write(mapping.table, key, mapping.table.join(key, before, value))


def delete(run, target):
    if isinstance(target, ast.Name):
        run.bind(target.id, ABSENT if run.frame.scope.table.get(target.id, ABSENT) is not ABSENT else UNKNOWN)
    elif isinstance(target, ast.Subscript):
        owner, index = evaluate(run, target.value), evaluate(run, target.slice)
        if isinstance(owner, External):
            externals.delete_item(run, owner, index, target)
        elif isinstance(owner, Mapping) and isinstance(index, Constant) and hashable(index.value):
            run.write(owner.table, index.value, ABSENT)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            delete(run, element)


def iterate(run, value, node):
    """(what the loop's name is bound to, is there a first turn for certain); (None, False) where there is no
    turn.
    """
    if isinstance(value, Constant) and isinstance(value.value, (tuple, str)):
        elements = [Constant(one, value.at_hand) for one in value.value]
    elif isinstance(value, Sequence) and value.items.complete:
        elements = [one for one, _ in value.items.entries]
        if not value.items.exact:
            return (
                (join_all(elements), any(sure for _, sure in value.items.entries))
                if elements
                else (UNKNOWN, False)
            )
    elif isinstance(value, Mapping) and value.complete:
        elements = [Constant(key) for key in value.table]
        if elements and not any(certain for _, _, certain in value.entries()):
            return join_all(elements), False
    elif isinstance(value, (Product, Tensor)):
        return value, False
    else:
        return UNKNOWN, False
    if not elements:
        return None, False
    return join_all(elements), True


def join_all(values):
    joined = values[0]
    for value in values[1:]:
        if joined is UNKNOWN:
            break
        joined = join(joined, value)
    return joined


_ATTRIBUTES = {
    External: lambda *arguments: externals.attribute_of_external(*arguments),
    LocalModule: of_module,
    Instance: of_instance,
    ClassValue: of_class,
    Super: of_super,
    Constant: of_constant,
    Product: of_product,
    Sequence: of_sequence,
    Tensor: of_tensor,
    Function: of_function,
    KerasObject: lambda *arguments: keras_objects.attribute_of_keras(*arguments),
}
_EXPRESSIONS = {
    ast.Constant: constant,
    ast.Name: name,
    ast.JoinedStr: joined_string,
    ast.List: display,
    ast.Tuple: display,
    ast.Set: display,
    ast.Dict: dictionary,
    ast.BinOp: binary,
    ast.UnaryOp: unary,
    ast.BoolOp: boolean,
    ast.Compare: comparison,
    ast.IfExp: conditional,
    ast.Lambda: function,
    ast.NamedExpr: walrus,
    ast.Await: awaiting,
    ast.Yield: yielding,
    ast.YieldFrom: yielding,
    ast.Attribute: attribute,
    ast.Subscript: subscript,
    ast.Slice: slice_of,
    ast.Starred: starred,
    ast.Call: lambda run, node: calls.call_expression(run, node),
    ast.ListComp: lambda run, node: calls.comprehension(run, node),
    ast.SetComp: lambda run, node: calls.comprehension(run, node),
    ast.GeneratorExp: lambda run, node: calls.comprehension(run, node),
    ast.DictComp: lambda run, node: calls.dictionary_comprehension(run, node),
}
