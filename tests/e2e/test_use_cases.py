"""The use cases of the vendor's page and their variants, as scripts: the facts are found with no hints, and
under itexctl run each job gets the documented mode.

Real analyser, hook and service; TensorFlow, Keras and ITEX are stand-ins.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest
from harness import RULES, SOURCE, client_library, ctl

sys.path.insert(0, str(SOURCE / "tests" / "standins"))
from standins import virtual_environment  # noqa: E402

SCRIPTS = SOURCE / "tests" / "standins" / "use_cases"
RULES_HERE = {"ITEXD_RULES": str(RULES)}
NEWEST = {}
RELEASED = {"itex": "2.15.0.3", "tensorflow": "2.15.1", "keras": "2.15.0"}
LEGACY = {"tf_keras": "2.16.0"}

# Script, what is installed: the facts, the mode, the changes that get there, and the rules that hold.
CASES = [
    ("keras3_default", NEWEST, {"keras": "3", "jit": "auto"}, "npd+xla", {}, []),
    ("keras_free", NEWEST, {"keras": "0"}, "npd", {"ITEX_DISABLE_XLA": "1"}, ["keras3-2"]),
    ("legacy_keras", LEGACY, {"keras": "2", "jit": "off"}, "npd", {}, []),
    ("jit_off", NEWEST, {"keras": "3", "jit": "off"}, "npd", {"ITEX_DISABLE_XLA": "1"}, ["keras3-5"]),
    ("ops_override", NEWEST, {"keras": "3", "jit": "auto"}, "npd", {"ITEX_DISABLE_XLA": "1"}, ["keras3-5"]),
    ("auto_clustering", NEWEST, {"keras": "3", "jit": "off"}, "npd+xla", {}, []),
    ("keras_free", RELEASED, {"keras": "0"}, "npd", {}, []),
    ("jit_off", RELEASED, {"keras": "2", "jit": "off"}, "npd", {}, []),
    ("auto_clustering", RELEASED, {"keras": "2", "jit": "off"}, "npd+xla", {}, ["xla-device-api"]),
]
NAMES = [f"{name}-{'2.15' if installed is RELEASED else 'newest'}" for name, installed, *_ in CASES]


@pytest.fixture(scope="module")
def python():
    """python(versions): the interpreter of a virtual environment with stand-ins, each made once."""
    made = {}
    with tempfile.TemporaryDirectory(prefix="itexd-use-cases-") as folder:

        def interpreter(versions):
            key = json.dumps(versions)
            if key not in made:
                made[key] = virtual_environment(Path(folder) / str(len(made)), **versions)
            return str(made[key])

        yield interpreter


@pytest.mark.parametrize(("name", "installed", "facts", "mode", "changes", "rules"), CASES, ids=NAMES)
def test_check_finds_the_facts(python, name, installed, facts, mode, changes, rules):
    result = ctl(
        "check", "--json", "--offline", "--python", python(installed), f"{name}.py",
        cwd=SCRIPTS, env=RULES_HERE,
    )  # fmt: skip
    shown = json.loads(result.stdout)
    assert {fact: shown["facts"][fact]["value"] for fact in facts} == facts
    assert all(shown["facts"][fact]["file"] == f"{name}.py" for fact in facts)
    assert [finding["rule"] for finding in shown["findings"] if finding["severity"] != "info"] == rules
    assert all(finding["line"] for finding in shown["findings"]), "each is some line's doing"
    assert shown["decision"]["mode"] == mode
    assert result.returncode == (1 if shown["errors"] else 0)


@pytest.mark.parametrize(("name", "installed", "facts", "mode", "changes", "rules"), CASES, ids=NAMES)
def test_run_ends_in_the_documented_mode(shared_itexd, python, name, installed, facts, mode, changes, rules):
    command = ["run", "--job", name, "--", python(installed), f"{name}.py"]
    result = shared_itexd.ctl(*command, cwd=SCRIPTS, env=client_library())
    assert result.returncode == 0, result.stderr
    assert "XPU" in result.stdout
    assert ("stand-in: fitted" in result.stdout) == (name != "keras_free")
    (line,) = shared_itexd.ctl("query", "--job", name, "--limit", "1", "--json").stdout.splitlines()
    decision = json.loads(line)
    assert decision["mode"] == mode
    assert decision["observed"]["mode"] == mode, "what the hook saw"
    assert decision["facts"]["keras"] == {"value": facts["keras"], "from": "script"}
    if not rules or rules[0].startswith("keras"):
        assert decision["env"]["set"] == changes


FULL_SIZE = {
    "page1_keras3_default": "npd+xla",
    "page2_keras_free": "npd",
    "page3_legacy_keras": "npd",
    "page4_keras3_jit_off": "npd",
    "page5_ops_override": "npd",
    "page6_auto_clustering": "npd+xla",
}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_scripts_are_to_run_in_the_same_modes(shared_itexd, python, name):
    """The same cases among the analyser's snippets, with all that stand-ins cannot run."""
    command = ["run", "--dry-run", "--json", "--", python(LEGACY), f"{name}.py"]
    result = shared_itexd.ctl(*command, cwd=SOURCE / "tests" / "check" / "snippets")
    shown = json.loads(result.stdout)
    assert shown["mode"] == FULL_SIZE[name]
    assert shown["unknown"] == []
    assert shown["facts"]["keras"]["from"] == "script"


def test_what_is_installed_later_counts(python, tmp_path):
    """What was kept is no longer so when a package comes, also as the first one of the user's own."""
    interpreter = python({"keras": None, "tensorflow": "2.15.1", "itex": "2.15.0.3"})
    settings = Path(interpreter).parents[1] / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace("packages = false", "packages = true"))
    (site,) = settings.parent.glob("lib/*/site-packages")
    os.utime(site, (10**9, 10**9))  # what has just been changed is not kept

    def check():
        command = ["check", "--json", "--offline", "--python", interpreter, "jit_off.py"]
        return json.loads(ctl(*command, cwd=SCRIPTS, env={**RULES_HERE, "HOME": str(tmp_path)}).stdout)

    assert check()["installation"]["keras_installed"] == "none"
    assert check()["kept"]
    own = tmp_path / ".local" / "lib" / site.parent.name / "site-packages" / "keras-3.4.1.dist-info"
    own.mkdir(parents=True)
    (own / "METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 3.4.1\n")
    later = check()
    assert not later["kept"]
    assert later["installation"]["keras_installed"] == "3"
    assert later["facts"]["keras"]["value"] == "3"


def test_what_is_certain_is_put_right(python, tmp_path):
    script = tmp_path / "train.py"
    text = (SCRIPTS / "keras3_default.py").read_text()
    first = text.replace("import tensorflow as tf\nimport keras\n", "import keras\nimport tensorflow as tf\n")
    script.write_text(first)
    command = ["check", "--offline", "--python", python(NEWEST), "--fix"]
    shown = ctl(*command, "train.py", cwd=tmp_path, env=RULES_HERE)
    assert (shown.returncode, script.read_text()) == (0, first)
    assert "+import tensorflow" in shown.stdout
    written = ctl(*command, "--write", "train.py", cwd=tmp_path, env=RULES_HERE)
    assert written.stdout.startswith(shown.stdout)
    assert "nothing is wrong with it" in written.stdout
    assert written.returncode == 0
    assert script.read_text() != first


def test_the_override_is_what_turns_jit_off(python):
    result = ctl(
        "check", "--offline", "--python", python(NEWEST), "ops_override.py", cwd=SCRIPTS,
        env=RULES_HERE,
    )  # fmt: skip
    assert result.stdout.startswith("ops_override.py:5:1: error: "), result.stdout
