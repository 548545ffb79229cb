"""Spellings of every variable that ITEX and TensorFlow read, and what becomes of the job, by hand.

One table per variable. A case is a value and, for 2.14, 2.15 and newest, the mode and outcome predicted for a
job that would otherwise be fine (JOB below): Keras 3 with jit on in the newest generation, no Keras in the
others.
"""

from typing import Any, NamedTuple, Optional

import tfflags

GENERATIONS = ("2.14.0.2", "2.15.0.3", "newest")
PLAIN = {"keras": "0", "jit": "off", "custom_ops": "false"}
JOB = {"2.14.0.2": PLAIN, "2.15.0.3": PLAIN, "newest": dict(PLAIN, keras="3", jit="on")}

SE, NPD, XLA = "stream-executor", "npd", "npd+xla"
FINE = ((SE, "ok"), (NPD, "ok"), (XLA, "ok"))
ABORTS = ((None, "abort"),) * 3
FAILS = ((None, "error"),) * 3
NO_DEVICE = ((None, "no-device"),) * 3
LATE_ABORTS = ((SE, "abort"), (NPD, "abort"), (XLA, "abort"))
WARNED = ((SE, "warning"), (NPD, "warning"), (XLA, "warning"))


class Case(NamedTuple):
    env: dict[str, str]
    facts: dict[str, dict[str, str]]  # by generation
    expect: tuple[tuple[Optional[str], Optional[str]], ...]  # (mode, outcome) by generation
    state: Optional[str] = None  # of the file that TF_XLA_FLAGS names

    def requests(self) -> list[dict[str, Any]]:
        return [
            {
                "env": self.env,
                "facts": dict(self.facts[itex], itex=itex),
                "xla_flags_state": self.state,
            }
            for itex in GENERATIONS
        ]


def job(**more: str) -> dict[str, dict[str, str]]:
    return {itex: dict(facts, **more) for itex, facts in JOB.items()}


def values(variable, spellings, expect, facts=None, **others):
    """The same expectation for several values of a variable."""
    return [Case(dict(others, **{variable: value}), facts or job(), expect) for value in spellings]


NATIVE_TRUE = ["1", "true", "TRUE", "True", "tRuE"]
NATIVE_FALSE = ["0", "false", "FALSE", "", "yes", "on", " 1", "1 ", "2", "01", "enable", "t"]


def npd():
    variable = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"
    off = ((SE, "ok"), (SE, "ok"), (None, "abort"))
    return values(variable, NATIVE_TRUE, FINE) + values(variable, NATIVE_FALSE, off)


def disable_xla():
    variable = "ITEX_DISABLE_XLA"
    natively_off = ((SE, "ok"), (NPD, "ok"), (NPD, "error"))  # Keras 3's jit that nothing can compile
    cases = values(variable, NATIVE_TRUE, natively_off) + values(variable, NATIVE_FALSE, FINE)
    uncompiled = job(keras="3", jit="off")
    plain = ((SE, "ok"), (NPD, "ok"))
    cases += values(variable, NATIVE_TRUE, plain + ((NPD, "ok"),), uncompiled)
    cases += values(variable, ["0", "false"], plain + ((XLA, "exit0"),), uncompiled)
    set_for_python = ["False", "FALSE", "", "yes", "no", " 0", "0 "]
    return cases + values(variable, set_for_python, plain + ((XLA, "slow"),), uncompiled)


def legacy_keras():
    variable = "TF_USE_LEGACY_KERAS"
    plain = ((SE, "ok"), (NPD, "ok"))
    uncompiled = job(keras="3", jit="off")
    cases = values(variable, ["1", "true", "True"], plain + ((NPD, "slow"),), uncompiled)
    cases += values(variable, ["TRUE", "tRuE"], plain + ((NPD, "exit0"),), uncompiled)
    cases += values(variable, NATIVE_FALSE, plain + ((XLA, "exit0"),), uncompiled)
    keras2 = job(keras="2", jit="off")
    cases += values(variable, NATIVE_TRUE, plain + ((NPD, "ok"),), keras2)
    return cases + values(variable, NATIVE_FALSE, plain + ((XLA, "slow"),), keras2)


