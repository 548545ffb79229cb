"""Notebooks: the code cells with their text, and where each character of it stands in the .ipynb file.

A cell is numbered as a person counts, from 1 over all cells; its lines likewise. Edits of a cell become edits
of the JSON text, which is never written anew.
"""

from __future__ import annotations

import json
import re

from .source import Failure

_TOKEN = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_ESCAPE = re.compile(r'\\u[0-9a-fA-F]{4}|\\.|[^\\"]', re.DOTALL)


class Cell:
    """literals: (offset of the JSON string in the file, its text in the file with the quotes), in the cell's
    order.
    """

    def __init__(self, number, literals):
        self.number = number
        self.literals = literals
        self.text = "".join(json.loads(raw) for _, raw in literals)


def read_cells(text):
    """(code cells, None), or (None, Failure)."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        return None, Failure("not-python", f"is no notebook: {getattr(error, 'msg', error)}", line)
    if not isinstance(document, dict) or not ("cells" in document or "worksheets" in document):
        return None, Failure("not-python", "is no notebook: it has no cells")
    language = language_of(document)
    if language and not language.startswith("python"):
        return None, Failure("not-python", f"is a notebook in {language}")
    return list(code_cells(text)), None


def language_of(document):
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        section = metadata.get(part)
        value = section.get(key) if isinstance(section, dict) else None
        if isinstance(value, str) and value:
            return value.lower()
    return None


def code_cells(text):
    """Code cells in order, found in the text itself so that positions are known. nbformat 3 and 4."""
    cells = {}
    for path, offset, raw in strings_of(text):
        key = cell_key(path)
        if key is None:
            continue
        index, field = key
        cell = cells.setdefault(index, {"type": None, "literals": []})
        if field == "cell_type":
            cell["type"] = json.loads(raw)
        else:
            cell["literals"].append((offset, raw))
    for number, index in enumerate(sorted(cells), 1):
        cell = cells[index]
        if cell["type"] == "code" and cell["literals"]:
            yield Cell(number, cell["literals"])


def cell_key(path):
    """((worksheet, cell), field) where the path is that of a cell's type or of a piece of its source."""
    if path[:1] == ("worksheets",) and len(path) > 3 and path[2] == "cells":
        sheet, path = path[1], path[2:]
    else:
        sheet = 0
    if len(path) < 3 or path[0] != "cells" or not isinstance(path[1], int):
        return None
    field, rest = path[2], path[3:]
    if field == "cell_type" and not rest:
        return (sheet, path[1]), "cell_type"
    if field in ("source", "input") and (not rest or (len(rest) == 1 and isinstance(rest[0], int))):
        return (sheet, path[1]), "source"
    return None


def strings_of(text):
    """(path, offset, JSON text) of every string that is a value, in a document that json.loads accepts."""
    stack = []  # of [is a list, key or index]
    expects_key = False
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "{[":
            stack.append([token == "[", 0 if token == "[" else None])
            expects_key = token == "{"
        elif token in "}]":
            if stack:
                stack.pop()
            expects_key = False
        elif token == ",":
            if stack and stack[-1][0]:
                stack[-1][1] += 1
            expects_key = bool(stack) and not stack[-1][0]
        elif token == ":":
            expects_key = False
        elif token[0] == '"':
            if expects_key and stack:
                stack[-1][1] = json.loads(token, strict=False)
            else:
                yield tuple(level[1] for level in stack), match.start(), token


def offset_in_file(cell, position):
    """The file's offset of the cell's character number `position`; at the end of a piece, the end of that
    piece.
    """
    for index, (offset, raw) in enumerate(cell.literals):
        size = len(json.loads(raw))
        if position < size or (position == size and index == len(cell.literals) - 1):
            return offset + 1 + raw_length(raw, position)
        position -= size
    return None


def raw_length(raw, characters):
    """How much of a JSON string's text, after the quote, its first so many characters take."""
    length = 1
    for match in _ESCAPE.finditer(raw, 1, len(raw) - 1):
        if characters <= 0:
            break
        piece = match.group()
        # A pair of surrogates is one character of the text.
        characters -= 0 if piece[:2] == "\\u" and 0xD800 <= int(piece[2:6], 16) < 0xDC00 else 1
        length = match.end()
    return length - 1


def escaped(text, like):
    """Text as it stands inside a JSON string; non-ASCII is escaped where the notebook does so."""
    return json.dumps(text, ensure_ascii="\\u" in like)[1:-1]


def between_lines(text, cell, position):
    """What stands between two pieces of the cell's source, where a piece of its own can be put before this
    one.

    None where the cell's source is one string, or where the character does not begin a piece.
    """
    for index, (offset, raw) in enumerate(cell.literals):
        if position == 0 and len(cell.literals) > 1:
            if index + 1 < len(cell.literals):
                return text[offset + len(raw) : cell.literals[index + 1][0]]
            before = cell.literals[index - 1]
            return text[before[0] + len(before[1]) : offset]
        position -= len(json.loads(raw))
        if position < 0:
            return None
    return None
