"""The snippets: scripts as people write them, each with what is to be found in it.

NAME.expect.json stands beside NAME.py, NAME.ipynb or the folder NAME, and says all of it:

    about         what the snippet is about
    site          what is installed (sites.py); newest where nothing is said
    arguments     of the analyser, beside the file
    environment_at_hand  the environment that it has
    like          keras3, keras2, no-keras: the facts to begin with; `facts` adds to them, null takes one away
    environment   [name, value, unconditional, before_import, line, file where it is not the snippet]
    findings      [rule, line, severity, cell, file]
    parsed        false: part of it cannot be parsed
    files         of a folder: what is analysed in it

The facts are the ideal ones: what somebody knows who understands the script and does not run it. An answer
with another value, or with a fact that is not there, is wrong; an answer without one has not found it.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "snippets"

_COMMON = {
    "custom_ops": "false",
    "import_order": "tensorflow-first",
    "late_jit": "false",
    "determinism": "false",
}
_MODEL = {"strategy": "false", "run_eagerly": "false"}
LIKE = {
    "keras3": {"keras": "3", "jit": "auto", "unsupported_layer": "false", **_COMMON, **_MODEL},
    "keras2": {"keras": "2", "jit": "off", **_COMMON, **_MODEL},
    "no-keras": {"keras": "0", **_COMMON},
    None: {},
}


class Snippet:
    def __init__(self, path):
        self.name = path.name[: -len(".expect.json")]
        self.expected = json.loads(path.read_text(encoding="utf-8"))
        base = path.parent / self.name
        found = [base.with_suffix(suffix) for suffix in (".py", ".ipynb")]
        self.path = next((one for one in found if one.is_file()), base)
        self.site = self.expected.get("site", "newest")
        self.at_hand = self.expected.get("environment_at_hand", {})
        facts = dict(LIKE[self.expected.get("like")])
        facts.update(self.expected.get("facts", {}))
        self.facts = {name: value for name, value in facts.items() if value is not None}
        self.findings = {self.finding(*one) for one in self.expected.get("findings", [])}
        self.environment = {self.variable(*one) for one in self.expected.get("environment", [])}

    def folder(self):
        return self.path if self.path.is_dir() else self.path.parent

    def arguments(self):
        files = self.expected.get("files", [] if self.path.is_dir() else [self.path.name])
        return [*self.expected.get("arguments", []), *files]

    @staticmethod
    def finding(rule, line, severity, cell=None, file=None):
        return rule, line, severity, cell, file

    @staticmethod
    def variable(name, value, unconditional, before_import, line, file=None):
        return name, value, unconditional, before_import, line, file


def all_snippets():
    return [Snippet(path) for path in sorted(FOLDER.glob("*.expect.json"))]


def found_findings(snippet, answer):
    own = None if snippet.path.is_dir() else snippet.path.name
    found = set()
    for one in answer["findings"]:
        file = one.get("path", one["file"])
        shown = None if file == own or (own is None and "/" not in file) else file
        found.add((one["rule"], one["line"], one["severity"], one.get("cell"), shown))
    return found


def found_environment(snippet, answer):
    own = None if snippet.path.is_dir() else snippet.path.name
    found = set()
    for one in answer["environment"]:
        file = one.get("path", one["file"])
        shown = None if file == own or (own is None and "/" not in file) else file
        value = None if one["unset"] else one["value"]
        found.add((one["name"], value, one["unconditional"], one["before_import"], one["line"], shown))
    return found
