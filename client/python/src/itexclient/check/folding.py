"""Operations on constants, as far as their result is certain and small."""

from __future__ import annotations

import ast
import operator
import os.path
import pathlib

from .text import words
from .values import UNKNOWN, Choice, Constant, Rank, Text, join

LONGEST = 1 << 16
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}
_COMPARISONS = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_TEXT_METHODS = words(
    """
    strip lstrip rstrip lower upper title capitalize casefold replace split rsplit splitlines startswith
    endswith join format removeprefix removesuffix zfill partition rpartition isdigit encode swapcase
    count find
    """
)
_PATH_ATTRIBUTES = words(
    """
    parent name stem suffix parts
    """
)
_PATH_METHODS = words(
    """
    joinpath with_name with_suffix as_posix is_absolute
    """
)
_PATH_ITSELF = words(
    """
    resolve absolute expanduser
    """
)


def small(value):
    try:
        return len(value) <= LONGEST
    except TypeError:
        return not isinstance(value, int) or -(1 << 64) < value < 1 << 64


def result(value, *operands):
    at_hand = any(isinstance(operand, Constant) and operand.at_hand for operand in operands)
    return Constant(value, at_hand) if small(value) else UNKNOWN


def binary(operation, left, right):
    """left OP right. Only the values that a script can hold as constants."""
    kind = type(operation)
    if isinstance(left, Constant) and isinstance(right, Constant):
        if isinstance(left.value, pathlib.PurePath) and kind is ast.Div:
            return computed(operator.truediv, left, right)
        if kind is ast.Mult and not repeats_little(left.value, right.value):
            return UNKNOWN
        if kind is ast.Pow:
            small_numbers = all(isinstance(v.value, int) and 0 <= v.value < 64 for v in (left, right))
            return result(left.value**right.value, left, right) if small_numbers else UNKNOWN
        if kind is ast.Mod and isinstance(left.value, bytes):
            return UNKNOWN
        return computed(_OPERATORS[kind], left, right) if kind in _OPERATORS else UNKNOWN
    if isinstance(left, Rank) or isinstance(right, Rank):
        return (
            Rank()
            if kind in (ast.Add, ast.Sub) and isinstance(left, Rank) and right == Constant(0)
            else UNKNOWN
        )
    if kind is ast.Add and (parts_of(left) or parts_of(right)) and is_text(left, right):
        return joined((parts_of(left) or (None,)) + (parts_of(right) or (None,)))
    return UNKNOWN


def is_text(left, right):
    return any(isinstance(v, Text) or isinstance(getattr(v, "value", None), str) for v in (left, right))


def repeats_little(left, right):
    sizes = [len(v) for v in (left, right) if isinstance(v, (str, bytes, tuple))]
    numbers = [v for v in (left, right) if isinstance(v, (int, float))]
    return not sizes or (
        len(numbers) == 1 and isinstance(numbers[0], int) and sizes[0] * max(numbers[0], 0) <= LONGEST
    )


def computed(function, *operands):
    try:
        return result(function(*(operand.value for operand in operands)), *operands)
    except Exception:
        return UNKNOWN


def unary(operation, value):
    if not isinstance(value, Constant) or isinstance(operation, ast.Not):
        return UNKNOWN
    function = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert}[type(operation)]
    return computed(function, value)


def compare(operation, left, right):
    if isinstance(left, Constant) and isinstance(right, Constant):
        kind = type(operation)
        if kind in (ast.Is, ast.IsNot) and left.value is not None and right.value is not None:
            return UNKNOWN
        return computed(_COMPARISONS[kind], left, right)
    return UNKNOWN


# ---- Text with unknown parts ------------------------------------------------------------------------


def parts_of(value):
    """The parts of a text, None where the value is none or unknown as a whole."""
    if isinstance(value, Constant):
        return (value.value,) if isinstance(value.value, str) else (str(value.value),)
    if isinstance(value, Text):
        return value.parts
    return (Text.RANK_PART,) if isinstance(value, Rank) else None


