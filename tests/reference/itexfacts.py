"""Facts of the reference: what a job's environment and declarations say, and what follows from them.

Part of the reference of tests/reference (see itexref.py). Every fact is a string, None where it is unknown.
"""

import re
from collections.abc import Iterable
from typing import Optional

import itexgpus
import tfflags

Facts = dict[str, Optional[str]]

STRICT_BOOLEANS = {
    "ops_override": "ITEX_OPS_OVERRIDE",
    "remapper": "ITEX_REMAPPER",
    "remapper_old": "ITEX_ENABLE_REMAPPER",
    "layout_opt": "ITEX_LAYOUT_OPT",
    "layout_opt_old": "ITEX_ONEDNN_LAYOUT_OPT",
    "layout_opt_oldest": "ITEX_ENABLE_ONEDNN_LAYOUT_OPT",
    "auto_mixed_precision": "ITEX_AUTO_MIXED_PRECISION",
    "onednn_graph": "ITEX_ONEDNN_GRAPH",
    "onednn_graph_old": "ITEX_ENABLE_ONEDNN_GRAPH",
    "sharding": "ITEX_SHARDING",
    "constant_folding": "ITEX_TF_CONSTANT_FOLDING",
    "cache_onednn_object": "ITEX_CACHE_ONEDNN_OBJECT",
    "sync_exec": "ITEX_SYNC_EXEC",
    "tile_itex": "ITEX_TILE_AS_DEVICE",
    "tile_itex_old": "ITEX_ENABLE_TILE_AS_DEVICE",
    "tile_sycl": "SYCL_TILE_AS_DEVICE",
}
PRESENCE = {
    "disable_set": "ITEX_DISABLE_XLA",
    "npd_set": "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE",
    "auto_jit_flag_variable": "TF_AUTO_JIT_FLAG",
    "gpu_allocator": "TF_GPU_ALLOCATOR",
    "gpu_allow_growth": "TF_FORCE_GPU_ALLOW_GROWTH",
    "cuda_visible_devices": "CUDA_VISIBLE_DEVICES",
}
DECLARED = [
    "keras",
    "jit",
    "custom_ops",
    "itex",
    "tensorflow",
    "setuptools",
    "keras_installed",
    "tf_keras_installed",
    "lib_flavour",
    "notebook",
    "import_order",
    "late_jit",
    "strategy",
    "unsupported_layer",
    "run_eagerly",
    "determinism",
    "devices",
    "cards",
    "driver_hierarchy",
    "xla_flags_file",
]
ALWAYS = ["keras", "jit", "custom_ops", "itex"]  # shown even where unknown
DERIVED = [
    "generation",
    "generation_assumed",
    "npd",
    "xla",
    "jit_effective",
    "keras_check",
    "tile_pair",
    "mask_leaves",
    "gpus_left",
    "tiles_left",
    "selector_under_mask",
]
XLA_FLAGS = [
    "xla_flags_source",
    "auto_jit",
    "auto_jit_set",
    "auto_jit_exempt",
    "xla_device_api",
    "xla_unknown_flag",
]
VARIABLES = {
    "npd_requested": "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE",
    "npd_spelling": "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE",
    "disable_native": "ITEX_DISABLE_XLA",
    "disable_python": "ITEX_DISABLE_XLA",
    "legacy_native": "TF_USE_LEGACY_KERAS",
    "legacy_python": "TF_USE_LEGACY_KERAS",
    "legacy_spelling": "TF_USE_LEGACY_KERAS",
    "hierarchy": "ZE_FLAT_DEVICE_HIERARCHY",
    "memory_limit": "ITEX_LIMIT_MEMORY_SIZE_IN_MB",
    "verbose": "ITEX_VERBOSE",
    "backend": "ITEX_BACKEND",
    "device_filter": "SYCL_DEVICE_FILTER",
    "affinity_mask": "ZE_AFFINITY_MASK",
    "selector": "ONEAPI_DEVICE_SELECTOR",
    "keras_backend": "KERAS_BACKEND",
    **STRICT_BOOLEANS,
    **PRESENCE,
    **dict.fromkeys(XLA_FLAGS, "TF_XLA_FLAGS"),
}


