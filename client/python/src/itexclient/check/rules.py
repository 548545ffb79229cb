"""The findings: rule ids, severities, and what a person is told.

Ids that db/rules has are that rule, with its severity; the others are the analyser's own. docs/check.md has
all of them.
"""

from __future__ import annotations

import ast

from . import environment, variables
from .world import NO, YES

SEVERITIES = {
    # Rules of db/rules, where a script is what has to be changed.
    "affinity-mask": "error",
    "auto-jit-custom-op": "error",
    "auto-jit-flag": "warning",
    "dead-variable": "info",
    "disable-spelling": "info",
    "import-order": "error",
    "itex-backend": "error",
    "itex-bool": "error",
    "jit-without-xla": "error",
    "keras-auto-jit": "warning",
    "keras-backend": "error",
    "keras-import-exit0": "error",
    "keras3-3": "error",
    "keras3-8": "warning",
    "late-jit": "warning",
    "legacy-mismatch": "warning",
    "legacy-unset": "warning",
    "memory-limit": "error",
    "native-spelling": "info",
    "selector": "error",
    "silent-cpu": "error",
    "tf-keras-missing": "error",
    "unknown-xla-flag": "error",
    "verbose": "error",
    "xla-flags-file": "error",
    # Of the script alone.
    "analyser-failure": "warning",
    "auto-jit-off": "info",
    "encoding": "error",
    "environment-contradiction": "warning",
    "gpu-name": "error",
    "jit-turned-off": "warning",
    "late-environment": "warning",
    "local-rank-index": "error",
    "lost-jit-attribute": "warning",
    "mask-in-script": "warning",
    "mixed-jit": "info",
    "mixed-keras": "warning",
    "not-python": "error",
    "private-keras": "warning",
    "putenv": "warning",
    "python2": "error",
    "recurrent-jit": "info",
    "shadowed-module": "error",
    "shell-export": "warning",
    "syntax-error": "error",
    "too-complex": "warning",
}

_IMPORT_ORDER = (
    "keras is imported before tensorflow. ITEX loads with TensorFlow and imports keras itself; the circle "
    "fails"
)
_JIT_FALSE = "Compile the model with jit_compile=False."
_QUIET = "ITEX_DISABLE_XLA=1 is needed with it: it quiets ITEX's own check, and XLA stays on."


class Finding:
    """spot: where; rewrites: what edits.py may do about it, (kind, node) or None."""

    __slots__ = ("rule", "spot", "severity", "message", "fix", "rewrite")

    def __init__(self, rule, spot, message, fix=None, severity=None, rewrite=None):
        self.rule = rule
        self.spot = spot
        self.severity = severity or SEVERITIES[rule]
        self.message = message
        self.fix = fix
        self.rewrite = rewrite


def findings_of(con):
    """All findings of one script, in the order of the places."""
    found = []
    for look in _LOOKS:
        found += look(con)
    return found


# ---- What the walk itself met -----------------------------------------------------------------------


def noted(con):
    for rule, spot, details in con.notes.findings.values():
        handler = _NOTED.get(rule)
        if handler is not None:
            finding = handler(con, spot, details)
            if finding is not None:
                yield finding


def import_order(con, spot, details):
    generation, _ = con.generation()
    end = ", and the process ends with status 0 without having trained" if generation == "newest" else ""
    return Finding(
        "import-order",
        spot,
        _IMPORT_ORDER + end,
        "Import tensorflow before keras.",
        rewrite="tensorflow-first",
    )


def late_jit(con, spot, details):
    if con.xla() is not False:
        return None
    message = f"{details['what']} asks for XLA after the import, when ITEX has already decided without it"
    fix = "Ask for it by --tf_xla_auto_jit=1 in TF_XLA_FLAGS before the import, or take it out."
    return Finding("late-jit", spot, message, fix)


