#!/usr/bin/env python3
"""Every spelling that the facts about ITEX speak of, and thousands of odd ones made up from a seed.

usage: test_spellings.py RESOLVE_LINES RULES_DIRECTORY [CASES [SEED]]
"""

import random
import sys

import harness
import itexref
import spellings
import tfflags

CASES, SEED = 6000, 20240531

BOOLEANS = ["0", "1", "true", "false", "True", "FALSE", "", "yes", " 1", "2"]
POOLS = {
    "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": BOOLEANS,
    "ITEX_DISABLE_XLA": BOOLEANS,
    "TF_USE_LEGACY_KERAS": BOOLEANS,
    "ITEX_OPS_OVERRIDE": BOOLEANS,
    "ITEX_REMAPPER": BOOLEANS,
    "ITEX_ENABLE_REMAPPER": BOOLEANS,
    "ITEX_LAYOUT_OPT": BOOLEANS,
    "ITEX_ONEDNN_LAYOUT_OPT": BOOLEANS,
    "ITEX_ENABLE_ONEDNN_LAYOUT_OPT": BOOLEANS,
    "ITEX_ENABLE_ONEDNN_GRAPH": BOOLEANS,
    "ITEX_SYNC_EXEC": BOOLEANS,
    "ITEX_ENABLE_TILE_AS_DEVICE": BOOLEANS,
    "SYCL_TILE_AS_DEVICE": BOOLEANS,
    "ITEX_TILE_AS_DEVICE": BOOLEANS,
    "ZE_FLAT_DEVICE_HIERARCHY": ["FLAT", "COMPOSITE", "COMBINED", "flat"],
    "SYCL_DEVICE_FILTER": ["level_zero", "opencl:gpu", "", "cpu", "level_zero:gpu:0"],
    "ITEX_BACKEND": ["GPU", "CPU", "cpu", "auto", "XPU"],
    "ZE_AFFINITY_MASK": ["", "0", "1", "0,1", "0.1,1.0", "x", "0,", "1,7", "0;1"],
    "ONEAPI_DEVICE_SELECTOR": [
        "",
        "gpu",
        "!opencl:*",
        "level_zero:*",
        "level_zero:0",
        "level_zero:1,2",
        "opencl:gpu",
        "!level_zero:1",
        "*:*",
    ],
    "ITEX_LIMIT_MEMORY_SIZE_IN_MB": ["1024", "4GB", ""],
    "ITEX_VERBOSE": ["1", "yes", "-1", "1x"],
    "KERAS_BACKEND": ["tensorflow", "jax"],
    "TF_AUTO_JIT_FLAG": ["--tf_xla_auto_jit=1"],
    "TF_GPU_ALLOCATOR": ["cuda_malloc_async"],
    "CUDA_VISIBLE_DEVICES": ["", "0"],
    "PATH": ["/bin"],
}
FACTS = {
    "keras": ["0", "2", "3"],
    "jit": ["on", "off", "auto"],
    "custom_ops": ["false", "true"],
    "setuptools": ["none", "69.5.1", "70.0.0", "70.3", "75.1.0", "82.0", "100"],
    "keras_installed": ["none", "2", "3"],
    "lib_flavour": ["none", "cpu", "gpu", "xpu"],
    "notebook": ["false", "true"],
    "import_order": ["tensorflow-first", "keras-first"],
    "cards": ["1", "1,1", "2,2", "1,2,4"],
    "driver_hierarchy": ["none", "composite", "flat"],
    "late_jit": ["false", "true"],
    "strategy": ["false", "true"],
    "unsupported_layer": ["false", "true"],
    "run_eagerly": ["false", "true"],
    "determinism": ["false", "true"],
}
VERSIONS = ["2.13.0.1", "2.14.0.2", "2.15.0.0", "2.15.0.3", "2.16.0", "2.17", "newest"]
TENSORFLOW = ["2.13.1", "2.14.1", "2.15.1", "2.16.2", "2.18.0"]
RARE = 0.3  # how often what is not among the eight looked-at things is given