def truth(value: bool) -> str:
    return "true" if value else "false"


def both(left: Optional[bool], right: Optional[bool]) -> Optional[bool]:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: Optional[bool], right: Optional[bool]) -> Optional[bool]:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


# ---- Parsers of single values --------------------------------------------------------------------------


def native_bool(value: Optional[str], default: bool) -> bool:
    return default if value is None else value.lower() in ("1", "true")


def native_spelling(value: Optional[str]) -> str:
    if value is None:
        return "unset"
    return "read" if value.lower() in ("0", "1", "true", "false") else "misread"


def strict_bool(value: Optional[str]) -> str:
    if value is None:
        return "unset"
    return {"0": "false", "false": "false", "1": "true", "true": "true"}.get(value.lower(), "invalid")


def integer(value: Optional[str]) -> str:
    if value is None:
        return "unset"
    readable = re.fullmatch(r"[ \t\n\v\f\r]*-?[0-9]+[ \t\n\v\f\r]*", value)
    return "valid" if readable and -(2**63) <= int(value) < 2**63 else "invalid"


def verbose(value: Optional[str]) -> str:
    """Read by std::stoi at import, and as a whole at the first operation."""
    if value is None:
        return "unset"
    number = re.match(r"[ \t\n\v\f\r]*([+-]?[0-9]+)", value)
    if not number or not -(2**31) <= int(number[1]) < 2**31:
        return "invalid"
    return "valid" if integer(value) == "valid" else "begins"


def backend(value: Optional[str]) -> str:
    if value is None:
        return "unset"
    return value.lower() if value.lower() in ("cpu", "gpu", "auto") else "other"


def device_filter(value: Optional[str]) -> str:
    if value is None:
        return "unset"
    return "level-zero" if "level_zero" in value.lower() else "other"


def keras_backend(value: Optional[str]) -> str:
    if value is None:
        return "unset"
    return "tensorflow" if value == "tensorflow" else "other"


def hierarchy(value: Optional[str]) -> str:
    if value is None:
        return "unset"
    return value.lower() if value in ("FLAT", "COMPOSITE", "COMBINED") else "other"


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", text.split("+")[0]))


# ---- Facts of the environment --------------------------------------------------------------------------


def flags_text(env: dict[str, str], declared: Facts, state: Optional[str]) -> Optional[str]:
    """The text that holds TensorFlow's flags, None where it cannot be known."""
    value = env.get("TF_XLA_FLAGS")
    if tfflags.where(value) == "file":
        return None if state in ("missing", "unreadable") else declared.get("xla_flags_file")
    return value or ""


def xla_facts(env: dict[str, str], declared: Facts, state: Optional[str], generation: str) -> Facts:
    value = env.get("TF_XLA_FLAGS")
    source = tfflags.where(value)
    if source == "file" and state in ("missing", "unreadable"):
        source = state
    elif source == "file" and declared.get("xla_flags_file") is None:
        source = "unreadable"
    facts: Facts = {
        "xla_flags_source": source,
        "auto_jit_exempt": truth("--tf_xla_auto_jit=1" in (value or "").replace(" ", "")),
        "auto_jit": None,
        "auto_jit_set": None,
        "xla_device_api": None,
        "xla_unknown_flag": None,
    }
    text = flags_text(env, declared, state)
    if text is not None:
        parsed = tfflags.parse(text, generation)
        level = parsed.values.get(tfflags.AUTO_JIT, 0)
        facts["auto_jit"] = str(min(max(level, 0), 2))
        facts["auto_jit_set"] = truth(tfflags.AUTO_JIT in parsed.given)
        facts["xla_device_api"] = truth(bool(parsed.values.get(tfflags.DEVICE_API, False)))
        facts["xla_unknown_flag"] = truth(parsed.dies)
    return facts


