"""itexctl env: what a shell has after eval is byte for byte what was decided. Real shells, no service."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess

import pytest
from harness import ITEXCTL, RULES, TIMEOUT

# How each shell takes the commands. Old csh has no way to write a newline that survives backquotes.
SHELLS = {
    "sh": ("sh", 'eval "$({ctl})"'),
    "dash": ("sh", 'eval "$({ctl})"'),
    "bash": ("sh", 'eval "$({ctl})"'),
    "zsh": ("sh", 'eval "$({ctl})"'),
    "ksh": ("sh", 'eval "$({ctl})"'),
    "fish": ("fish", "{ctl} | source"),
    "tcsh": ("csh", 'eval "`{ctl}`"'),
    "bsd-csh": ("csh", 'eval "`{ctl}`"'),
}
VALUES = {
    "plain": b"1",
    "empty": b"",
    "blanks": b"  two  blanks ",
    "single quotes": b"it's 'quoted' ''",
    "double quotes": b'say "hi"',
    "dollar": b"$HOME ${HOME} $(touch pwned) $((1+1))",
    "backquotes": b"`touch pwned`",
    "bang": b"hello! !! !$ !-1 !{x} end!",
    "caret": b"^a^b",
    "backslashes": b"a\\b\\\\c\\n\\",
    "glob": b"* ? [a-z] {x,y} ~ ~root",
    "operators": b"; touch pwned & touch pwned | touch pwned > pwned # no comment",
    "percent": b"%s %n %d %%",
    "dash": b"-n",
    "tab": b"a\tb",
    "escape": b"\x1b[31mred\x07",
    "not utf-8": b"\xff\xfe\xc3",
    "utf-8": "grün ✓".encode(),
    "every byte": bytes(byte for byte in range(1, 256) if byte != 10),
}
NEWLINES = {
    "newline": b"one\ntwo",
    "newlines at the ends": b"\none\n\n",
    "newline and quotes": b"'\n\"\n!\n\\\n$(touch pwned)\n",
}


def installed(shell):
    path = shutil.which(shell)
    return pytest.param(shell, marks=[] if path else pytest.mark.skip(reason=f"{shell} is not installed"))


def evaluate(shell, options, printed, folder):
    """The value after the eval, None where it is not set, and the shell's result."""
    form, template = SHELLS[shell]
    script = folder / "script"
    # Options reach itexctl through a wrapper, so that this test needs no quoting of its own.
    wrapper = folder / "ctl"
    wrapper.write_text(
        "#!/usr/bin/python3\nimport os, pickle\n"
        f"arguments = pickle.load(open({str(folder / 'arguments')!r}, 'rb'))\n"
        "os.execv(arguments[0], arguments)\n"
    )
    wrapper.chmod(0o755)
    fixed = [ITEXCTL, "env", "--offline", "--clean-env", "--format", form]
    arguments = [os.fsencode(argument) for argument in [*fixed, *options]]
    (folder / "arguments").write_bytes(pickle.dumps(arguments))
    script.write_text(template.format(ctl=wrapper) + f"\necho marker\nenv printenv -0 {printed}\n")
    flags = ["-f"] if form == "csh" else ["--no-config"] if form == "fish" else []
    result = subprocess.run(
        [shell, *flags, str(script)], capture_output=True, timeout=TIMEOUT, cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ITEXD_RULES": str(RULES), "LANG": "C.UTF-8",
             "ITEX_VERBOSE": "loud"},
    )  # fmt: skip
    out = result.stdout.partition(b"marker\n")[2]
    return (out[:-1] if out.endswith(b"\0") else None), result


@pytest.mark.parametrize("shell", [installed(shell) for shell in SHELLS])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_values_survive_eval(shell, value, tmp_path):
    found, result = evaluate(shell, [b"--env", b"JOB_TEXT=" + value], "JOB_TEXT", tmp_path)
    assert found == value, result
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("shell", [installed(shell) for shell in SHELLS if shell != "bsd-csh"])
@pytest.mark.parametrize("value", NEWLINES.values(), ids=NEWLINES.keys())
def test_newlines_survive_eval(shell, value, tmp_path):
    found, result = evaluate(shell, [b"--env", b"JOB_TEXT=" + value], "JOB_TEXT", tmp_path)
    assert found == value, result
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("shell", [installed("bsd-csh")])
def test_old_csh_refuses_a_newline_aloud(shell, tmp_path):
    found, result = evaluate(shell, [b"--env", b"JOB_TEXT=a\nb"], "JOB_TEXT", tmp_path)
    assert found is None
    assert result.returncode != 0
    assert result.stderr


@pytest.mark.parametrize("shell", [installed(shell) for shell in SHELLS])
def test_decided_changes_arrive(shell, tmp_path):
    options = ["--keras", "0", "--itex", "newest"]
    assert evaluate(shell, options, "ITEX_DISABLE_XLA", tmp_path)[0] == b"1"
    assert evaluate(shell, options, "ITEXD_DECISION", tmp_path)[0].startswith(b"0:")