FLAG_NAMES = [tfflags.AUTO_JIT] * 8 + [tfflags.DEVICE_API] * 3
FLAG_NAMES += ["tf_xla_min_cluster_size", "tf_xla_clustering_debug", "tf_xla_ops_to_cluster"]
FLAG_VALUES = [
    "",
    "=",
    "=1",
    "=2",
    "=0",
    "=-1",
    "=fusible",
    "=single-gpu(1)",
    "=single-gpu(2)",
    "=single-gpu()",
    "=Fusible",
    "=+2",
    "=' 2 '",
    '=" 1\t"',
    "='2",
    '="2',
    '="2\\',
    "='1'x",
    '="a\\"b"',
    '="1"--tf_xla_auto_jit=2',
    "=true",
    "=TRUE",
    "=False",
    "=yes",
    "=2147483648",
    "=0x1",
    "='4 '",
    "xyz",
    "xyz=true",
    "=\\1",
    "_for_auto_jit",
    "='single-gpu( 1 )'",
]
ODD_TOKENS = [
    "--",
    "--help",
    "-",
    "---tf_xla_auto_jit=1",
    "-tf_xla_auto_jit=1",
    "--xla_dump_to=/x",
    "stop",
    "--foo",
    "--foo='a b",
    "--TF_XLA_AUTO_JIT=1",
    "--tf_xla_auto_jit 1",
    "'--tf_xla_auto_jit=1'",
    "#",
    "--tf_mlir_enable_multiple_local_cpu_devices",
    "--tf_xla_persistent_cache_read_only=true",
    "--\u00e9",
]


def flags_text(rng):
    """A text for TF_XLA_FLAGS; now and then something that is a file's name."""
    tokens = []
    for _ in range(rng.choice([1, 1, 2, 2, 3, 4])):
        odd = rng.random() < 0.15
        tokens.append(
            rng.choice(ODD_TOKENS) if odd else "--" + rng.choice(FLAG_NAMES) + rng.choice(FLAG_VALUES)
        )
    blank = rng.choice([" ", " ", " ", "\t", "  ", "\n", "\r"])
    return rng.choice([""] * 6 + [" ", "\n"]) + blank.join(tokens) + rng.choice([""] * 6 + [" ", " x"])


def looked_at(rng, request):
    """The eight things of the page's table, each given more often than not."""
    env, facts = request["env"], request["facts"]
    for name in (
        "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE",
        "ITEX_DISABLE_XLA",
        "TF_USE_LEGACY_KERAS",
        "ITEX_OPS_OVERRIDE",
    ):
        if rng.random() < 0.4:
            env[name] = rng.choice(POOLS[name][: rng.choice([2, len(POOLS[name])])])
    for name in ("keras", "jit", "custom_ops"):
        if rng.random() < 0.75:
            facts[name] = rng.choice(FACTS[name])
    if rng.random() < 0.85:
        facts["itex"] = rng.choice(VERSIONS)
    elif rng.random() < 0.5:
        facts["tensorflow"] = rng.choice(TENSORFLOW)
    if rng.random() < 0.8:
        env["TF_XLA_FLAGS"] = flags_text(rng)


def made_up(rng):
    """A request from the seed."""
    request = {"env": {}, "facts": {}, "policy": rng.choice(["enforce"] * 4 + ["advise"])}
    looked_at(rng, request)
    env, facts = request["env"], request["facts"]
    for name in sorted(set(POOLS) - set(env)):
        if rng.random() < RARE / 3:
            env[name] = rng.choice(POOLS[name])
    for name in sorted(set(FACTS) - {"keras", "jit", "custom_ops"}):
        if rng.random() < RARE:
            facts[name] = rng.choice(FACTS[name])
    if tfflags.where(env.get("TF_XLA_FLAGS")) == "file":
        state = rng.choice(["missing", "unreadable", None, "text", "text"])
        if state == "text":
            facts["xla_flags_file"] = flags_text(rng)
        else:
            request["xla_flags_state"] = state
    request["apply_errors"] = rng.random() < 0.15
    if env and rng.random() < 0.08:
        name = rng.choice(sorted(env))
        request["script_env"] = {
            name: {"value": env.pop(name), "file": "train.py", "line": rng.randint(1, 99)}
        }
    return request


