"""TF_XLA_FLAGS as TensorFlow reads it, and as a careful person would edit it.

Part of the reference of tests/reference (see itexref.py): written from TensorFlow's behaviour, never from
this project's C code, and meant to stay that way. Clear and slow. The list of flags was taken from the
TensorFlow 2.14.1, 2.15.1 and 2.16.2 wheels by asking their parsers about every name they contain; 2.16 also
changed how a boolean is read.
"""

import functools
import re
from typing import NamedTuple, Optional

BLANKS = " \t\r\n"
NAME_CHARACTERS = set("-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

AUTO_JIT = "tf_xla_auto_jit"
DEVICE_API = "tf_xla_use_device_api"

SINCE_2_15 = {
    "tf_mlir_enable_strict_clusters": "bool",
    "tf_mlir_enable_tpu_variable_runtime_reformatting_pass": "bool",
    "tf_xla_persistent_cache_device_types": "string",
    "tf_xla_persistent_cache_read_only": "bool",
    "tf_xla_sparse_core_disable_table_stacking": "bool",
    "tf_xla_sparse_core_minibatch_max_division_level": "int",
    "tf_xla_sparse_core_stacking_mem_limit_bytes": "int",
    "tf_xla_sparse_core_stacking_table_shard_limit_bytes": "int",
}
SINCE_2_16 = {"tf_mlir_enable_multiple_local_cpu_devices": "bool"}
ALWAYS = {
    "tf_dump_graphs_in_tfg": "bool",
    "tf_mlir_enable_convert_control_to_data_outputs_pass": "bool",
    "tf_mlir_enable_generic_outside_compilation": "bool",
    "tf_mlir_enable_merge_control_flow_pass": "bool",
    "tf_mlir_enable_mlir_bridge": "bool",
    "tf_xla_always_defer_compilation": "bool",
    "tf_xla_async_compilation": "bool",
    AUTO_JIT: "auto-jit",
    "tf_xla_call_module_disabled_checks": "string",
    "tf_xla_check_cluster_input_numerics": "bool",
    "tf_xla_check_cluster_output_numerics": "bool",
    "tf_xla_cluster_exclude_ops": "string",
    "tf_xla_clustering_debug": "bool",
    "tf_xla_clustering_fuel": "int",
    "tf_xla_compile_on_demand": "bool",
    "tf_xla_cpu_global_jit": "bool",
    "tf_xla_deterministic_cluster_names": "bool",
    "tf_xla_disable_constant_folding": "bool",
    "tf_xla_disable_deadness_safety_checks_for_debugging": "bool",
    "tf_xla_disable_full_embedding_pipelining": "bool",
    "tf_xla_disable_resource_variable_safety_checks_for_debugging": "bool",
    "tf_xla_disable_strict_signature_checks": "bool",
    "tf_xla_embedding_parallel_iterations": "int",
    "tf_xla_enable_device_api_for_gpu": "bool",
    "tf_xla_enable_lazy_compilation": "bool",
    "tf_xla_enable_xla_devices": "bool",
    "tf_xla_max_cluster_size": "int",
    "tf_xla_min_cluster_size": "int",
    "tf_xla_ops_to_cluster": "string",
    "tf_xla_persistent_cache_directory": "string",
    "tf_xla_persistent_cache_prefix": "string",
    "tf_xla_print_cluster_outputs": "bool",
    "tf_xla_use_device_api_for_auto_jit": "bool",
    "tf_xla_use_device_api_for_compile_on_demand": "bool",
    "tf_xla_use_device_api_for_xla_launch": "bool",
    DEVICE_API: "bool",
}


@functools.cache
def known_flags(generation: str) -> dict[str, str]:
    """Flag to type. Order matters to TensorFlow only between a boolean and the names it is a prefix of."""
    flags = dict(ALWAYS)
    if generation != "2.14":
        flags.update(SINCE_2_15)
    if generation == "newest":
        flags.update(SINCE_2_16)
    # Longest first: TensorFlow registers tf_xla_use_device_api after tf_xla_use_device_api_for_*.
    return dict(sorted(flags.items(), key=lambda item: -len(item[0])))


class Token(NamedTuple):
    """One flag of the text: raw as written (an open quote closed), argument as TensorFlow sees it."""

    raw: str
    argument: str


def _skip(text: str, position: int, blanks: bool) -> int:
    while position < len(text) and (text[position] in BLANKS) == blanks:
        position += 1
    return position


def _quoted_value(text: str, start: int) -> tuple[str, str, int]:
    """The quote at text[start]: its raw text (closed), its value, and the position behind it."""
    quote = text[start]
    value, raw, position = "", quote, start + 1
    while position < len(text) and text[position] != quote:
        character = text[position]
        if quote == '"' and character == "\\":
            if position + 1 < len(text):
                position += 1
                value += text[position]
                raw += "\\" + text[position]
            else:  # a lone backslash at the very end stands for itself; closing the quote must not escape it
                value += "\\"
                raw += "\\\\"
        else:
            value += character
            raw += character
        position += 1
    return raw + quote, value, min(position + 1, len(text))


def tokens(text: str) -> list[Token]:
    """The flags that TensorFlow finds; it stops for good at the first thing that does not start with '-'."""
    found = []
    position = _skip(text, 0, blanks=True)
    while position < len(text) and text[position] == "-":
        end = position
        while end < len(text) and text[end] in NAME_CHARACTERS:
            end += 1
        if text[end : end + 1] == "=" and text[end + 1 : end + 2] in ("'", '"'):
            raw, value, after = _quoted_value(text, end + 1)
            name = text[position : end + 1]
            found.append(Token(name + raw, name + value))
        else:
            after = _skip(text, end, blanks=False)
            found.append(Token(text[position:after], text[position:after]))
        position = _skip(text, after, blanks=True)
    return found


def simple_atoi32(text: str) -> Optional[int]:
    match = re.fullmatch(r"[ \t\n\v\f\r]*([+-]?[0-9]+)[ \t\n\v\f\r]*", text)
    if not match or not -(2**31) <= int(match.group(1)) < 2**31:
        return None
    return int(match.group(1))


def auto_jit_value(text: str) -> Optional[int]:
    """What --tf_xla_auto_jit=text sets, None where TensorFlow cannot read it."""
    number = simple_atoi32(text)
    if number is not None:
        return number
    if text == "fusible":
        return 1
    if text.startswith("single-gpu(") and text.endswith(")") and len(text) > len("single-gpu("):
        return simple_atoi32(text[len("single-gpu(") : -1])
    return None


def _value_of(kind: str, rest: str, generation: str) -> tuple[bool, object]:
    """Whether TensorFlow accepts what follows the name, and the value."""
    if kind == "bool":
        accepted = {"": True, "=true": True, "=false": False}
        if generation == "newest":
            accepted.update({"=1": True, "=0": False})
        return rest.lower() in accepted, accepted.get(rest.lower())
    value = rest[1:]
    if kind == "auto-jit":
        number = auto_jit_value(value)
        return number is not None, number
    if kind == "int":
        return re.fullmatch(r"[ \t\n\v\f\r]*[+-]?[0-9]+", value) is not None, value
    return True, value


def flag_of(argument: str, generation: str) -> Optional[str]:
    """The flag that takes this argument. Up to TensorFlow 2.15 a boolean takes every longer name too."""
    for name, kind in known_flags(generation).items():
        if argument.startswith("--" + name + "="):
            return name
        if kind == "bool" and argument == "--" + name:
            return name
        if kind == "bool" and generation != "newest" and argument.startswith("--" + name):
            return name
    return None


class Parsed(NamedTuple):
    values: dict[str, object]  # last readable value of each flag
    given: tuple[str, ...]  # flags that occur, readable or not
    unknown: tuple[int, ...]  # which tokens no flag takes
    dies: bool  # TensorFlow ends the process at them


@functools.cache
def parse(text: str, generation: str) -> Parsed:
    kinds = known_flags(generation)
    found = tokens(text)
    values, given, unknown, all_readable = {}, [], [], True
    for index, token in enumerate(found):
        if token.argument == "--":
            unknown.extend(range(index, len(found)))
            break
        name = flag_of(token.argument, generation)
        if name is None:
            unknown.append(index)
            continue
        given.append(name)
        readable, value = _value_of(kinds[name], token.argument[2 + len(name) :], generation)
        if readable:
            values[name] = value
        all_readable = all_readable and readable
    asks_for_help = bool(unknown) and found[unknown[0]].argument == "--help"
    dies = bool(unknown) and all_readable and not asks_for_help
    return Parsed(values, tuple(given), tuple(unknown), dies)


def where(value: Optional[str]) -> str:
    """Where the flags come from: unset, text, or file (the whole value is its name)."""
    if value is None or value == "":
        return "unset"
    return "text" if value.lstrip(BLANKS)[:1] == "-" else "file"


def set_flag(text: str, generation: str, name: str, value: Optional[str]) -> str:
    """The text with the flag set (value None: dropped), everything else kept as written."""
    kept = []
    for token in tokens(text):
        if token.argument == "--":
            break  # nothing behind it is read, what is appended would not be either
        if flag_of(token.argument, generation) != name:
            kept.append(token.raw)
    return " ".join(kept + ([] if value is None else [f"--{name}={value}"]))


def drop_unknown(text: str, generation: str) -> str:
    unknown = parse(text, generation).unknown
    return " ".join(token.raw for index, token in enumerate(tokens(text)) if index not in unknown)


def inline(text: str) -> str:
    """A file's flags as text for the variable."""
    return " ".join(token.raw for token in tokens(text))
