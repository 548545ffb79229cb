"""The grid: environments, each of which the real ITEX is started in and the resolver is asked about."""

from __future__ import annotations

import dataclasses

NPD = "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE"
FLAGS = "TF_XLA_FLAGS"
MASK = "ZE_AFFINITY_MASK"
SELECTOR = "ONEAPI_DEVICE_SELECTOR"
HIERARCHY = "ZE_FLAT_DEVICE_HIERARCHY"
JIT = "--tf_xla_auto_jit="
API = "--tf_xla_use_device_api=true"


@dataclasses.dataclass(frozen=True)
class Point:
    """One environment. `file` is the text of a file that @FILE@ in a value stands for."""

    topic: str
    env: dict[str, str | None] = dataclasses.field(default_factory=dict)
    modules: tuple[str, ...] = ("tensorflow",)
    facts: dict[str, str] = dataclasses.field(default_factory=dict)
    file: str | None = None
    cards: int = 2
    tiles: int = 2
    flavour: str = "xpu"

    @property
    def name(self):
        """Short, unique, and the environment itself."""
        words = [f"{name}={value!r}" if value is not None else f"-{name}" for name, value in self.env.items()]
        if self.file is not None:
            words.append(f"FILE={self.file!r}")
        if self.modules != ("tensorflow",):
            words.append(f"import {', '.join(self.modules)}")
        if self.flavour != "xpu":
            words.append(f"lib flavour {self.flavour}")
        if (self.cards, self.tiles) != (2, 2):
            words.append(f"{self.cards} x {self.tiles}")
        return " ".join(words) or "nothing set"


def one(topic, variable, *values, **more):
    return [Point(topic, {variable: value}, **more) for value in values]


def plain():
    return [
        Point("plain"),
        Point("plain", cards=1),
        Point("plain", tiles=1),
        Point("plain", cards=1, tiles=1),
    ]


def npd():
    spellings = ("0", "1", "", "true", "TRUE", "True", "false", "yes", "on", " 1", "1 ", "2", "01")
    return one("NPD", NPD, *spellings)


def auto_jit():
    values = ("0", "1", "2", "fusible", "single-gpu(1)", "single-gpu(0)", "-1", "10", "+1", "what", "")
    topic = "auto_jit"
    points = [Point(topic, {FLAGS: f"{JIT}{value}"}) for value in values]
    points += [Point(topic, {FLAGS: f"{JIT}{value} {API}"}) for value in ("1", "2", "fusible")]
    points += [Point(topic, {FLAGS: f"{JIT}{value}", NPD: "0"}) for value in ("0", "1", "2", "fusible")]
    points += [Point(topic, {FLAGS: f"{JIT}{value} {API}", NPD: "1"}) for value in ("1", "2")]
    points.append(Point(topic, {FLAGS: f"{JIT}2", "ITEX_OPS_OVERRIDE": "1"}))
    return points


