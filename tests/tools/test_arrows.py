"""What each room includes of others is what docs/architecture.md says.

Usage: test_arrows.py SOURCE_ROOT
"""

from __future__ import annotations

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
text = (root / "docs" / "architecture.md").read_text()
block = re.search(r"a test holds the sources to it\):\n\n((?:    .*\n)+)", text)[1]
told: dict[str, set[str]] = {}
for line in block.splitlines():
    first, *rest = line.split()
    if line[4] != " ":
        told[first] = set()
        room = first
    else:
        rest = [first, *rest]
    told[room].update(word for word in rest if word != "-")


def room_of(path: str) -> str | None:
    """The longest of the rooms that the path is in."""
    inside = [room for room in told if path.startswith(room + "/")]
    return max(inside, key=len, default=None)


number = 0
failed = False


def check(name: str, wrong: list[str]) -> None:
    global number, failed
    number += 1
    print(f"{'not ok' if wrong else 'ok'} {number} - arrows: {name}")
    for line in wrong:
        print(f"# {line}")
    failed = failed or bool(wrong)


used: dict[str, set[str]] = {room: set() for room in told}
homeless, forbidden = [], []
for folder in ("proto", "db", "daemon", "client"):
    for path in sorted((root / folder).rglob("*.[ch]")):
        name = str(path.relative_to(root))
        own = room_of(name)
        # a folder of daemon without a row of its own is a room that nobody has told of
        parent = name.rpartition("/")[0]
        if own is None or (own == "daemon" and parent != "daemon"):
            homeless.append(f"{name} is in no room that docs/architecture.md tells of")
            continue
        for included in re.findall(r'^#include "([a-z_]+/[^"]+)"', path.read_text(), re.M):
            other = room_of(included)
            if other in (None, own) or name.startswith("client/examples/"):
                continue
            used[own].add(other)
            if other not in told[own]:
                forbidden.append(f"{name} includes {included}: no arrow leads from {own} to {other}")
print("1..3")
check("every source is in a room", homeless)
check("rooms include what they may", forbidden)
check(
    "no arrow is told that is none",
    [
        f"{room} includes nothing of {other}"
        for room, others in told.items()
        if (root / room).is_dir()
        for other in sorted(others - used[room])
        if (root / other).is_dir()
    ],
)
sys.exit(1 if failed else 0)