def gpu_name(con, spot, details):
    what = details["what"]
    if details["places"]:
        message = f"{what}: an Intel GPU is named XPU, so that this is placed on the CPU or fails"
    else:
        message = (
            f"{what} finds no Intel GPU, which is named XPU: what depends on it goes on as if there were none"
        )
    severity = "error" if details["places"] else "warning"
    if con.notes.thinks_of_xpu:
        severity = "info"
    return Finding("gpu-name", spot, message, "Write XPU for GPU.", severity)


def local_rank_index(con, spot, details):
    message = "a device is chosen by the local rank; under --bind rank each process sees one device, number 0"
    return Finding("local-rank-index", spot, message, "Use --bind node, or the first device.")


def putenv(con, spot, details):
    message = (
        f"os.putenv({details['name']!r}) reaches native code only; Python code reads os.environ, which it "
        "leaves as it is"
    )
    return Finding("putenv", spot, message, f"Write os.environ[{details['name']!r}] = ...")


def shell_export(con, spot, details):
    message = (
        f"{details['name']} is set in a shell of its own, which ends with the line: the notebook's process "
        "does not get it"
    )
    return Finding(
        "shell-export", spot, message, f"Write %env {details['name']}=... before TensorFlow is imported."
    )


def private_keras(con, spot, details):
    message = (
        "tensorflow.python.keras is a private copy of old Keras: neither Keras 2 nor Keras 3, and gone in "
        "later versions"
    )
    return Finding("private-keras", spot, message, "Import tensorflow.keras.")


def shadowed_module(con, spot, details):
    message = f"{details['path']} is imported in place of {details['name']}"
    return Finding("shadowed-module", spot, message, "Give the file another name.")


def tf_keras_missing_here(con, spot, details):
    return tf_keras_missing_finding(spot)


def tf_keras_missing_finding(spot):
    message = (
        "tf.keras is to be tf_keras (TF_USE_LEGACY_KERAS), which is not installed: its first use fails with "
        "ImportError"
    )
    if isinstance(spot.node, (ast.Import, ast.ImportFrom)):
        message = "tf_keras is not installed: the import fails"
    return Finding(
        "tf-keras-missing", spot, message, "Install tf-keras in TensorFlow's version (pip install tf-keras)."
    )


_NOTED = {
    "import-order": import_order,
    "late-jit": late_jit,
    "gpu-name": gpu_name,
    "local-rank-index": local_rank_index,
    "putenv": putenv,
    "shell-export": shell_export,
    "private-keras": private_keras,
    "shadowed-module": shadowed_module,
    "tf-keras-missing": tf_keras_missing_here,
}


# ---- The environment --------------------------------------------------------------------------------


def values(con):
    """What is wrong with a value that the script sets."""
    generation, _ = con.generation()
    for item in con.environment:
        if item.unset or item.change.how == "call" or not isinstance(item.value, str):
            continue
        found = variables.problem(item.name, item.value, generation)
        if found is not None:
            rule, message, fix = found
            yield Finding(rule, item.change.spot, message, fix)
        elif item.name == "ZE_AFFINITY_MASK":
            yield mask_in_script(item.change)
    for change in con.uncertain:
        if change.name == "ZE_AFFINITY_MASK":
            yield mask_in_script(change)


def mask_in_script(change):
    message = (
        "the script chooses its GPUs itself: its ZE_AFFINITY_MASK takes the place of the one that comes "
        "with a lease"
    )
    return Finding("mask-in-script", change.spot, message, "Leave the choice to itexctl run --gpus N.")


def late_environment(con):
    """Variables that are set when what reads them has been imported already."""
    for change in con.notes.changes.values():
        if change.how in ("call", "putenv") or not environment.is_of_interest(change.name):
            continue
        reader = "keras" if change.name == "KERAS_BACKEND" else "tensorflow"
        imported = change.keras_imported if reader == "keras" else change.imported
        if imported != YES:
            continue
        if change.how == "setdefault" and change.name in con.run.at_hand:
            continue
        message = f"{change.name} is set after {reader} has been imported, when it has been read already"
        yield Finding("late-environment", change.spot, message, f"Set it before the import of {reader}.")


