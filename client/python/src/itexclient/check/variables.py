"""What is wrong with the value of a variable that a script sets: the parse rules of db/rules, for a place in
a file.
"""

from __future__ import annotations

from . import readers, xla_flags

STRICT_BOOLEANS = frozenset(
    {
        "ITEX_OPS_OVERRIDE",
        "ITEX_REMAPPER",
        "ITEX_ENABLE_REMAPPER",
        "ITEX_LAYOUT_OPT",
        "ITEX_ONEDNN_LAYOUT_OPT",
        "ITEX_ENABLE_ONEDNN_LAYOUT_OPT",
        "ITEX_AUTO_MIXED_PRECISION",
        "ITEX_ONEDNN_GRAPH",
        "ITEX_ENABLE_ONEDNN_GRAPH",
        "ITEX_SHARDING",
        "ITEX_TF_CONSTANT_FOLDING",
        "ITEX_CACHE_ONEDNN_OBJECT",
        "ITEX_SYNC_EXEC",
        "ITEX_TILE_AS_DEVICE",
        "ITEX_ENABLE_TILE_AS_DEVICE",
        "SYCL_TILE_AS_DEVICE",
    }
)
CUDA_ONLY = frozenset({"TF_GPU_ALLOCATOR", "TF_FORCE_GPU_ALLOW_GROWTH", "CUDA_VISIBLE_DEVICES"})


def native_bool(value, default):
    """ITEX's native code: 1 and true in any case are true, all else is false."""
    return default if value is None else value.lower() in ("1", "true")


def python_legacy(value):
    return value in ("true", "True", "1")


def python_disable(value):
    """ITEX's Python code: set unless absent, 0 or false."""
    return value is not None and value not in ("0", "false")


def problem(name, value, generation):
    """(rule, message, fix) of the first thing that is wrong with NAME=value, else None."""
    if name in STRICT_BOOLEANS and value.lower() not in ("0", "1", "true", "false"):
        what = (
            f"{name}={value!r} must be 0, 1, true or false: on anything else ITEX ends the process at import"
        )
        return "itex-bool", what, "Spell it 0 or 1, or leave it out."
    check = _CHECKS.get(name)
    return check(value, generation) if check else dead(name, generation)


def flags(value, generation):
    if value and xla_flags.is_file(value):
        if generation == "newest":
            what = (
                "TF_XLA_FLAGS does not begin with '-': it is taken for the name of a file, and the newest "
                "ITEX makes it a missing one"
            )
            return "xla-flags-file", what, "Put the flags themselves into TF_XLA_FLAGS."
        return None
    parsed = xla_flags.read(value, generation)
    if parsed.dies:
        words = " ".join(parsed.unknown) or "only blanks"
        what = (
            f"TF_XLA_FLAGS has what TensorFlow does not know as a flag ({words}): it ends the process at "
            "import"
        )
        return "unknown-xla-flag", what, "Drop it; flags that begin with --xla_ belong into XLA_FLAGS."
    return None


def device_filter(value, generation):
    if "level_zero" in value.lower():
        return None
    what = (
        f"SYCL_DEVICE_FILTER={value!r} has no level_zero: ITEX finds no GPU, says nothing, and the job "
        "trains on the CPU"
    )
    return "silent-cpu", what, "Leave it out; ONEAPI_DEVICE_SELECTOR has taken its place."


def memory_limit(value, generation):
    if readers.is_integer(value):
        return None
    what = (
        f"ITEX_LIMIT_MEMORY_SIZE_IN_MB={value!r} is no whole number: the process aborts when it first "
        "allocates device memory"
    )
    return "memory-limit", what, "Give a number of MiB without a unit."


def verbose(value, generation):
    if readers.begins_with_int(value) and readers.is_integer(value):
        return None
    what = (
        f"ITEX_VERBOSE={value!r} is no whole number of 32 bits: the import fails, or the first operation "
        "aborts"
    )
    return "verbose", what, "Give a number."