MASK_NUMBERS = ["0", "1", "2", "3", "5", "7", "01", "010", "08", "0x1", "0x9", "+1", "-1", " 1", "1 ", "1x"]
MASK_NUMBERS += ["", "x", "0;1", "1e0", "- 1", "4294967297", "18446744073709551615", "18446744073709551616"]
BACKENDS = ["level_zero"] * 6 + [
    "LEVEL_ZERO",
    "*",
    "*",
    "opencl",
    "opencl",
    "cuda",
    "hip",
    "host",
    "native_cpu",
]
BACKENDS += ["nonsense", "", "level_zero "]
DEVICES = ["*", "gpu", "GPU", "cpu", "fpga", "acc", "0", "1", "2", "3", "7", "07", " 1", "1x", "-1", "+1", ""]
DEVICES += [
    "0.0",
    "0.1",
    "1.1",
    "2.0",
    "0.7",
    "0.*",
    "*.*",
    "*.0",
    "gpu.0",
    "0.0.0",
    "0.*.*",
    "0.1.2.3",
    "1.",
    "x",
]


def odd_mask(rng):
    entries = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        parts = rng.choice([1, 1, 1, 2, 2, 3])
        usual = rng.random() < 0.7
        numbers = MASK_NUMBERS[:5] if usual else MASK_NUMBERS
        entries.append(".".join(rng.choice(numbers) for _ in range(parts)))
    return ",".join(entries) + rng.choice([""] * 9 + [","])


def odd_selector(rng):
    terms = []
    for _ in range(rng.choice([1, 1, 2, 2, 3])):
        devices = ",".join(rng.choice(DEVICES) for _ in range(rng.choice([1, 1, 2])))
        colon = rng.choice([":"] * 12 + ["", "::"])
        terms.append(rng.choice(["", "", "!"]) + rng.choice(BACKENDS) + colon + devices)
    return rng.choice([""] * 9 + [";"]).join([";".join(terms), ""])


def odd_devices(rng):
    """A mask, a selector, a hierarchy and a node, each as odd as people and programs can be."""
    env = {}
    facts = {"keras": "0", "jit": "off", "custom_ops": "false", "itex": rng.choice(["2.15.0.3", "newest"])}
    if rng.random() < 0.7:
        env["ZE_AFFINITY_MASK"] = odd_mask(rng)
    if rng.random() < 0.7:
        env["ONEAPI_DEVICE_SELECTOR"] = odd_selector(rng)
    if rng.random() < 0.3:
        env["ZE_FLAT_DEVICE_HIERARCHY"] = rng.choice(POOLS["ZE_FLAT_DEVICE_HIERARCHY"])
    if rng.random() < 0.3:
        env["SYCL_TILE_AS_DEVICE"] = "0"
    if rng.random() < 0.8:
        facts["cards"] = rng.choice(FACTS["cards"])
    if rng.random() < 0.8:
        facts["driver_hierarchy"] = rng.choice(FACTS["driver_hierarchy"])
    return {"env": env, "facts": facts}


def device_failures(tool, rules, cases, seed):
    rng = random.Random(seed)
    requests = [odd_devices(rng) for _ in range(cases)]
    answers = harness.resolve_all(tool, rules, requests)
    references = [itexref.resolve(request) for request in requests]
    failures = [harness.disagreement(*trio) for trio in zip(requests, references, answers)]
    said = {reference["predicted"]["outcome"] for reference in references}
    missing = {"ok", "warning", "error", "abort", "no-device"} - said
    return [text for text in failures if text] + ([f"never {missing}"] if missing else [])


def table_failures(tool, rules, cases):
    """The hand-written expectation, the reference and C, for one table."""
    pairs = [pair for case in cases for pair in zip(case.requests(), case.expect)]
    requests = [request for request, _ in pairs]
    failures = []
    for (request, (mode, outcome)), answer in zip(pairs, harness.resolve_all(tool, rules, requests)):
        reference = itexref.resolve(request)
        expected = {"mode": mode, "outcome": outcome}
        for who, predicted in (("reference", reference["predicted"]), ("C", answer.get("predicted"))):
            if predicted != expected:
                failures.append(f"{harness.line_of(request)}\n  expected {expected}, {who} {predicted}")
        difference = harness.disagreement(request, reference, answer)
        failures += [difference] if difference else []
    return failures


