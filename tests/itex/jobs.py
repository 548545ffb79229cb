"""Jobs of the real ITEX under `itexctl run`: the probe, and what the decision was."""

from __future__ import annotations

import dataclasses
import json
import subprocess

import harness
import machine
from observe import PROBE, TIME_LIMIT, Outcome, last_words, read


@dataclasses.dataclass
class Job:
    seen: Outcome
    said: dict
    decision: dict
    output: str


def command(service, directory, *options, command=None, modules=("tensorflow",)):
    """The command line of a run of the probe, whose result is in directory."""
    probe = [machine.python(), PROBE, directory / "result", *modules]
    known = ["--itex", machine.ITEX, "--keras", "0"]
    words = [harness.ITEXCTL, "run", "--socket", service.socket, *known, *options, "--", *(command or probe)]
    return list(map(str, words))


def run(service, directory, *options, env=None, cards=2, tiles=2, **more):
    """Runs the probe as a job and waits for it."""
    done = subprocess.run(
        command(service, directory, *options, **more),
        env=machine.changed(machine.surroundings(cards, tiles), env or {}),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=TIME_LIMIT,
        check=False,
    )
    said = json.loads((directory / "result").read_text())
    number = said["given"]["ITEXD_DECISION"].split(":")[0]
    explained = service.ctl("explain", "--json", number)
    assert explained.returncode == 0, explained.stderr
    return Job(
        read(done.returncode, said, last_words(done.stdout)), said, json.loads(explained.stdout), done.stdout
    )
