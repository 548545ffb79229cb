#!/usr/bin/env python3
"""Every combination of what the page's table looks at: reference and C agree, and every answer is stable.

usage: test_exhaustive.py RESOLVE_LINES RULES_DIRECTORY
"""

import itertools
import multiprocessing
import sys

import harness
import itexref

AXES = {
    "ITEX_OPS_OVERRIDE": [None, "0", "1"],
    "TF_XLA_FLAGS": [None, "0", "1", "2", "fusible", "-1"],
    "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": [None, "0", "1"],
    "ITEX_DISABLE_XLA": [None, "0", "1", "False"],
    "TF_USE_LEGACY_KERAS": [None, "1", "TRUE"],
}
FACTS = {
    "keras": [None, "0", "2", "3"],
    "jit": [None, "on", "off", "auto"],
    "custom_ops": [None, "true"],
}
GENERATIONS = ["2.14.0.0", "2.15.0.3", "newest"]


def requests(itex, keras):
    for values in itertools.product(*AXES.values()):
        env = {name: value for name, value in zip(AXES, values) if value is not None}
        if "TF_XLA_FLAGS" in env:
            env["TF_XLA_FLAGS"] = "--tf_xla_auto_jit=" + env["TF_XLA_FLAGS"]
        for jit, custom_ops in itertools.product(FACTS["jit"], FACTS["custom_ops"]):
            facts = {"itex": itex, "keras": keras, "jit": jit, "custom_ops": custom_ops}
            yield {"env": env, "facts": facts}


def examine(job):
    """One generation and Keras: what disagrees, what is unstable, what changed without a rule."""
    tool, rules, itex, keras = job
    points = list(requests(itex, keras))
    answers = harness.resolve_all(tool, rules, points)
    disagree, unstable, ownerless, again = [], [], [], []
    for point, answer in zip(points, answers):
        difference = harness.disagreement(point, itexref.resolve(point), answer)
        disagree += [difference] if difference else []
        if answer["verdict"] == "rejected" or answer["mode"] in (None, "none"):
            unstable.append(f"{harness.line_of(point)}: no mode")
        lost = harness.ownerless(answer)
        ownerless += [f"{harness.line_of(point)}: {lost} without a rule"] if lost else []
        again.append(harness.after(point, answer))
    for point, first, second in zip(points, answers, harness.resolve_all(tool, rules, again)):
        wrong = harness.unsettled(second)
        wrong += [] if second["mode"] == first["mode"] else [f"mode {first['mode']}, then {second['mode']}"]
        unstable += [f"{harness.line_of(point)}: {'; '.join(wrong)}"] if wrong else []
    return len(points), disagree, unstable, ownerless


def main():
    tool, rules = sys.argv[1:3]
    jobs = [(tool, rules, itex, keras) for itex in GENERATIONS for keras in FACTS["keras"]]
    tap = harness.Tap(3 * len(jobs))
    with multiprocessing.Pool(2) as pool:
        for job, (points, disagree, unstable, ownerless) in zip(jobs, pool.imap(examine, jobs)):
            name = f"itex {job[2]}, keras {job[3] or 'unknown'}, {points} points"
            tap.group(f"{name}: reference and C agree", disagree)
            tap.group(f"{name}: every mode is allowed and a second pass changes nothing", unstable)
            tap.group(f"{name}: no variable changes without a rule", ownerless)
    return tap.status()


if __name__ == "__main__":
    sys.exit(main())