def mask(value, generation):
    if not readers.mask_is_refused(value):
        return None
    what = (
        f"ZE_AFFINITY_MASK={value!r} is no list of devices (0,1) or tiles (0.0,0.1): the driver ends the "
        "process"
    )
    return "affinity-mask", what, "Leave the choice of devices to itexctl run --gpus N."


def selector(value, generation):
    if not readers.selector_is_refused(value):
        return None
    what = f"ONEAPI_DEVICE_SELECTOR={value!r} is refused by the SYCL runtime: the import of TensorFlow fails"
    return "selector", what, "Write level_zero:gpu, or leave it out."


def backend(value, generation):
    if value.lower() == "gpu":
        return None
    if value.lower() in ("cpu", "auto"):
        what = f"ITEX_BACKEND={value!r}: GPUs are still listed as XPUs, but the first operation on one fails"
    else:
        what = f"ITEX_BACKEND={value!r} is none of CPU, GPU and AUTO: the process aborts at the import"
    return "itex-backend", what, "Leave it out."


def keras_backend(value, generation):
    if value == "tensorflow" or generation != "newest":
        return None
    what = (
        f"KERAS_BACKEND={value!r}: ITEX needs Keras on TensorFlow and ends the process with status 0 at "
        "import"
    )
    return "keras-backend", what, "Set KERAS_BACKEND=tensorflow, or leave it out."


def npd(value, generation):
    if generation == "2.14":
        return dead("ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", generation)
    return misread("ITEX_ENABLE_NEXTPLUGGABLE_DEVICE", value)


def legacy(value, generation):
    return misread("TF_USE_LEGACY_KERAS", value) if generation == "newest" else None


def misread(name, value):
    if value.lower() in ("0", "1", "true", "false"):
        return None
    what = f"{name}={value!r}: ITEX's native code takes only 1 and true for true, and reads this as false"
    return "native-spelling", what, "Write 1 or 0."


def disable(value, generation):
    if generation != "newest":
        return dead("ITEX_DISABLE_XLA", generation)
    if python_disable(value) and not native_bool(value, False):
        what = f"ITEX_DISABLE_XLA={value!r} is set for ITEX's Python code and not set for its native code"
        return "disable-spelling", what, "Write 1 or 0, which both read alike."
    return None


def auto_jit_flag(value, generation):
    what = "TF_AUTO_JIT_FLAG is read by nothing, though the vendor's page names it"
    return "auto-jit-flag", what, "Put the flag into TF_XLA_FLAGS, as in TF_XLA_FLAGS=--tf_xla_auto_jit=1."


def dead(name, generation):
    unread = name in CUDA_ONLY
    unread = unread or (generation == "2.14" and name == "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE")
    unread = unread or (generation != "newest" and name == "ITEX_DISABLE_XLA")
    unread = unread or (
        generation == "newest" and name in ("ITEX_TILE_AS_DEVICE", "ITEX_ENABLE_TILE_AS_DEVICE")
    )
    if not unread:
        return None
    fix = "Leave it out."
    if name in CUDA_ONLY:
        fix = "Leave it out: ZE_AFFINITY_MASK chooses devices, ITEX_LIMIT_MEMORY_SIZE_IN_MB limits memory."
    return "dead-variable", f"{name} has no effect on Intel GPUs here", fix


_CHECKS = {
    "TF_XLA_FLAGS": flags,
    "SYCL_DEVICE_FILTER": device_filter,
    "ITEX_LIMIT_MEMORY_SIZE_IN_MB": memory_limit,
    "ITEX_VERBOSE": verbose,
    "ZE_AFFINITY_MASK": mask,
    "ONEAPI_DEVICE_SELECTOR": selector,
    "ITEX_BACKEND": backend,
    "KERAS_BACKEND": keras_backend,
    "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": npd,
    "TF_USE_LEGACY_KERAS": legacy,
    "ITEX_DISABLE_XLA": disable,
    "TF_AUTO_JIT_FLAG": auto_jit_flag,
}