def random_failures(tool, rules, cases, seed):
    rng = random.Random(seed)
    requests = [made_up(rng) for _ in range(cases)]
    answers = harness.resolve_all(tool, rules, requests)
    compared = (
        harness.disagreement(*trio) for trio in zip(requests, map(itexref.resolve, requests), answers)
    )
    disagree = [text for text in compared if text]
    settled = [
        (request, answer)
        for request, answer in zip(requests, answers)
        if "error" not in answer
        and request["policy"] == "enforce"
        and not request["apply_errors"]
        and not request.get("script_env")
        and answer["verdict"] != "rejected"
    ]
    again = [harness.after(request, answer) for request, answer in settled]
    unstable = []
    for (request, _), second in zip(settled, harness.resolve_all(tool, rules, again)):
        wrong = harness.unsettled(second)
        unstable += [f"{harness.line_of(request)}: {'; '.join(wrong)}"] if wrong else []
    return disagree, unstable


def alternative_failures(tool, rules, cases, seed):
    """Every alternative is a fix by itself, and none changes more than it must."""
    rng = random.Random(seed)
    requests = [
        dict(made_up(rng), alternatives=True, policy="enforce", apply_errors=False) for _ in range(cases)
    ]
    failures, offered = [], 0
    for request, answer in zip(requests, harness.resolve_all(tool, rules, requests)):
        for alternative in answer["alternatives"]:
            offered += 1
            wrong = alternative_wrong(request, alternative)
            wrong += ["is the resolution's own"] if alternative["env"] == answer["env"] else []
            if wrong:
                failures.append(f"{harness.line_of(request)}\n  {alternative}: {'; '.join(wrong)}")
    return failures if offered else ["none was offered"]


def alternative_wrong(request, alternative):
    env = alternative["env"]
    single = [dict(env, set={name: value}, unset=[]) for name, value in env["set"].items()]
    single += [dict(env, set={}, unset=[name]) for name in env["unset"]]
    wrong = []
    if not 1 <= len(single) <= 2:
        wrong.append(f"{len(single)} changes")
    after = with_changes(request, env)
    if after["env"]["set"] or after["env"]["unset"] or after["verdict"] == "rejected":
        wrong.append(f"then {after['verdict']} with {after['env']}")
    if after["obligations"] != alternative["obligations"] or after["mode"] != alternative["mode"]:
        wrong.append(f"then {after['obligations']}, {after['mode']}")
    for part in single if len(single) == 2 else []:
        alone = with_changes(request, part)
        settled = not (alone["env"]["set"] or alone["env"]["unset"]) and alone["verdict"] != "rejected"
        if settled and set(alone["obligations"]) <= set(alternative["obligations"]):
            wrong.append(f"{part} is enough")
    return wrong


def with_changes(request, env):
    return itexref.resolve(harness.after(request, {"env": env, "obligations": []}))


def main():
    tool, rules = sys.argv[1:3]
    cases = int(sys.argv[3]) if len(sys.argv) > 3 else CASES
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else SEED
    tap = harness.Tap(len(spellings.TABLES) + 4)
    for name, table in spellings.TABLES.items():
        tap.group(f"spellings: {name}", table_failures(tool, rules, table()))
    disagree, unstable = random_failures(tool, rules, cases, seed)
    tap.group(f"{cases} made-up jobs, seed {seed}: reference and C agree", disagree)
    tap.group(f"{cases} made-up jobs, seed {seed}: a second pass changes nothing", unstable)
    tap.group(f"{cases} odd masks and selectors, seed {seed}", device_failures(tool, rules, cases, seed))
    tap.group("alternatives are fixes, and minimal", alternative_failures(tool, rules, cases // 10, seed))
    return tap.status()


if __name__ == "__main__":
    sys.exit(main())
