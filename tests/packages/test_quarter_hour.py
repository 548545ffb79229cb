"""A new administrator's first quarter of an hour: the commands of docs/installing.md, in a clean root.

They are taken from the document, run one after another in a machine with a real systemd that never saw itexd,
and printed with what they answered. The document's answers must be the real ones.
"""

from __future__ import annotations

import dataclasses
import re
import shutil

import packages
import pytest
from test_debian import NAMES, state

DOCUMENT = packages.SOURCE / "docs/installing.md"
SECTION = "## The first quarter of an hour"
USER = "alice"
# The machine has no GPU, and in the end nothing is to be found.
STATUS = {"itexctl doctor": 1, "ls -d /var/lib/itexd /etc/itexd": 2}


@dataclasses.dataclass
class Step:
    who: str  # "#": root, "$": anybody
    command: str
    answer: list[str]  # as the document has it; "..." stands for anything


def steps():
    """The section's commands with their answers."""
    section = DOCUMENT.read_text().partition(SECTION)[2].partition("\n## ")[0]
    found, end = [], None
    for line in section.splitlines():
        text = line.removeprefix("    ")
        if end is not None:
            found[-1].command += "\n" + text
            end = None if text == end else end
        elif not line.startswith("    "):
            continue
        elif text[:2] in ("# ", "$ "):
            found.append(Step(text[0], text[2:], []))
            here = re.search(r"<<'(\w+)'$", text)
            end = here and here[1]
        else:
            found[-1].answer.append(text)
    return found


def fits(documented, said):
    """Whether an answer is the documented one: whole lines, blanks as they come, "..." for anything."""
    words = [" ".join(line.split()) for line in documented if line.strip()]
    pattern = "\n".join(".*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") for line in words)
    text = "\n".join(" ".join(line.split()) for line in said.splitlines() if line.strip())
    return re.fullmatch(pattern, text.strip(), re.DOTALL) is not None


def run(machine, step):
    """As somebody who has just logged in."""
    done = machine.run(
        *("runuser", "-l", "root" if step.who == "#" else USER, "-c", step.command),
        check=False,
        timeout=120,
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
    print(f"{step.who} {step.command}\n{done.stdout}{done.stderr}[status {done.returncode}]\n", flush=True)
    return done


@pytest.fixture
def prepared(machine, debs, newer_debs):
    """The packages in root's folder, the newer ones in newer/, and an ordinary user."""
    machine.run("useradd", "--create-home", USER)
    # nobody is there to be asked
    machine.path("/etc/apt/apt.conf.d/99yes").write_text('APT::Get::Assume-Yes "true";\n')
    for folder, where in ((debs, "/root"), (newer_debs, "/root/newer")):
        machine.path(where).mkdir(exist_ok=True)
        for name in NAMES:
            shutil.copy(packages.deb(folder, name), machine.path(where))
    return machine


def test_first_quarter_of_an_hour(prepared):
    before = state(prepared)
    for step in steps():
        done = run(prepared, step)
        assert done.returncode == STATUS.get(step.command, 0), step.command
        assert fits(step.answer, done.stdout + done.stderr), (
            f"{step.command}: the document has\n" + "\n".join(step.answer)
        )
    after = state(prepared)
    own = re.compile(r"^/(root|home/alice)/|^/var/backups/itexd\.db$")
    assert {path for path in before.keys() ^ after.keys() if not own.match(path)} == set()
    assert {path for path in before if before[path] != after[path]} == set()


def test_document_has_every_step():
    """What a quarter of an hour must show, whatever else is written there."""
    commands = "\n".join(step.command for step in steps())
    words = "install status doctor run query explain test load replay activate rollback backup remove purge"
    for word in (*words.split(), "--allow-none", "./newer/"):
        assert re.search(rf"(^|[ /-]){re.escape(word)}", commands, re.MULTILINE), word
