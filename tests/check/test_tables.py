"""What the analyser has from elsewhere in the project agrees with it: rules, facts, flags, parsers,
documentation.
"""

import itertools
import re
import sys
from pathlib import Path

import analyser
import snippets
import tap
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "reference"))

import itexfacts  # noqa: E402
import itexgpus  # noqa: E402
import tfflags  # noqa: E402
from itexclient import facts  # noqa: E402
from itexclient.check import keras_tables, modules, rules, variables, xla_flags  # noqa: E402


def rule_files():
    for path in sorted((ROOT / "db" / "rules").glob("[0-9]*.yaml")):
        yield yaml.safe_load(path.read_text(encoding="utf-8"))


def severities():
    """Findings that are rules have the rule's severity."""
    known = {rule["id"]: rule["severity"] for file in rule_files() for rule in file.get("rules", [])}
    pairs = []
    for rule, severity in rules.SEVERITIES.items():
        if rule in known:
            pairs.append((rule, severity, {"unsupported": "error"}.get(known[rule], known[rule])))
    return tap.differences(pairs) + ([] if len(pairs) > 20 else [f"only {len(pairs)} rules are known"])


def documented():
    """docs/check.md has every finding, with its severity, and no other."""
    text = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    told = {}
    for row in re.findall(r"^\| ([a-z0-9, -]+) \| (error|warning|info) \|", text, re.MULTILINE):
        for rule in row[0].split(", "):
            told[rule] = row[1]
    return tap.differences(
        (rule, told.get(rule), severity) for rule, severity in rules.SEVERITIES.items()
    ) + [f"{rule} is documented and there is none" for rule in set(told) - set(rules.SEVERITIES)]


def tested():
    """Every finding is in some snippet."""
    missed = set(rules.SEVERITIES) - {
        finding[0] for snippet in snippets.all_snippets() for finding in snippet.findings
    }
    elsewhere = {"analyser-failure", "too-complex"}  # test_fuzz.py, test_command.py
    return [f"no snippet has {rule}" for rule in sorted(missed - elsewhere)]


def fact_names():
    """Names and values of facts are those of facts.yaml."""
    table = yaml.safe_load((ROOT / "db" / "rules" / "facts.yaml").read_text(encoding="utf-8"))["facts"]
    known = {fact["name"]: fact for fact in table}
    said = [(name, value) for snippet in snippets.all_snippets() for name, value in snippet.facts.items()]
    for site in ("newest", "newest-legacy", "newest-without-keras", "wheel-cpu", "old", "none"):
        said += facts.installation([analyser.site(site)]).items()
    wrong = []
    for name, value in said:
        fact = known.get(name)
        values = {"bool": ["true", "false"], "enum": fact and fact.get("values")}.get(fact and fact["type"])
        if fact is None or fact["origin"] != "declared" or (values is not None and value not in values):
            wrong.append(f"{name}={value} is no fact of facts.yaml that can be declared")
    return sorted(set(wrong))


def flags():
    """The flags of TF_XLA_FLAGS, in their order."""
    first = next(file for file in rule_files() if "xla_flags" in file)
    kinds = {"int32": "int", "int64": "int"}
    expected = tuple(
        (one["name"], kinds.get(one["type"], one["type"]), one.get("itex", ["2.14"])[0])
        for one in first["xla_flags"]
    )
    return tap.differences([("flags", xla_flags.FLAGS, expected)])


_WORDS = [
    "", "--tf_xla_auto_jit=1", "--tf_xla_auto_jit=2", "--tf_xla_auto_jit=fusible", "--tf_xla_auto_jit=single-gpu(2)",
    "--tf_xla_auto_jit=x", "--tf_xla_auto_jit= 1", "--tf_xla_auto_jit='1'", '--tf_xla_auto_jit="2"', "--tf_xla_auto_jit=-1",
    "--tf_xla_auto_jit=99999999999", "--tf_xla_auto_jit", "--xla_gpu=1", "-tf_xla_auto_jit=1", "--", "--help",
    "junk",
    "--tf_xla_clustering_debug", "--tf_xla_clustering_debugger", "--tf_xla_cpu_global_jit=1", "--tf_xla_cpu_global_jit=true",
    "--tf_xla_min_cluster_size=x", "--tf_xla_min_cluster_size=4", "--tf_xla_persistent_cache_read_only", "--tf_xla_use_device_api=false",
    "--tf_xla_ops_to_cluster='a b'", '--tf_xla_ops_to_cluster="a\\"b', "--tf_xla_use_device_api_for_x", "--tf_mlir_enable_multiple_local_cpu_devices",
]  # fmt: skip


