#!/usr/bin/env python3
"""What `itexctl run` and `check` cost, as ratios within one run. README.md explains the lines.

ITEXD_BUILD=build tests/bench/bench_run.py [--rounds 200] [--lines 10000]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
from harness import ITEXCTL, Itexd  # noqa: E402

PACKAGE = os.environ.get("ITEXD_PYTHON_DIR", str(SOURCE / "client" / "python" / "src"))
RUNNER = Path(PACKAGE) / "itexclient" / "runner.py"
PYTHON = "/usr/bin/python3"
TRUE = ["/bin/true"]
PASS = [PYTHON, "-c", "pass"]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def took(command, environment, folder):
    began = time.monotonic_ns()
    pid = os.posix_spawn(command[0], command, environment, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
    ])  # fmt: skip
    _, status = os.waitpid(pid, 0)
    ended = time.monotonic_ns()
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"{command} in {folder} ended with {os.waitstatus_to_exitcode(status)}")
    return (ended - began) / 1000


def in_turns(commands, environment, folder, rounds):
    """Name to its times in microseconds: A B C A B C ..., so that whatever else happens meets all of them."""
    times = {name: [] for name in commands}
    for turn in range(rounds + 3):
        for name, command in commands.items():
            spent = took(command, environment, folder)
            if turn >= 3:  # the first ones fill caches
                times[name].append(spent)
    return times


def show(times, base):
    reference = times[base]
    for name, values in times.items():
        median, p99 = percentile(values, 0.5), percentile(values, 0.99)
        ratio = statistics.median(value / other for value, other in zip(values, reference))
        added = median - percentile(reference, 0.5)
        print(
            f"{name:44} median {median / 1000:7.2f} ms, p99 {p99 / 1000:7.2f} ms, "
            f"{ratio:5.2f} times {base}, {added / 1000:+7.2f} ms"
        )


def script(lines):
    """A training script of so many lines: a model like those of tutorials, again and again."""
    text = ["import os", "import tensorflow as tf", "import keras", "from keras import layers", ""]
    part = 0
    while len(text) < lines:
        part += 1
        text += [
            f"class Block{part}(layers.Layer):",
            "    def __init__(self, units, **options):",
            "        super().__init__(**options)",
            "        self.dense = layers.Dense(units, activation='relu')",
            "        self.norm = layers.LayerNormalization()",
            "",
            "    def call(self, inputs, training=False):",
            "        x = self.norm(self.dense(inputs))",
            "        return inputs + x if training else x",
            "",
            "",
            f"def build_{part}(width={part % 512 + 1}):",
            "    inputs = keras.Input(shape=(width,))",
            f"    x = Block{part}(width)(inputs)",
            "    model = keras.Model(inputs, layers.Dense(10)(x))",
            "    model.compile(optimizer='adam', loss='mse', metrics=['mae'])",
            f"    os.environ.setdefault('PART', '{part}')",
            "    return model",
            "",
            "",
        ]
    return "\n".join(text[:lines]) + "\n"


def run_costs(service, environment, folder, rounds):
    run = [str(ITEXCTL), "run", "--socket", str(service.socket), "--quiet"]
    times = in_turns(
        {"/bin/true": TRUE, "run -- /bin/true": [*run, "--", *TRUE]}, environment, folder, rounds
    )
    show(times, "/bin/true")
    times = in_turns(
        {
            "python3 -c pass": PASS,
            "python3 runner.py -c pass": [PYTHON, str(RUNNER), *PASS[1:]],
            "run --no-check -- python3 -c pass": [*run, "--no-check", "--", *PASS],
            "run -- python3 -c pass, kept": [*run, "--", *PASS],
            "run -- python3 -c pass, analysed": [*run, "--no-cache", "--", *PASS],
        },
        environment, folder, rounds,
    )  # fmt: skip
    show(times, "python3 -c pass")


def check_costs(environment, folder, lines, rounds):
    path = Path(folder) / "train.py"
    path.write_text(script(lines))
    os.utime(folder, (10**9, 10**9))
    check = [str(ITEXCTL), "check", "--offline", "--python", PYTHON]
    times = in_turns(
        {
            "python3 -c pass": PASS,
            f"ast.parse of {lines} lines": [
                PYTHON, "-c", f"import ast; ast.parse(open({str(path)!r}).read())"
            ],
            f"check of {lines} lines, analysed": [*check, "--no-cache", str(path)],
            f"check of {lines} lines, kept": [*check, str(path)],
        },
        environment, folder, rounds,
    )  # fmt: skip
    show(times, f"ast.parse of {lines} lines")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--lines", type=int, default=10_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="itexd-bench-", dir="/var/tmp") as folder:
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": folder,
            "ITEXD_PYTHON_DIR": PACKAGE,
            "ITEXD_RULES": str(SOURCE / "db" / "rules"),
        }
        print(subprocess.run([PYTHON, "--version"], capture_output=True, text=True).stdout.strip())
        job = Path(folder) / "job"
        job.mkdir()
        os.utime(job, (10**9, 10**9))
        os.chdir(job)
        service = Itexd(directory=Path(folder) / "itexd").start()
        try:
            run_costs(service, environment, job, given.rounds)
        finally:
            service.cleanup()
        check_costs(environment, job, given.lines, max(given.rounds // 10, 5))


if __name__ == "__main__":
    main()