@pytest.mark.parametrize("shell", [installed(shell) for shell in SHELLS])
def test_unset_arrives(shell, tmp_path):
    assert evaluate(shell, [], "ITEX_VERBOSE", tmp_path)[0] == b"loud"
    found, result = evaluate(shell, ["--env", "ITEX_VERBOSE=loud"], "ITEX_VERBOSE", tmp_path)
    assert found is None, result


@pytest.mark.parametrize("form", ["sh", "fish", "csh"])
@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--env", "ZE_AFFINITY_MASK=x"], (1, 75)),
        (["--gpus", "1"], (75,)),
        (["--no-such-option"], (2,)),
        (["--fact", "npd=true"], (2,)),
        (["--env", "no value"], (2,)),
        (["--rules", "/no/such/rules"], (78,)),
    ],
)
def test_the_eval_fails_as_env_does(form, options, status):
    shells = {"sh": "sh", "fish": "fish", "csh": "tcsh"}
    if not shutil.which(shells[form]):
        pytest.skip(f"{shells[form]} is not installed")
    made = subprocess.run(
        [ITEXCTL, "env", "--offline", "--format", form, *options],
        capture_output=True, text=True, timeout=TIMEOUT,
        env={"PATH": os.environ["PATH"], "ITEXD_RULES": str(RULES)},
    )  # fmt: skip
    assert made.returncode in status, made
    assert len(made.stdout.splitlines()) == 1
    result = subprocess.run([shells[form], "-c", made.stdout], timeout=TIMEOUT)
    assert result.returncode == made.returncode


@pytest.mark.parametrize("name", ["A B", "A;touch pwned", "1A", "A-B", "$(touch pwned)", "", "A\nB"])
def test_names_that_no_shell_takes_are_refused(name):
    made = subprocess.run(
        [ITEXCTL, "env", "--offline", "--env", f"{name}=1"],
        capture_output=True, text=True, timeout=TIMEOUT, env={"ITEXD_RULES": str(RULES)},
    )  # fmt: skip
    assert (made.returncode, made.stdout) == (2, "(exit 2);\n")


# ---- What is no shell's -----------------------------------------------------------------------------------


def offline_env(form, *options):
    return subprocess.run(
        [ITEXCTL, "env", "--offline", "--format", form, *options],
        capture_output=True, timeout=TIMEOUT, env={"ITEXD_RULES": str(RULES), "ITEX_VERBOSE": "loud"},
    )  # fmt: skip


@pytest.mark.parametrize("value", [*VALUES.values(), *NEWLINES.values()], ids=[*VALUES, *NEWLINES])
def test_values_survive_apptainers_variables(value, tmp_path):
    made = offline_env("apptainer", b"--env", b"JOB_TEXT=" + value)
    script = tmp_path / "script"
    script.write_bytes(b'eval "$(cat "$1")"\nenv printenv -0 APPTAINERENV_JOB_TEXT\n')
    (tmp_path / "printed").write_bytes(made.stdout)
    out = subprocess.run(["sh", script, tmp_path / "printed"], capture_output=True, timeout=TIMEOUT).stdout
    assert out == value + b"\0"
    assert not (tmp_path / "pwned").exists()


def test_a_container_begins_with_what_was_decided(tmp_path):
    """Read as docker reads it: a line a variable, its value to the end of the line."""
    made = offline_env("docker", "--keras", "0", "--itex", "newest", "--env", "JOB_TEXT= a 'b' \"c\" $d ")
    lines = [line for line in made.stdout.decode().splitlines() if not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines)
    assert variables["ITEX_DISABLE_XLA"] == "1"
    assert variables["JOB_TEXT"] == " a 'b' \"c\" $d "
    assert b"# ITEX_VERBOSE must not be set" in made.stdout
    refused = offline_env("docker", "--env", "JOB_TEXT=a\nb")
    assert refused.returncode == 1
    assert b"JOB_TEXT" in refused.stderr


def test_a_unit_gets_what_was_decided(tmp_path):
    made = offline_env("systemd", "--keras", "0", "--itex", "newest", "--env", 'JOB_TEXT=50% "a" \\')
    assert b'Environment="ITEX_DISABLE_XLA=1"' in made.stdout
    assert b'Environment="JOB_TEXT=50%% \\"a\\" \\\\"' in made.stdout
    assert b"UnsetEnvironment=ITEX_VERBOSE" in made.stdout


@pytest.mark.parametrize("form", ["docker", "systemd", "apptainer"])
def test_what_reads_a_rejection_fails(form):
    made = offline_env(form, "--env", "ZE_AFFINITY_MASK=x")
    assert made.returncode == 1
    text = made.stdout.decode()
    if form == "docker":
        assert " " in text.partition("=")[0], "a name with blanks, which docker refuses"
    elif form == "systemd":
        assert "ExecCondition=/bin/sh -c 'exit 1'" in text
    else:
        assert subprocess.run(["sh", "-c", text], timeout=TIMEOUT).returncode == 1
