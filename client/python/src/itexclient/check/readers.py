"""What the readers of variables refuse: Level Zero's driver its mask, the SYCL runtime its selector, ITEX its
numbers. As docs/itex.md has them, found by running the real ones.
"""

from __future__ import annotations

import re

_BLANKS = r"[ \t\n\v\f\r]*"
_C_NUMBER = re.compile(_BLANKS + r"[+-]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_DECIMAL = re.compile(_BLANKS + r"([+-]?[0-9]+)")
_WHOLE = re.compile(_BLANKS + r"(-?[0-9]+)" + _BLANKS)
_KINDS = ("cpu", "gpu", "fpga")
_BACKENDS = ("*", "level_zero", "opencl", "cuda", "hip", "native_cpu", "host")


def is_integer(value):
    found = _WHOLE.fullmatch(value)
    return bool(found) and -(2**63) <= int(found.group(1)) < 2**63


def begins_with_int(value):
    """std::stoi: 32 bits, and whatever follows them."""
    found = _DECIMAL.match(value)
    return bool(found) and -(2**31) <= int(found.group(1)) < 2**31


def _c_number(text):
    """std::stoul with base 0; None where it throws."""
    found = _C_NUMBER.match(text)
    if not found:
        return None
    digits = found.group(1).lower()
    number = int(digits, 16 if digits.startswith("0x") else 8 if digits.startswith("0") else 10)
    return number if number < 2**64 else None


def mask_is_refused(value):
    """Does the driver end the process for this ZE_AFFINITY_MASK?"""
    if value in ("", "default"):
        return False
    return any(_entry_is_refused(entry) for entry in value.removesuffix(",").split(","))


def _entry_is_refused(entry):
    parts = entry.split(".")
    if len(parts) > 1 and parts[-1] == "":
        parts.pop()
    numbers = [_c_number(part) for part in parts[:3]]
    return None in numbers or len(parts) > 3 or len(numbers) == 3 and numbers[2] % 2**32 == 1


def selector_is_refused(value):
    """Does the SYCL runtime throw for this ONEAPI_DEVICE_SELECTOR?"""
    return value == "" or any(_term_is_refused(term) for term in value.split(";") if term)


def _term_is_refused(term):
    pieces = term.removeprefix("!").split(":")
    if len(pieces) != 2 or pieces[0].lower() not in _BACKENDS or not pieces[1]:
        return True
    return any(_device_is_refused(device) for device in pieces[1].split(",") if device)


def _device_is_refused(device):
    parts = [part for part in device.split(".") if part]
    if not parts or len(parts) > 3:
        return True
    if parts[0].lower() in _KINDS:
        return len(parts) > 1
    # A part of every device or tile cannot be asked for by number.
    numbered_below_all = any(above == "*" != below for above, below in zip(parts, parts[1:]))
    return numbered_below_all or any(part != "*" and not begins_with_int(part) for part in parts)