def environment_facts(env: dict[str, str]) -> Facts:
    disable = env.get("ITEX_DISABLE_XLA")
    legacy = env.get("TF_USE_LEGACY_KERAS")
    npd = env.get("ITEX_ENABLE_NEXTPLUGGABLE_DEVICE")
    facts: Facts = {
        "npd_requested": truth(native_bool(npd, True)),
        "disable_native": truth(native_bool(disable, False)),
        "disable_python": truth(disable is not None and disable not in ("0", "false")),
        "legacy_native": truth(native_bool(legacy, False)),
        "legacy_python": truth(legacy in ("true", "True", "1")),
        "npd_spelling": native_spelling(npd),
        "legacy_spelling": native_spelling(legacy),
        "hierarchy": hierarchy(env.get("ZE_FLAT_DEVICE_HIERARCHY")),
        "memory_limit": integer(env.get("ITEX_LIMIT_MEMORY_SIZE_IN_MB")),
        "verbose": verbose(env.get("ITEX_VERBOSE")),
        "backend": backend(env.get("ITEX_BACKEND")),
        "device_filter": device_filter(env.get("SYCL_DEVICE_FILTER")),
        "affinity_mask": itexgpus.affinity_mask(env.get("ZE_AFFINITY_MASK")),
        "selector": itexgpus.selector(env.get("ONEAPI_DEVICE_SELECTOR")),
        "keras_backend": keras_backend(env.get("KERAS_BACKEND")),
    }
    for name, variable in STRICT_BOOLEANS.items():
        facts[name] = strict_bool(env.get(variable))
    if facts["ops_override"] == "unset":
        facts["ops_override"] = "false"
    for name, variable in PRESENCE.items():
        facts[name] = "set" if variable in env else "unset"
    return facts


# ---- Derived facts -------------------------------------------------------------------------------------


def generation_of(itex: Optional[str], tensorflow: Optional[str]) -> tuple[str, bool]:
    """(generation, assumed)"""
    for known in (itex, tensorflow):
        if known is None:
            continue
        if known == "newest" or version(known)[:2] >= (2, 16):
            return "newest", False
        return ("2.15" if version(known)[:2] == (2, 15) else "2.14"), False
    return "newest", True


def is_true(value: Optional[str]) -> Optional[bool]:
    return None if value is None else value == "true"


def effective_npd(facts: Facts) -> Optional[bool]:
    if facts["generation"] == "2.14":
        return False
    if facts["generation"] == "2.15":
        on = None if facts["auto_jit"] is None else facts["auto_jit"] != "0"
        return either(on, is_true(facts["npd_requested"]))
    return is_true(facts["npd_requested"])


def effective_xla(facts: Facts) -> Optional[bool]:
    on = None if facts["auto_jit"] is None else facts["auto_jit"] != "0"
    if facts["generation"] == "2.14":
        return False
    if facts["generation"] == "2.15":
        return on
    kept_off = either(is_true(facts["legacy_native"]), is_true(facts["disable_native"]))
    return either(on, None if kept_off is None else not kept_off)


def keras3_auto_is_off(facts: Facts) -> bool:
    reasons = ("ops_override", "strategy", "unsupported_layer", "determinism")
    on_cpu = facts["device_filter"] == "other" or facts["lib_flavour"] in ("cpu", "none")
    return on_cpu or any(facts[reason] == "true" for reason in reasons)


def effective_jit(facts: Facts) -> Optional[str]:
    if facts["jit"] == "off":
        return "off"
    if facts["jit"] is None:
        return None
    if facts["run_eagerly"] == "true":
        return "off"
    if facts["jit"] == "on":
        return "on"
    if facts["keras"] == "2":
        return "off"
    if facts["keras"] == "3":
        return "off" if keras3_auto_is_off(facts) else "on"
    if facts["keras"] is None and keras3_auto_is_off(facts):
        return "off"
    return None


