"""What the tests of this folder share: the C resolver as a process, comparison, TAP."""

import json
import subprocess
import sys

import itexfacts
import itexref
import itexrules

# What each rule may touch, by hand: a variable that changes must belong to a rule that was applied.
TOUCHES = {
    "xla-flags-file": {"TF_XLA_FLAGS"},
    "unknown-xla-flag": {"TF_XLA_FLAGS"},
    "selector": {"ONEAPI_DEVICE_SELECTOR"},
    "memory-limit": {"ITEX_LIMIT_MEMORY_SIZE_IN_MB"},
    "verbose": {"ITEX_VERBOSE"},
    "keras3-1": {"ITEX_DISABLE_XLA"},
    "keras3-2": {"ITEX_DISABLE_XLA"},
    "keras3-3": {"TF_XLA_FLAGS"},
    "keras3-4": {"ITEX_DISABLE_XLA"},
    "keras3-5": {"ITEX_DISABLE_XLA"},
    "keras3-6": {"ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"},
    "keras3-7": {"ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"},
    "keras3-8": {"ITEX_OPS_OVERRIDE"},
    "legacy-mismatch": {"TF_USE_LEGACY_KERAS"},
    "legacy-unset": {"TF_USE_LEGACY_KERAS"},
    "npd-off-xla-on": {"ITEX_DISABLE_XLA"},
    "auto-jit-custom-op": {"TF_XLA_FLAGS"},
    "exit0-compile": {"ITEX_DISABLE_XLA"},
    "auto-jit-not-exempt": {"ITEX_DISABLE_XLA"},
    "xla-device-api": {"TF_XLA_FLAGS"},
    "silent-cpu": {"SYCL_DEVICE_FILTER"},
    "itex-backend": {"ITEX_BACKEND"},
    "tile-mismatch": {"ITEX_TILE_AS_DEVICE", "SYCL_TILE_AS_DEVICE"},
    "selector-selects-none": {"ONEAPI_DEVICE_SELECTOR"},
    "selector-under-mask": {"ONEAPI_DEVICE_SELECTOR"},
    "itex-bool": set(itexfacts.STRICT_BOOLEANS.values()),
}
WITHOUT_SOLUTION = {
    "npd-forced",
    "disable-void",
    "late-jit",
    "auto-jit-flag",
    "selector-ordinals",
    "affinity-mask-spelling",
}
DECLARABLE_PINS = set(itexref.PINS) - {"KERAS_BACKEND=tensorflow"}  # that one is a variable
FORBIDS = ("error", "unsupported")


class Tap:
    """One line per group; the first few failures of a group are told as comments."""

    def __init__(self, planned):
        self.number, self.failed = 0, 0
        print(f"1..{planned}", flush=True)

    def group(self, name, failures):
        self.number += 1
        self.failed += bool(failures)
        print(f"{'not ok' if failures else 'ok'} {self.number} - {name}")
        for failure in failures[:8]:
            for line in str(failure).splitlines():
                print(f"#   {line}")
        if len(failures) > 8:
            print(f"#   and {len(failures) - 8} more")
        sys.stdout.flush()

    def status(self):
        return 1 if self.failed else 0


def line_of(request):
    """The request in the form that resolve-lines reads, one JSON object.

    "itex" is a version or null; "facts" are declared (but xla_flags_source, which a client tells);
    "lease" gives what a lease sets, null to unset; "script_env" gives each variable that the script sets as
    {"value", "file", "line"}. The answer has those keys of a decision's JSON form that a resolution
    determines, and "outcome" in each diagnostic; or it is {"error": text}.
    """
    facts = {name: value for name, value in (request.get("facts") or {}).items() if value is not None}
    if request.get("xla_flags_state"):
        facts["xla_flags_source"] = request["xla_flags_state"]
    line = {
        "itex": facts.pop("itex", None),
        "env": request.get("env") or {},
        "facts": facts,
        "policy": request.get("policy", "enforce"),
        "apply_errors": bool(request.get("apply_errors")),
        "script_env": request.get("script_env") or {},
        "lease": request.get("lease") or {},
        "alternatives": bool(request.get("alternatives")),
    }
    return json.dumps(line)


def resolve_all(tool, rules, requests):
    """What the C resolver answers to each request."""
    text = "".join(line_of(request) + "\n" for request in requests)
    run = subprocess.run([tool, rules], input=text.encode(), stdout=subprocess.PIPE, check=False)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode or len(answers) != len(requests):
        raise RuntimeError(f"{tool}: status {run.returncode}, {len(answers)} of {len(requests)} answers")
    return answers


def seen(answer):
    """The part of an answer that reference and C must agree on."""
    service = {rule["rule"] for rule in answer["diagnostics"]} - {rule.id for rule in itexrules.RULES}
    return {
        "error": answer.get("error"),
        "verdict": answer["verdict"],
        "mode": answer["mode"],
        "predicted": answer["predicted"],
        "unknown": answer["unknown"],
        "set": answer["env"]["set"],
        "unset": sorted(answer["env"]["unset"]),
        "obligations": answer["obligations"],
        "facts": dict(answer["facts"]),
        "contradiction": bool(answer.get("contradictions")) or "contradiction" in service,
        "rules": [
            (rule["rule"], rule["severity"], rule["outcome"], rule["applied"], tuple(rule["because"]))
            for rule in answer["diagnostics"]
            if rule["rule"] not in service
        ],
    }


def disagreement(request, reference, answer):
    """None, or what differs, for a person."""
    if "error" in answer:
        return f"{line_of(request)}\n  C: {answer['error']}"
    left, right = seen(reference), seen(answer)
    for name in set(left["facts"]) & set(right["facts"]):
        if left["facts"][name] == right["facts"][name]:
            del left["facts"][name], right["facts"][name]
    parts = [f"  {key}: reference {left[key]!r}, C {right[key]!r}" for key in left if left[key] != right[key]]
    return "\n".join([line_of(request)] + parts) if parts else None


def after(request, answer):
    """The request of the same job once the answer has been put into force."""
    env = dict(request.get("env") or {})
    env.update(answer["env"]["set"])
    for name in answer["env"]["unset"]:
        env.pop(name, None)
    if "KERAS_BACKEND=tensorflow" in answer["obligations"]:
        env["KERAS_BACKEND"] = "tensorflow"
    facts = dict(request.get("facts") or {})
    facts.update(dict(itexref.PINS[token] for token in answer["obligations"] if token in DECLARABLE_PINS))
    return dict(request, env=env, facts=facts)


def unsettled(answer):
    """What is wrong with an answer to a job that was already resolved."""
    changes = answer["env"]["set"] or answer["env"]["unset"] or answer["obligations"]
    wrong = [f"changes again: {answer['env']} {answer['obligations']}"] if changes else []
    for rule in answer["diagnostics"]:
        warns = rule["severity"] == "warning" and rule["rule"] not in WITHOUT_SOLUTION
        if rule["severity"] in FORBIDS or warns:
            wrong.append(f"still holds: {rule['rule']}")
    return wrong


def ownerless(answer):
    """Variables that changed although no applied rule touches them."""
    changed = set(answer["env"]["set"]) | set(answer["env"]["unset"])
    for rule in answer["diagnostics"]:
        if rule["applied"]:
            changed -= TOUCHES.get(rule["rule"], set())
    return sorted(changed)
