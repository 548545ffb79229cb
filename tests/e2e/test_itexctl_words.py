"""What itexctl says to people: mistakes are named, tables fit, stories explain themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap

import pytest
from harness import ITEXCTL, TIMEOUT, ctl


@pytest.fixture(scope="module")
def service(shared_itexd):
    return shared_itexd


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "extra"], 'unexpected argument "extra"; see itexctl status --help'),
        (["query", "--mode", "npdd"], '--mode takes npd+xla, npd, stream-executor or none, not "npdd"'),
        (["resolve", "--keras", "4"], '--keras takes 0, 2 or 3, not "4"; see itexctl resolve --help'),
        (["resolve", "--apply", "all"], '--apply takes errors, not "all"'),
        (["status", "--format", "xml"], 'status cannot print as "xml"; see itexctl status --help'),
        (["rules", "check", "--json"], 'rules check cannot print as "json"'),
        (["explain", "x"], "explain takes the number of one decision"),
        (["rules", "activate", "x"], "rules activate takes the number of one rule set"),
        (["rules", "rollback", "3"], 'unexpected argument "3"; see itexctl rules rollback --help'),
        (["status", "--socket", ""], '--socket takes a path, not ""'),
        (["rules"], "which of its commands? See itexctl rules --help"),
        (["devices", "dran", "1"], 'unknown command "dran"; did you mean drain?'),
        (["devices", "1", "2"], 'unexpected argument "2"; see itexctl devices --help'),
        (
            ["backup", "/no/such/folder/copy.db"],
            "cannot create /no/such/folder/copy.db: No such file or directory",
        ),
    ],
)
def test_a_mistake_is_named(service, arguments, said):
    result = service.ctl(*arguments)
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert result.stderr.startswith("itexctl: " + said), result.stderr
    assert result.stderr.count("\n") == 1


def test_help_names_formats_only_where_there_is_a_choice():
    assert "--json" in ctl("rules", "list", "--help").stdout
    assert "--json" not in ctl("rules", "check", "--help").stdout
    assert ctl("rules", "reload", "--help").stdout.startswith("Usage: itexctl rules reload\n")


@pytest.mark.parametrize("shell", ["sh", "fish", "tcsh"])
def test_an_eval_fails_even_before_the_format_is_known(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    made = ctl("env", "--no-such-option", "--format", "fish")
    assert made.returncode == 2
    assert subprocess.run([shell, "-c", made.stdout], timeout=TIMEOUT).returncode == 2


def test_a_fact_declared_twice_is_a_mistake(service):
    result = service.ctl("resolve", "--keras", "3", "--fact", "keras=2")
    assert result.returncode == 2
    assert 'fact keras is declared twice, as "3" and as "2"' in result.stderr
    assert service.ctl("resolve", "--keras", "3", "--fact", "keras=3").returncode == 0


def test_run_says_what_was_left_as_it_is(service):
    result = service.ctl("run", "--advise", "--keras", "0", "--itex", "newest", "--", "true")
    assert result.returncode == 0
    assert "advised: mode npd+xla; left as it is: keras3-2" in result.stderr


def test_a_rejection_is_one_sentence(service):
    result = service.ctl("run", "--env", "ZE_AFFINITY_MASK=x", "--", "true")
    assert result.returncode == 1
    assert "every GPU of the node; the command was not started" in result.stderr


def test_a_dry_run_can_be_copied_and_says_why_not(service):
    shown = service.ctl("run", "--dry-run", "--keras", "2", "--", "python", "a b.py", "it's", "--x=1").stdout
    assert shown.splitlines()[-1] == "  python 'a b.py' 'it'\\''s' --x=1"
    refused = service.ctl("run", "--dry-run", "--gpus", "2", "--", "true")
    assert refused.returncode == 75
    assert "The command would not be started:\n  rejected: 2 devices asked for" in refused.stdout


def test_who_may_do_it_is_said(as_root, itexd):
    itexd.socket.parent.chmod(0o755)
    result = itexd.ctl("rules", "rollback", user=65534)
    assert result.returncode == 77
    assert "only root, itexd's own user and members of the group itexd may do this" in result.stderr


@pytest.mark.parametrize("columns", [80, 200])
def test_a_table_of_decisions_fits(service, columns):
    chain = ["--keras", "2", "--jit", "on", "--env", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0"]
    job = "123456.a-scheduler-with-a-long.name.example"
    service.ctl("resolve", *chain, "--env", "ITEX_OPS_OVERRIDE=1", "--job", job)
    service.ctl("resolve", "--keras", "0", "--itex", "2.14.0.1", "--job", job)
    lines = service.ctl("query", "--job", job, env={"COLUMNS": str(columns)}).stdout.splitlines()
    assert lines[0].split() == ["DECISION", "TIME", "UID", "JOB", "VERDICT", "MODE", "RULES"]
    assert all(len(line) <= columns for line in lines)
    start = lines[0].index("RULES")
    assert all(line[start - 1] == " " for line in lines), lines
    assert any(line[start:].startswith("keras") for line in lines)
    assert (job in lines[1]) == (columns == 200)


def test_nothing_found_is_said(service):
    result = service.ctl("query", "--job", "nobody")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "itexctl: no decision matches\n"
    assert service.ctl("query", "--job", "nobody", "--json").stderr == ""


def test_a_story_says_why_there_is_no_mode(service):
    asked = json.loads(service.ctl("resolve", "--gpus", "1", "--holder", str(os.getpid()), "--json").stdout)
    story = service.ctl("explain", asked["decision"]).stdout
    assert "mode none: devices were asked for and cannot be had" in story


def test_a_story_says_what_is_not_left_to_do(service):
    chain = ["--keras", "2", "--jit", "on", "--itex", "newest", "--env", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0"]
    asked = json.loads(service.ctl("resolve", *chain, "--json").stdout)
    moot = [each["rule"] for each in asked["diagnostics"] if not each["applied"]]
    story = " ".join(service.ctl("explain", asked["decision"]).stdout.split())
    assert moot
    assert "no longer needed after the other changes" in story
    assert "NextPluggableDevice with XLA" in story


def test_a_rule_set_as_json_has_its_rules(service):
    shown = json.loads(service.ctl("rules", "show", "--json").stdout)
    assert shown["rules"] == len(shown["definitions"])
    by_id = {rule["rule"]: rule for rule in shown["definitions"]}
    assert by_id["keras3-5"]["severity"] == "error"
    assert by_id["keras3-5"]["outcome"] == "exit0"
    assert {"message", "solution", "source"} <= by_id["keras3-5"].keys()


def test_missing_shipped_rules_are_no_dead_end(tmp_path):
    result = ctl("resolve", "--offline", env={"ITEXD_RULES": str(tmp_path / "none")})
    assert result.returncode == 78
    assert "install them, or name others" in result.stderr


def test_standard_output_that_is_closed_is_not_the_services_socket(service):
    """The answer must not land in the next descriptor, which would be the socket."""
    refused = service.status().refused
    result = subprocess.run(
        ["sh", "-c", 'exec "$0" env --keras 0 >&-', str(ITEXCTL)],
        env={"ITEXD_SOCKET": str(service.socket), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert result.returncode == 70
    assert "Bad file descriptor" in result.stderr
    assert service.status().refused == refused


def test_a_warning_about_rules_says_so_once(service, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(
        textwrap.dedent(
            """
            rules:
              - {id: mine, severity: info, outcome: ok, when: {keras: "0"}, message: Words., source: us}
            """
        )
    )
    for command in (["rules", "check", path], ["rules", "load", path]):
        result = service.ctl(*command)
        assert result.returncode == 0, result
        assert "no examples" in result.stderr
        assert result.stderr.count("warning: ") == 1, result.stderr
