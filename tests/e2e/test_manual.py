"""The manual pages say what the programs and parsers do: keys, words, statuses, variables; all can be read.

Options are compared elsewhere: itexctl's in test_itexctl_docs.py, itexd's in tests/unit/daemon, the library's
functions in tests/unit/client.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest
from harness import BUILD, SOURCE, ctl

PAGES = {path.name.removesuffix(".scd"): path.read_text() for path in (SOURCE / "docs" / "man").glob("*.scd")}


def section(page, heading):
    return re.search(rf"^# {heading}\n(.*?)(?=^# |\Z)", PAGES[page], re.M | re.S)[1]


def terms(text):
    """What is explained: the bold words of each line that a paragraph with a tab follows."""
    found = []
    for line in re.findall(r"^(\*.*)\n\t", text, re.M):
        found += re.findall(r"\*([^*]+)\*", line.replace("\\_", "_"))
    return found


def sources(*folders):
    for folder in folders:
        for path in sorted((SOURCE / folder).rglob("*.c")):
            yield path.read_text()


# ---- itexd-rules(5) --------------------------------------------------------------------------------------

RECORDS = (SOURCE / "daemon" / "rules" / "rule_records.c").read_text()
TABLES = {
    "KEYS OF A FILE": "rule_file_fields",
    "KEYS OF A FLAG": "xla_flag_fields",
    "KEYS OF A RULE": "rule_fields",
    "OTHER OUTCOMES": "variant_fields",
    "SOLUTIONS": "solution_fields",
    "EXAMPLES": "example_fields",
    "WHAT IS EXPECTED": "expect_fields",
}


def fields(table):
    """Key -> whether it is required, as the parser's table has them."""
    body = re.search(rf"yaml_field {table}\[\] = {{\n(.*?)^}};", RECORDS, re.M | re.S)[1]
    entries = re.split(r"\{\.key = ", body)[1:]
    return {re.match(r'"(\w+)"', entry)[1]: ".required = true" in entry for entry in entries}


@pytest.mark.parametrize(("heading", "table"), TABLES.items())
def test_keys_of_rule_files(heading, table):
    text = section("itexd-rules.5", heading)
    assert sorted(terms(text)) == sorted(fields(table))
    told = {key for key in fields(table) if re.search(rf"^\*{key}\*\n(\t.*\n)*\t.*Required[.,]", text, re.M)}
    # of a rule, conditions are not required where the service issues it
    assert told == {key for key, required in fields(table).items() if required} | ({"when"} & set(told))


def test_no_table_of_the_parser_is_without_its_section():
    assert set(re.findall(r"yaml_field (\w+)\[\]", RECORDS)) == set(TABLES.values())


@pytest.mark.parametrize(
    ("key", "heading", "array"),
    [
        ("severity", "KEYS OF A RULE", "severities"),
        ("outcome", "KEYS OF A RULE", "outcomes"),
        ("strikes", "KEYS OF A RULE", "stages"),
        ("policy", "KEYS OF A FILE", "policies"),
        ("policy", "EXAMPLES", "policies"),
        ("apply", "EXAMPLES", "applies"),
        ("type", "KEYS OF A FLAG", "flag_types"),
    ],
)
def test_words_of_rule_files(key, heading, array):
    body = re.search(rf"const {array}\[\] = {{(.*?)}};", RECORDS, re.S)[1]
    text = re.search(rf"^\*{key}\*\n((?:\t.*\n)+)", section("itexd-rules.5", heading), re.M)[1]
    assert sorted(set(re.findall(r"\*([a-z0-9-]+)\*", text))) == sorted(re.findall(r'"([^"]+)"', body))


def test_the_example_is_a_rule_set_and_holds(tmp_path):
    example = re.search(r"^```\n(.*?)^```", PAGES["itexd-rules.5"], re.M | re.S)[1]
    path = tmp_path / "our-rules.yaml"
    path.write_text(example)
    result = ctl("rules", "test", path)
    assert result.returncode == 0, result
    assert result.stderr == ""
    assert "2 examples" in result.stdout


# ---- Exit statuses and variables ---------------------------------------------------------------------------


def test_exit_statuses_of_itexctl():
    header = (SOURCE / "client" / "itexctl" / "errors.h").read_text()
    statuses = set(re.findall(r"EXIT_\w+ = (\d+)", header)) | {"65"}  # 65 is the hook's, under run
    assert set(terms(section("itexctl.1", "EXIT STATUS"))) == statuses


def test_exit_statuses_of_itexd():
    main = (SOURCE / "daemon" / "main.c").read_text()
    statuses = set(re.findall(r"#define EXIT_\w+ (\d+)", main)) | {"0"}
    assert set(terms(section("itexd.8", "EXIT STATUS"))) == statuses


def test_variables_that_itexctl_reads():
    told = {name.lstrip("$") for name in terms(section("itexctl.1", "ENVIRONMENT"))}
    read = {
        name
        for text in sources("client/itexctl", "client/core")
        for name in re.findall(r'getenv\("(\w+)"', text)
    }
    # what the job has: not read for itexctl's own sake
    of_the_job = {"CONDA_PREFIX", "ZE_ENABLE_ALT_DRIVERS", "NEOReadDebugKeys", "SetCommandStreamReceiver"}
    assert read - of_the_job <= told, read - of_the_job - told


# ---- The pages themselves ------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_read(page):
    built = BUILD / "docs" / page
    assert built.exists()
    if not shutil.which("man"):
        pytest.skip("man-db is not installed")
    shown = subprocess.run(
        ["man", "--warnings", "-l", built], capture_output=True, text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": ""},
    )  # fmt: skip
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "SEE ALSO" in shown.stdout
    assert "@" not in re.sub(r"\S+@\S+", "", section(page, "NAME"))


def test_pages_name_each_other():
    known = {f"{name.rpartition('.')[0]}({name.rpartition('.')[2]})" for name in PAGES}
    for page, text in PAGES.items():
        named = {f"{name}({number})" for name, number in re.findall(r"\*(itex[\w.-]*)\*\((\d)\)", text)}
        assert named <= known, (page, named - known)
        assert section(page, "SEE ALSO").strip(), page
    everywhere = " ".join(section(page, "SEE ALSO") for page in PAGES)
    for page in known:
        name, _, number = page.rstrip(")").partition("(")
        assert f"*{name}*({number})" in everywhere, f"{page} is not found from any other"


def test_what_is_installed_has_a_page():
    installed = json.loads(
        subprocess.run(
            ["meson", "introspect", "--installed", BUILD], capture_output=True, text=True, check=True
        ).stdout
    ).values()
    pages = {path.rpartition("/")[2] for path in installed if "/man/man" in path}
    programs = {path.rpartition("/")[2] for path in installed if re.search(r"/s?bin/[^/]+$", path)}
    assert programs >= {"itexd", "itexctl"}
    assert {name.rpartition(".")[0] for name in pages} >= programs
    assert pages >= set(PAGES)


def test_each_function_is_found_by_its_name(tmp_path):
    """As `man itex_resolve` looks for it."""
    result = subprocess.run(
        ["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"],
        capture_output=True, text=True, env={**os.environ, "DESTDIR": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    functions = re.findall(r"^\s+(itex_\w+);", (SOURCE / "client" / "libitexclient.map").read_text(), re.M)
    folder = next(tmp_path.rglob("man3"))
    assert len(functions) > 40
    for function in functions:
        assert function in (folder / f"{function}.3").resolve().read_text().replace("\\_", "_")
    assert {path.name for path in folder.iterdir()} == {"itexclient.3", *(f"{name}.3" for name in functions)}
