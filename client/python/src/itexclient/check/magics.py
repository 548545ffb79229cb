"""What IPython adds to Python, made into Python of the same number of lines.

A cell that parses as it is has nothing of the sort. Elsewhere each logical line that begins with %, ! or ?
(or ends with ?) becomes a call that the analyser knows (get_ipython().…) where it changes the environment,
the installation or what runs, and `pass` where it does not.
"""

from __future__ import annotations

import re

# Cell magics whose cell is Python all the same.
_PYTHON_CELLS = {"time", "timeit", "capture", "prun", "memit", "mprun", "heat", "scalene"}
_PYTHON_LINES = {"time", "timeit", "prun", "memit"}
# Cells that another process or the browser gets.
_OTHER_CELLS = {
    "html",
    "HTML",
    "javascript",
    "js",
    "latex",
    "markdown",
    "svg",
    "writefile",
    "file",
    "perl",
    "ruby",
    "python",
    "python2",
    "python3",
    "pypy",
}
_SHELL_CELLS = {"bash", "sh", "script", "system", "sx", "!", "cmd"}
_ASSIGNED = re.compile(r"^(\s*[A-Za-z_][\w.,\s\[\]]*=\s*)([%!])(?![=])(.*)$")
_EXPORT = re.compile(r"(?:^|[;&|]\s*)\s*(?:export|setenv|set)\s+([A-Za-z_]\w*)\s*[= ]")
_INSTALLER = re.compile(
    r"\b(?:pip3?|conda|mamba|uv)\b[^;&|]*\b(?:install|uninstall|update|upgrade|add)\b(.*)"
)
_IPYTHON = "get_ipython()"


def to_python(text):
    """The cell as Python; the same text where there is nothing of IPython's in it."""
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return text
    if lines[first].startswith("%%"):
        return cell_magic(lines, first)
    return "\n".join(line_magics(lines))


def cell_magic(lines, first):
    words = lines[first][2:].split()
    name = words[0] if words else ""
    rest = lines[first + 1 :]
    if name in _PYTHON_CELLS:
        return "\n".join([""] * (first + 1) + line_magics(rest))
    calls = []
    if name in _SHELL_CELLS:
        calls = [shell(line) for line in rest]
    elif name not in _OTHER_CELLS:
        return "\n".join([""] * first + [f"{_IPYTHON}.unknown({name!r})"] + [""] * len(rest))
    return "\n".join(
        [""] * (first + 1) + ["" if call == "pass" else call for call in calls or [""] * len(rest)]
    )


def line_magics(lines):
    result, state, number = [], Reader(), 0
    while number < len(lines):
        line = lines[number]
        if state.outside() and (is_magic(line) or _ASSIGNED.match(line)):
            whole, used = line, 1
            while whole.rstrip().endswith("\\") and number + used < len(lines):
                whole = whole.rstrip()[:-1] + " " + lines[number + used].strip()
                used += 1
            result += [magic(whole)] + [""] * (used - 1)
            number += used
            continue
        state.read(line)
        result.append(line)
        number += 1
    return result


class Reader:
    """Where a line begins: inside a string of three quotes, a bracket or a continued line,
    or outside of all.
    """

    def __init__(self):
        self.quote, self.brackets, self.continued = None, 0, False

    def outside(self):
        return self.quote is None and self.brackets <= 0 and not self.continued

    def read(self, line):
        position, size = 0, len(line)
        self.continued = False
        while position < size:
            character = line[position]
            if self.quote:
                if character == "\\":
                    position += 1
                elif line.startswith(self.quote, position):
                    position += len(self.quote) - 1
                    self.quote = None
            elif character in "\"'":
                self.quote = character * 3 if line.startswith(character * 3, position) else character
                position += len(self.quote) - 1
            elif character == "#":
                break
            elif character in "([{":
                self.brackets += 1
            elif character in ")]}":
                self.brackets -= 1
            elif character == "\\" and position == size - 1:
                self.continued = True
            position += 1
        if self.quote and len(self.quote) == 1:
            self.quote = None


def is_magic(line):
    stripped = line.strip()
    if stripped[:1] in ("%", "!", "?"):
        return True
    return bool(re.fullmatch(r"[%\w.*]+\?{1,2}", stripped)) or bool(
        re.fullmatch(r"[\w.()\[\]\"', ]+\?{1,2}", stripped)
    )


def magic(line):
    """One line of IPython as Python, with the same indentation."""
    indentation = line[: len(line) - len(line.lstrip())]
    stripped = line.strip()
    assigned = _ASSIGNED.match(line)
    if assigned and stripped[:1] not in "%!?":
        effect = shell(assigned.group(3)) if assigned.group(2) == "!" else "pass"
        ahead = "" if effect == "pass" else f"{effect}; "
        return f"{indentation}{ahead}{assigned.group(1).strip()} {_IPYTHON}.result()"
    if stripped.startswith("!"):
        return indentation + shell(stripped.lstrip("!"))
    if stripped.startswith("%"):
        return indentation + line_magic(stripped[1:].strip())
    return indentation + "pass"


def line_magic(text):
    name, _, rest = text.partition(" ")
    rest = rest.strip()
    if name in ("env", "set_env") and rest:
        return set_env(rest)
    if name in ("pip", "conda", "mamba", "uv"):
        return shell(f"{name} {rest}")
    if name in ("sx", "system", "sc"):
        return shell(rest)
    if name == "run":
        return f"{_IPYTHON}.run({rest!r})"
    if name in _PYTHON_LINES and rest and not rest.startswith("-"):
        return rest
    if name in ("load", "loadpy", "recall", "rerun", "macro", "store"):
        return f"{_IPYTHON}.unknown({name!r})"
    return "pass"


def set_env(rest):
    """As IPython's %env does: the value is taken as it stands, quotes and all."""
    name, separator, value = rest.partition("=" if "=" in rest else " ")
    name, value = name.strip(), value.strip()
    if not separator or re.search(r"\s", name):
        return "pass"
    if "{" in value or "$" in value:
        return f"{_IPYTHON}.set_env({name!r}, {_IPYTHON}.result())"
    return f"{_IPYTHON}.set_env({name!r}, {value!r})"


def shell(command):
    installs = _INSTALLER.search(command)
    if installs:
        return f"{_IPYTHON}.install({installs.group(1).strip()!r})"
    exported = _EXPORT.search(command)
    if exported:
        return f"{_IPYTHON}.shell_export({exported.group(1)!r})"
    return "pass"
