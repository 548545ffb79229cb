"""--fix: the edits of all findings put together, looked at once more, shown as a diff, and written."""

from __future__ import annotations

import difflib
import os
import tempfile

from .edits import Editor, Text, encoded
from .source import split_lines


class Changed:
    """A file with its edits applied."""

    def __init__(self, source, edits):
        self.source = source
        self.text = applied(source.text, edits)
        self.data = encoded(source, self.text)

    def diff(self):
        """As diff -u shows it, with the marks for a missing last line end."""
        name = self.source.shown.lstrip("/")
        before, after = split_lines(self.source.text), split_lines(self.text)
        lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm="\n")
        return "".join(
            line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines
        )

    def write(self):
        """Replaces the file in one step; it keeps its mode. OSError, ValueError if it has changed since it
        was read.
        """
        path = os.path.realpath(self.source.path)
        with open(path, "rb") as file:
            if file.read() != self.source.data:
                raise ValueError("it has changed since it was read")
        handle, other = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".itexctl-check-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.data)
            os.chmod(other, os.stat(path).st_mode & 0o7777)
            os.replace(other, path)
        except BaseException:
            os.unlink(other)
            raise


def applied(text, edits):
    """The edits from the last to the first; of two that overlap the later in the text is left out."""
    chosen, end = [], -1
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        if edit.start >= end:
            chosen.append(edit)
            end = max(edit.end, edit.start)
    for edit in reversed(chosen):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class Fixer:
    """edits_of is what the answer shows; changed() are the files, after a second look at what they have
    become.
    """

    def __init__(self, scripts):
        self.scripts = scripts
        self.editor = Editor(scripts)
        self._shown = {}

    def edits_of(self, script, finding):
        """A finding's edits in lines and columns of its file, for the answer."""
        return [self.shown(edit) for edit in self.editor.edits(script, finding)]

    def shown(self, edit):
        source = edit.source
        if source.path not in self._shown:
            self._shown[source.path] = Text(source.text)
        text = self._shown[source.path]
        made = {}
        for prefix, offset in (("", edit.start), ("end_", edit.end)):
            line = min(text.line_of(offset), max(len(text.lines) - 1, 0))
            made[prefix + "line"] = line + 1
            made[prefix + "column"] = offset - text.starts[line] + 1
        return {**made, "text": edit.text}

    def changed(self, analyse):
        """The Changed files. analyse(script, overrides) gives a Script anew with files' bytes replaced.

        A rule whose finding is still there after its edits is left alone: what does not help is not done.
        """
        refused = set()
        while True:
            edits = self.all_edits(refused)
            files = [Changed(group[0].source, group) for group in by_file(edits)]
            overrides = {file.source.path: file.data for file in files}
            left = self.still_there(analyse, overrides, {rule for rule, _ in edits})
            if not left:
                return files
            refused |= left

    def all_edits(self, refused):
        """(rule, Edit) of every finding, each edit once."""
        made, seen = [], set()
        for script in self.scripts:
            for finding in script.findings:
                if (
                    not finding.rewrite
                    or finding.rule in refused
                    or not within(script, finding.spot.unit.source.path)
                ):
                    continue
                for edit in self.editor.edits(script, finding):
                    if edit.key() not in seen:
                        seen.add(edit.key())
                        made.append((finding.rule, edit))
        return made

    def still_there(self, analyse, overrides, rules):
        """Which of the rules have as many places as before, or cannot be seen any more
        because a file broke.
        """
        if not rules:
            return set()
        left = set()
        for script in self.scripts:
            again = analyse(script, overrides)
            if len(again.failures) > len(script.failures):
                return set(rules)
            now = [finding.rule for finding in again.findings]
            before = [finding.rule for finding in script.findings]
            left |= {rule for rule in rules if rule in before and now.count(rule) >= before.count(rule)}
        return left


def within(script, path):
    """Files outside of the script's own folder are others'."""
    folder = os.path.abspath(script.files.folder)
    return os.path.abspath(path).startswith(folder.rstrip(os.sep) + os.sep)


def by_file(edits):
    groups = {}
    for _, edit in edits:
        groups.setdefault(edit.source.path, []).append(edit)
    return list(groups.values())