def keras_check(facts: Facts) -> Optional[str]:
    if facts["keras"] != "3" or facts["generation"] != "newest":
        return None
    if "true" in (facts["legacy_python"], facts["disable_python"], facts["auto_jit_exempt"]):
        return "exempt"
    setuptools = facts["setuptools"]
    if setuptools is None:
        return "active"
    if (
        setuptools == "none"
        or version(setuptools)[:2] in ((70, 0), (70, 3))
        or version(setuptools)[:1] >= (82,)
    ):
        return "broken"
    return "active"


def tile_pair(facts: Facts) -> Optional[str]:
    itex = facts["tile_itex_old"] if facts["tile_itex_old"] != "unset" else facts["tile_itex"]
    sycl = facts["tile_sycl"]
    if "invalid" in (itex, sycl):
        return None
    if (itex == "false") == (sycl == "false"):
        return "equal"
    return "itex-off" if itex == "false" else "sycl-off"


def gpus(facts: Facts, env: dict[str, str]) -> Facts:
    """What the job is left with."""
    found: Facts = {"mask_leaves": None, "gpus_left": None, "tiles_left": None, "selector_under_mask": None}
    mask, selector = facts["affinity_mask"], facts["selector"]
    tree = itexgpus.hierarchy(facts["hierarchy"], facts["driver_hierarchy"])
    if tree == "tiles":
        found["tiles_left"] = "false"
    known = facts["cards"] is not None or (mask, selector) != ("unset", "unset")
    if known and "invalid" not in (mask, selector):
        seen = itexgpus.listed(facts["cards"], tree, env.get("ZE_AFFINITY_MASK"))
        left = itexgpus.left(seen, env.get("ONEAPI_DEVICE_SELECTOR"))
        empty = seen.devices == []
        if seen.devices is not None:
            found["mask_leaves"] = "none" if empty else "some"
        if empty or left.level_zero is False:
            found["gpus_left"] = "opencl" if left.opencl and not empty else "none"
        elif left.level_zero:
            found["gpus_left"] = "some"
        if left.tiles is not None and tree != "tiles":
            found["tiles_left"] = truth(left.tiles)
    found["selector_under_mask"] = "no"
    if mask in ("valid", "odd") and selector == "ordinals" and found["mask_leaves"] != "none":
        gone = found["gpus_left"] in ("none", "opencl")
        found["selector_under_mask"] = "none-left" if gone else "possible"
    return found


def facts_of(
    env: dict[str, str], declared: Facts, pins: Iterable[tuple[str, str]], state: Optional[str]
) -> Facts:
    """Every fact. state: what the client tells of the file TF_XLA_FLAGS names (missing, unreadable, None)."""
    facts: Facts = {name: declared.get(name) for name in DECLARED}
    facts.update(environment_facts(env))
    facts.update(pins)
    facts["generation"], assumed = generation_of(facts["itex"], facts["tensorflow"])
    facts["generation_assumed"] = truth(assumed)
    facts.update(xla_facts(env, declared, state, facts["generation"]))
    for name, value in (("npd", effective_npd(facts)), ("xla", effective_xla(facts))):
        facts[name] = None if value is None else truth(value)
    facts["jit_effective"] = effective_jit(facts)
    facts["keras_check"] = keras_check(facts)
    facts["tile_pair"] = tile_pair(facts)
    facts.update(gpus(facts, env))
    return facts


def mode_of(facts: Facts) -> Optional[str]:
    if facts["npd"] is None or facts["xla"] is None:
        return None
    if facts["npd"] == "false":
        return "stream-executor"
    return "npd+xla" if facts["xla"] == "true" else "npd"


def shown(facts: Facts, script: Iterable[str]) -> dict[str, dict[str, str]]:
    """The facts of a decision: what is known and says more than that a variable is not set."""
    unset = facts_of({}, {}, (), None)
    answer = {}
    for name, value in facts.items():
        source = "declared"
        if name in DERIVED:
            source = "inferred"
        elif name in VARIABLES:
            source = "script" if VARIABLES[name] in script else "environment"
        if value is None and name in ALWAYS:
            answer[name] = {"value": "unknown", "from": "unknown"}
        elif value is not None and not (name in VARIABLES and value == unset[name]):
            answer[name] = {"value": value, "from": source}
    return answer
