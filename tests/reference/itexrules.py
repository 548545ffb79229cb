"""The rules of the reference: one plain function per rule, in the order in which they are tried.

Part of the reference of tests/reference (see itexref.py). A function returns None where its rule does not
hold, and (outcome, stage) where it does. A condition on an unknown fact (None) does not hold.
"""

from typing import Callable, NamedTuple, Optional

from itexfacts import STRICT_BOOLEANS, Facts
from tfflags import AUTO_JIT, DEVICE_API

OUTCOMES = ["ok", "warning", "slow", "unsupported", "cpu", "exit0", "error", "abort", "no-device"]
STRIKES = ("cpu", "exit0", "error", "abort", "no-device")  # at import: no mode is reached

Held = Optional[tuple[str, str]]
Action = tuple[str, str, Optional[str]]  # kind, name, value

DISABLE_XLA: Action = ("set", "ITEX_DISABLE_XLA", "1")
JIT_OFF: Action = ("oblige", "jit_compile=False", None)


class Rule(NamedTuple):
    id: str
    severity: str
    holds: Callable[[Facts], Held]
    solution: Callable[[Facts], list[Action]]


RULES: list[Rule] = []


def rule(name: str, severity: str, *fixed: Action):
    """Registers a rule whose solution is always the same."""

    def register(function):
        RULES.append(Rule(name, severity, function, lambda facts: list(fixed)))
        return function

    return register


def rule_with(name: str, severity: str, solution: Callable[[Facts], list[Action]]):
    """Registers a rule whose solution depends on the facts."""

    def register(function):
        RULES.append(Rule(name, severity, function, solution))
        return function

    return register


def newest(facts: Facts) -> bool:
    return facts["generation"] == "newest"


def from_2_15(facts: Facts) -> bool:
    return facts["generation"] in ("2.15", "newest")


def auto_jit_on(facts: Facts) -> bool:
    return facts["auto_jit"] in ("1", "2")


def xla_by_default(facts: Facts) -> bool:
    """XLA is on because nobody turned it off and not because somebody asked."""
    neither = facts["disable_native"] == "false" and facts["legacy_native"] == "false"
    return newest(facts) and facts["auto_jit"] == "0" and neither


def keras3_jit(facts: Facts, jit: str) -> bool:
    return facts["keras"] == "3" and facts["jit_effective"] == jit


def quits(facts: Facts) -> Held:
    """What becomes of a job in which ITEX's check calls quit()."""
    return ("error" if facts["notebook"] == "true" else "exit0"), "run"


# ---- Values that cannot be parsed ----------------------------------------------------------------------


# A name is not read where one of these is set.
NEWER_NAMES = {
    "remapper_old": ["remapper"],
    "onednn_graph_old": ["onednn_graph"],
    "layout_opt_old": ["layout_opt"],
    "layout_opt_oldest": ["layout_opt", "layout_opt_old"],
}


def is_read(name: str, facts: Facts) -> bool:
    if name in ("tile_itex", "tile_itex_old"):
        return not newest(facts)  # both are looked at, though only one counts
    if name == "tile_sycl":
        return facts["npd"] == "true"  # PJRT's
    return all(facts[newer] == "unset" for newer in NEWER_NAMES.get(name, []))


def unreadable_booleans(facts: Facts) -> list[str]:
    wrong = [name for name in STRICT_BOOLEANS if facts[name] == "invalid" and is_read(name, facts)]
    return [STRICT_BOOLEANS[name] for name in wrong]


def without_gpu_code(facts: Facts) -> bool:
    return facts["lib_flavour"] in ("none", "cpu")


@rule_with("itex-bool", "error", lambda facts: [("unset", name, None) for name in unreadable_booleans(facts)])
def itex_bool(facts: Facts) -> Held:
    wrong = unreadable_booleans(facts)
    late = wrong == ["ITEX_SYNC_EXEC"]  # read by the first operation
    return ("abort", "run" if late else "import") if wrong else None


def flags_file_solution(facts: Facts) -> list[Action]:
    if facts["xla_flags_source"] == "file":
        return [("inline", "TF_XLA_FLAGS", None)]
    return [("unset", "TF_XLA_FLAGS", None)]


