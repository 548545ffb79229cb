#!/usr/bin/env python3
"""The contract's worked examples and the page's eight rows, word for word, held against reference and C.

usage: test_contract.py RESOLVE_LINES RULES_DIRECTORY
"""

import sys

import harness
import itexref

# What an example says is in `expect`; what it does not speak of is not compared here.
EXAMPLES = [
    {
        "name": "newest, Keras 2, jit on, NPD 0, ops 1: keras3-3, then keras3-6",
        "env": {
            "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "0",
            "ITEX_OPS_OVERRIDE": "1",
            "TF_XLA_FLAGS": "--tf_xla_clustering_debug",
        },
        "facts": {"itex": "newest", "keras": "2", "jit": "on"},
        "expect": {
            "predicted": {"mode": None, "outcome": "abort"},
            "set": {
                "TF_XLA_FLAGS": "--tf_xla_clustering_debug --tf_xla_auto_jit=1",
                "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "1",
            },
            "unset": [],
            "obligations": ["jit_compile=False"],
            "mode": "npd+xla",
            "verdict": "fixed",
            "rules": {
                "keras3-3": (True, []),
                "keras3-6": (True, ["keras3-3"]),
                "legacy-unset": (False, []),
                "npd-off-xla-on": (False, []),
            },
        },
    },
    {
        "name": "newest, Keras 3, jit auto, ops 1, nothing else",
        "env": {"ITEX_OPS_OVERRIDE": "1"},
        "facts": {"itex": "newest", "keras": "3", "jit": "auto"},
        "expect": {
            "predicted": {"mode": "npd+xla", "outcome": "exit0"},
            "set": {"ITEX_DISABLE_XLA": "1"},
            "unset": [],
            "obligations": [],
            "mode": "npd",
            "verdict": "fixed",
            "rules": {"keras3-5": (True, [])},
        },
    },
    {
        "name": "2.15.0.3, Keras 3, jit auto, ops 1, nothing else",
        "env": {"ITEX_OPS_OVERRIDE": "1"},
        "facts": {"itex": "2.15.0.3", "keras": "3", "jit": "auto"},
        "expect": {"set": {}, "unset": [], "obligations": [], "mode": "npd", "verdict": "ok", "rules": {}},
    },
    {
        "name": "2.15.0.3, NPD 0, auto_jit 2, ops 1",
        "env": {
            "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "0",
            "ITEX_OPS_OVERRIDE": "1",
            "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
        },
        "facts": {"itex": "2.15.0.3"},
        "expect": {
            "predicted": {"mode": "npd+xla", "outcome": "warning"},
            "set": {
                "ITEX_OPS_OVERRIDE": "0",
                "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_use_device_api=true",
            },
            "unset": [],
            "obligations": [],
            "mode": "npd+xla",
            "verdict": "fixed",
            "rules": {"keras3-8": (True, []), "npd-forced": (False, []), "xla-device-api": (True, [])},
        },
    },
    {
        "name": "newest, Keras 0, ITEX_DISABLE_XLA=False",
        "env": {"ITEX_DISABLE_XLA": "False"},
        "facts": {"itex": "newest", "keras": "0"},
        "expect": {
            "predicted": {"mode": "npd+xla", "outcome": "slow"},
            "set": {"ITEX_DISABLE_XLA": "1"},
            "unset": [],
            "obligations": [],
            "mode": "npd",
            "verdict": "fixed",
            "rules": {"keras3-2": (True, []), "disable-spelling": (False, [])},
        },
    },
    {
        "name": "newest, everything unset and unknown",
        "env": {},
        "facts": {"itex": "newest"},
        "expect": {
            "predicted": {"mode": "npd+xla", "outcome": None},
            "unknown": ["keras", "jit"],
            "set": {},
            "unset": [],
            "obligations": [],
            "mode": "npd+xla",
            "verdict": "ok",
            "rules": {},
        },
    },
    {
        "name": "2.15.0.3, everything unset and unknown",
        "env": {},
        "facts": {"itex": "2.15.0.3"},
        "expect": {
            "predicted": {"mode": "npd", "outcome": None},
            "unknown": ["keras", "jit"],
            "set": {},
            "unset": [],
            "obligations": [],
            "mode": "npd",
            "verdict": "ok",
            "rules": {},
        },
    },
    {
        "name": "newest, Keras 3, jit auto, TF_USE_LEGACY_KERAS=1",
        "env": {"TF_USE_LEGACY_KERAS": "1"},
        "facts": {"itex": "newest", "keras": "3", "jit": "auto"},
        "expect": {
            "set": {},
            "unset": ["TF_USE_LEGACY_KERAS"],
            "obligations": [],
            "mode": "npd+xla",
            "verdict": "fixed",
            "rules": {"legacy-mismatch": (True, []), "jit-without-xla": (False, [])},
        },
    },
    {
        "name": "2.15.0.3, Keras 3, jit auto, TF_USE_LEGACY_KERAS=1",
        "env": {"TF_USE_LEGACY_KERAS": "1"},
        "facts": {"itex": "2.15.0.3", "keras": "3", "jit": "auto"},
        "expect": {
            "set": {},
            "unset": [],
            "obligations": ["jit_compile=False"],
            "mode": "npd",
            "verdict": "fixed",
            "rules": {"jit-without-xla": (False, [])},
        },
    },
    {
        "name": "newest, Keras 3, jit on, auto_jit 2: the page's advice would have exited with 0",
        "env": {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2"},
        "facts": {"itex": "newest", "keras": "3", "jit": "on"},
        "expect": {
            "set": {"ITEX_DISABLE_XLA": "1"},
            "unset": [],
            "obligations": ["jit_compile=False"],
            "mode": "npd+xla",
            "rules": {"keras-auto-jit": (False, []), "auto-jit-not-exempt": (True, ["keras-auto-jit"])},
        },
    },
]

# The page's rows: (rule, environment, facts, outcome, changes, obligations).
NPD_OFF = {"ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "0"}
ROWS = [
    ("keras3-1", NPD_OFF, {"keras": "0"}, "abort", {"ITEX_DISABLE_XLA": "1"}, []),
    ("keras3-2", {}, {"keras": "0"}, "slow", {"ITEX_DISABLE_XLA": "1"}, []),
    (
        "keras3-3",
        {},
        {"keras": "2", "jit": "on"},
        "unsupported",
        {"TF_XLA_FLAGS": "--tf_xla_auto_jit=1"},
        ["jit_compile=False"],
    ),
    ("keras3-4", NPD_OFF, {"keras": "3"}, "abort", {"ITEX_DISABLE_XLA": "1"}, []),
    ("keras3-5", {}, {"keras": "3", "jit": "off"}, "exit0", {"ITEX_DISABLE_XLA": "1"}, []),
    (
        "keras3-6",
        dict(NPD_OFF, TF_XLA_FLAGS="--tf_xla_auto_jit=1"),
        {"keras": "0"},
        "abort",
        {"ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "1"},
        [],
    ),
    (
        "keras3-7",
        dict(NPD_OFF, TF_XLA_FLAGS="--tf_xla_auto_jit=2"),
        {"keras": "0"},
        "abort",
        {"ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "1"},
        [],
    ),
    (
        "keras3-8",
        {"ITEX_OPS_OVERRIDE": "1", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2"},
        {"keras": "0"},
        "warning",
        {"ITEX_OPS_OVERRIDE": "0"},
        [],
    ),
]


def row_example(row):
    rule, env, facts, outcome, changes, obligations = row
    return {
        "name": f"the page's row {rule} in the newest generation",
        "env": env,
        "facts": dict(facts, itex="newest"),
        "expect": {"set": changes, "unset": [], "obligations": obligations},
        "row": (rule, outcome),
    }


def misses(example, answer):
    """What the example says and the answer does not."""
    seen = harness.seen(answer)
    seen["rules"] = {rule: (applied, list(because)) for rule, _, _, applied, because in seen["rules"]}
    wrong = [
        f"{key}: expected {wanted!r}, got {seen[key]!r}"
        for key, wanted in example["expect"].items()
        if seen[key] != wanted
    ]
    if "row" in example:
        outcomes = {rule["rule"]: rule["outcome"] for rule in answer["diagnostics"]}
        rule, outcome = example["row"]
        if outcomes.get(rule) != outcome:
            wrong.append(f"{rule}: expected {outcome}, got {outcomes.get(rule)}")
    return wrong


def advised(example, answer):
    """Under advise nothing is in force, and everything is still told."""
    wrong = []
    if answer["env"]["set"] or answer["env"]["unset"] or answer["obligations"]:
        wrong.append(f"in force: {answer['env']} {answer['obligations']}")
    if any(rule["applied"] for rule in answer["diagnostics"]):
        wrong.append("a rule is marked as applied")
    if answer["mode"] != answer["predicted"]["mode"]:
        wrong.append(f"mode {answer['mode']}, predicted {answer['predicted']['mode']}")
    told = {rule["rule"] for rule in answer["diagnostics"]}
    missing = set(example["expect"].get("rules", {})) - told
    return wrong + ([f"not told: {sorted(missing)}"] if missing else [])


def main():
    tool, rules = sys.argv[1:3]
    examples = EXAMPLES + [row_example(row) for row in ROWS]
    requests = [{"env": example["env"], "facts": example["facts"]} for example in examples]
    under_advice = [dict(request, policy="advise") for request in requests]
    answers = harness.resolve_all(tool, rules, requests)
    advice = harness.resolve_all(tool, rules, under_advice)
    tap = harness.Tap(2 * len(examples) + 1)
    disagree = []
    for example, request, answer in zip(examples, requests, answers):
        reference = itexref.resolve(request)
        wrong = [f"C: {miss}" for miss in misses(example, answer)]
        wrong += [f"reference: {miss}" for miss in misses(example, reference)]
        tap.group(example["name"], wrong)
        disagree.append(harness.disagreement(request, reference, answer))
    for example, request, answer in zip(examples, under_advice, advice):
        tap.group(f"{example['name']}: under advise", advised(example, answer))
        disagree.append(harness.disagreement(request, itexref.resolve(request), answer))
    tap.group("reference and C agree on every example", [text for text in disagree if text])
    return tap.status()


if __name__ == "__main__":
    sys.exit(main())
