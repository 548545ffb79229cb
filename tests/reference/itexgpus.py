"""Which GPUs a job is left with: the mask as the driver reads it, then the selector as SYCL does.

Part of the reference of tests/reference (see itexref.py), from what was observed: docs/itex.md.
"""

import re
from typing import NamedTuple, Optional

NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
CANONICAL = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?(,(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?)*")
STOI = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
BACKENDS = ("level_zero", "opencl", "cuda", "hip", "native_cpu", "host", "*")
KINDS = ("gpu", "cpu", "fpga")


class Refused(Exception):
    """The reader ends the process, or throws."""


# ---- The mask ------------------------------------------------------------------------------------------


def stoul(text: str) -> int:
    """std::stoul(text, nullptr, 0), kept in 32 bits."""
    found = NUMBER.match(text)
    if not found:
        raise Refused(text)
    digits = found[2].lower()
    base = 16 if digits.startswith("0x") else 8 if digits.startswith("0") else 10
    value = int(digits, base)
    if value >= 2**64:
        raise Refused(text)
    return (-value if found[1] == "-" else value) % 2**32


def mask_entries(mask: str) -> list[tuple[int, ...]]:
    """(card,) or (card, tile) for each entry. Engine 0, the third part, is the tile; 1 kills."""
    entries = []
    texts = mask.split(",")
    if texts[-1] == "":
        texts.pop()
    for text in texts:
        parts = text.split(".")
        if len(parts) > 1 and parts[-1] == "":
            parts.pop()
        numbers = [stoul(part) for part in parts[:3]]
        if len(parts) > 3 or numbers[2:] == [1]:
            raise Refused(text)
        if numbers[2:] in ([], [0]):
            entries.append(tuple(numbers[:2]))
    return entries


def all_of(mask: Optional[str]) -> bool:
    return mask in (None, "", "default")


def affinity_mask(mask: Optional[str]) -> str:
    if mask is None:
        return "unset"
    if all_of(mask):
        return "empty"
    try:
        mask_entries(mask)
    except Refused:
        return "invalid"
    return "valid" if CANONICAL.fullmatch(mask) else "odd"


class Listed(NamedTuple):
    """devices: how many tiles make up each; None where the cards are not known, and at_most bounds them."""

    devices: Optional[list[int]]
    at_most: Optional[int] = None


def hierarchy(own: str, driver: Optional[str]) -> Optional[str]:
    """cards or tiles: what the driver lists; None: not known."""
    if driver == "none":
        return "cards"
    if own in ("flat", "combined"):
        return "tiles"
    return "cards" if own == "composite" else {"flat": "tiles", "composite": "cards"}.get(driver)


def listed(cards: Optional[str], tree: Optional[str], mask: Optional[str]) -> Listed:
    if cards is None or tree is None:
        return Listed(None, None if all_of(mask) else len({entry[0] for entry in mask_entries(mask)}))
    tiles = [(card, tile) for card, count in enumerate(cards.split(",")) for tile in range(int(count))]
    if all_of(mask):
        chosen = set(tiles)
    elif tree == "cards":
        chosen = {pair for pair in tiles for entry in mask_entries(mask) if pair[: len(entry)] == entry}
    else:
        chosen = {pair for at, pair in enumerate(tiles) if (at,) in mask_entries(mask)}
    if tree == "tiles":
        return Listed([1] * len(chosen))
    return Listed([sum(pair[0] == card for pair in chosen) for card in sorted({c for c, _ in chosen})])


# ---- The selector --------------------------------------------------------------------------------------


class Device(NamedTuple):
    kind: Optional[str]  # or None
    parts: tuple[Optional[int], ...]  # None: every one

    def every(self) -> bool:
        return self.kind is not None or self.parts[0] is None


class Term(NamedTuple):
    discards: bool
    backend: str
    devices: list[Device]

    def meets(self, backend: str) -> bool:
        return self.backend in (backend, "*")


def device(text: str) -> Device:
    pieces = [piece for piece in text.split(".") if piece]
    if not pieces or len(pieces) > 3:
        raise Refused(text)
    if pieces[0].lower() in KINDS:
        if len(pieces) > 1:
            raise Refused(text)
        return Device(pieces[0].lower(), (None,))
    parts: list[Optional[int]] = []
    for piece in pieces:
        number = STOI.match(piece)
        if piece == "*":
            parts.append(None)
        elif not number or not -(2**31) < int(number[1]) < 2**31 or (parts and parts[-1] is None):
            raise Refused(text)
        else:
            parts.append(int(number[1]))
    return Device(None, tuple(parts))


def terms(selector: str) -> list[Term]:
    if selector == "":
        raise Refused(selector)
    found = []
    for text in selector.split(";"):
        if text == "":
            continue
        pieces = text.lstrip("!").split(":") if not text.startswith("!!") else []
        if len(pieces) != 2 or pieces[0].lower() not in BACKENDS or pieces[1] == "":
            raise Refused(text)
        devices = [device(word) for word in pieces[1].split(",") if word]
        found.append(Term(text.startswith("!"), pieces[0].lower(), devices))
    return found


def gpus_of(term: Term) -> list[Device]:
    return [device for device in term.devices if device.kind in (None, "gpu")]


def possible_gpus_of(term: Term) -> list[Device]:
    return [device for device in gpus_of(term) if device.every() or device.parts[0] >= 0]


def selector(value: Optional[str]) -> str:
    if value is None:
        return "unset"
    try:
        found = terms(value)
    except Refused:
        return "invalid"
    named = [(term, device) for term in found if term.meets("level_zero") for device in gpus_of(term)]
    if any(not device.every() for _, device in named):
        return "ordinals"
    everything = any(not term.discards for term, _ in named)
    return "all" if everything and not any(term.discards for term in found) else "other"


class Left(NamedTuple):
    """None: not known."""

    level_zero: Optional[bool]
    opencl: bool
    tiles: Optional[bool]  # a card is among them that has tiles below it


def takes(device: Device, at: int, count: int) -> Optional[str]:
    """What of a listed device, of so many tiles, is accepted: the card, its tiles by themselves, nothing."""
    if device.kind is None and device.parts[0] not in (None, at):
        return None
    if len(device.parts) == 1:
        return "card"
    below = device.parts[1]
    exists = count > 1 and (below is None or 0 <= below < count)
    return "tiles" if len(device.parts) == 2 and exists else None


def effective(value: Optional[str]) -> list[Term]:
    """The terms, with what is meant where none of them accepts."""
    everything = [Device("gpu", (None,))]
    found = [Term(False, "*", everything)] if value is None else terms(value)
    if not found or any(not term.discards for term in found):
        return found
    spared = [b for b in ("level_zero", "opencl") if not any(term.meets(b) for term in found)]
    return [Term(False, backend, everything) for backend in spared]


def left(seen: Listed, value: Optional[str]) -> Left:
    found = effective(value)
    accepted = [(term, device) for term in found if not term.discards for device in possible_gpus_of(term)]
    discarded = [(term, device) for term in found if term.discards for device in gpus_of(term)]
    opencl = any(term.meets("opencl") for term, _ in accepted)
    opencl &= not any(term.meets("opencl") and device.every() for term, device in discarded)
    ours = [device for term, device in accepted if term.meets("level_zero")]
    gone = [device for term, device in discarded if term.meets("level_zero")]
    if seen.devices is None and any(device.every() for device in gone):
        return Left(False, opencl, False)
    if seen.devices is None:
        possible = [
            device
            for device in ours
            if len(device.parts) < 3
            and (device.every() or seen.at_most is None or device.parts[0] < seen.at_most)
        ]
        whole = any(len(device.parts) == 1 for device in possible)
        return Left(None if possible else False, opencl, None if whole else False)
    kept, with_tiles = False, False
    for at, count in enumerate(seen.devices):
        if any(device.every() or device.parts[0] == at for device in gone):
            continue
        taken = {takes(device, at, count) for device in ours} - {None}
        kept |= bool(taken)
        with_tiles |= "card" in taken and count > 1
    return Left(kept, opencl, with_tiles)