def contradictions(con):
    """The environment at hand says one thing and the script another."""
    for item in con.environment:
        change, at_hand = item.change, con.run.at_hand.get(item.name)
        if at_hand is None or not item.before_import or not environment.is_of_interest(item.name):
            continue
        if change.how == "call" or (not item.unset and (item.value == at_hand or change.value.at_hand)):
            continue
        con.notes.reads.add(item.name)
        if change.how == "setdefault":
            message = f"{item.name} is {at_hand!r} in the environment, so that this default does not count"
            yield Finding("environment-contradiction", change.spot, message, severity="info")
            continue
        does = "unsets it" if item.unset else f"sets {item.value!r}"
        wins = "wins" if item.unconditional else "may win"
        message = f"{item.name} is {at_hand!r} in the environment; the script {does}, which {wins}"
        yield Finding("environment-contradiction", change.spot, message, "Say it in one place.")


def operators(con):
    """ITEX's operators and override under --tf_xla_auto_jit=2."""
    generation, _ = con.generation()
    flags = con.flags()
    if flags is None or flags.auto_jit != 2 or generation == "2.14":
        return
    setting = next(
        (item for item in con.environment if item.name == "TF_XLA_FLAGS" and item.before_import), None
    )
    if con.value("custom_ops") == "true" and setting is not None:
        message = (
            "the script uses ITEX's own operators, which XLA cannot compile, while --tf_xla_auto_jit=2 "
            "sends everything to it"
        )
        yield Finding("auto-jit-custom-op", setting.change.spot, message, "Use --tf_xla_auto_jit=1.")
    known, override = con.at_import("ITEX_OPS_OVERRIDE")
    if known and (override or "").lower() in ("1", "true"):
        own = next((item for item in con.environment if item.name == "ITEX_OPS_OVERRIDE"), None)
        place = own or setting
        if place is not None:
            message = (
                "ops override puts ITEX's operators in place of TensorFlow's, which XLA cannot compile "
                "under --tf_xla_auto_jit=2"
            )
            yield Finding(
                "keras3-8", place.change.spot, message, "Leave ops override off, or use --tf_xla_auto_jit=1."
            )


# ---- Keras ------------------------------------------------------------------------------------------


def is_import(spot):
    return isinstance(spot.node, (ast.Import, ast.ImportFrom))


def legacy(con):
    """TF_USE_LEGACY_KERAS and the Keras that the script imports."""
    generation, assumed = con.generation()
    native = con.native("TF_USE_LEGACY_KERAS")
    known, value = con.at_import("TF_USE_LEGACY_KERAS")
    uses = list(con.notes.uses.values())
    if generation == "newest" and not assumed and native:
        for use in uses:
            if use.route == "keras" and use.version == "3" and is_import(use.spot):
                message = (
                    "TF_USE_LEGACY_KERAS asks for Keras 2, and `keras` is Keras 3: ITEX leaves XLA off for "
                    "a model of Keras 3"
                )
                fix = "Import tf_keras in place of keras, or leave the variable out."
                yield Finding("legacy-mismatch", use.spot, message, fix, rewrite="tf-keras")
    if known and variables.python_legacy(value) and con.run.installation.get("tf_keras_installed") == "false":
        use = next((use for use in uses if use.route == "tensorflow"), None)
        if use is not None:
            yield tf_keras_missing_finding(use.spot)
    if generation == "newest" and not assumed and con.value("keras") == "2" and native is False:
        yield from legacy_unset(con, uses)


