"""itexctl check: what it prints about scripts, by which rules, with which status.

The analyser is the tests' own (fake_analyser.py).
"""

from __future__ import annotations

import json
import os
import pty
import re
import socket

import pytest
import yaml
from fake_analyser import FakePackage
from harness import RULES, TIMEOUT, ctl

PYTHON = "/usr/bin/python3"
CAUSES_A_RULE = ["fact keras 3", "fact jit off", "installed itex 2.16.0"]


@pytest.fixture
def package(tmp_path):
    return FakePackage(tmp_path)


@pytest.fixture
def check(package, tmp_path):
    """check(*options, scripts={name: comments}): on a login node, without a service."""
    folder = tmp_path / "job"
    folder.mkdir()

    def run(*options, scripts, socket_path=tmp_path / "absent", env=None, **more):
        for name, comments in scripts.items():
            (folder / name).write_text("".join(f"# {comment}\n" for comment in comments))
        arguments = [*options, *scripts]
        if "--python" not in options:
            arguments = ["--python", PYTHON, *arguments]
        environment = {**package.env, "ITEXD_RULES": str(RULES), **(env or {})}
        return ctl("check", *arguments, socket_path=socket_path, env=environment, cwd=folder, **more)

    run.folder = folder
    return run


# ---- Lines like a compiler's ---------------------------------------------------------------------------


def test_a_finding_has_its_place_and_its_rule(check):
    result = check(
        scripts={"train.py": ["fact keras 0", "error gpu-name there is no GPU", "warning w watch out"]}
    )
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert "train.py:2:5: error: there is no GPU [gpu-name]" in lines
    assert "train.py:3:5: warning: watch out [w]" in lines
    assert any(line.startswith("train.py: 1 error, ") for line in lines)
    assert result.stderr == ""


def test_a_rule_is_named_with_the_line_that_causes_it(check):
    result = check(scripts={"train.py": CAUSES_A_RULE})
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    (line,) = [line for line in lines if "[keras3-5]" in line]
    assert line.startswith("train.py:2:1: error: "), "jit off is what causes it, not Keras 3"
    assert lines[lines.index(line) + 1].startswith("    fix: Set ITEX_DISABLE_XLA=1")
    assert "keras=3 (train.py:1:1" in result.stdout
    assert "ITEX_DISABLE_XLA=1" in result.stdout


def test_a_variable_in_the_script_is_the_cause(check):
    scripts = {"train.py": ["fact keras 0", "installed itex 2.16.0", "sets ITEX_OPS_OVERRIDE yes",
                            "sets ITEX_DISABLE_XLA 1"]}  # fmt: skip
    result = check(scripts=scripts)
    assert re.search(r"^train.py:3: error: .*\[itex-bool\]$", result.stdout, re.M), result.stdout
    assert "change train.py:3, which sets ITEX_OPS_OVERRIDE itself" in result.stdout


def test_what_the_environment_causes_has_no_line(check):
    result = check(
        scripts={"train.py": ["fact keras 0"]}, env={"ITEX_OPS_OVERRIDE": "yes", "ITEX_DISABLE_XLA": "1"}
    )
    assert re.search(r"^train.py: error: .*\[itex-bool\]$", result.stdout, re.M), result.stdout
    clean = check("--clean-env", scripts={"train.py": ["fact keras 0"]}, env={"ITEX_OPS_OVERRIDE": "yes"})
    assert "itex-bool" not in clean.stdout
    told = check("--env", "ITEX_OPS_OVERRIDE=yes", scripts={"train.py": ["fact keras 0"]})
    assert "itex-bool" in told.stdout


def test_a_condition_that_does_not_hold_names_no_line(check):
    """A rule of several alternatives: only the one that holds says what the cause is."""
    scripts = {
        "train.py": ["fact keras 0", "installed itex 2.15.0.3", "sets ITEX_ENABLE_NEXTPLUGGABLE_DEVICE 1"]
    }
    result = check(scripts=scripts, env={"CUDA_VISIBLE_DEVICES": "0"})
    assert re.search(r"^train.py: info: CUDA_VISIBLE_DEVICES.*\[dead-variable\]$", result.stdout, re.M), (
        result.stdout
    )


