"""TF_XLA_FLAGS as TensorFlow reads it: which flags it has, and whether it kills the process.

docs/itex.md, "How values are read", says how. The flags are those of db/rules/05-xla-flags.yaml; a test holds
the two together.
"""

from __future__ import annotations

import re

_BLANKS = " \t\r\n"
_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+")


# In the order of registration: name, type, the first generation that has it ("2.14": all).
def flag(entry):
    """name[:type[:generation]]"""
    parts = entry.split(":")
    return (*parts, *("bool", "2.14")[len(parts) - 1 :])


_KNOWN = """
    tf_xla_enable_lazy_compilation tf_xla_print_cluster_outputs tf_xla_check_cluster_input_numerics
    tf_xla_check_cluster_output_numerics tf_xla_disable_constant_folding
    tf_xla_disable_full_embedding_pipelining tf_xla_embedding_parallel_iterations:int
    tf_xla_compile_on_demand tf_xla_enable_xla_devices tf_xla_always_defer_compilation
    tf_xla_async_compilation tf_xla_use_device_api_for_xla_launch
    tf_xla_use_device_api_for_compile_on_demand tf_xla_use_device_api_for_auto_jit tf_xla_use_device_api
    tf_xla_enable_device_api_for_gpu tf_xla_call_module_disabled_checks:string
    tf_mlir_enable_mlir_bridge tf_mlir_enable_merge_control_flow_pass
    tf_mlir_enable_convert_control_to_data_outputs_pass tf_mlir_enable_strict_clusters:bool:2.15
    tf_mlir_enable_multiple_local_cpu_devices:bool:newest
    tf_mlir_enable_tpu_variable_runtime_reformatting_pass:bool:2.15 tf_dump_graphs_in_tfg
    tf_mlir_enable_generic_outside_compilation tf_xla_auto_jit:auto-jit tf_xla_min_cluster_size:int
    tf_xla_max_cluster_size:int tf_xla_ops_to_cluster:string tf_xla_cluster_exclude_ops:string
    tf_xla_clustering_debug tf_xla_cpu_global_jit tf_xla_clustering_fuel:int
    tf_xla_disable_deadness_safety_checks_for_debugging
    tf_xla_disable_resource_variable_safety_checks_for_debugging tf_xla_deterministic_cluster_names
    tf_xla_persistent_cache_directory:string tf_xla_persistent_cache_device_types:string:2.15
    tf_xla_persistent_cache_read_only:bool:2.15 tf_xla_disable_strict_signature_checks
    tf_xla_persistent_cache_prefix:string tf_xla_sparse_core_disable_table_stacking:bool:2.15
    tf_xla_sparse_core_minibatch_max_division_level:int:2.15
    tf_xla_sparse_core_stacking_mem_limit_bytes:int:2.15
    tf_xla_sparse_core_stacking_table_shard_limit_bytes:int:2.15
"""
FLAGS = tuple(flag(entry) for entry in _KNOWN.split())
_GENERATIONS = ("2.14", "2.15", "newest")


class Flags:
    """auto_jit: 0, 1, 2; dies: TensorFlow ends the process; unknown: the words at which it does."""

    def __init__(self, auto_jit, dies, unknown):
        self.auto_jit = auto_jit
        self.dies = dies
        self.unknown = unknown


def is_file(text):
    """The whole value is the name of a file with flags."""
    return text.lstrip(_BLANKS)[:1] not in ("", "-")


def read(text, generation):
    """The flags in a value that is no file's name."""
    level, readable, unknown = 0, True, []
    words = split(text)
    for number, word in enumerate(words):
        if word == "--":
            unknown += words[number:]
            break
        flag = flag_of(word, generation)
        if flag is None:
            unknown.append(word)
            continue
        name, kind = flag
        value = value_of(kind, word[2 + len(name) :], generation)
        readable = readable and value is not None
        if name == "tf_xla_auto_jit" and value is not None:
            level = min(max(value, 0), 2)
    blank_only = bool(text) and not text.strip(_BLANKS)
    dies = blank_only or (bool(unknown) and readable and unknown[0] != "--help")
    return Flags(level, dies, unknown)


def split(text):
    """The words that TensorFlow takes for flags, up to the first that does not begin with a dash."""
    words, position = [], 0
    while True:
        while position < len(text) and text[position] in _BLANKS:
            position += 1
        if text[position : position + 1] != "-":
            return words
        name = re.compile(r"[-\w]*", re.ASCII).match(text, position)
        quoted = re.compile(r"=(?:'([^']*)'?|\"((?:[^\"\\]|\\.)*)\"?)", re.DOTALL).match(text, name.end())
        if quoted:
            value = (
                quoted.group(1) if quoted.group(1) is not None else re.sub(r"\\(.)", r"\1", quoted.group(2))
            )
            words.append(f"{name.group()}={value}")
            position = quoted.end()
        else:
            end = re.compile(r"[^ \t\r\n]*").match(text, name.end()).end()
            words.append(text[position:end])
            position = end


def flag_of(word, generation):
    """(name, type) of the flag that takes the word. Up to 2.15 a boolean also takes longer names than its
    own.
    """
    known = [flag for flag in FLAGS if _GENERATIONS.index(flag[2]) <= _GENERATIONS.index(generation)]
    for name, kind, _ in known:
        if word.startswith(f"--{name}=") or (kind == "bool" and word == f"--{name}"):
            return name, kind
        if kind == "bool" and generation != "newest" and word.startswith(f"--{name}"):
            return name, kind
    return None


def value_of(kind, rest, generation):
    """The value, None where TensorFlow cannot read it."""
    if kind == "bool":
        readable = {"": True, "=true": True, "=false": False}
        if generation == "newest":
            readable.update({"=1": True, "=0": False})
        return readable.get(rest.lower())
    value = rest[1:]
    if kind == "string":
        return value
    if kind == "int":
        return 0 if _NUMBER.fullmatch(value) else None
    return auto_jit(value)


def auto_jit(value):
    if value == "fusible":
        return 1
    inner = re.fullmatch(r"single-gpu\((.+)\)", value, re.DOTALL)
    number = inner.group(1) if inner else value
    found = re.fullmatch(r"[ \t\n\v\f\r]*([+-]?[0-9]+)[ \t\n\v\f\r]*", number)
    return int(found.group(1)) if found and -(2**31) <= int(found.group(1)) < 2**31 else None
