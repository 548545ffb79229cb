"""README.md's examples are what the programs print, and what it links to is there."""

from __future__ import annotations

import re
import shlex
import textwrap

import pytest
from harness import SOURCE, ctl

README = (SOURCE / "README.md").read_text()


def blocks():
    """The indented blocks, without the indentation."""
    return [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", README, re.M)]


SESSIONS = [block.strip("\n") for block in blocks() if block.lstrip("\n").startswith("$ itexctl ")]
SCRIPT = next(block for block in blocks() if "model.compile" in block).lstrip("\n")


def expected(shown):
    """A pattern for what is shown: "..." stands for anything, alone on a line for any lines."""
    lines = []
    for line in shown.splitlines():
        lines.append(r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n")
    return "".join(lines)


def test_there_are_examples():
    assert len(SESSIONS) >= 3
    assert "jit_compile=False" in SCRIPT


def test_examples_are_what_is_printed(itexd, tmp_path):
    """In their order, on a new node without GPUs. That there is no TensorFlow comes after what is shown."""
    (tmp_path / "train.py").write_text(SCRIPT)
    for session in SESSIONS:
        command, _, shown = session.partition("\n")
        made = itexd.ctl(*shlex.split(command)[2:], cwd=tmp_path, env={"COLUMNS": "80"})
        assert re.fullmatch(expected(shown), made.stdout + made.stderr), (
            f"{command}\n{made.stdout}{made.stderr}"
        )


def commands_told():
    """itexctl commands in running text and in other blocks, as far as they are whole."""
    told = re.findall(r"`itexctl\s+([^`]+)`", README)
    return sorted({" ".join(command.split()) for command in told} - {"--help"})


@pytest.mark.parametrize("command", commands_told())
def test_commands_in_the_text_are_known(itexd, command):
    words = shlex.split(command)
    known = ctl(*[word for word in words if word.isalpha() and word.islower()][:1], "--help")
    assert known.returncode == 0, command
    for option in re.findall(r"--[a-z-]+", command):
        assert f"  {option}" in known.stdout or option in known.stdout, f"{command}: {option}"


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert (SOURCE / target).exists() or "://" in target, target
    listed = set(re.findall(r"\(docs/([\w-]+\.md)", README))
    there = {path.name for path in (SOURCE / "docs").glob("*.md")}
    assert there == listed, f"not in README.md: {there - listed}"