def test_a_rule_that_another_rules_fix_brings_about(check):
    """Row 3 of the page, then row 6: the line is that of the first cause."""
    scripts = {"train.py": ["fact keras 2", "fact jit on", "installed itex 2.16.0"]}
    result = check("--env", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0", scripts=scripts)
    for rule in ("keras3-3", "keras3-6"):
        assert re.search(rf"^train.py:2:1: \w+: .*\[{rule}\]$", result.stdout, re.M), result.stdout


def test_the_analysers_own_finding_is_not_said_twice(check):
    comments = ["fact keras 3", "fact jit auto", "fact import_order keras-first", "installed itex 2.16.0",
                "error import-order keras comes before tensorflow"]  # fmt: skip
    result = check(scripts={"train.py": comments})
    assert result.stdout.count("[import-order]") == 1
    assert "train.py:5:5: error: keras comes before tensorflow [import-order]" in result.stdout


def test_the_script_first_then_line_by_line(check):
    (check.folder / "a.py").write_text("# warning w in the other file\n")
    result = check(scripts={"b.py": ["fact keras 0", "imports a.py", "warning w second", "error e first"]},
                   env={"ITEX_DISABLE_XLA": "1"})  # fmt: skip
    places = re.findall(r"^(\S+?):(\d+):\d+: \w+: ", result.stdout, re.M)
    assert places == [("b.py", "3"), ("b.py", "4"), ("./a.py" if ("./a.py", "1") in places else "a.py", "1")]


def test_nothing_wrong(check):
    result = check(
        scripts={"train.py": ["fact keras 0", "installed itex 2.16.0"]}, env={"ITEX_DISABLE_XLA": "1"}
    )
    assert result.returncode == 0
    assert result.stdout.startswith("train.py: nothing is wrong with it\n")


# ---- Statuses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comments", "options", "status"),
    [
        (["info i i"], [], 0),
        (["info i i"], ["--strict"], 0),
        (["warning w w"], [], 0),
        (["warning w w"], ["--strict"], 1),
        (["error e e"], [], 1),
        (["fact keras 2", "fact jit on", "installed itex 2.15.0.3"], [], 1),  # unsupported counts as an error
        (["crash"], [], 70),
        (["garbage"], [], 70),
        (["old"], [], 70),
    ],
)
def test_statuses(check, comments, options, status):
    base = ["fact keras 0", "installed itex 2.16.0"]
    scripts = {"train.py": [*base, *comments]}
    result = check(*options, scripts=scripts, env={"ITEX_DISABLE_XLA": "1"})
    assert result.returncode == status, (result.stdout, result.stderr)
    if status == 70:
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        assert "train.py" in result.stderr


def test_several_files_have_the_worst_status(check):
    fine, wrong = ["fact keras 0"], ["error e e"]
    result = check(
        scripts={"a.py": fine, "b.py": wrong, "c.py": ["crash"], "d.py": fine}, env={"ITEX_DISABLE_XLA": "1"}
    )
    assert result.returncode == 70
    assert "b.py:1:5: error: e [e]" in result.stdout
    assert "d.py: " in result.stdout
    assert "c.py" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["check"], "FILE"),
        (["check", "absent.py"], "absent.py"),
        (["check", "--write", __file__], "--fix"),
        (["check", "--fix", "--json", __file__], "diff"),
        (["check", "--python", "/no/such/python", __file__], "/no/such/python"),
        (["check", "--bind", "socket", __file__], "socket"),
        (["check", "--rules", "x", __file__], "--offline"),
        (["check", "--fact", "colour=red", "--offline", __file__], "colour"),
    ],
)
def test_usage(package, arguments, word):
    result = ctl(*arguments, env={**package.env, "ITEXD_RULES": str(RULES)})
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert word in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_any_python(package):
    result = ctl(
        "check", "--offline", __file__, env={**package.env, "PATH": "/nowhere", "ITEXD_RULES": str(RULES)}
    )
    assert result.returncode == 2
    assert "--python" in result.stderr


def test_a_hanging_analysis_is_given_up(check):
    result = check("--check-timeout", "200ms", scripts={"train.py": ["hang"]})
    assert result.returncode == 70
    assert "after 200 ms" in result.stderr


# ---- Options -------------------------------------------------------------------------------------------


def test_the_analyser_is_told(check, package):
    check("--itex", "2.15.0.3", "--bind", "rank", scripts={"train.py": []})
    (call,) = package.calls()
    assert call["arguments"] == ["--json", "--itex", "2.15.0.3", "--bind", "rank", "train.py"]
    assert call["executable"] == PYTHON


def test_the_interpreter_is_the_files_own(package, check):
    venv = check.folder / "venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "python").symlink_to(PYTHON)
    (check.folder / "train.py").write_text(f"#!{venv}/python -u\n")
    ctl(
        "check",
        "train.py",
        cwd=check.folder,
        env={**package.env, "ITEXD_RULES": str(RULES)},
        socket_path="/nowhere",
    )
    assert package.calls()[0]["executable"] == str(venv / "python")


def test_versions_are_declared(check):
    """What is said of the job beats what is installed here: a login node has something else."""
    scripts = {"train.py": ["fact keras 3", "fact jit off", "installed itex 2.16.0"]}
    assert "keras3-5" not in check("--itex", "2.15.0.3", scripts=scripts).stdout
    assert "keras3-5" not in check("--fact", "setuptools=70.0", "--itex", "2.14.0.1", scripts=scripts).stdout


