#!/usr/bin/env python3
"""What a lease does to a resolution: reference and C agree, and what the texts promise holds for both.

usage: test_leases.py RESOLVE_LINES RULES_DIRECTORY
"""

import random
import sys

import harness
import itexref

ORDER = {"ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE", "ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1"}
LEASES = {
    "a card without tiles": {"ZE_AFFINITY_MASK": "1", **ORDER},
    "cards with tiles": {
        "ZE_AFFINITY_MASK": "0,1",
        "ITEX_TILE_AS_DEVICE": "0",
        "SYCL_TILE_AS_DEVICE": "0",
        **ORDER,
    },
    "tiles": {
        "ZE_AFFINITY_MASK": "0.1,1.0",
        "ITEX_TILE_AS_DEVICE": "1",
        "SYCL_TILE_AS_DEVICE": "1",
        **ORDER,
    },
    "tiles, the old name taken away, the selector made general": {
        "ZE_AFFINITY_MASK": "0.1",
        "ITEX_TILE_AS_DEVICE": "1",
        "SYCL_TILE_AS_DEVICE": "1",
        "ITEX_ENABLE_TILE_AS_DEVICE": None,
        "ONEAPI_DEVICE_SELECTOR": "level_zero:*",
        **ORDER,
    },
    "a scheduler's mask with its hierarchy": {"ZE_FLAT_DEVICE_HIERARCHY": "FLAT"},
}
OWN = {
    "ZE_AFFINITY_MASK": [None, "0", "1,0", "x", ""],
    "ONEAPI_DEVICE_SELECTOR": [None, "level_zero:0", "level_zero:3", "gpu", "level_zero:*"],
    "ITEX_TILE_AS_DEVICE": [None, "0", "1", "maybe"],
    "ITEX_ENABLE_TILE_AS_DEVICE": [None, None, "0", "1", "?"],
    "SYCL_TILE_AS_DEVICE": [None, "0", "true", "2"],
    "ZE_FLAT_DEVICE_HIERARCHY": [None, "FLAT", "COMPOSITE", "nonsense"],
    "ZE_ENABLE_PCI_ID_DEVICE_ORDER": [None, "0", "1"],
    "ITEX_DISABLE_XLA": [None, None, "1", "oops"],
    "TF_XLA_FLAGS": [None, None, "--tf_xla_auto_jit=2"],
    "ITEX_VERBOSE": [None, None, "loud"],
}
FACTS = {
    "itex": ["2.14.0.1", "2.15.0.3", "newest"],
    "keras": ["0", "2", "3", None],
    "jit": ["on", "off", "auto", None],
    "custom_ops": ["true", "false"],
}
SCRIPTED = ["ZE_AFFINITY_MASK", "ITEX_TILE_AS_DEVICE", "ITEX_DISABLE_XLA"]


def draw(chance, lease):
    env = {name: chance.choice(values) for name, values in OWN.items()}
    request = {
        "env": {name: value for name, value in env.items() if value is not None},
        "facts": {name: chance.choice(values) for name, values in FACTS.items()},
        "lease": lease,
        "policy": chance.choice(["enforce", "advise"]),
        "apply_errors": chance.random() < 0.2,
    }
    if chance.random() < 0.2:
        name = chance.choice(SCRIPTED)
        request["script_env"] = {name: {"value": chance.choice(["0", "1"]), "file": "train.py", "line": 3}}
    return request


def own_value(request, name):
    script = request.get("script_env") or {}
    return script[name]["value"] if name in script else request["env"].get(name)


def breaches(request, answer):
    """What an answer does that it promises not to do."""
    wrong = []
    changes = dict(answer["env"]["set"], **dict.fromkeys(answer["env"]["unset"]))
    script = request.get("script_env") or {}
    for name, wanted in request["lease"].items():
        changed = own_value(request, name) != wanted
        if answer["verdict"] == "rejected":
            if name in changes:
                wrong.append(f"rejected, and {name} of the lease is in force")
        elif changed and name in script:
            if f"script:train.py:{script[name]['line']}" not in answer["obligations"]:
                wrong.append(f"the script sets {name} otherwise, and nobody is told")
        elif changed != (name in changes) or (changed and changes[name] != wanted):
            wrong.append(f"{name}: {own_value(request, name)!r}, the lease sets {wanted!r}, env {changes}")
        elif changed and answer["verdict"] == "ok":
            wrong.append("ok, and something changes")
    if request["policy"] == "advise":
        if set(changes) - set(request["lease"]):
            wrong.append(f"under advise {changes} is in force")
        if answer["mode"] != answer["predicted"]["mode"]:
            wrong.append("under advise the mode is not the predicted one")
    return wrong


def prediction_moves(request, answer, without):
    """The lease is none of the prediction's business."""
    if answer["predicted"]["mode"] != without["predicted"]["mode"] or answer["facts"] != without["facts"]:
        return f"{harness.line_of(request)}: predicted {answer['predicted']}, without {without['predicted']}"
    return None


def main():
    tool, rules = sys.argv[1:3]
    chance = random.Random(4)
    tap = harness.Tap(3 * len(LEASES))
    for name, lease in LEASES.items():
        requests = [draw(chance, lease) for _ in range(400)]
        answers = harness.resolve_all(tool, rules, requests)
        without = harness.resolve_all(tool, rules, [dict(request, lease={}) for request in requests])
        disagree = [
            harness.disagreement(request, itexref.resolve(request), answer)
            for request, answer in zip(requests, answers)
        ]
        broken = [
            f"{harness.line_of(request)}: {breach}"
            for request, answer in zip(requests, answers)
            for breach in breaches(request, answer)
        ]
        moved = [prediction_moves(*three) for three in zip(requests, answers, without)]
        tap.group(f"{name}: reference and C agree", [text for text in disagree if text])
        tap.group(f"{name}: the lease is in force", broken)
        tap.group(f"{name}: the prediction does not know of it", [text for text in moved if text])
    return tap.status()


if __name__ == "__main__":
    sys.exit(main())
