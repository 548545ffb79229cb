"""Rewriting what is certain: the order of imports, tf_keras for keras, jit_compile=False.

Edits are of characters, and everything that they do not touch stays byte for byte: line ends, tabs, comments,
the coding, the formatting of a notebook's JSON. Where the text at a place is not what the tree says (a
notebook's magic moved it), or where a rewrite would depend on anything that is not seen, there is none.
"""

from __future__ import annotations

import ast
import bisect
import io
import tokenize

from . import notebook
from .rules import Place
from .source import split_lines

# Parts of Keras that are in tf_keras under the same names.
_SAME_IN_KERAS2 = frozenset(
    {
        "",
        "activations",
        "applications",
        "backend",
        "callbacks",
        "constraints",
        "datasets",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "mixed_precision",
        "models",
        "optimizers",
        "preprocessing",
        "regularizers",
        "utils",
    }
)


class Edit:
    """Replace the characters start to end of a file's text."""

    __slots__ = ("source", "start", "end", "text")

    def __init__(self, source, start, end, text):
        self.source = source
        self.start = start
        self.end = end
        self.text = text

    def key(self):
        return self.source.path, self.start, self.end, self.text


class Text:
    """A unit's text with its lines, for places as Python's trees have them: lines from 1, columns in bytes of
    UTF-8.
    """

    def __init__(self, text):
        self.text = text
        self.lines = split_lines(text)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def offset(self, line, column):
        if not 0 < line <= len(self.lines):
            return None
        encoded = self.lines[line - 1].encode("utf-8", "surrogatepass")
        return self.starts[line - 1] + len(encoded[:column].decode("utf-8", "ignore"))

    def span(self, node):
        """(start, end) of a node, None where the text there is not this node."""
        start = self.offset(node.lineno, node.col_offset)
        end = self.offset(node.end_lineno, node.end_col_offset)
        if start is None or end is None or not same_node(self.text[start:end], node):
            return None
        return start, end

    def line_of(self, offset):
        return bisect.bisect_right(self.starts, offset) - 1

    def line_end(self, offset):
        """The line end in use at this place."""
        for line in [*self.lines[self.line_of(offset) :], *self.lines]:
            for end in ("\r\n", "\n", "\r"):
                if line.endswith(end):
                    return end
        return "\n"