def flag_values():
    """Values of TF_XLA_FLAGS are read as the reference reads them."""
    wrong = []
    texts = [" ".join(pair) for pair in itertools.product(_WORDS, repeat=2)] + [
        "\t --tf_xla_auto_jit=2\n",
        "  ",
        "",
    ]
    for text, generation in itertools.product(texts, ("2.14", "2.15", "newest")):
        if tfflags.where(text) == "file":
            if not xla_flags.is_file(text) and text.strip():
                wrong.append(f"{text!r} is a file")
            continue
        found, reference = xla_flags.read(text, generation), tfflags.parse(text, generation)
        level = min(max(reference.values.get(tfflags.AUTO_JIT, 0), 0), 2)
        if (found.auto_jit, found.dies) != (level, reference.dies):
            wrong.append(f"{generation} {text!r}: {found.auto_jit}, {found.dies}; {level}, {reference.dies}")
    return wrong


def parsers():
    """Single values are read as the reference reads them."""
    values = ["", "0", "1", "true", "TRUE", "True", "false", "yes", " 1", "on", "2", "gpu", "level_zero:gpu", "opencl:gpu", "0,1", "0.0",
              "0,", "x", "4GB", "-3", "!level_zero:0", "level_zero:0;!level_zero:1", "level_zero", ";", "cpu", "CPU", "tensorflow",
              "auto", "1x", "+1", "-1", "0x1", "08", "0.", "0.1.2", "0.1.0", "default", "2147483648", "level_zero:*.0",
              "level_zero:*.*", "level_zero:0.1", "level_zero:gpu.0", "level_zero:gpu;", "!!level_zero:0", "host:*"]  # fmt: skip
    checks = {
        "SYCL_DEVICE_FILTER": lambda v: itexfacts.device_filter(v) == "other",
        "ITEX_LIMIT_MEMORY_SIZE_IN_MB": lambda v: itexfacts.integer(v) == "invalid",
        "ITEX_VERBOSE": lambda v: itexfacts.verbose(v) != "valid",
        "ZE_AFFINITY_MASK": lambda v: itexgpus.affinity_mask(v) == "invalid",
        "ONEAPI_DEVICE_SELECTOR": lambda v: itexgpus.selector(v) == "invalid",
        "ITEX_BACKEND": lambda v: itexfacts.backend(v) != "gpu",
        "KERAS_BACKEND": lambda v: itexfacts.keras_backend(v) == "other",
        "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": lambda v: itexfacts.native_spelling(v) == "misread",
        "TF_USE_LEGACY_KERAS": lambda v: itexfacts.native_spelling(v) == "misread",
    }
    checks.update(
        {name: lambda v: itexfacts.strict_bool(v) == "invalid" for name in variables.STRICT_BOOLEANS}
    )
    pairs = [("strict booleans", set(itexfacts.STRICT_BOOLEANS.values()), set(variables.STRICT_BOOLEANS))]
    for (name, check), value in itertools.product(checks.items(), values):
        found = variables.problem(name, value, "newest")
        harmless = found is None or found[0] == "dead-variable"
        pairs.append((f"{name}={value!r}", not harmless, check(value)))
    for value in values:
        pairs.append(
            (f"native {value!r}", variables.native_bool(value, False), itexfacts.native_bool(value, False))
        )
        pairs.append((f"disable {value!r}", variables.python_disable(value), value not in ("0", "false")))
    return tap.differences(pairs)


def layers():
    """No layer is in two tables."""
    tables = [keras_tables.SUPPORTED, keras_tables.UNSUPPORTED, keras_tables.RECURRENT]
    return [f"{a & b}" for a, b in itertools.combinations(tables, 2) if a & b]


def standard_library():
    """What Python 3.9 has to find out about its own modules is what later ones say."""
    here = getattr(sys, "stdlib_module_names", None)
    if here is None:
        return []
    saved = sys.stdlib_module_names
    try:
        del sys.stdlib_module_names
        found = modules.standard_modules()
    finally:
        sys.stdlib_module_names = saved
    common = [
        "os",
        "sys",
        "json",
        "argparse",
        "multiprocessing",
        "logging",
        "math",
        "time",
        "random",
        "itertools",
        "_thread",
    ]
    return [f"{name} is missed" for name in common if name not in found]


CASES = [
    ("severities are those of the rules", severities),
    ("every finding is documented", documented),
    ("every finding is in a snippet", tested),
    ("facts are those of facts.yaml", fact_names),
    ("the flags of TF_XLA_FLAGS", flags),
    ("values of TF_XLA_FLAGS", flag_values),
    ("values of other variables", parsers),
    ("tables of layers", layers),
    ("the standard library", standard_library),
]

if __name__ == "__main__":
    sys.exit(tap.run(CASES))
