"""itexctl(1) and --help say the same: every option of every command, every command, every fact to declare."""

from __future__ import annotations

import re

import pytest
import yaml
from harness import RULES, SOURCE, ctl

PAGE = (SOURCE / "docs" / "man" / "itexctl.1.scd").read_text()
SHARED = ["resolve", "env", "run"]


def page_sections():
    """Heading -> the text below it; the headings are the page's own."""
    parts = re.split(r"^##? (.*)$", PAGE, flags=re.M)
    return {parts[i].strip(): parts[i + 1] for i in range(1, len(parts), 2)}


SECTIONS = page_sections()


def page_options(text):
    """Option -> its argument's name, as the page has them."""
    return {
        name: (argument or "").replace("\\_", "_")
        for name, argument in re.findall(r"^\*(--[a-z-]+)\*(?: _(.+)_)?$", text, re.M)
    }


def help_options(text):
    return dict(re.findall(r"^  (--[a-z-]+)(?: ([A-Z0-9a-z|:=\[\]]+))?(?:\s|$)", text, re.M))


def commands_of(text):
    below = text.partition("Commands:")[2]
    return re.findall(r"^  ([a-z]+)\s", re.split(r"^[A-Z][a-z]+:$", below, maxsplit=1, flags=re.M)[0], re.M)


def all_commands():
    commands = []
    for name in commands_of(ctl("--help").stdout):
        help_text = ctl(name, "--help").stdout
        inner = commands_of(help_text)
        if not inner or "\nOptions:\n" in help_text:  # a group that is also a command
            commands.append(name)
        commands += [f"{name} {other}" for other in inner]
    return commands


def sections_of(command):
    """The page's sections that are about a command: a heading names it, or several."""
    for heading, text in SECTIONS.items():
        plain = re.sub(r"[\[\]]|_[^_]+_|\.\.\.", "", heading).strip()
        plain = plain.removesuffix(" only")
        if plain == command or command in re.split(r", | and ", plain):
            yield text


@pytest.mark.parametrize("command", all_commands())
def test_options_of(command):
    help_text = ctl(*command.split(), "--help").stdout
    shown = help_options(help_text)
    texts = list(sections_of(command))
    assert texts, f"itexctl(1) has no section on {command}"
    told = page_options(SECTIONS["OPTIONS"])
    for text in texts:
        told.update(page_options(text))
    if "FORMAT is one of" not in help_text:
        del told["--format"], told["--json"]
    assert told == shown


@pytest.mark.parametrize("command", all_commands())
def test_formats_of(command):
    formats = re.findall(r"^FORMAT is one of: (.*) \(default", ctl(*command.split(), "--help").stdout, re.M)
    text = "\n".join(sections_of(command))
    for form in formats[0].split() if formats else []:
        assert re.search(rf"\b{form}\b", text), f"itexctl(1) does not name the format {form} of {command}"


def test_every_section_is_about_a_command():
    known = set(all_commands())
    below = PAGE.partition("# COMMANDS")[2].partition("# FACTS")[0]
    for heading in re.findall(r"^## (.*)$", below, re.M):
        plain = re.sub(r"[\[\]]|_[^_]+_|\.\.\.", "", heading).strip().removesuffix(" only")
        assert set(re.split(r", | and ", plain)) <= known, heading


def test_facts():
    table = yaml.safe_load((RULES / "facts.yaml").read_text())["facts"]
    declared = {fact["name"]: fact for fact in table if fact["origin"] == "declared"}
    told = dict(re.findall(r"^\*([a-z_\\]+)\*: (.*)$", SECTIONS["FACTS"], re.M))
    told = {name.replace("\\", ""): values.replace("\\", "") for name, values in told.items()}
    assert set(told) == set(declared)
    for name, fact in declared.items():
        values = {"bool": ["true, false"], "text": ["text"]}.get(fact["type"]) or [", ".join(fact["values"])]
        assert told[name] == values[0]


def test_help_fits_80_columns():
    for command in ["", *all_commands()]:
        for line in ctl(*command.split(), "--help").stdout.splitlines():
            assert len(line) <= 80, line


@pytest.mark.parametrize("command", ["", "resolve", "rules", "rules load", "devices", "devices drain"])
def test_help_as_a_command(command):
    words = command.split()
    assert ctl("help", *words).stdout == ctl(*words, "--help").stdout
    assert ctl("help", *words, "no-such").returncode in (0, 2)


def complete(*words):
    return [line.partition("\t")[0] for line in ctl("__complete", "--", *words).stdout.splitlines()]


@pytest.mark.parametrize("command", all_commands())
def test_completion_knows_each_command_and_its_options(command):
    *before, name = command.split()
    assert name in complete(*before, name[:2])
    assert set(help_options(ctl(*command.split(), "--help").stdout)) <= set(complete(*command.split(), "--"))


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        (["resolve", "--keras", ""], ["0", "2", "3"]),
        (["run", "--jit", "o"], ["on", "off"]),
        (["env", "--format", "f"], ["fish"]),
        (["nothing", ""], []),
        (["resolve", "--model", ""], []),
    ],
)
def test_completion_knows_values(words, candidates):
    assert complete(*words) == candidates