@rule_with("xla-flags-file", "error", flags_file_solution)
def xla_flags_file(facts: Facts) -> Held:
    wrong = ("missing", "file", "unreadable") if newest(facts) else ("missing",)
    return ("abort", "import") if facts["xla_flags_source"] in wrong else None


@rule("unknown-xla-flag", "error", ("drop-unknown", "TF_XLA_FLAGS", None))
def unknown_xla_flag(facts: Facts) -> Held:
    return ("abort", "import") if facts["xla_unknown_flag"] == "true" else None


@rule("affinity-mask", "error")
def affinity_mask(facts: Facts) -> Held:
    holds = facts["affinity_mask"] == "invalid" and not without_gpu_code(facts)
    return ("abort", "import") if holds else None


@rule("affinity-mask-spelling", "warning")
def affinity_mask_spelling(facts: Facts) -> Held:
    holds = facts["affinity_mask"] == "odd" and not without_gpu_code(facts)
    return ("warning", "run") if holds else None


@rule("selector", "error", ("unset", "ONEAPI_DEVICE_SELECTOR", None))
def selector(facts: Facts) -> Held:
    holds = facts["selector"] == "invalid" and not without_gpu_code(facts)
    return ("error", "import") if holds else None


@rule("memory-limit", "error", ("unset", "ITEX_LIMIT_MEMORY_SIZE_IN_MB", None))
def memory_limit(facts: Facts) -> Held:
    if facts["memory_limit"] != "invalid":
        return None
    return ("warning" if facts["npd"] == "true" else "abort"), "run"


@rule("verbose", "error", ("unset", "ITEX_VERBOSE", None))
def verbose(facts: Facts) -> Held:
    return {"invalid": ("error", "import"), "begins": ("abort", "run")}.get(facts["verbose"])


# ---- The page's eight rows -----------------------------------------------------------------------------


@rule("keras3-1", "error", DISABLE_XLA)
def keras3_1(facts: Facts) -> Held:
    holds = xla_by_default(facts) and facts["keras"] == "0" and facts["npd_requested"] == "false"
    return ("abort", "import") if holds else None


@rule("keras3-2", "warning", DISABLE_XLA)
def keras3_2(facts: Facts) -> Held:
    holds = xla_by_default(facts) and facts["keras"] == "0" and facts["npd_requested"] == "true"
    return ("slow", "run") if holds else None


def keras3_3_solution(facts: Facts) -> list[Action]:
    return ([("flag", AUTO_JIT, "1")] if facts["auto_jit"] == "0" else []) + [JIT_OFF]


@rule_with("keras3-3", "unsupported", keras3_3_solution)
def keras3_3(facts: Facts) -> Held:
    holds = from_2_15(facts) and facts["keras"] == "2" and facts["jit_effective"] == "on"
    return ("unsupported", "run") if holds else None


@rule("keras3-4", "error", DISABLE_XLA)
def keras3_4(facts: Facts) -> Held:
    holds = xla_by_default(facts) and facts["keras"] == "3" and facts["npd_requested"] == "false"
    return ("abort", "import") if holds else None


@rule("keras3-5", "error", DISABLE_XLA)
def keras3_5(facts: Facts) -> Held:
    if not (xla_by_default(facts) and keras3_jit(facts, "off") and facts["npd_requested"] == "true"):
        return None
    return ("slow", "run") if facts["keras_check"] in ("exempt", "broken") else quits(facts)


def cannot_close_npd(facts: Facts, level: str) -> Held:
    holds = newest(facts) and facts["auto_jit"] == level and facts["npd_requested"] == "false"
    return ("abort", "import") if holds else None


