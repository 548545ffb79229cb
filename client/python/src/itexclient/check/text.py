"""Small things about words."""

from __future__ import annotations


def words(text):
    """The words of a text as a set: a table that reads as one."""
    return frozenset(text.split())
