"""Completion in bash, zsh and fish themselves, with a service and without, never slowly."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness import INSTRUMENTED, ITEXCTL, SLOW, SOURCE, TIMEOUT

SCRIPTS = SOURCE / "client" / "itexctl" / "completion"

# Asks bash as readline would: COMP_WORDS is cut at the characters of COMP_WORDBREAKS.
BASH = r"""
shopt -s extglob
[ -n "$BASE" ] && . "$BASE"
. "$SCRIPT"
compopt() { :; }
COMP_LINE=$LINE COMP_POINT=${#LINE}
mapfile -t COMP_WORDS < "$PIECES"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_itexctl itexctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""

# zsh completes only in its line editor, so it gets a terminal and a key. Candidates are printed instead.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($SCRIPTS \$fpath); autoload -Uz compinit; compinit -u -d $PWD/dump"
zpty -w shell 'compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
    else
        local -a added
        builtin compadd -A added "$@"
        local each
        for each in $added; do print -r -- "ADDED=$IPREFIX$each"; done
    fi
}'
zpty -w shell 'ended() { print -r -- ENDED; compstate[insert]= compstate[list]=; }; comppostfuncs=(ended)'
zpty -w shell 'zle -C only-print complete-word _main_complete; bindkey "^I" only-print'
zpty -w shell 'print READY-$((1 + 1))'
zpty -r -m shell out '*READY-2*'
zpty -n -w shell "$LINE"$'\t'
zpty -r -m shell out '*ENDED*'
print -r -- $out
zpty -d shell
"""


def pieces_of(line):
    """As readline cuts it: blanks, and = and : as words of their own, several together."""
    pieces = re.findall(r"[=:]+|[^\s=:]+", line)
    if not line or line[-1] in " ":
        pieces.append("")
    return pieces


class Shell:
    def __init__(self, name, directory, socket_path):
        self.name, self.directory = name, Path(directory)
        programs = self.directory / "bin"
        programs.mkdir(exist_ok=True)
        (programs / "itexctl").symlink_to(ITEXCTL)
        self.env = {
            **INSTRUMENTED,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "ITEXD_SOCKET": str(socket_path),
            "SCRIPTS": str(SCRIPTS),
        }

    def run(self, *command, **env):
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            cwd=self.directory,
            env={**self.env, **env},
        )
        return result.stdout

    def complete(self, line):
        """What the last word of the line may become; whole words, whatever the shell replaces of them."""
        found = getattr(self, f"_{self.name}")(line)
        return sorted({word.strip().removesuffix("/") for word in found if word.strip()})

    def _bash(self, line, base="/usr/share/bash-completion/bash_completion"):
        pieces = self.directory / "pieces"
        pieces.write_text("".join(f"{piece}\n" for piece in pieces_of(line)))
        out = self.run(
            "bash", "--norc", "-c", BASH,
            SCRIPT=str(SCRIPTS / "itexctl.bash"), LINE=line, PIECES=str(pieces), BASE=base,
        )  # fmt: skip
        word = re.search(r"\S*$", line)[0]
        kept = re.match(r"(.*[=:])?", word)[0]
        return [kept + word for word in out.splitlines() if word]

    def _fish(self, line):
        out = self.run(
            "fish", "--no-config", "-c", "source $SCRIPTS/itexctl.fish; complete -C $LINE", LINE=line
        )
        return [each.partition("\t")[0] for each in out.splitlines()]

    def _zsh(self, line):
        out = self.run("zsh", "-f", "-c", ZSH, LINE=line)
        return re.findall(r"ADDED=(\S+)", out)


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def shell(request, node_with_past, tmp_path_factory):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    directory = tmp_path_factory.mktemp(request.param)
    (directory / "train.py").touch()
    (directory / "data").mkdir()
    return Shell(request.param, directory, node_with_past.socket)


@pytest.fixture(scope="module")
def node_with_past(shared_itexd):
    shared_itexd.ctl("resolve", "--keras", "0", "--job", "night-run")
    shared_itexd.ctl("resolve", "--keras", "3", "--itex", "newest", "--job", "other.job:7")
    return shared_itexd


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("itexctl q", ["query"]),
        ("itexctl rules a", ["activate"]),
        ("itexctl query --mode n", ["none", "npd", "npd+xla"]),
        ("itexctl query --mode=np", ["--mode=npd", "--mode=npd+xla"]),
        ("itexctl query --predicted-o", ["--predicted-outcome"]),
        ("itexctl explain ", ["1", "2"]),
        ("itexctl query --job n", ["night-run"]),
        ("itexctl query --job=n", ["--job=night-run"]),
        ("itexctl query --rule keras3-5", ["keras3-5"]),
        ("itexctl rules show ", ["1"]),
        ("itexctl query --user roo", ["root"]),
        ("itexctl resolve --fact keras=", ["keras=0", "keras=2", "keras=3"]),
        ("itexctl check t", ["train.py"]),
        ("itexctl resolve --script t", ["train.py"]),
        ("itexctl resolve --script=t", ["--script=train.py"]),
        ("itexctl env --format f", ["fish"]),
        ("itexctl --socket /no/such explain ", []),
        ("itexctl nothing ", []),
        ("itexctl status ", []),
    ],
)
def test_a_shell_completes(shell, line, candidates):
    assert shell.complete(line) == candidates


def test_a_command_is_completed_as_itself(shell):
    assert "train.py" in shell.complete("itexctl run --gpus 1 -- cat tr")
    assert shell.complete("itexctl run -- itexctl que") == ["query"]


def test_bash_needs_nothing_but_itself(node_with_past, tmp_path):
    (tmp_path / "train.py").touch()
    bare = Shell("bash", tmp_path, node_with_past.socket)
    assert bare._bash("itexctl query --mode=np", base="") == ["--mode=npd+xla", "--mode=npd"]
    assert "cat" in bare._bash("itexctl run -- ca", base="")


# ---- What the scripts are told ------------------------------------------------------------------------


def candidates(service, *words):
    lines = service.ctl("__complete", "--", *words).stdout.splitlines()
    return dict(line.partition("\t")[::2] for line in lines)


def test_candidates_describe_themselves(node_with_past):
    assert candidates(node_with_past, "explain", "")["1"] == "job night-run, fixed, mode npd"
    assert candidates(node_with_past, "rules", "show", "")["1"].endswith("in force")
    assert candidates(node_with_past, "query", "--rule", "keras3-5") == {"keras3-5": "error: exit0"}
    assert candidates(node_with_past, "quer") == {
        "query": "list past decisions, newest first, or as they come"
    }


def test_devices_and_leases_are_live(node):
    with subprocess.Popen(
        [ITEXCTL, "run", "--gpus", "1", "--job", "holds", "--socket", node.socket, "--", "cat"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=INSTRUMENTED,
    ) as held:  # fmt: skip
        began = time.monotonic()
        while (
            not (leases := candidates(node, "leases", "release", "")).get("1")
            and time.monotonic() - began < TIMEOUT
        ):
            pass
        assert "job holds, 1 device" in leases.values()
        for words in (("devices", "drain"), ("devices",), ("query", "--device")):
            assert {"1", "2"} <= candidates(node, *words, "").keys()
        assert len(candidates(node, "devices", "0000:")) == 2
        assert ":files" not in candidates(node, "devices", "")
        held.stdin.close()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["check", ""], {":files"}),
        (["rules", "load", ""], {":files"}),
        (["rules", "load", "one.yaml", ""], {":files"}),
        (["backup", ""], {":files"}),
        (["backup", "one", ""], set()),
        (["explain", "1", ""], set()),
        (["run", "--gpus", "1", "cat", ""], {":command 3"}),
        (["run", "--", "cat", "-"], {":command 2"}),
        (["run", ""], {":command 1"}),
        (["explain", "--timeout", ""], set()),
        (["--socket", "/no/such", "quer"], {"query"}),
        (["help", "rules", "sho"], {"show"}),
        (["query", "--", "--mo"], set()),
        (["no-such", "--"], set()),
        ([], set()),
    ],
)
def test_what_is_meant_is_told(node_with_past, words, wanted):
    assert candidates(node_with_past, *words).keys() == wanted


def test_a_jobs_name_does_not_reach_the_terminal(itexd):
    with itexd.client() as client:
        client.resolve(declared={"keras": "0"}, job="evil\x1b[2J\n:command 0")
    printed = itexd.ctl("__complete", "--", "explain", "").stdout
    assert "\x1b" not in printed
    assert len(printed.splitlines()) == 1
    assert itexd.ctl("__complete", "--", "query", "--job", "").stdout == ""


def test_a_service_that_says_nothing_keeps_nobody_waiting(itexd):
    itexd.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        for words in (["explain", ""], ["query", "--rule", ""], ["devices", ""]):
            result = itexd.ctl("__complete", "--", *words)
            assert (result.returncode, result.stderr) == (0, "")
        assert time.monotonic() - began < 3 * SLOW
    finally:
        itexd.process.send_signal(signal.SIGCONT)


def test_the_scripts_are_installed_where_shells_look(tmp_path):
    listed = subprocess.run(
        ["meson", "introspect", "--installed", os.environ.get("ITEXD_BUILD", str(SOURCE / "build"))],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for place in (
        "bash-completion/completions/itexctl",
        "zsh/site-functions/_itexctl",
        "fish/vendor_completions.d/itexctl.fish",
    ):
        assert f"/share/{place}" in listed