@rule("keras3-6", "error", ("set", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", "1"))
def keras3_6(facts: Facts) -> Held:
    return cannot_close_npd(facts, "1")


@rule("keras3-7", "error", ("set", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", "1"))
def keras3_7(facts: Facts) -> Held:
    return cannot_close_npd(facts, "2")


@rule("keras3-8", "warning", ("set", "ITEX_OPS_OVERRIDE", "0"))
def keras3_8(facts: Facts) -> Held:
    holds = from_2_15(facts) and facts["ops_override"] == "true" and facts["auto_jit"] == "2"
    return ("warning", "run") if holds and facts["npd"] == "true" else None


# ---- The further rules ---------------------------------------------------------------------------------


@rule("legacy-mismatch", "warning", ("unset", "TF_USE_LEGACY_KERAS", None))
def legacy_mismatch(facts: Facts) -> Held:
    holds = newest(facts) and facts["generation_assumed"] == "false" and facts["keras"] == "3"
    return ("slow", "run") if holds and facts["legacy_native"] == "true" else None


@rule("legacy-unset", "warning", ("set", "TF_USE_LEGACY_KERAS", "1"), ("oblige", "import-tf-keras", None))
def legacy_unset(facts: Facts) -> Held:
    holds = xla_by_default(facts) and facts["generation_assumed"] == "false" and facts["keras"] == "2"
    return ("slow", "run") if holds else None


@rule("npd-off-xla-on", "error", DISABLE_XLA)
def npd_off_xla_on(facts: Facts) -> Held:
    holds = xla_by_default(facts) and facts["keras"] in ("2", None) and facts["npd_requested"] == "false"
    return ("abort", "import") if holds else None


@rule("auto-jit-custom-op", "error", ("flag", AUTO_JIT, "1"))
def auto_jit_custom_op(facts: Facts) -> Held:
    holds = from_2_15(facts) and facts["custom_ops"] == "true" and facts["auto_jit"] == "2"
    return ("error", "run") if holds else None


@rule("keras-auto-jit", "warning", JIT_OFF)
def keras_auto_jit(facts: Facts) -> Held:
    return ("warning", "run") if from_2_15(facts) and keras3_jit(facts, "on") and auto_jit_on(facts) else None


@rule("exit0-compile", "error", DISABLE_XLA)
def exit0_compile(facts: Facts) -> Held:
    holds = newest(facts) and keras3_jit(facts, "off") and facts["auto_jit"] == "0"
    if not holds or facts["keras_check"] != "active" or keras3_5(facts):
        return None
    return quits(facts)


@rule("auto-jit-not-exempt", "error", DISABLE_XLA)
def auto_jit_not_exempt(facts: Facts) -> Held:
    holds = (
        newest(facts) and keras3_jit(facts, "off") and auto_jit_on(facts) and facts["keras_check"] == "active"
    )
    return quits(facts) if holds else None


@rule("jit-without-xla", "error", JIT_OFF)
def jit_without_xla(facts: Facts) -> Held:
    keras = ("2", "3") if facts["generation"] == "2.14" else ("3",)
    holds = facts["keras"] in keras and facts["jit_effective"] == "on" and facts["xla"] == "false"
    return ("error", "run") if holds else None


@rule("npd-forced", "warning")
def npd_forced(facts: Facts) -> Held:
    holds = facts["generation"] == "2.15" and facts["npd_requested"] == "false" and auto_jit_on(facts)
    return ("warning", "run") if holds else None


@rule("xla-device-api", "warning", ("flag", DEVICE_API, "true"))
def xla_device_api(facts: Facts) -> Held:
    holds = facts["generation"] == "2.15" and auto_jit_on(facts) and facts["xla_device_api"] == "false"
    return ("warning", "run") if holds else None


@rule("disable-void", "warning")
def disable_void(facts: Facts) -> Held:
    holds = newest(facts) and facts["disable_native"] == "true" and auto_jit_on(facts)
    return ("warning", "run") if holds and not keras3_jit(facts, "off") else None


@rule("disable-spelling", "info")
def disable_spelling(facts: Facts) -> Held:
    holds = newest(facts) and facts["disable_python"] == "true" and facts["disable_native"] == "false"
    return ("ok", "run") if holds else None


# ---- Devices -------------------------------------------------------------------------------------------


@rule("silent-cpu", "error", ("unset", "SYCL_DEVICE_FILTER", None))
def silent_cpu(facts: Facts) -> Held:
    return ("cpu", "import") if facts["device_filter"] == "other" else None


@rule("itex-backend", "error", ("unset", "ITEX_BACKEND", None))
def itex_backend(facts: Facts) -> Held:
    if facts["backend"] == "other":
        return "abort", "import"
    return ("error", "run") if facts["backend"] in ("cpu", "auto") else None


@rule("lib-flavour", "error", ("oblige", "install:intel-extension-for-tensorflow-lib", None))
def lib_flavour(facts: Facts) -> Held:
    return ("cpu", "import") if facts["lib_flavour"] in ("cpu", "none") else None


def tile_solution(facts: Facts) -> list[Action]:
    wanted = "SYCL_TILE_AS_DEVICE" if facts["tile_pair"] == "itex-off" else "ITEX_TILE_AS_DEVICE"
    return [("set", wanted, "0")]


@rule_with("tile-mismatch", "error", tile_solution)
def tile_mismatch(facts: Facts) -> Held:
    if facts["generation"] != "2.15" or facts["npd"] != "true" or without_gpu_code(facts):
        return None
    if facts["tiles_left"] == "false":
        return None
    return {"itex-off": ("warning", "run"), "sycl-off": ("error", "import")}.get(facts["tile_pair"])


def nothing_left(facts: Facts) -> Held:
    """Of Level Zero; where OpenCL has GPUs, SYCL finds those and ITEX asks too much of them."""
    if facts["gpus_left"] not in ("none", "opencl") or facts["mask_leaves"] == "none":
        return None
    return None if without_gpu_code(facts) else NOTHING[facts["gpus_left"]]


NOTHING = {"none": ("no-device", "import"), "opencl": ("error", "import")}


@rule("mask-selects-none", "error")
def mask_selects_none(facts: Facts) -> Held:
    holds = facts["mask_leaves"] == "none" and not without_gpu_code(facts)
    return ("no-device", "import") if holds else None


def selector_solution(facts: Facts) -> list[Action]:
    return [("unset", "ONEAPI_DEVICE_SELECTOR", None)] if facts["selector"] == "other" else []


@rule_with("selector-selects-none", "error", selector_solution)
def selector_selects_none(facts: Facts) -> Held:
    return nothing_left(facts) if facts["selector_under_mask"] == "no" else None


@rule("selector-under-mask", "error", ("set", "ONEAPI_DEVICE_SELECTOR", "level_zero:*"))
def selector_under_mask(facts: Facts) -> Held:
    return nothing_left(facts) if facts["selector_under_mask"] == "none-left" else None


@rule("selector-ordinals", "warning")
def selector_ordinals(facts: Facts) -> Held:
    return ("warning", "run") if facts["selector_under_mask"] == "possible" else None


# ---- The import ----------------------------------------------------------------------------------------


@rule("keras-import-exit0", "error", ("oblige", "install:keras", None))
def keras_import_exit0(facts: Facts) -> Held:
    return ("exit0", "import") if newest(facts) and facts["keras_installed"] in ("none", "2") else None


@rule("keras-backend", "error", ("oblige", "KERAS_BACKEND=tensorflow", None))
def keras_backend(facts: Facts) -> Held:
    return ("exit0", "import") if newest(facts) and facts["keras_backend"] == "other" else None


@rule("import-order", "error", ("oblige", "import-tensorflow-first", None))
def import_order(facts: Facts) -> Held:
    return ("exit0", "import") if newest(facts) and facts["import_order"] == "keras-first" else None


# ---- What is not as it seems ---------------------------------------------------------------------------


@rule("late-jit", "warning")
def late_jit(facts: Facts) -> Held:
    return ("warning", "run") if facts["late_jit"] == "true" and facts["xla"] == "false" else None


@rule("dead-variable", "info")
def dead_variable(facts: Facts) -> Held:
    dead = "set" in (facts["gpu_allocator"], facts["gpu_allow_growth"], facts["cuda_visible_devices"])
    if facts["generation"] == "2.14":
        dead = dead or auto_jit_on(facts) or "set" in (facts["npd_set"], facts["disable_set"])
    if facts["generation"] == "2.15":
        dead = dead or facts["disable_set"] == "set"
    if newest(facts):
        dead = dead or facts["tile_itex"] != "unset"
    return ("ok", "run") if dead else None


@rule("auto-jit-flag", "warning")
def auto_jit_flag(facts: Facts) -> Held:
    return ("warning", "run") if facts["auto_jit_flag_variable"] == "set" else None


@rule("native-spelling", "info")
def native_spelling(facts: Facts) -> Held:
    misread = facts["npd_spelling"] == "misread" or (newest(facts) and facts["legacy_spelling"] == "misread")
    return ("ok", "run") if misread else None