def dead_here():
    """Read by the newest generation only, or by nothing."""
    topic = "not read by 2.15"
    points = one(topic, "ITEX_DISABLE_XLA", "1", "0", "False")
    points += one(topic, "TF_USE_LEGACY_KERAS", "1", "True", "yes")
    points += [
        Point(topic, {"ITEX_DISABLE_XLA": "1", FLAGS: f"{JIT}1"}),
        Point(topic, {"ITEX_DISABLE_XLA": "1", NPD: "0"}),
        Point(topic, {"TF_USE_LEGACY_KERAS": "1", FLAGS: f"{JIT}1 {API}"}),
        Point(topic, {"TF_AUTO_JIT_FLAG": f"{JIT}1"}),
        Point(topic, {"CUDA_VISIBLE_DEVICES": ""}),
        Point(topic, {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_GPU_ALLOCATOR": "cuda_malloc_async"}),
    ]
    return points


def strict_booleans():
    topic = "strict booleans"
    points = []
    for name in (
        "ITEX_OPS_OVERRIDE",
        "ITEX_REMAPPER",
        "ITEX_LAYOUT_OPT",
        "ITEX_AUTO_MIXED_PRECISION",
        "ITEX_ONEDNN_GRAPH",
        "ITEX_SHARDING",
        "ITEX_TF_CONSTANT_FOLDING",
        "ITEX_CACHE_ONEDNN_OBJECT",
        "ITEX_SYNC_EXEC",
        "ITEX_TILE_AS_DEVICE",
        "SYCL_TILE_AS_DEVICE",
        "ITEX_ENABLE_REMAPPER",
        "ITEX_ENABLE_ONEDNN_GRAPH",
        "ITEX_ENABLE_ONEDNN_LAYOUT_OPT",
        "ITEX_ONEDNN_LAYOUT_OPT",
        "ITEX_ENABLE_TILE_AS_DEVICE",
    ):
        points += one(topic, name, "yes")
    points += one(topic, "ITEX_OPS_OVERRIDE", "", "on", "1", "TRUE", "0")
    points += one(topic, "ITEX_LAYOUT_OPT", "", "0")
    points += one(topic, "ITEX_AUTO_MIXED_PRECISION", "1")
    points += [
        Point(topic, {"ITEX_ENABLE_REMAPPER": "yes", "ITEX_REMAPPER": "0"}),
        Point(topic, {"ITEX_ENABLE_ONEDNN_GRAPH": "yes", "ITEX_ONEDNN_GRAPH": "0"}),
        Point(topic, {"ITEX_ONEDNN_LAYOUT_OPT": "yes", "ITEX_LAYOUT_OPT": "0"}),
        Point(topic, {"ITEX_ENABLE_ONEDNN_LAYOUT_OPT": "yes", "ITEX_ONEDNN_LAYOUT_OPT": "0"}),
        Point(topic, {"ITEX_ENABLE_TILE_AS_DEVICE": "1", "ITEX_TILE_AS_DEVICE": "yes"}),
        Point(topic, {"ITEX_SYNC_EXEC": "", NPD: "0"}),
        Point(topic, {"SYCL_TILE_AS_DEVICE": "yes", NPD: "0"}),
    ]
    return points


def xla_flags():
    topic = "TF_XLA_FLAGS"
    texts = (
        "--foo",
        "-tf_xla_auto_jit=1",
        f"{JIT}1 --foo",
        "--tf_xla_auto_jit 1",
        f"{JIT}1 stop --foo",
        "--xla_dump_to=/nonexistent",
        '"--tf_xla_auto_jit=1"',
        f'{JIT}"1"',
        "",
        " ",
        f" {JIT}1",
        f"{JIT}2 {JIT}0",
        f"{JIT}what --foo",
        "--tf_xla_clustering_debugger --foo",
        "--tf_xla_clustering_debug=1 --foo",
        "--tf_xla_min_cluster_size=4",
        "--",
        "--help --foo",
        "/nonexistent/flags",
    )
    points = one(topic, FLAGS, *texts)
    files = (f"{JIT}1\n{API}\n", f"# a comment\n{JIT}1\n", "--foo\n", "")
    return points + [Point(topic, {FLAGS: "@FILE@"}, file=text) for text in files]


def masks():
    topic = "masks"
    good = ("", "0", "1", "0,1", "1,0", "0,0", "0.0", "0.1", "1.0,0.1", "0.1,1", "1,7", "01")
    none = ("9", "2,3", "0.7", "9.0")
    odd = (
        "x",
        "0,x",
        "x,0",
        "0,",
        ",0",
        "0;1",
        "-1",
        "0.",
        ".0",
        "0.1.0",
        "0.1.1",
        "0.1.2",
        "0.1.2,1",
        "0.1.2.3",
        "*",
        " 1",
        "1 ",
        "0x1",
        "1e0",
        "+1",
    )
    points = one(topic, MASK, *good, *none, *odd)
    points += one(topic, MASK, "0", "1", "2", tiles=1)
    points += [Point(topic, {MASK: "0.0"}, tiles=1), Point(topic, {MASK: "0.1"}, tiles=1)]
    points += [Point(topic, {MASK: "1", NPD: "0"}), Point(topic, {MASK: "9", NPD: "0"})]
    points += [Point(topic, {MASK: "9", FLAGS: f"{JIT}1 {API}"})]
    return points


def selectors():
    topic = "selectors"
    values = (
        None,
        "level_zero:gpu",
        "level_zero:*",
        "LEVEL_ZERO:GPU",
        "*:gpu",
        "*:*",
        "level_zero:0",
        "level_zero:1",
        "level_zero:0,1",
        "level_zero:7",
        "level_zero:0.1",
        "level_zero:0.*",
        "level_zero:*.*",
        "level_zero:*.0",
        "level_zero:*.7",
        "level_zero:0;level_zero:1",
        "level_zero:*;!level_zero:0",
        "level_zero:*;!level_zero:*",
        "level_zero:*;!level_zero:0,1",
        "level_zero:cpu",
        "opencl:gpu",
        "opencl:*",
        "cuda:*",
        "cuda:*;level_zero:*",
        "gpu",
        "",
        "level_zero",
        "level_zero:",
        "level_zero:x",
        "nonsense:gpu",
        "level_zero:gpu;",
        ";level_zero:gpu",
        "!level_zero:0",
        "!opencl:*",
        "*",
    )
    return one(topic, SELECTOR, *values)


def mask_and_selector():
    topic = "mask and selector"
    pairs = (
        ("1", "level_zero:1"),
        ("1", "level_zero:0"),
        ("0,1", "level_zero:1"),
        ("0,1", "level_zero:2"),
        ("0,1", "level_zero:1,2"),
        ("1,7", "level_zero:1"),
        ("1,7", "level_zero:0"),
        ("0.1", "level_zero:0"),
        ("0.1", "level_zero:1"),
        ("0.0,0.1", "level_zero:1"),
        ("0.0,1.1", "level_zero:1"),
        ("1", "level_zero:*"),
        ("9", "level_zero:*"),
        ("", "level_zero:1"),
    )
    return [Point(topic, {MASK: mask, SELECTOR: selector}) for mask, selector in pairs]


def device_filter():
    values = (
        "opencl:gpu",
        "opencl",
        "cpu",
        "",
        "gpu",
        "*",
        "level_zero",
        "Level_Zero:gpu",
        "opencl,level_zero",
    )
    points = one("SYCL_DEVICE_FILTER", "SYCL_DEVICE_FILTER", *values)
    points.append(Point("SYCL_DEVICE_FILTER", {"SYCL_DEVICE_FILTER": "opencl:gpu", NPD: "0"}))
    points.append(Point("SYCL_DEVICE_FILTER", {"SYCL_DEVICE_FILTER": "opencl:gpu", FLAGS: f"{JIT}1"}))
    points.append(Point("SYCL_DEVICE_FILTER", {"SYCL_DEVICE_FILTER": "opencl:gpu", MASK: "9"}))
    return points


def tiles():
    topic = "tiles"
    itex, old, sycl = "ITEX_TILE_AS_DEVICE", "ITEX_ENABLE_TILE_AS_DEVICE", "SYCL_TILE_AS_DEVICE"
    environments = (
        {itex: "0"},
        {sycl: "0"},
        {itex: "0", sycl: "0"},
        {itex: "1", sycl: "1"},
        {old: "0"},
        {old: "0", sycl: "0"},
        {old: "1", itex: "0"},
        {old: "1", itex: "0", sycl: "0"},
        {itex: "0", NPD: "0"},
        {sycl: "0", NPD: "0"},
        {itex: "0", FLAGS: f"{JIT}1 {API}"},
        {sycl: "0", FLAGS: f"{JIT}1 {API}"},
        {itex: "0", MASK: "0"},
        {sycl: "0", MASK: "0"},
        {itex: "0", MASK: "0.0"},
        {sycl: "0", MASK: "0.0"},
        {sycl: "0", MASK: "0.0,0.1"},
        {itex: "0", SELECTOR: "level_zero:*.*"},
        {sycl: "0", SELECTOR: "level_zero:*.*"},
    )
    points = [Point(topic, env) for env in environments]
    return points + [Point(topic, {itex: "0"}, tiles=1), Point(topic, {sycl: "0"}, tiles=1)]


def hierarchies():
    """The emulated driver is too old to know hierarchies: what is set must then do nothing."""
    topic = "hierarchy"
    points = one(topic, HIERARCHY, "COMPOSITE", "FLAT", "COMBINED", "flat", "what", "")
    points += [
        Point(topic, {HIERARCHY: "COMPOSITE", MASK: "1"}),
        Point(topic, {HIERARCHY: "COMPOSITE", MASK: "1.0"}),
        Point(topic, {HIERARCHY: "COMPOSITE", "SYCL_TILE_AS_DEVICE": "0", "ITEX_TILE_AS_DEVICE": "0"}),
        Point(topic, {HIERARCHY: "COMPOSITE", "SYCL_TILE_AS_DEVICE": "0"}),
        Point(topic, {HIERARCHY: "FLAT", "SYCL_TILE_AS_DEVICE": "0"}),
        Point(topic, {HIERARCHY: "FLAT", "ITEX_TILE_AS_DEVICE": "0"}),
    ]
    return points


def numbers():
    values = (
        "0",
        "1",
        "3",
        "-1",
        "",
        "yes",
        "true",
        "1.0",
        "1x",
        " 1",
        "+1",
        "0x10",
        "2147483648",
        "99999999999",
    )
    points = one("numbers", "ITEX_VERBOSE", *values)
    return points + one("numbers", "ITEX_LIMIT_MEMORY_SIZE_IN_MB", "4096", "4GB", "")


def backends():
    return one("ITEX_BACKEND", "ITEX_BACKEND", "GPU", "gpu", "CPU", "cpu", "XPU", "what", "")


def imports():
    topic = "imports"
    keras_first = {"modules": ("keras", "tensorflow"), "facts": {"import_order": "keras-first"}}
    return [
        Point(topic, **keras_first),
        Point(topic, {FLAGS: f"{JIT}1 {API}"}, **keras_first),
        Point(topic, {"ITEX_OPS_OVERRIDE": "1"}, **keras_first),
        Point(topic, modules=("intel_extension_for_tensorflow", "tensorflow")),
        Point(topic, {"KERAS_BACKEND": "jax"}),
        Point(topic, {"KERAS_BACKEND": "jax"}, **keras_first),
    ]


def flavours():
    topic = "lib flavour"
    points = [Point(topic, flavour=name, facts={"lib_flavour": name}) for name in ("cpu", "none")]
    points += [
        Point(topic, {NPD: "0"}, flavour=name, facts={"lib_flavour": name}) for name in ("cpu", "none")
    ]
    points += [Point(topic, {MASK: "9"}, flavour="cpu", facts={"lib_flavour": "cpu"})]
    return points


def scheduled():
    """Inside an allocation: the mask is the scheduler's."""
    slurm = {"SLURM_JOB_ID": "7"}
    topic = "inside Slurm"
    return [Point(topic, {**slurm, MASK: mask}) for mask in ("0", "1.1", "9")] + [Point(topic, slurm)]


TOPICS = (
    plain,
    npd,
    auto_jit,
    dead_here,
    strict_booleans,
    xla_flags,
    masks,
    selectors,
    mask_and_selector,
    device_filter,
    tiles,
    hierarchies,
    numbers,
    backends,
    imports,
    flavours,
    scheduled,
)
POINTS = [point for topic in TOPICS for point in topic()]
