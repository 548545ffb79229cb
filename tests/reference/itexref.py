"""An independent, slow model of what a resolution means.

It is deliberately independent: written from the facts about ITEX, from the contract and from TensorFlow's
behaviour, by somebody who did not read the C resolver or the shipped rules, so that an error in one is not an
error in both. Keep it so: never port code, tables or rules from there to here to make a test pass; decide who
is right by the texts. Clear and slow is right here.

    tfflags.py     TF_XLA_FLAGS as TensorFlow reads it
    itexfacts.py   parsers, facts, derived facts
    itexrules.py   the rules
    itexref.py     prediction, fixpoint, chains, unknowns, verdicts

resolve(request) takes {"env", "facts", "policy", "apply_errors", "script_env", "lease"} and returns an answer
whose keys are those of the JSON form of a decision. lease is what a lease sets: a value by name, None
to unset.
"""

import copy
import functools
import itertools
from typing import Any, NamedTuple, Optional

import tfflags
from itexfacts import Facts, facts_of, flags_text, mode_of, shown
from itexrules import OUTCOMES, RULES, STRIKES, Action, Rule

PINS = {
    "jit_compile=False": ("jit", "off"),
    "import-tensorflow-first": ("import_order", "tensorflow-first"),
    "KERAS_BACKEND=tensorflow": ("keras_backend", "tensorflow"),
    "install:keras": ("keras_installed", "3"),
    "install:tf-keras": ("tf_keras_installed", "true"),
    "install:intel-extension-for-tensorflow-lib": ("lib_flavour", "xpu"),
}
ASSIGNABLE = {
    "keras": ["0", "2", "3"],
    "jit": ["on", "off"],
    "custom_ops": ["false", "true"],
    "itex": ["2.14", "2.15", "newest"],
}
LEASE = "the lease"  # as an owner; no rule is called so


class State:
    """Where a resolution stands."""

    def __init__(
        self, env: dict[str, str], declared: Facts, script: dict[str, str], file_state: Optional[str]
    ):
        self.env = dict(env)  # as the job will see it
        self.declared = declared
        self.script = script  # variable to FILE:LINE, where the script sets it
        self.file_state = file_state
        self.obligations: list[str] = []
        # Who did what: by variable, by --flag, or (these claim nothing) by variable and kind of edit.
        self.owners: dict[str, tuple[Optional[str], str]] = {}
        self.contradictions: list[tuple[str, str]] = []

    def facts(self) -> Facts:
        pins = [PINS[token] for token in self.obligations if token in PINS]
        return facts_of(self.env, self.declared, pins, self.file_state)

    def same_as(self, other: "State") -> bool:
        return self.env == other.env and self.obligations == other.obligations

    def after(self, rule: Rule) -> "State":
        """The state once the rule's solution is in force."""
        new = copy.copy(self)
        new.env, new.obligations = dict(self.env), list(self.obligations)
        new.owners, new.contradictions = dict(self.owners), list(self.contradictions)
        facts = self.facts()
        for action in rule.solution(facts):
            new.take(action, rule.id, facts["generation"])
        return new

    def leased(self, lease: dict[str, Optional[str]]) -> "State":
        """The state under a lease: what it decides is its own, and no rule's."""
        new = State(self.env, self.declared, self.script, self.file_state)
        for name, value in lease.items():
            new.take(("set" if value is not None else "unset", name, value), LEASE, "")
            new.owners[name] = (value, LEASE)
        return new

    def take(self, action: Action, rule: str, generation: str) -> None:
        kind, name, value = action
        if kind == "oblige":
            self.oblige(name)
            return
        before = self.env.get("TF_XLA_FLAGS" if kind == "flag" else name)
        variable, wanted = self.effect(action, generation)
        if wanted == before:
            return
        key = {"flag": "--" + name, "set": name, "unset": name}.get(kind, f"{name} {kind}")
        if key in self.owners and self.owners[key][0] != value:
            self.contradictions.append((self.owners[key][1], rule))
            return
        self.owners[key] = (value, rule)
        if wanted is None:
            self.env.pop(variable, None)
        else:
            self.env[variable] = wanted
        if variable in self.script:
            self.oblige("script:" + self.script[variable])

    def effect(self, action: Action, generation: str) -> tuple[str, Optional[str]]:
        """The variable that an action on the environment changes, and its new value."""
        kind, name, value = action
        if kind in ("set", "unset"):
            return name, value
        text = flags_text(self.env, self.declared, self.file_state) or ""
        if kind == "flag":
            text = tfflags.set_flag(text, generation, name, value)
        elif kind == "drop-unknown":
            text = tfflags.drop_unknown(text, generation)
        else:
            text = tfflags.inline(text)
        return "TF_XLA_FLAGS", text or None

    def oblige(self, token: str) -> None:
        if token not in self.obligations:
            self.obligations.append(token)


