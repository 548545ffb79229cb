"""`itexd --help`, its parser and its manual pages say the same.

Usage: test_options_documented.py ITEXD SOURCE_ROOT
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

itexd, root = sys.argv[1], pathlib.Path(sys.argv[2])
failures: list[str] = []
wide: list[str] = []  # lines of the help
number = 0


def check(name: str, good: bool, detail: object = "") -> None:
    global number
    number += 1
    print(f"{'ok' if good else 'not ok'} {number} - {name}")
    if not good:
        failures.append(name)
        print(f"# {detail}")


def from_help() -> dict[str, tuple[str, str]]:
    """Name, as in the file -> argument and default."""
    text = subprocess.run([itexd, "--help"], capture_output=True, text=True, check=True).stdout
    wide.extend(line for line in text.splitlines() if len(line) > 79)
    text = re.sub(r"\n {30,}", " ", text)
    found = {}
    for line in text.splitlines():
        if match := re.match(r"  --([a-z-]+)(?:=([A-Z]+))?\s+\S.*?(?: \(([^()]*)\))?$", line):
            found[match[1].replace("-", "_")] = (match[2] or "", match[3] or "")
    return found


def from_page(page: str, term: str) -> dict[str, tuple[str, str]]:
    text = (root / "docs/man" / page).read_text()
    found = {}
    for match in re.finditer(rf"^{term}\n((?:\t.*\n|\n(?=\t))*)", text, re.MULTILINE):
        default = re.search(r"^\tDefault: (.*)$", match[3], re.MULTILINE)
        found[match[1].replace("-", "_")] = (match[2] or "", default[1] if default else "")
    return found


def same_default(name: str, one: str, other: str) -> bool:
    if name == "rules":  # depends on the prefix and is filled in by the build
        return one == "@RULES_DIR@" and other.endswith("/itexd/rules")
    return one == other


helped = from_help()
keys = from_page("itexd.conf.5.scd", r"\*([a-z_]+)\*(?:: _([A-Z]+)_)?")
switches = from_page("itexd.8.scd", r"\*--([a-z-]+)\*(?:=_([A-Z]+)_)?")
print(f"1..{5 + len(helped)}")
check("daemon-options: the help fits 80 columns", not wide, wide)
check("daemon-options: there are options", len(helped) > 15, helped)
check("daemon-options: no key is an option of the command line only", not set(keys) & set(switches))
check(
    "daemon-options: the manual has all and no others",
    set(helped) == set(keys) | set(switches),
    set(helped) ^ (set(keys) | set(switches)),
)
for name, (argument, default) in sorted(helped.items()):
    page = {**keys, **switches}.get(name, ("", "?"))
    check(
        f"daemon-options: {name}",
        page[0] == argument and same_default(name, page[1], default),
        f"help {argument} ({default}), manual {page[0]} ({page[1]})",
    )
run = subprocess.run(
    [itexd, "--check", "--rules=/nonexistent"]
    + [
        f"--{name.replace('_', '-')}={d}"
        for name, (_, d) in helped.items()
        if d and name not in ("rules", "config")
    ],
    capture_output=True,
    text=True,
)
check(
    "daemon-options: the parser takes every default of the help",
    run.returncode == 78 and "/nonexistent" in run.stderr and len(run.stderr.splitlines()) == 1,
    run.stderr,
)
sys.exit(1 if failures else 0)