def strict_booleans():
    variables = [
        "ITEX_OPS_OVERRIDE",
        "ITEX_REMAPPER",
        "ITEX_ENABLE_REMAPPER",
        "ITEX_LAYOUT_OPT",
        "ITEX_AUTO_MIXED_PRECISION",
        "ITEX_ONEDNN_GRAPH",
        "ITEX_SHARDING",
        "ITEX_TF_CONSTANT_FOLDING",
        "ITEX_CACHE_ONEDNN_OBJECT",
        "ITEX_ENABLE_ONEDNN_GRAPH",
        "ITEX_ONEDNN_LAYOUT_OPT",
        "ITEX_ENABLE_ONEDNN_LAYOUT_OPT",
    ]
    unreadable = ["", "yes", "on", "off", " 1", "1 ", "2", "tru", "no"]
    cases = []
    for variable in variables:
        cases += values(variable, ["0", "1", "true", "false", "TRUE", "False"], FINE)
        cases += values(variable, unreadable, ABORTS)
    # Read by the first operation; the others at import.
    cases += values("ITEX_SYNC_EXEC", ["0", "1", "true", "False"], FINE)
    cases += values("ITEX_SYNC_EXEC", unreadable, LATE_ABORTS)
    cases += values("ITEX_SYNC_EXEC", ["yes"], ABORTS, ITEX_SHARDING="yes")
    for old, new in (
        ("ITEX_ENABLE_REMAPPER", "ITEX_REMAPPER"),
        ("ITEX_ENABLE_ONEDNN_GRAPH", "ITEX_ONEDNN_GRAPH"),
        ("ITEX_ONEDNN_LAYOUT_OPT", "ITEX_LAYOUT_OPT"),
        ("ITEX_ENABLE_ONEDNN_LAYOUT_OPT", "ITEX_LAYOUT_OPT"),
        ("ITEX_ENABLE_ONEDNN_LAYOUT_OPT", "ITEX_ONEDNN_LAYOUT_OPT"),
    ):
        cases += values(old, ["yes", ""], FINE, **{new: "1"})
        cases += values(old, ["1"], ABORTS, **{new: "yes"})
    return cases


