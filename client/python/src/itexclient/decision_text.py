"""ITEXD_DECISION: the decision that this process runs under, as the environment names it. Imports nothing
heavy."""

from __future__ import annotations

import os

VARIABLE = "ITEXD_DECISION"


class Inherited:
    """What ITEXD_DECISION says: ``ID:DIGEST:OBLIGATIONS``.

    id: the decision's number, 0 where it was not recorded. digest: of the rule set that decided. obligations:
    what the job must do itself, such as ``jit_compile=False``; ``itexctl run`` adds its own, such as
    ``require-mode``.
    """

    __slots__ = ("id", "digest", "obligations")

    def __init__(self, id: int, digest: str, obligations: tuple[str, ...]) -> None:
        self.id = id
        self.digest = digest
        self.obligations = obligations

    def __repr__(self) -> str:
        return f"Inherited(id={self.id}, digest={self.digest!r}, obligations={self.obligations!r})"


def _token(text: str) -> str:
    return text.replace("%2C", ",").replace("%25", "%")


def parse(text: str) -> Inherited | None:
    """The parts of a text of that form; None where no itexd can have written it."""
    number, colon, rest = text.partition(":")
    digest, second_colon, obligations = rest.partition(":")
    if not (colon and second_colon and number.isascii() and number.isdigit()) or int(number) >= 1 << 64:
        return None
    return Inherited(int(number), digest, tuple(_token(t) for t in obligations.split(",") if t))


def inherited_decision() -> Inherited | None:
    """The decision that this process runs under by its environment; None where there is none."""
    text = os.environ.get(VARIABLE)
    return parse(text) if text else None