def holding(facts: Facts) -> dict[str, tuple[str, str]]:
    """Every rule that holds, with outcome and stage, in order."""
    found = {rule.id: rule.holds(facts) for rule in RULES}
    return {name: held for name, held in found.items() if held}


def worst(held: dict[str, tuple[str, str]]) -> str:
    return max((outcome for outcome, _ in held.values()), key=OUTCOMES.index, default="ok")


def reached_mode(facts: Facts, held: dict[str, tuple[str, str]]) -> Optional[str]:
    if any(stage == "import" and outcome in STRIKES for outcome, stage in held.values()):
        return None
    return mode_of(facts)


class Core(NamedTuple):
    """A resolution without its analysis of what is unknown."""

    mode: Optional[str]
    predicted_mode: Optional[str]
    outcome: str
    env: dict[str, Optional[str]]
    obligations: list[str]
    applied: dict[str, bool]  # every rule that is a diagnostic
    because: dict[str, list[str]]
    contradictions: list[tuple[str, str]]
    facts: Facts
    rejected: bool
    left: list[str]  # warnings whose solution policy left alone
    outcomes: dict[str, str]
    lease_obligations: list[str]
    by_lease: set[str]  # rules that hold first because of the lease


def permitted(rule: Rule, apply_errors: bool) -> bool:
    return rule.severity in ("error", "unsupported") or (rule.severity == "warning" and not apply_errors)


def next_step(state: State, held, apply_errors: bool) -> Optional[tuple[Rule, State]]:
    """The first rule that holds, may be applied, and whose solution is not in force yet."""
    for rule in RULES:
        if rule.id in held and permitted(rule, apply_errors):
            new = state.after(rule)
            if not new.same_as(state):
                return rule, new
            state.contradictions = new.contradictions
    return None


def differences(own: dict[str, str], final: dict[str, str], script) -> dict[str, Optional[str]]:
    names = sorted((set(own) | set(final)) - set(script))
    return {name: final.get(name) for name in names if own.get(name) != final.get(name)}


def settle(own: State, lease: dict[str, Optional[str]], apply_errors: bool) -> Core:
    facts = own.facts()
    own_held = holding(facts)
    because: dict[str, list[str]] = {name: [] for name in own_held}
    outcomes = {name: outcome for name, (outcome, _) in own_held.items()}
    state = own.leased(lease)
    held = holding(state.facts())
    lease_obligations = list(state.obligations)
    by_lease = set(held) - set(own_held)
    for name in by_lease:
        because[name], outcomes[name] = [], held[name][0]
    for _ in range(200):
        step = next_step(state, held, apply_errors)
        if step is None:
            break
        cause, state = step
        held = holding(state.facts())
        for name, (outcome, _) in held.items():
            if name not in because:
                because[name] = because[cause.id] + [cause.id]
                outcomes[name] = outcome
    else:
        raise RuntimeError("no fixpoint")
    env = differences(own.env, state.env, own.script)
    in_force = {rule for key, (_, rule) in state.owners.items() if variable_of(key) in env}
    severity = {rule.id: rule.severity for rule in RULES}
    rejected = any(severity[name] in ("error", "unsupported") for name in held)
    final = state.facts()
    left = [
        rule.id for rule in RULES if rule.id in held and rule.severity == "warning" and rule.solution(final)
    ]
    return Core(
        mode=mode_of(final),
        predicted_mode=reached_mode(facts, own_held),
        outcome=worst(own_held),
        env=env,
        obligations=state.obligations,
        applied={name: name in in_force for name in because},
        because=because,
        contradictions=state.contradictions,
        facts=facts,
        rejected=rejected,
        left=left,
        outcomes=outcomes,
        lease_obligations=lease_obligations,
        by_lease=by_lease,
    )