def tiles():
    """2.15: TensorFlow's list and PJRT's must count alike, wherever a card lists its tiles below itself."""
    warned = ((SE, "ok"), (NPD, "warning"), (XLA, "ok"))
    dies = ((SE, "ok"), (None, "error"), (XLA, "ok"))
    itex, old, sycl = "ITEX_TILE_AS_DEVICE", "ITEX_ENABLE_TILE_AS_DEVICE", "SYCL_TILE_AS_DEVICE"
    cases = values(itex, ["0", "false", "FALSE"], warned) + values(old, ["0", "false"], warned)
    cases += values(itex, ["1", "true"], FINE) + values(old, ["1"], FINE) + values(sycl, ["1"], FINE)
    cases += values(sycl, ["0", "false"], dies) + values(itex, ["0"], FINE, SYCL_TILE_AS_DEVICE="0")
    cases += values(old, ["1"], dies, ITEX_TILE_AS_DEVICE="0", SYCL_TILE_AS_DEVICE="0")
    cases += values(old, ["0"], FINE, ITEX_TILE_AS_DEVICE="1", SYCL_TILE_AS_DEVICE="0")
    cases += values(sycl, ["0"], FINE, ZE_FLAT_DEVICE_HIERARCHY="FLAT")
    cases += values(sycl, ["0"], dies, ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE")
    without_npd = ((SE, "ok"), (SE, "ok"), (None, "abort"))
    cases += values(sycl, ["0"], without_npd, ITEX_ENABLE_NEXTPLUGGABLE_DEVICE="0")
    # The newest reads neither of ITEX's, and PJRT's is read with NPD only.
    older = (ABORTS[0], ABORTS[1], FINE[2])
    cases += values(itex, ["yes", ""], older, ITEX_ENABLE_TILE_AS_DEVICE="1") + values(itex, ["yes"], older)
    cases += values(old, ["yes", ""], older) + values(old, ["yes"], older, ITEX_TILE_AS_DEVICE="1")
    cases += values(sycl, ["yes", "", " 1"], (FINE[0], ABORTS[1], ABORTS[2]))
    cases += values(sycl, ["yes"], without_npd, ITEX_ENABLE_NEXTPLUGGABLE_DEVICE="0")
    two, ones = job(cards="2,2", driver_hierarchy="composite"), job(cards="1,1", driver_hierarchy="composite")
    cases += (
        values(sycl, ["0"], dies, two) + values(sycl, ["0"], FINE, ones) + values(itex, ["0"], FINE, ones)
    )
    cases += values(sycl, ["0"], FINE, job(cards="2,2", driver_hierarchy="flat"))
    cases += values(sycl, ["0"], dies, two, ZE_AFFINITY_MASK="0")
    cases += values(sycl, ["0"], FINE, two, ZE_AFFINITY_MASK="0.1")
    cases += values(sycl, ["0"], FINE, two, ZE_AFFINITY_MASK="0.1,1.0")
    cases += values(sycl, ["0"], dies, two, ZE_AFFINITY_MASK="0.1,0.0")
    cases += values(sycl, ["0"], FINE, two, ONEAPI_DEVICE_SELECTOR="level_zero:*.*")
    old_driver = job(cards="2,2", driver_hierarchy="none")
    return cases + values(sycl, ["0"], dies, old_driver, ZE_FLAT_DEVICE_HIERARCHY="FLAT")


# TF_XLA_FLAGS, for a job without Keras. "on": XLA was asked for; "off": it was not.
FLAGS_ON = ((SE, "ok"), (XLA, "warning"), (XLA, "ok"))
FLAGS_OFF = ((SE, "ok"), (NPD, "ok"), (XLA, "slow"))
FLAGS = {
    "on": [
        "--tf_xla_auto_jit=1",
        "--tf_xla_auto_jit=2",
        "--tf_xla_auto_jit=10",
        "--tf_xla_auto_jit=+1",
        "--tf_xla_auto_jit=fusible",
        "--tf_xla_auto_jit=single-gpu(1)",
        "--tf_xla_auto_jit=single-gpu(2)",
        "--tf_xla_auto_jit='single-gpu( 2 )'",
        "--tf_xla_auto_jit=2147483647",
        "--tf_xla_auto_jit=0001",
        '--tf_xla_auto_jit="1"',
        "--tf_xla_auto_jit='2'",
        '--tf_xla_auto_jit=" 1 "',
        "--tf_xla_auto_jit='\t2'",
        '--tf_xla_auto_jit="\\1"',
        '--tf_xla_auto_jit="1',
        "--tf_xla_auto_jit='1",
        '--tf_xla_auto_jit="1"x --foo',
        '--tf_xla_auto_jit="0"--tf_xla_auto_jit=1',
        "--tf_xla_auto_jit=0 --tf_xla_auto_jit=1",
        "--tf_xla_auto_jit=1 --tf_xla_auto_jit=what",
        "--tf_xla_auto_jit=1 --tf_xla_auto_jit=",
        "  --tf_xla_auto_jit=1",
        "\t\n--tf_xla_clustering_debug\r--tf_xla_auto_jit=1\n",
        "--tf_xla_auto_jit=1 stop --foo",
        "--tf_xla_auto_jit=1 # --tf_xla_auto_jit=0",
        "--tf_xla_auto_jit=1 --help",
        "--tf_xla_auto_jit=1 --help --foo",
        '--tf_xla_ops_to_cluster="a b" --tf_xla_auto_jit=1',
        '--tf_xla_ops_to_cluster="a\\"b" --tf_xla_auto_jit=1',
        "--tf_xla_ops_to_cluster='a\\' --tf_xla_auto_jit=1",
        "--tf_xla_min_cluster_size=x --foo --tf_xla_auto_jit=1",
    ],
    "off": [
        "",
        "--tf_xla_auto_jit=0",
        "--tf_xla_auto_jit=-1",
        "--tf_xla_auto_jit=-0",
        "--tf_xla_auto_jit=",
        "--tf_xla_auto_jit= 1",
        "--tf_xla_auto_jit=yes",
        "--tf_xla_auto_jit=true",
        "--tf_xla_auto_jit=Fusible",
        "--tf_xla_auto_jit=fusible2",
        "--tf_xla_auto_jit=single-gpu",
        "--tf_xla_auto_jit=single-gpu()",
        "--tf_xla_auto_jit=single-gpu(x)",
        "--tf_xla_auto_jit=single-gpu(0)",
        "--tf_xla_auto_jit=single-gpu(1",
        "--tf_xla_auto_jit=1.0",
        "--tf_xla_auto_jit=0x1",
        "--tf_xla_auto_jit=1,2",
        "--tf_xla_auto_jit=2147483648",
        "--tf_xla_auto_jit=++1",
        "--tf_xla_auto_jit='\\1'",
        '--tf_xla_auto_jit=1"',
        "--tf_xla_auto_jit='fusible '",
        "--tf_xla_auto_jit=2 --tf_xla_auto_jit=0",
        '--tf_xla_auto_jit="1"--tf_xla_auto_jit=0',
        "--tf_xla_clustering_debug stop --tf_xla_auto_jit=1",
        '--tf_xla_ops_to_cluster="a b --tf_xla_auto_jit=1"',
        '--tf_xla_ops_to_cluster="a b --tf_xla_auto_jit=1',
        "--tf_xla_clustering_debug",
        "--tf_xla_clustering_debug=TRUE",
        "--tf_xla_clustering_debug=False",
        "--tf_xla_min_cluster_size=4",
        "--tf_xla_min_cluster_size=' 4' --tf_xla_max_cluster_size=+8",
        "--tf_xla_auto_jit=what --foo",
        "--foo --tf_xla_auto_jit=what",
        "--tf_xla_auto_jit=1,--tf_xla_x --foo",
        "--tf_xla_auto_jit=what -- --foo",
        "--tf_xla_min_cluster_size=4x --foo",
        "--tf_xla_min_cluster_size='4 ' --foo",
        "--tf_xla_min_cluster_size= --foo",
        "--tf_xla_clustering_debug=yes --foo",
        "--help",
        "--help --foo",
        "--tf_xla_disable_full_embedding_pipelining",
        "--tf_xla_call_module_disabled_checks=platform",
    ],
    "abort": [
        "-tf_xla_auto_jit=1",
        "---tf_xla_auto_jit=1",
        "--tf_xla_auto_jit 1",
        "--tf_xla_auto_jit",
        "--tf_xla_auto_jit1",
        "--TF_XLA_AUTO_JIT=1",
        "--tf-xla-auto-jit=1",
        "--tf_xla_auto_jit:1",
        "--tf_xla_auto_jit =1",
        "--tf_xla_auto_jit=1 -x",
        "--xla_dump_to=/tmp/x",
        "--xla_gpu_cuda_data_dir=/usr --tf_xla_auto_jit=1",
        "--foo",
        "--foo --help",
        "--foo=",
        "--foo stop --tf_xla_auto_jit=what",
        "-",
        "--",
        "-- --tf_xla_auto_jit=1",
        "--tf_xla_auto_jit=1 --",
        "-- --help",
        "--tf_xla_min_cluster_size",
        "--tf_xla_ops_to_cluster",
        "--tf_xla_min_cluster_size=4 --tf_xla_nothing",
        '--"tf_xla_auto_jit=1"',
        "--\u00e9",
    ],
}


def flags():
    plain = dict.fromkeys(GENERATIONS, PLAIN)
    cases = []
    for texts, expect in ((FLAGS["on"], FLAGS_ON), (FLAGS["off"], FLAGS_OFF), (FLAGS["abort"], ABORTS)):
        cases += [Case({"TF_XLA_FLAGS": text}, plain, expect) for text in texts]
    dies, off, on = (None, "abort"), FLAGS_OFF, FLAGS_ON
    by_generation = [
        # TensorFlow 2.16 reads 0 and 1 for booleans, and no longer takes longer names for them.
        ("--tf_xla_clustering_debugger", (off[0], off[1], dies)),
        ("--tf_xla_clustering_debugger --foo", (off[0], off[1], dies)),
        ("--tf_xla_use_device_apix=true", (off[0], off[1], dies)),
        ("--tf_xla_clustering_debug=1 --foo", (off[0], off[1], dies)),
        ("--tf_xla_clustering_debug=0 --foo", (off[0], off[1], dies)),
        ("--tf_xla_clustering_debug=2 --foo", off),
        ("--tf_xla_use_device_api=1 --tf_xla_auto_jit=1", on),
        ("--tf_xla_use_device_api=true --tf_xla_auto_jit=1", (on[0], (XLA, "ok"), on[2])),
        ("--tf_xla_use_device_api --tf_xla_auto_jit=1", (on[0], (XLA, "ok"), on[2])),
        ("--tf_xla_use_device_api='TRUE' --tf_xla_auto_jit=1", (on[0], (XLA, "ok"), on[2])),
        ("--tf_xla_use_device_api --tf_xla_use_device_api=false --tf_xla_auto_jit=1", on),
        ("--tf_xla_use_device_api_for_auto_jit=true --tf_xla_auto_jit=1", on),
        # Flags that came later.
        ("--tf_xla_persistent_cache_read_only=true", (dies, off[1], off[2])),
        ("--tf_xla_sparse_core_stacking_mem_limit_bytes=1", (dies, off[1], off[2])),
        ("--tf_mlir_enable_multiple_local_cpu_devices", (dies, dies, off[2])),
    ]
    return cases + [Case({"TF_XLA_FLAGS": text}, plain, expect) for text, expect in by_generation]


def every_flag():
    """Each flag that some TensorFlow knows: is it known here, and is its value read as its type says?"""
    plain = dict.fromkeys(GENERATIONS, PLAIN)
    known = [tfflags.known_flags(generation) for generation in ("2.14", "2.15", "newest")]
    readable = {"bool": "true", "int": "1", "string": "x", "auto-jit": "0"}
    cases = []
    for name, kind in known[2].items():
        expect = tuple(off if name in flags else (None, "abort") for off, flags in zip(FLAGS_OFF, known))
        cases.append(Case({"TF_XLA_FLAGS": f"--{name}={readable[kind]}"}, plain, expect))
        # What cannot be read keeps the unknown flag from being fatal.
        expect = ABORTS if kind == "string" else expect
        cases.append(Case({"TF_XLA_FLAGS": f"--{name}=x --foo"}, plain, expect))
        expect = tuple(off if name in flags else (None, "abort") for off, flags in zip(FLAGS_OFF, known))
        cases.append(Case({"TF_XLA_FLAGS": f"--{name}"}, plain, expect if kind == "bool" else ABORTS))
    return cases


def flag_files():
    """Whatever does not start with '-' is the name of a file."""
    dies = (None, "abort")
    missing = [
        "no-such-file",
        " ",
        "\t",
        '"--tf_xla_auto_jit=1"',
        "'--tf_xla_auto_jit=1'",
        "1",
        "tf_xla_auto_jit=1",
    ]
    plain = dict.fromkeys(GENERATIONS, PLAIN)
    cases = [Case({"TF_XLA_FLAGS": name}, plain, ABORTS, "missing") for name in missing]
    texts = [
        ("--tf_xla_auto_jit=1\n", (FLAGS_ON[0], FLAGS_ON[1], dies)),
        ("--tf_xla_clustering_debug\n--tf_xla_auto_jit=2", (FLAGS_ON[0], FLAGS_ON[1], dies)),
        ("--tf_xla_auto_jit=1\n--tf_xla_use_device_api=true\n", (FLAGS_ON[0], (XLA, "ok"), dies)),
        ("", (FLAGS_OFF[0], FLAGS_OFF[1], dies)),
        ("# a comment\n--tf_xla_auto_jit=1\n", (FLAGS_OFF[0], FLAGS_OFF[1], dies)),
        ("another-file", (FLAGS_OFF[0], FLAGS_OFF[1], dies)),
        ("--foo\n", ABORTS),
    ]
    for text, expect in texts:
        facts = {itex: dict(PLAIN, xla_flags_file=text) for itex in GENERATIONS}
        cases.append(Case({"TF_XLA_FLAGS": "/etc/flags"}, facts, expect))
    return cases


def quitting():
    """ITEX's check in compile() and predict(), newest generation, Keras 3, not compiled."""
    plain = ((SE, "ok"), (NPD, "ok"))
    uncompiled = {
        "2.14.0.2": PLAIN,
        "2.15.0.3": PLAIN,
        "newest": dict(PLAIN, keras="3"),
    }
    flagged = ((SE, "ok"), (XLA, "warning"))
    texts = [
        ("--tf_xla_auto_jit=1", flagged + ((XLA, "ok"),)),
        ("--tf_xla_auto_jit=10", flagged + ((XLA, "ok"),)),
        ("--tf_xla_auto_jit=2 --tf_xla_auto_jit=1", flagged + ((XLA, "ok"),)),
        ("--tf_xla_auto_jit=1 --tf_xla_auto_jit=2", flagged + ((XLA, "ok"),)),
        ("--tf_xla_auto_jit=2", flagged + ((XLA, "exit0"),)),
        ("--tf_xla_auto_jit=fusible", flagged + ((XLA, "exit0"),)),
        ("--tf_xla_auto_jit='1'", flagged + ((XLA, "exit0"),)),
        ("--tf_xla_auto_jit=+1", flagged + ((XLA, "exit0"),)),
        ("--tf_xla_auto_jit=single-gpu(1)", flagged + ((XLA, "exit0"),)),
        ("--tf_xla_auto_jit= 1", plain + ((XLA, "slow"),)),
        ("--tf_xla_auto_jit=1 --tf_xla_auto_jit=0", plain + ((XLA, "slow"),)),
        ("--tf_xla_auto_jit=0", plain + ((XLA, "exit0"),)),
    ]
    cases = [Case({"TF_XLA_FLAGS": text}, uncompiled, expect) for text, expect in texts]
    slow, exits, fails = ((XLA, "slow"),), ((XLA, "exit0"),), ((XLA, "error"),)
    for version in ("none", "70.0", "70.0.0", "70.3", "70.3.0", "82", "82.0.1", "90.1"):
        cases.append(Case({}, with_facts(uncompiled, setuptools=version), plain + slow))
        cases.append(Case({}, with_facts(uncompiled, setuptools=version, notebook="true"), plain + slow))
    for version in ("65.5.0", "69.5.1", "70.1.0", "70.2.0", "70.4", "71.0.0", "81.0.0"):
        cases.append(Case({}, with_facts(uncompiled, setuptools=version), plain + exits))
        cases.append(Case({}, with_facts(uncompiled, setuptools=version, notebook="true"), plain + fails))
    return cases


def with_facts(facts, **more):
    return {itex: dict(known, **more) for itex, known in facts.items()}


def automatic_jit():
    """Keras 3's jit "auto": what turns it off. Off is exit 0 in the newest generation, nothing in 2.15."""
    facts = {itex: dict(PLAIN, keras="3", jit="auto") for itex in GENERATIONS}
    on = ((SE, "error"), (NPD, "error"), (XLA, "ok"))
    off = ((SE, "ok"), (NPD, "ok"), (XLA, "exit0"))
    cases = [Case({}, facts, on), Case({"ITEX_OPS_OVERRIDE": "0"}, facts, on)]
    cases += [Case({"ITEX_OPS_OVERRIDE": value}, facts, off) for value in ("1", "true", "TRUE")]
    for reason in ("strategy", "unsupported_layer", "determinism", "run_eagerly"):
        cases.append(Case({}, with_facts(facts, **{reason: "true"}), off))
        cases.append(Case({}, with_facts(facts, **{reason: "false"}), on))
    cases.append(Case({}, with_facts(facts, jit="on", run_eagerly="true"), off))
    cases.append(Case({}, with_facts(facts, jit="on", strategy="true"), on))
    return cases


def silent_cpu():
    on_cpu = ((None, "cpu"),) * 3
    variable = "SYCL_DEVICE_FILTER"
    cases = values(variable, ["level_zero", "level_zero:gpu", "level_zero:gpu:0", "opencl,level_zero"], FINE)
    cases += values(variable, ["opencl", "opencl:gpu", "cpu", "gpu", "", "*", "level-zero"], on_cpu)
    cases += [Case({}, job(lib_flavour=flavour), on_cpu) for flavour in ("cpu", "none")]
    cases += [Case({}, job(lib_flavour=flavour), FINE) for flavour in ("gpu", "xpu")]
    cases += [Case({"ZE_AFFINITY_MASK": "x"}, job(lib_flavour="cpu"), on_cpu)]
    backend_fails = ((SE, "error"), (NPD, "error"), (XLA, "error"))
    cases += values("ITEX_BACKEND", ["CPU", "cpu", "AUTO", "auto"], backend_fails)
    cases += values("ITEX_BACKEND", ["XPU", "", "GPU "], ABORTS)
    return cases + values("ITEX_BACKEND", ["GPU", "gpu"], FINE)


def masks():
    mask = "ZE_AFFINITY_MASK"
    cases = values(mask, ["", "default", "0", "1", "0,1", "0.1", "0.0,1.1", "1,7"], FINE)
    odd = ["0,", "0;1", "-1", "0.", "0.1.0", " 1", "1 ", "0x1", "1e0", "+1", "01", "0.1x"]
    cases += values(mask, odd, WARNED)
    cases += values(
        mask,
        [
            "x",
            "0,x",
            ",0",
            "0,,1",
            ".0",
            "0.x",
            "0.1.1",
            "0.1.2.3",
            "0.1..0",
            "0.1.0x1",
            "*",
            " ",
            "- 1",
            str(2**64),
        ],
        ABORTS,
    )
    two = job(cards="2,2", driver_hierarchy="composite")
    cases += values(mask, ["", "0", "1.1", "7,1", "0.0,0.0", str(2**32)], FINE, two)
    cases += values(mask, ["2", "7", "2,3", "0.2", "5.0"], NO_DEVICE, two)
    cases += values(mask, ["010", "-1", "0x9", "1.-1", "0.1.2", "0.1.-1", "0.1.2."], NO_DEVICE, two)
    cases += values(mask, ["0,0.1.2", "0.1.3,1.0", "0.1.0."], WARNED, two)
    cases += values(mask, ["08", "0x1", "1.0x", "+1"], WARNED, two)
    flat = job(cards="2,2", driver_hierarchy="flat")
    cases += values(mask, ["2", "3", "0,7"], FINE, flat) + values(mask, ["4", "1.0"], NO_DEVICE, flat)
    cases += values(mask, ["2"], FINE, two, ZE_FLAT_DEVICE_HIERARCHY="FLAT")
    cases += values(mask, ["2"], FINE, two, ZE_FLAT_DEVICE_HIERARCHY="COMBINED")
    cases += values(mask, ["2"], NO_DEVICE, flat, ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE")
    cases += values(mask, ["2"], NO_DEVICE, two, ZE_FLAT_DEVICE_HIERARCHY="flat")
    old_driver = job(cards="2,2", driver_hierarchy="none")
    cases += values(mask, ["2"], NO_DEVICE, old_driver, ZE_FLAT_DEVICE_HIERARCHY="FLAT")
    cases += values(mask, ["0.1"], NO_DEVICE, job(cards="1,1", driver_hierarchy="composite"))
    # Not knowing what the driver counts, nobody says that it counts too far.
    return cases + values(mask, ["7"], FINE) + values(mask, ["7"], FINE, job(cards="2,2"))


# What SYCL makes of a selector, by what becomes of the job.
SELECTORS = {
    "fine": [
        "level_zero:*",
        "level_zero:gpu",
        "LEVEL_ZERO:GPU",
        "*:*",
        "*:gpu",
        "level_zero:0",
        "level_zero:0,1",
        "level_zero:gpu;!opencl:*",
        ";level_zero:gpu;",
        "level_zero:*.*",
        "!opencl:*",
        "!cuda:*",
        "opencl:cpu;level_zero:1",
        "level_zero:1x",
        "level_zero: 0",
    ],
    "error": [
        "",
        "gpu",
        "*",
        "level_zero",
        "level_zero:",
        "level_zero:0:1",
        " level_zero:0",
        "nonsense:gpu",
        "esimd_emulator:*",
        "level_zero:x",
        "level_zero:acc",
        "level_zero:gpu.*",
        "level_zero:*.0",
        "level_zero:0.1.2.3",
        "!level_zero:0",
        "!level_zero:*",
        "opencl:gpu",
        "opencl:*",
        "opencl:0",
        "*:gpu;!level_zero:*",
    ],
    "no-device": [
        "level_zero:cpu",
        "level_zero:fpga",
        "level_zero:,",
        ";",
        "opencl:cpu",
        "cuda:*",
        "host:*",
        "*:cpu",
        "!*:cpu",
        "!level_zero:0;!opencl:*",
        "!opencl:*;!level_zero:0",
        "level_zero:0.0.0",
        "level_zero:-1",
        "level_zero:*;!level_zero:*",
    ],
    "no-device of two cards": [
        "level_zero:7",
        "level_zero:07",
        "level_zero:2,3",
        "level_zero:*;!level_zero:0,1",
        "level_zero:0.7",
        "level_zero:1;!level_zero:1.0",
        "cuda:*;level_zero:7",
    ],
    "error of two cards": ["opencl:*;level_zero:7", "*:*;!level_zero:0,1"],
}


def selectors():
    variable = "ONEAPI_DEVICE_SELECTOR"
    two = job(cards="2,2", driver_hierarchy="composite")
    cases = []
    for facts in (job(), two):
        cases += values(variable, SELECTORS["fine"], FINE, facts)
        cases += values(variable, SELECTORS["error"], FAILS, facts)
        cases += values(variable, SELECTORS["no-device"], NO_DEVICE, facts)
    cases += values(variable, SELECTORS["no-device of two cards"], FINE)
    cases += values(variable, SELECTORS["no-device of two cards"], NO_DEVICE, two)
    cases += values(variable, SELECTORS["error of two cards"], FAILS, two)
    return cases + values(
        variable, ["level_zero:*.*"], NO_DEVICE, job(cards="1", driver_hierarchy="composite")
    )


def masks_and_selectors():
    variable = "ONEAPI_DEVICE_SELECTOR"
    two = job(cards="2,2", driver_hierarchy="composite")
    cases = []
    for facts in (job(), two):
        cases += values(variable, ["level_zero:1"], NO_DEVICE, facts, ZE_AFFINITY_MASK="1")
        cases += values(variable, ["level_zero:2,3"], NO_DEVICE, facts, ZE_AFFINITY_MASK="0,1")
        cases += values(variable, ["level_zero:1"], NO_DEVICE, facts, ZE_AFFINITY_MASK="0.0,0.1")
        cases += values(variable, ["level_zero:0", "level_zero:0,1"], WARNED, facts, ZE_AFFINITY_MASK="0,1")
        cases += values(variable, ["level_zero:1,2"], WARNED, facts, ZE_AFFINITY_MASK="0,1")
        cases += values(variable, ["level_zero:*", "level_zero:gpu"], FINE, facts, ZE_AFFINITY_MASK="1")
        cases += values(variable, ["level_zero:1"], FINE, facts, ZE_AFFINITY_MASK="")
    cases += values(variable, ["level_zero:1"], WARNED, ZE_AFFINITY_MASK="1,7")
    cases += values(variable, ["level_zero:1"], NO_DEVICE, two, ZE_AFFINITY_MASK="1,7")
    return cases + values(variable, ["level_zero:*", "level_zero:7"], NO_DEVICE, two, ZE_AFFINITY_MASK="9")


def numbers():
    variable = "ITEX_LIMIT_MEMORY_SIZE_IN_MB"
    unlimited = ((SE, "abort"), (NPD, "warning"), (XLA, "warning"))
    cases = values(variable, ["4096", "0", "1", "-1"], FINE)
    cases += values(variable, ["4GB", "", "1.5", "4 096", "max", "+1"], unlimited)
    cases += values("ITEX_VERBOSE", ["0", "1", "3", "-1", " 1", "1 ", "2147483647"], FINE)
    cases += values("ITEX_VERBOSE", ["1.0", "1x", "0x10", "+1", "1_0", "1 2"], LATE_ABORTS)
    return cases + values("ITEX_VERBOSE", ["yes", "", " ", "true", ".1", "2147483648", "9" * 30], FAILS)


def the_import():
    plain = ((SE, "ok"), (NPD, "ok"))
    exits, fine = ((None, "exit0"),), ((XLA, "ok"),)
    cases = values("KERAS_BACKEND", ["jax", "torch", "TensorFlow"], plain + exits)
    cases += values("KERAS_BACKEND", ["tensorflow"], FINE)
    cases += [Case({}, job(keras_installed=which), plain + exits) for which in ("none", "2")]
    cases += [Case({}, job(keras_installed="3"), plain + fine)]
    cases += [Case({}, job(import_order="keras-first"), plain + exits)]
    return cases + [Case({}, job(import_order="tensorflow-first"), FINE)]


def not_as_it_seems():
    warned = ((SE, "warning"), (NPD, "warning"), (XLA, "warning"))
    late = ((SE, "warning"), (NPD, "warning"), (XLA, "ok"))
    cases = values("TF_AUTO_JIT_FLAG", ["--tf_xla_auto_jit=1", ""], warned)
    cases += [Case({}, job(late_jit="true"), late), Case({}, job(late_jit="false"), FINE)]
    for variable in ("TF_GPU_ALLOCATOR", "TF_FORCE_GPU_ALLOW_GROWTH", "CUDA_VISIBLE_DEVICES"):
        cases += values(variable, ["", "0", "true", "cuda_malloc_async"], FINE)
    return cases


TABLES = {
    "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": npd,
    "ITEX_DISABLE_XLA": disable_xla,
    "TF_USE_LEGACY_KERAS": legacy_keras,
    "strict booleans": strict_booleans,
    "tiles": tiles,
    "TF_XLA_FLAGS": flags,
    "every flag of TF_XLA_FLAGS": every_flag,
    "TF_XLA_FLAGS naming a file": flag_files,
    "exit status 0": quitting,
    "Keras 3's automatic jit": automatic_jit,
    "silent CPU": silent_cpu,
    "masks": masks,
    "selectors": selectors,
    "masks and selectors": masks_and_selectors,
    "numbers": numbers,
    "the import": the_import,
    "not as it seems": not_as_it_seems,
}
