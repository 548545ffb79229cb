"""docs/itex-suite.md from what a run left behind:

tests/itex/table.py build/itex-suite/grid.json > docs/itex-suite.md
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path

ABOUT = """\
# The real ITEX, held against what is predicted

The released ITEX on a driver that emulates two cards of two tiles (or of one, where a line says 2 x 1),
without hardware: the import of TensorFlow, the choice of the mode and the list of devices are the real
ones, kernels do not run. Each line is an environment in a process of its own; *predicted* is what
`itexctl resolve --itex {itex}` says of it, *seen* what the process came to, with TensorFlow's and PJRT's
devices. Made by

    ./check --itex      # or tests/itex/install, then pytest tests/itex; tests/itex/table.py writes this page

which fetches about 2 GB once, needs 7 GB and most of an hour, and is not part of continuous integration.
The newest generation was never released: what is said of it was tried on stand-ins only
(tests/standins), and no line here is about it.

Run on {date}: {versions}.

**{right} of {all} agree.**
"""


def seen(point):
    """The outcome; with devices where there are some."""
    found = point["seen"]
    if found["xpus"] is None:
        return found["word"]
    pjrt = "" if found["pjrt"] in (None, found["xpus"]) else f", PJRT {found['pjrt']}"
    return f"{found['word']}, {found['xpus']} XPU{pjrt}"


def cell(text):
    return text.replace("|", "\\|")


def main():
    run = json.loads(Path(sys.argv[1]).read_text())
    points = run["points"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    itex = run["versions"]["intel-extension-for-tensorflow"]
    right = sum(not point["wrong"] for point in points)
    print(ABOUT.format(itex=itex, date=run["date"], versions=versions, right=right, all=len(points)))
    for topic, group in groupby(points, key=lambda point: point["topic"]):
        print(f"## {topic}\n\n| environment | predicted | seen | agree |\n|---|---|---|---|")
        for point in group:
            outcome = "" if point["outcome"] in (None, "ok", point["predicted"]) else f" ({point['outcome']})"
            agree = "no" if point["wrong"] else "yes"
            print(f"| `{cell(point['name'])}` | {point['predicted']}{outcome} | {seen(point)} | {agree} |")
        print()


if __name__ == "__main__":
    main()
