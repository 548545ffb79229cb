"""The answer as JSON and as text: docs/check.md says what each key means."""

from __future__ import annotations

import platform
import site

from .. import facts as installation_facts
from .rules import SEVERITIES
from .source import split_lines

FORMAT = 1


class Places:
    """Nodes to places in files: lines and columns from 1, columns in characters; in a notebook those of the
    cell.
    """

    def __init__(self):
        self._lines = {}

    def of_spot(self, spot):
        if spot is None:
            return {}
        return self.of(spot.unit, spot.node.lineno, spot.node.col_offset)

    def of(self, unit, line, byte_column):
        column = self.column(unit, line, byte_column)
        return located(unit.source, unit.cell, line, column)

    def column(self, unit, line, byte_column):
        """Python's trees count bytes of UTF-8."""
        if unit not in self._lines:
            self._lines[unit] = split_lines(unit.text)
        lines = self._lines[unit]
        text = lines[line - 1].rstrip("\r\n") if 0 < line <= len(lines) else ""
        return len(text.encode("utf-8", "surrogatepass")[:byte_column].decode("utf-8", "ignore")) + 1


def located(source, cell, line, column):
    if cell is None:
        return {"file": source.shown, "line": line, "column": column}
    shown = f"{source.shown}:cell {cell.number}"
    return {"file": shown, "line": line, "column": column, "path": source.shown, "cell": cell.number}


def answer(scripts, options, edits=None):
    """The whole answer, one object."""
    places = Places()
    facts = common_facts(scripts, places)
    return {
        "format": FORMAT,
        "python": platform.python_version(),
        "files": files_of(scripts),
        "scripts": [script_of(script, places) for script in scripts],
        "facts": facts,
        "installation": dict(options.installation),
        "environment": environment_of(scripts, places),
        "environment_unknown": uncertain_of(scripts, places),
        "findings": findings_of(scripts, places, edits),
        "depends": {"environment": depends_on(scripts, options), "path": folders_of(options)},
        "hook": installation_facts.has_hook(options.path),
    }


def files_of(scripts):
    files, seen = [], set()
    for script in scripts:
        for followed in script.files.followed.values():
            source = followed.source
            if source.shown not in seen:
                seen.add(source.shown)
                files.append({"path": source.shown, "sha256": source.sha256, "parsed": followed.parsed})
    return files


def script_of(script, places):
    return {"path": script.shown, "facts": facts_of(script, places)}


def facts_of(script, places):
    if script.conclusions is None:
        return {}
    shown = {
        name: {"value": fact.value, **place_or_start(script, fact.spot, places), "why": fact.why}
        for name, fact in script.conclusions.facts.items()
    }
    if script.main and script.main.endswith(".ipynb"):
        start = {"file": script.shown, "line": 1, "column": 1}
        shown["notebook"] = {"value": "true", **start, "why": "a notebook runs in IPython"}
    return shown


def place_or_start(script, spot, places):
    return places.of_spot(spot) or {"file": script.shown, "line": 1, "column": 1}


def common_facts(scripts, places):
    """Of one script its facts; of several those in which all agree."""
    per_script = [facts_of(script, places) for script in scripts]
    first = per_script[0] if per_script else {}
    return {
        name: fact
        for name, fact in first.items()
        if all(name in other and other[name]["value"] == fact["value"] for other in per_script[1:])
    }


def environment_of(scripts, places):
    shown = []
    for script in scripts:
        for item in script.conclusions.environment if script.conclusions else ():
            shown.append(
                {
                    "name": item.name,
                    "value": item.value,
                    "unset": item.unset,
                    "unconditional": item.unconditional,
                    "before_import": item.before_import,
                    **places.of_spot(item.change.spot),
                }
            )
    return shown


def uncertain_of(scripts, places):
    return [
        {"name": change.name, **places.of_spot(change.spot)}
        for script in scripts
        for change in (script.conclusions.uncertain if script.conclusions else ())
    ]


def depends_on(scripts, options):
    """Variables of the environment at hand that the answer hangs on, with their values."""
    names = set()
    for script in scripts:
        if script.conclusions is not None:
            names |= script.conclusions.notes.reads
    return {name: options.at_hand.get(name) for name in sorted(names)}


def folders_of(options):
    """Where modules come from: also the user's own site-packages, which may not be there yet."""
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return list(dict.fromkeys([*options.path, *own]))


def findings_of(scripts, places, edits):
    shown, seen = [], set()
    for script in scripts:
        for followed, failure, cell in script.failures:
            place = located(followed.source, cell, failure.line, failure.column)
            shown.append(
                finding(place, failure.rule, SEVERITIES[failure.rule], failure.message, failure.fix, [])
            )
        for one in script.findings:
            made = edits(script, one) if edits is not None and one.rewrite else []
            shown.append(
                finding(places.of_spot(one.spot), one.rule, one.severity, one.message, one.fix, made)
            )
    unique = []
    for one in shown:
        key = (one["file"], one["line"], one["column"], one["rule"])
        if key not in seen:
            seen.add(key)
            unique.append(one)
    order = {name: number for number, name in enumerate(dict.fromkeys(file_of(one) for one in unique))}
    return sorted(
        unique, key=lambda one: (order[file_of(one)], one.get("cell", 0), one["line"], one["column"])
    )


def file_of(one):
    return one.get("path", one["file"])


def finding(place, rule, severity, message, fix, edits):
    return {**place, "rule": rule, "severity": severity, "message": message, "fix": fix, "edits": edits}


def text(made):
    """The answer for a person: like a compiler's, then what is known."""
    lines = []
    for one in made["findings"]:
        lines.append(
            f"{one['file']}:{one['line']}:{one['column']}: {one['severity']}: {one['message']} "
            f"[{one['rule']}]"
        )
        if one["fix"]:
            lines.append(f"    {one['fix']}")
    for script in made["scripts"]:
        known = ", ".join(f"{name} {fact['value']}" for name, fact in script["facts"].items())
        lines.append(f"{script['path']}: {known or 'nothing is known for certain'}")
    for one in made["environment"]:
        what = f"unsets {one['name']}" if one["unset"] else f"sets {one['name']}={one['value']}"
        how = "" if one["unconditional"] else " (not in every run)"
        when = "" if one["before_import"] else ", after TensorFlow is imported"
        lines.append(f"{one['file']}:{one['line']}: {what}{how}{when}")
    return "\n".join(lines) + "\n" if lines else ""