def test_colour_only_on_a_terminal(check):
    scripts = {"train.py": ["error e e"]}
    assert "\x1b" not in check(scripts=scripts).stdout
    leader, follower = pty.openpty()
    check(scripts=scripts, env={"TERM": "xterm-256color"}, stdout=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        shown += data
    os.close(leader)
    assert b"\x1b[" in shown


def test_a_message_cannot_paint_the_terminal(check):
    assert "\x1b" not in check(scripts={"train.py": ["error e a\x1b[31mred"]}).stdout


def test_json_is_an_object_a_file(check):
    scripts = {"a.py": CAUSES_A_RULE, "b.py": ["fact keras 0", "sets ITEX_VERBOSE 1"]}
    shown = [json.loads(line) for line in check("--json", scripts=scripts).stdout.splitlines()]
    assert [each["script"] for each in shown] == ["a.py", "b.py"]
    first = shown[0]
    assert first["facts"]["jit"] == {
        "value": "off",
        "file": "a.py",
        "line": 2,
        "column": 1,
        "why": "so it says",
    }
    assert first["installation"] == {"itex": "2.16.0"}
    assert first["decision"]["predicted"] == {"mode": "npd+xla", "outcome": "exit0"}
    assert first["decision"]["decision"] is None
    (finding,) = [finding for finding in first["findings"] if finding["rule"] == "keras3-5"]
    assert (finding["file"], finding["line"], finding["by"]) == ("a.py", 2, "rules")
    assert (first["errors"], first["hook"]) == (1, False)
    assert shown[1]["environment"][0]["name"] == "ITEX_VERBOSE"
    keys = (
        "script interpreter python kept problem facts installation environment findings hook errors warnings"
    )
    assert all(set(each) == {*keys.split(), "decision"} for each in shown)


def test_fix_prints_what_the_analyser_prints(check, package):
    analyser = package.folder / "python" / "itexclient" / "check" / "__main__.py"
    shown = "print('--- a diff', sys.argv[1:]) if '--fix' in sys.argv else None"
    analyser.write_text(
        f"import sys\n{shown}\nif '--fix' in sys.argv:\n    sys.exit()\n" + analyser.read_text()
    )
    result = check("--fix", scripts={"train.py": ["error e e"]})
    assert (result.returncode, result.stdout) == (0, "--- a diff ['--fix', 'train.py']\n")
    result = check("--fix", "--write", scripts={"train.py": ["error e e"]})
    assert result.stdout.startswith(
        "--- a diff ['--fix', '--write', 'train.py']\ntrain.py:1:5: error: e [e]\n"
    )
    assert result.returncode == 1, "what is left counts"


# ---- Rules ---------------------------------------------------------------------------------------------


def test_rules_come_from_the_service_where_it_is(check, shared_itexd, tmp_path):
    scripts = {"train.py": ["fact keras 0"]}
    assert "the shipped ones" in check(scripts=scripts).stdout
    by_service = check(scripts=scripts, socket_path=shared_itexd.socket).stdout
    assert "rules       of the service" in by_service
    assert "the shipped ones" in check("--offline", scripts=scripts, socket_path=shared_itexd.socket).stdout
    asked = json.loads(shared_itexd.ctl("status", "--json").stdout)["decisions"]
    check(scripts=scripts, socket_path=shared_itexd.socket)
    assert json.loads(shared_itexd.ctl("status", "--json").stdout)["decisions"] == asked, "nothing is decided"


def test_rules_of_ones_own(check, tmp_path):
    own = {
        "title": "Own",
        "rules": [{
            "id": "no-keras-here", "severity": "error", "outcome": "error", "when": {"keras": "0"},
            "message": "Everybody uses Keras.", "solution_text": "Use it.", "source": "this test",
            "examples": [{"given": {"keras": "0"}, "expect": {"holds": True}},
                         {"given": {"keras": "3"}, "expect": {"holds": False}}],
        }],
    }  # fmt: skip
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(own, sort_keys=False))
    result = check("--offline", "--rules", path, scripts={"train.py": ["warning w w", "fact keras 0"]})
    if "no-keras-here" not in result.stdout:
        pytest.fail(result.stdout + result.stderr)
    assert "train.py:2:1: error: Everybody uses Keras. [no-keras-here]" in result.stdout


def test_a_service_that_hangs_is_not_waited_for_long(check, tmp_path):
    path = tmp_path / "hung.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        result = check(scripts={"train.py": ["fact keras 0"]}, socket_path=path, timeout=2 * TIMEOUT)
    assert "the shipped ones" in result.stdout