def same_node(text, node):
    """Does the text parse to this very node?"""
    expression = not isinstance(node, ast.stmt)
    try:
        tree = ast.parse(f"(\n{text}\n)" if expression else text, mode="eval" if expression else "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    parsed = tree.body if expression else (tree.body[0] if len(tree.body) == 1 else None)
    return parsed is not None and ast.dump(parsed) == ast.dump(node)


class Editor:
    """Makes the edits of findings, and the files as they are after them."""

    def __init__(self, scripts):
        self.scripts = scripts
        self._texts = {}

    def text_of(self, unit):
        if unit not in self._texts:
            self._texts[unit] = Text(unit.text)
        return self._texts[unit]

    def edits(self, script, finding):
        """The Edits of a finding; [] where nothing is certain."""
        maker = _MAKERS.get(finding.rewrite)
        source = finding.spot.unit.source
        if maker is None or not round_trips(source):
            return []
        made = maker(self, script, finding)
        in_file = [to_file(finding.spot.unit, self.text_of(finding.spot.unit), *one) for one in made]
        return [] if None in in_file else in_file


def round_trips(source):
    """Is the file, written anew from its text, the same file?"""
    return source.text is not None and encoded(source, source.text) == source.data


def encoded(source, text):
    try:
        return text.encode(source.encoding)
    except (UnicodeError, LookupError):
        return None


def to_file(unit, text, start, end, replacement):
    """From a unit's characters to those of its file."""
    if unit.cell is None:
        return Edit(unit.source, start, end, replacement)
    return in_notebook(unit, text, start, end, replacement)


def in_notebook(unit, text, start, end, replacement):
    cell = unit.cell
    first, last = notebook.offset_in_file(cell, start), notebook.offset_in_file(cell, end)
    if first is None or last is None or last < first:
        return None
    whole = unit.source.text
    if "\\" in whole[first:last] or '"' in whole[first:last]:
        return None  # the rewritten part spans pieces of the cell, or has characters that JSON escapes
    shown = notebook.escaped(replacement, whole[first - 200 : last + 200])
    own_line = start == end and replacement.endswith("\n") and start in text.starts
    if own_line:
        between = notebook.between_lines(whole, cell, start)
        if between is not None:
            return Edit(unit.source, first - 1, first - 1, f'"{shown}"{between}')
    return Edit(unit.source, first, last, shown)


# ---- import tensorflow before keras -----------------------------------------------------------------


def tensorflow_first(editor, script, finding):
    node, unit = finding.spot.node, finding.spot.unit
    if not isinstance(node, (ast.Import, ast.ImportFrom)) or name_is_taken(unit.tree, node):
        return []
    text = editor.text_of(unit)
    span = text.span(node)
    if span is None:
        return []
    start = span[0]
    begin = text.starts[text.line_of(start)]
    ahead = text.text[begin:start]
    if ahead.strip(" \t\f"):
        return [(start, start, "import tensorflow; ")]
    if text.line_of(start) and text.lines[text.line_of(start) - 1].rstrip("\r\n").endswith("\\"):
        return []
    return [(begin, begin, f"{ahead}import tensorflow{text.line_end(start)}")]


def name_is_taken(tree, statement):
    """Does the script use the name tensorflow for anything but the module, or in the function of the
    statement?
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "tensorflow" and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, ast.alias) and "tensorflow" in (
            node.asname,
            node.name if node.asname is None else None,
        ):
            if node.name != "tensorflow":
                return True
        elif (
            isinstance(node, ast.arg)
            and node.arg == "tensorflow"
            or getattr(node, "name", None) == "tensorflow"
            and not isinstance(node, ast.alias)
            or isinstance(node, (ast.Global, ast.Nonlocal))
            and "tensorflow" in node.names
        ):
            return True
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inside = list(ast.walk(node))
            if any(one is statement for one in inside):
                names = [one for one in inside if isinstance(one, ast.Name) and one.id == "tensorflow"]
                if names or isinstance(node, ast.ClassDef):
                    return True
    return False


# ---- tf_keras in place of keras ---------------------------------------------------------------------


def tf_keras(editor, script, finding):
    """Only where every import of keras in the script can be rewritten: two Kerases in one script do not go
    together.
    """
    notes = script.conclusions.notes
    if notes.only_keras3 or script.conclusions.run.installation.get("tf_keras_installed") == "false":
        return []
    uses = [use for use in notes.uses.values() if use.route == "keras"]
    imports = [use.spot for use in uses if isinstance(use.spot.node, (ast.Import, ast.ImportFrom))]
    by_name = [use for use in uses if isinstance(use.spot.node, ast.Call) and is_import_call(use.spot.node)]
    if by_name or not all(can_be_tf_keras(spot.node) for spot in imports):
        return []
    node, unit = finding.spot.node, finding.spot.unit
    text = editor.text_of(unit)
    span = text.span(node)
    return [] if span is None else renamed(text.text, *span)


def is_import_call(node):
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name in ("import_module", "__import__")


def can_be_tf_keras(node):
    if isinstance(node, ast.ImportFrom):
        parts = (node.module or "").split(".")
        return parts[0] != "keras" or (parts[1] if len(parts) > 1 else "") in _SAME_IN_KERAS2
    for alias in node.names:
        parts = alias.name.split(".")
        if parts[0] == "keras" and (parts[1] if len(parts) > 1 else "") not in _SAME_IN_KERAS2:
            return False
    return True


def renamed(text, start, end):
    """The edits of one import statement, from its tokens."""
    tokens = significant_tokens(text[start:end])
    if tokens is None:
        return []
    if tokens[0][0] == "from":
        where = tokens[1]
        return [(start + where[1], start + where[2], "tf_keras")] if where[0] == "keras" else []
    made, alias = [], []
    for token in [*tokens[1:], (",", None, None)]:
        if token[0] != ",":
            alias.append(token)
            continue
        if alias and alias[0][0] == "keras":
            made += renamed_alias(alias, start)
        alias = []
    return made


def renamed_alias(alias, start):
    """keras, keras as k, keras.layers, keras.layers as l"""
    words = [word for word, _, _ in alias]
    first, last = alias[0], alias[-1]
    name = (start + first[1], start + first[2], "tf_keras")
    if "as" in words:
        return [name]
    ending = " as keras" if len(words) == 1 else ", tf_keras as keras"
    return [name, (start + last[2], start + last[2], ending)]


def significant_tokens(text):
    """(string, start, end) of the tokens of a statement or expression; None where they cannot be had."""
    wrapped = Text(f"({text})")
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(wrapped.text, newline="").readline):
            if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER):
                continue
            if token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.ERRORTOKEN):
                return None
            start = wrapped.starts[token.start[0] - 1] + token.start[1] - 1
            end = wrapped.starts[token.end[0] - 1] + token.end[1] - 1
            found.append((token.string, start, end))
    except (tokenize.TokenError, SyntaxError, IndexError):
        return None
    return found[1:-1]


# ---- jit_compile=False ------------------------------------------------------------------------------


def jit_false(editor, script, finding):
    node, unit = finding.spot.node, finding.spot.unit
    text = editor.text_of(unit)
    if isinstance(node, Place):
        return literal_to_false(text, node.keyword.value)
    if isinstance(node, ast.Attribute):
        return assigned_to_false(text, unit.tree, node)
    if (
        not isinstance(node, ast.Call)
        or not isinstance(node.func, ast.Attribute)
        or node.func.attr != "compile"
    ):
        return []
    if any(keyword.arg is None for keyword in node.keywords) or any(
        isinstance(one, ast.Starred) for one in node.args
    ):
        return []
    if len(node.args) > 7:
        return literal_to_false(text, node.args[7])
    return added_argument(text, node)


def literal_to_false(text, value):
    """True, "auto" or another literal becomes False; what is computed stays."""
    if not isinstance(value, ast.Constant):
        return []
    span = text.span(value)
    return [] if span is None else [(*span, "False")]


def assigned_to_false(text, tree, target):
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and node.targets[0] is target:
            return literal_to_false(text, node.value)
    return []


def added_argument(text, call):
    """, jit_compile=False behind the last argument."""
    span = text.span(call)
    tokens = significant_tokens(text.text[slice(*span)]) if span is not None else None
    if not tokens or tokens[-1][0] != ")":
        return []
    last = tokens[-2]
    place = span[0] + last[2]
    if last[0] == "(":
        return [(place, place, "jit_compile=False")]
    if last[0] == ",":
        return [(place, place, " jit_compile=False,")]
    return [(place, place, ", jit_compile=False")]


_MAKERS = {"tensorflow-first": tensorflow_first, "tf-keras": tf_keras, "jit-false": jit_false}