def legacy_unset(con, uses):
    flags = con.flags()
    use = next((use for use in uses if use.route == "tf_keras"), None)
    if use is None or flags is None or flags.auto_jit > 0 or con.native("ITEX_DISABLE_XLA") is not False:
        return
    message = (
        "the script uses tf_keras, and TF_USE_LEGACY_KERAS is not set: ITEX believes in Keras 3 and turns "
        "XLA on"
    )
    yield Finding(
        "legacy-unset", use.spot, message, "Set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported."
    )


def keras_at_import(con):
    """What ends the process at `import tensorflow` in the newest generation."""
    generation, assumed = con.generation()
    if generation != "newest" or assumed or not con.notes.tensorflow:
        return
    installed = con.run.installation.get("keras_installed")
    if installed in ("none", "2") and not con.run.reinstalled:
        what = "no keras is installed" if installed == "none" else "the installed keras is Keras 2"
        message = (
            f"ITEX imports Keras 3 with TensorFlow, and {what}: the process ends with status 0 without "
            "having begun"
        )
        yield Finding(
            "keras-import-exit0",
            con.notes.tensorflow[0],
            message,
            'Install Keras 3 (pip install "keras>=3").',
        )
    known, backend = con.at_import("KERAS_BACKEND")
    by_script = any(item.name == "KERAS_BACKEND" for item in con.environment)
    if known and backend not in (None, "tensorflow") and not by_script:
        message = (
            f"KERAS_BACKEND={backend!r} in the environment: ITEX needs Keras on TensorFlow, and ends the "
            "process with status 0"
        )
        yield Finding(
            "keras-backend", con.notes.tensorflow[0], message, "Run the job with KERAS_BACKEND=tensorflow."
        )


def mixed_keras(con):
    first = {}
    for use in con.notes.uses.values():
        if use.version and (is_import(use.spot) or use.route == "tensorflow"):
            first.setdefault(use.version, use)
    if len(first) < 2 or any(con.run.happened("keras " + version) != YES for version in first):
        return
    later = list(first.values())[1]
    message = "the script uses Keras 2 and Keras 3: layers of the one do not work in models of the other"
    yield Finding("mixed-keras", later.spot, message, "Use one of the two throughout.")


# ---- jit --------------------------------------------------------------------------------------------


def jit(con):
    """Models whose jit_compile does not go with the mode that ITEX will be in."""
    generation, _ = con.generation()
    flags, xla = con.flags(), con.xla()
    mismatch = con.native("TF_USE_LEGACY_KERAS") and generation == "newest"
    for setting in con.settings:
        version, decided = con.version_of(setting), con.decided(setting)
        on = decided == "on" and not setting.eager or con.auto_is_on(setting)
        if not on or setting.how not in ("compile", "attribute"):
            continue
        if version == "2" and generation != "2.14":
            message = "jit_compile=True on Keras 2 is not supported by ITEX"
            fix = "Compile with jit_compile=False; XLA is turned on by TF_XLA_FLAGS=--tf_xla_auto_jit=1."
            yield Finding("keras3-3", jit_spot(setting), message, fix, rewrite="jit-false")
        elif xla is False and (version == "3" or generation == "2.14") and not mismatch:
            message = "the model is jit-compiled, and ITEX runs without XLA here: nothing can compile it"
            yield Finding("jit-without-xla", jit_spot(setting), message, _JIT_FALSE, rewrite="jit-false")
        elif version == "3" and flags is not None and flags.auto_jit > 0:
            message = (
                "the model is jit-compiled by Keras, and TensorFlow clusters it for XLA as well "
                "(--tf_xla_auto_jit)"
            )
            if spared(con, generation):
                yield Finding("keras-auto-jit", jit_spot(setting), message, _JIT_FALSE, rewrite="jit-false")
            else:
                yield Finding("keras-auto-jit", jit_spot(setting), message, f"{_JIT_FALSE} {_QUIET}")


