"""A file of the script as Python reads it: bytes, text, lines, and why it could not be read.

Python's rules decide: the byte order mark and the coding cookie, UTF-8 without one, universal newlines. Lines
and columns are those of the file, from 1; a column counts characters.
"""

from __future__ import annotations

import hashlib
import io
import re
import tokenize

LARGEST = 16 << 20
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


class Failure:
    """Why a file, or a cell of it, is not understood; rule is one of docs/check.md."""

    def __init__(self, rule, message, line=1, column=1, fix=None):
        self.rule = rule
        self.message = message
        self.line = line
        self.column = column
        self.fix = fix


class Source:
    """shown: the path as the person gave it or would; path: where the file is; failure: None where text is
    set.
    """

    def __init__(self, shown, path, data):
        self.shown = shown
        self.path = path
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.encoding = "utf-8"
        self.text = None
        self.failure = None

    def lines(self):
        return split_lines(self.text)


def split_lines(text):
    """The lines with their ends, as Python counts them: a form feed or U+2028 does not end one."""
    return _LINE.findall(text)


def read_source(shown, path):
    """The file as a Source; what cannot be read has a failure and no text."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        source = Source(shown, path, b"")
        source.failure = Failure("not-python", f"cannot be read: {error.strerror or error}")
        return source
    except ValueError as error:
        source = Source(shown, path, b"")
        source.failure = Failure("not-python", f"cannot be read: {error}")
        return source
    return source_of(shown, path, data)


def source_of(shown, path, data):
    source = Source(shown, path, data)
    if len(data) > LARGEST:
        source.failure = Failure("too-complex", f"larger than {LARGEST >> 20} MiB: not looked at")
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        source.failure = Failure(
            "encoding", "UTF-16, which Python does not read", fix="Save the file as UTF-8."
        )
    elif b"\0" in data:
        source.failure = Failure("not-python", "has zero bytes: no Python text")
    else:
        decode(source)
    return source


def decode(source):
    """Sets text, or failure with the line of the first byte that is wrong."""
    try:
        source.encoding, _ = tokenize.detect_encoding(io.BytesIO(source.data).readline)
        source.text = source.data.decode(source.encoding)
        return
    except UnicodeDecodeError as error:
        line, column = place_of_byte(source.data, error.start)
        message = f"not valid {error.encoding}: byte 0x{source.data[error.start]:02x}"
    except (SyntaxError, LookupError, ValueError) as error:
        line, column = first_bad_byte(source.data)
        message = str(error) or "the coding cookie cannot be read"
    fix = "Save the file as UTF-8, or say its coding in the first line: # -*- coding: latin-1 -*-"
    source.failure = Failure("encoding", message, line, column, fix)


def first_bad_byte(data):
    """For detect_encoding, which does not tell where: the first byte that is no UTF-8, else the beginning."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return place_of_byte(data, error.start)
    return 1, 1


def place_of_byte(data, offset):
    before = data[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
