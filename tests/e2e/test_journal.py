"""Table of events, calls, catalog and docs/journal.md are one; the catalog is one that journalctl takes.

What reaches a real journal is seen by tests/system/test_journal.py.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from harness import SOURCE, ctl

CATALOG = SOURCE / "systemd" / "itexd.catalog"
JOURNALCTL = shutil.which("journalctl")


def macros():
    """daemon/log_events.h, each definition on one line, macros that stand for keys replaced."""
    text = re.sub(r"\s*\\\n\s*", " ", (SOURCE / "daemon" / "log_events.h").read_text())
    for name, value in re.findall(r'#define (LOG_\w+_FIELDS) ("[^"]*")', text):
        text = text.replace(f", {name},", f", {value},")
    return text


def events():
    """By constant: label, id, level and keys."""
    row = r'X\((\w+), "([\w-]+)", "([\w-]*)", "([0-9a-f]{32})", LOG_(\w+), "([^"]*)", "'
    return {
        constant: {
            "label": f"{name}-{variant}" if variant else name,
            "id": number,
            "level": level.lower(),
            "keys": keys.split(),
        }
        for constant, name, variant, number, level, keys in re.findall(row, macros())
    }


def fields():
    """By constant: key and name in the journal."""
    found = re.findall(r'X\((\w+), "([\w-]+)", "(ITEXD_\w+)"\)', macros())
    return {constant: (key, journal) for constant, key, journal in found}


def arguments(text, start):
    """What stands between the parenthesis at start and its other half, without literals."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return text[start + 1 : at]
    raise AssertionError("no end")


def sources():
    for path in sorted((SOURCE / "daemon").rglob("*.c")):
        if not path.name.startswith("log"):
            yield path, re.sub(r'"(\\.|[^"\\])*"', '""', path.read_text())


def calls():
    """Where, which event constants, which field constants, of every log_event call."""
    for path, text in sources():
        for match in re.finditer(r"\blog_event\(", text):
            words = arguments(text, match.end() - 1)
            which = words.split(",")[0]
            # a value that was made before the call stands there by its own name
            for name, made in re.findall(r"\b(\w+) = (LOG_\w+\([^;]*?\))(?=[,;])", text):
                words = re.sub(rf"(?<=, ){name}(?=[,)\s]|$)", made, words)
            yield path.name, which, re.findall(r"\bFIELD_(\w+)", words)


def test_the_table_was_read():
    assert len(events()) > 60
    assert len(fields()) > 30
    assert sum(1 for _ in calls()) > 40


def test_every_call_gives_the_fields_of_its_event():
    rows, keys = events(), fields()
    for where, which, constants in calls():
        named = re.findall(r"\bEVENT_(\w+)", which)
        if "event_of(" in which:
            named = [name for name in rows if name.startswith("DECISION_") and "rule" in rows[name]["keys"]]
        elif which == "what":
            named = [name for name in rows if name.startswith("DEVICE_") and "kind" in rows[name]["keys"]]
        elif which == "event":
            named = ["LEASE_RELEASED", "LEASE_CUT"]
        assert named, (where, which)
        for name in named:
            assert [keys[constant][0] for constant in constants] == rows[name]["keys"], (where, name)


def test_what_happens_to_devices_is_of_that_kind():
    for where, text in sources():
        for match in re.finditer(r"\bdevices_event\(", text):
            for name in re.findall(r"\bEVENT_(\w+)", arguments(text, match.end() - 1)):
                assert name.startswith("DEVICE_") and "kind" in events()[name]["keys"], (where.name, name)


def test_every_event_happens_somewhere():
    text = "".join(text for _, text in sources()) + (SOURCE / "daemon" / "log.c").read_text()
    missing = [name for name in events() if not re.search(rf"\bEVENT_{name}\b", text)]
    assert not missing


def catalog():
    """By id: the headers, and the text."""
    found = {}
    for entry in re.split(r"^-- ", CATALOG.read_text(), flags=re.MULTILINE)[1:]:
        number, _, rest = entry.partition("\n")
        head, _, body = rest.partition("\n\n")
        assert number not in found
        found[number] = (dict(line.split(": ", 1) for line in head.splitlines()), body.strip())
    return found


