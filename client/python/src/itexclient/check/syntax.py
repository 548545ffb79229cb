"""From text to a syntax tree, or to one clear sentence why there is none."""

from __future__ import annotations

import ast
import re
import sys
import warnings

from .source import Failure

# Each line of Python 2 that Python 3 refuses, and its name for a person.
_PYTHON2 = (
    (re.compile(r"^\s*print\s+[\"'\w(]"), "print is a statement"),
    (re.compile(r"^\s*print\s*>>"), "print is a statement"),
    (re.compile(r"^\s*except\s+[\w.()]+\s*,\s*\w+\s*:"), "except with a comma"),
    (re.compile(r"^\s*raise\s+[\w.]+\s*,"), "raise with a comma"),
    (re.compile(r"^\s*exec\s+[\"'\w]"), "exec is a statement"),
    (re.compile(r"<>"), "<> for !="),
    (re.compile(r"\b0[0-7]+[lL]?\b|\b\d+[lL]\b"), "a number of Python 2"),
    (re.compile(r"\bur[\"']"), "a string of Python 2"),
    (re.compile(r"`[^`]+`"), "backquotes for repr()"),
)


def parse(text, top_level_await=False):
    """(tree, None) or (None, Failure). Never raises."""
    flags = ast.PyCF_ONLY_AST | (ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if top_level_await else 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(text, "<script>", "exec", flags=flags, dont_inherit=True), None
    except SyntaxError as error:
        return None, failure_of(error, text)
    except (RecursionError, MemoryError):
        return None, Failure("too-complex", "nested too deeply to be analysed")
    except (ValueError, OverflowError) as error:
        return None, Failure("syntax-error", str(error) or type(error).__name__)


def failure_of(error, text):
    lines = text.splitlines()
    line = min(max(error.lineno or 1, 1), max(len(lines), 1))
    column = max(error.offset or 1, 1)
    message = error.msg or "cannot be parsed"
    found = python2_sign(lines, line)
    if found:
        place, what = found
        return Failure(
            "python2",
            f"Python 2: {what}. Python {sys.version_info[0]}.{sys.version_info[1]} cannot run it",
            place,
            1,
            "Convert the script to Python 3 (2to3 does most of it).",
        )
    return Failure("syntax-error", message, line, column)


def python2_sign(lines, line):
    """(line, what is Python 2 about it): in the line of the error or just before it, else anywhere if it is
    sure.
    """
    near = [number for number in (line, line - 1) if 1 <= number <= len(lines)]
    for number in near:
        for pattern, what in _PYTHON2:
            if pattern.search(without_comment(lines[number - 1])):
                return number, what
    return None


def without_comment(line):
    return line.split("#", 1)[0]