def variable_of(key: str) -> str:
    return "TF_XLA_FLAGS" if key.startswith("--") else key.split(" ")[0]


@functools.cache
def cached_core(env, declared, script, lease, file_state, apply_errors) -> Core:
    return settle(State(dict(env), dict(declared), dict(script), file_state), dict(lease), apply_errors)


def core_of(env: dict[str, str], declared: Facts, script, lease, file_state, apply_errors: bool) -> Core:
    known = {name: value for name, value in declared.items() if value is not None}
    frozen = [tuple(sorted(part.items())) for part in (env, known, script, lease)]
    return cached_core(*frozen, file_state, apply_errors)


def unknown_of(env: dict[str, str], declared: Facts, script, *rest) -> list[str]:
    """The unknown facts that matter: some joint assignment of the others makes two of its values differ."""
    names = [name for name in ASSIGNABLE if declared.get(name) is None]
    if declared.get("tensorflow") is not None and "itex" in names:
        names.remove("itex")
    answers = {}
    for values in itertools.product(*(ASSIGNABLE[name] for name in names)):
        core = core_of(env, dict(declared, **dict(zip(names, values))), script, *rest)
        answers[values] = (core.mode, core.env, core.obligations, core.outcome)
    found = []
    for index, name in enumerate(names):
        groups: dict[tuple[str, ...], list[Any]] = {}
        for values, answer in answers.items():
            groups.setdefault(values[:index] + values[index + 1 :], []).append(answer)
        if any(answer != group[0] for group in groups.values() for answer in group):
            found.append(name)
    return found


def verdict_of(core: Core, advise: bool) -> str:
    changed = bool(core.env or core.obligations)
    if advise:
        return "advised" if core.rejected or changed or core.left else "ok"
    if core.rejected:
        return "rejected"
    if changed:
        return "fixed"
    return "advised" if core.left else "ok"


def diagnostics_of(core: Core, advise: bool) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule.id,
            "severity": rule.severity,
            "outcome": core.outcomes[rule.id],
            "applied": core.applied[rule.id] and not advise,
            "because": core.because[rule.id],
        }
        for rule in RULES
        if rule.id in core.because and not (rule.severity == "info" and rule.id in core.by_lease)
    ]


def resolve(request: dict[str, Any]) -> dict[str, Any]:
    """script_env: {NAME: {"value", "file", "line"}}; xla_flags_state: missing or unreadable, if told."""
    script_env = request.get("script_env") or {}
    env = dict(request.get("env") or {})
    env.update({name: entry["value"] for name, entry in script_env.items()})
    script = {name: f"{entry['file']}:{entry['line']}" for name, entry in script_env.items()}
    declared = dict(request.get("facts") or {})
    advise = request.get("policy") == "advise"
    lease = dict(request.get("lease") or {})
    file_state = request.get("xla_flags_state")
    arguments = (env, declared, script, lease, file_state, bool(request.get("apply_errors")))
    core = core_of(*arguments)
    unknown = unknown_of(*arguments)
    verdict = verdict_of(core, advise)
    changes, obligations = core.env, list(core.obligations)
    if advise:  # only what the lease needs is in force
        changes = {name: value for name, value in core.env.items() if name in lease}
        obligations = core.lease_obligations
    elif verdict == "rejected":  # there will be no lease
        changes = {name: value for name, value in core.env.items() if name not in lease}
        obligations = obligations[len(core.lease_obligations) :]
    return {
        "verdict": verdict,
        "mode": core.predicted_mode if advise else core.mode,
        "predicted": {
            "mode": core.predicted_mode,
            "outcome": None if core.outcome == "ok" and unknown else core.outcome,
        },
        "unknown": unknown,
        "env": {
            "set": {name: value for name, value in changes.items() if value is not None},
            "unset": sorted(name for name, value in changes.items() if value is None),
        },
        "obligations": obligations,
        "diagnostics": diagnostics_of(core, advise),
        "contradictions": core.contradictions,
        "facts": shown(core.facts, script),
    }