def joined(parts):
    """A Constant if all is known, else a Text with neighbours put together."""
    merged = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part is not None or not merged or merged[-1] is not None:
            merged.append(part)
    if all(isinstance(part, str) for part in merged):
        return Constant("".join(merged)) if small("".join(merged)) else UNKNOWN
    return Text(merged)


def formatted(pieces, at_hand=False):
    """An f-string's pieces, each (value, conversion, format) or a plain str."""
    parts = []
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(piece)
            continue
        value, conversion, form = piece
        if isinstance(value, Constant):
            parts.append(converted(value.value, conversion, form))
            at_hand = at_hand or value.at_hand
        else:
            parts += parts_of(value) or (None,)
    whole = joined(parts)
    return Constant(whole.value, True) if at_hand and isinstance(whole, Constant) else whole


def converted(value, conversion, form):
    try:
        shown = {ord("r"): repr, ord("s"): str, ord("a"): ascii}.get(conversion, lambda v: v)(value)
        return format(shown, form or "") if len(form or "") < 40 else None
    except Exception:
        return None


def percent(left, right):
    """'...%s...' % right, where right may be unknown."""
    template = left.value
    values = list(right) if isinstance(right, (list, tuple)) else [right]
    pieces = template.replace("%%", "\0").split("%")
    parts = [pieces[0].replace("\0", "%")]
    for piece in pieces[1:]:
        body = piece.lstrip("0123456789.-+# ")
        if not body or body[0] not in "sdirfgxu" or not values:
            return joined(parts + [None])
        parts += parts_of(values.pop(0)) or (None,)
        parts.append(body[1:].replace("\0", "%"))
    return joined(parts)


# ---- Attributes and methods -------------------------------------------------------------------------


def attribute(value, name):
    """An attribute of a constant that is no method."""
    if isinstance(value.value, pathlib.PurePath) and name in _PATH_ATTRIBUTES:
        return result(getattr(value.value, name), value)
    if isinstance(value.value, complex) and name in ("real", "imag"):
        return result(getattr(value.value, name), value)
    return UNKNOWN


def method(value, name, arguments, keywords):
    """A call of a constant's method; UNKNOWN unless it is harmless and its arguments are constants."""
    if isinstance(value.value, pathlib.PurePath):
        return path_method(value, name, arguments)
    if not isinstance(value.value, str) or name not in _TEXT_METHODS:
        return UNKNOWN
    if (
        name == "format"
        and not keywords
        and not all(isinstance(argument, Constant) for argument in arguments)
    ):
        return format_method(value.value, arguments)
    if not all(isinstance(argument, Constant) for argument in [*arguments, *keywords.values()]):
        return UNKNOWN
    if len(value.value) > LONGEST or name in ("zfill",):
        return UNKNOWN
    try:
        made = getattr(value.value, name)(
            *(argument.value for argument in arguments), **{key: v.value for key, v in keywords.items()}
        )
    except Exception:
        return UNKNOWN
    return result(tuple(made) if isinstance(made, list) else made, value, *arguments)


def format_method(template, arguments):
    pieces, values = template.split("{}"), list(arguments)
    if len(pieces) != len(values) + 1:
        return joined([template.split("{")[0], None])
    parts = [pieces[0]]
    for value, piece in zip(values, pieces[1:]):
        parts += [*(parts_of(value) or (None,)), piece]
    return joined(parts)


def path_method(value, name, arguments):
    if name in _PATH_ITSELF:
        return (
            result(pathlib.PurePath(os.path.normpath(value.value)), value)
            if value.value.is_absolute()
            else UNKNOWN
        )
    if name in _PATH_METHODS and all(isinstance(argument, Constant) for argument in arguments):
        try:
            return result(
                getattr(value.value, name)(*(argument.value for argument in arguments)), value, *arguments
            )
        except Exception:
            return UNKNOWN
    return UNKNOWN


def each(value, function):
    """The function of each option of a Choice, joined."""
    if not isinstance(value, Choice):
        return function(value)
    joined_value = None
    for option in value.options:
        one = function(option)
        joined_value = one if joined_value is None else join(joined_value, one)
    return joined_value