def spared(con, generation):
    """Would ITEX's own check let a model pass that is not jit-compiled? Else it ends the process with status
    0.
    """
    if generation != "newest":
        return True
    known, flags = con.at_import("TF_XLA_FLAGS")
    disable_known, disable = con.at_import("ITEX_DISABLE_XLA")
    exempt = known and "--tf_xla_auto_jit=1" in (flags or "").replace(" ", "")
    return exempt or (disable_known and variables.python_disable(disable))


def jit_spot(setting):
    """The jit_compile argument where it is written, else the call."""
    node = setting.spot.node
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg == "jit_compile":
                # Python 3.9 has keywords without places only before 3.9.
                return setting.spot._replace(node=Place(keyword, node))
    return setting.spot


class Place:
    """A keyword argument as a place, with the call that it belongs to."""

    def __init__(self, keyword, call):
        self.lineno, self.col_offset = keyword.lineno, keyword.col_offset
        self.end_lineno, self.end_col_offset = keyword.end_lineno, keyword.end_col_offset
        self.keyword = keyword
        self.call = call


def auto_jit_off(con):
    """What turns jit_compile="auto", and True, off on Keras 3."""
    told = set()
    for setting in con.settings:
        if setting.jit not in ("auto", "on") or con.version_of(setting) == "2" or setting.model is None:
            continue
        for spot, what, only_auto in reasons(con, setting):
            key = (id(spot.unit), spot.node.lineno, spot.node.col_offset)
            if key in told:
                continue
            told.add(key)
            if setting.jit == "auto":
                yield Finding(
                    "auto-jit-off", spot, f"{what}: Keras 3's jit_compile='auto' is off for this model"
                )
            elif not only_auto:
                yield Finding("jit-turned-off", spot, f"{what}: Keras 3 sets jit_compile=True back to False")


def reasons(con, setting):
    model = setting.model
    if setting.eager:
        yield setting.spot, "run_eagerly=True", False
    if model.in_strategy == YES:
        yield model.scope or model.spot, "the model is made in a strategy's scope", True
    support, layer = con.support(model)
    if support == "no":
        yield layer.spot, f"{layer.what} declares supports_jit=False", False
    if con.determinism() == "yes" and con.notes.determinism:
        yield con.notes.determinism[0], "op determinism is enabled", False


def recurrent(con):
    """LSTM and GRU: whether Keras turns jit off for them depends on devices, and sources disagree."""
    if con.run.happened("keras 2") != NO:
        return
    told = set()
    for setting in con.settings:
        support, layer = con.support(setting.model)
        if setting.jit == "off" or layer is None or support == "no" or layer in told:
            continue
        told.add(layer)
        message = (
            f"{layer.what}: whether Keras 3 compiles a model with it by jit depends on the devices that it "
            "finds"
        )
        yield Finding("recurrent-jit", layer.spot, message, "Say jit_compile=False or True in compile().")


def attributes(con):
    for early, compiled in con.notes.lost_attributes:
        line = compiled.spot.node.lineno
        message = f"model.jit_compile is set before compile() (line {line}), which sets it anew"
        yield Finding("lost-jit-attribute", early.spot, message, "Pass jit_compile to compile().")


def mixed_jit(con):
    compiled = [setting for setting in con.settings if setting.how == "compile"]
    compiled.sort(key=lambda setting: (setting.spot.node.lineno, setting.spot.node.col_offset))
    words = [(con.decided(setting), setting) for setting in compiled]
    known = [(word, setting) for word, setting in words if word is not None]
    for word, setting in known[1:]:
        if word != known[0][0] and setting.spot != known[0][1].spot:
            line = known[0][1].spot.node.lineno
            message = (
                f"this model is compiled with another jit_compile than that of line {line}: no decision "
                "fits both"
            )
            yield Finding("mixed-jit", setting.spot, message)
            return


_LOOKS = (
    noted,
    values,
    late_environment,
    contradictions,
    operators,
    legacy,
    keras_at_import,
    mixed_keras,
    jit,
    auto_jit_off,
    recurrent,
    attributes,
    mixed_jit,
)