def test_the_catalog_explains_every_event():
    texts = catalog()
    rows = {row["id"]: row for row in events().values()}
    assert list(texts) == list(rows)
    journal = dict(fields().values())
    for number, (head, body) in texts.items():
        assert list(head) == ["Subject", "Defined-By", "Support", "Documentation"]
        assert head["Defined-By"] == "itexd"
        assert len(body) > 40, rows[number]["label"]
        allowed = {name for key, name in fields().values() if key in rows[number]["keys"]}
        used = set(re.findall(r"@(\w+)@", head["Subject"] + body))
        assert used <= allowed, rows[number]["label"]
        assert all(len(line) <= 120 for line in body.splitlines())
    assert journal


def commands(*words):
    """Of itexctl, or below one of its commands."""
    listed = ctl(*words, "--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    return {line.split()[0] for line in listed.splitlines()}


def test_the_commands_that_the_catalog_names_exist():
    text = " ".join(CATALOG.read_text().split())
    named = re.findall(r"itexctl ([a-z]+) ?([a-z]*)", text)
    assert named
    assert {first for first, _ in named} <= commands()
    for group in ("devices", "rules"):
        below = {second for first, second in named if first == group and second not in ("", "shows")}
        assert below <= commands(group)


def table(heading):
    """The rows of the table below a heading of docs/journal.md, its own head left out."""
    section = (SOURCE / "docs" / "journal.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_documentation_lists_every_event_and_field():
    subjects = {number: head["Subject"] for number, (head, _) in catalog().items()}
    wanted = [
        [row["label"], row["level"], " ".join(row["keys"]), subjects[row["id"]], row["id"]]
        for row in events().values()
    ]
    assert table("Events") == wanted
    names = {}
    for key, journal in fields().values():
        names.setdefault(key, []).append(journal)
    assert {row[0]: row[1].split(", ") for row in table("Fields")} == names


def test_the_examples_of_the_documentation_name_what_there_is():
    text = (SOURCE / "docs" / "journal.md").read_text()
    known = {journal for _, journal in fields().values()} | {"ITEXD_EVENT"}
    assert set(re.findall(r"ITEXD_[A-Z_]*[A-Z]", text)) <= known
    labels = {row["label"] for row in events().values()} | {"decision", "device"}
    assert set(re.findall(r"ITEXD_EVENT=([\w-]+)", text)) <= labels
    assert {f"device-{kind}" for kind in re.findall(r"ITEXD_KIND=([\w-]+)", text)} <= labels


@pytest.mark.skipif(not JOURNALCTL, reason="needs journalctl")
def test_journalctl_takes_the_catalog(tmp_path):
    folder = tmp_path / "usr" / "lib" / "systemd" / "catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var" / "lib" / "systemd" / "catalog").mkdir(parents=True)
    shutil.copy(CATALOG, folder)
    made = subprocess.run(
        [JOURNALCTL, f"--root={tmp_path}", "--update-catalog"], capture_output=True, text=True
    )
    assert (made.returncode, made.stderr) == (0, "")
    listed = subprocess.run(
        [JOURNALCTL, f"--root={tmp_path}", "--list-catalog"], capture_output=True, text=True, check=True
    )
    found = dict(line.split(" ", 1) for line in listed.stdout.splitlines())
    assert {number: line.partition(": ")[2] for number, line in found.items()} == {
        number: head["Subject"] for number, (head, _) in catalog().items()
    }


def test_of_reports_at_the_same_time_one_is_told(make_itexd):
    """The one that is written. A job with many processes has them all report at once."""
    service = make_itexd().start()
    with service.client() as client, service.client() as other:
        for _ in range(5):
            decision = client.resolve(declared={"keras": "0"}, job="ranks").id
            sent = [
                (each, each.send("report", decision=decision, mode="none"))
                for _ in range(30)
                for each in (client, other)
            ]
            assert not any(each.reply(request).report.match for each, request in sent)
    service.stop()
    told = [line for line in service.log.splitlines() if line.startswith("event=mode-mismatch ")]
    assert len(told) == 5
    assert told[0].endswith(" job=ranks promised=npd got=none recorded=yes")
