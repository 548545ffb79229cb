"""Writes the seeds: one folder per target. They are committed; this says where they came from.

make_corpus.py  (from the source tree, with protoc and python3-protobuf)
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import harness  # noqa: E402
from test_rules import GOOD, MISTAKES  # noqa: E402

XLA_FLAGS = {
    "empty": "",
    "blank": " \t\n",
    "one": "--tf_xla_auto_jit=1",
    "two": "--tf_xla_auto_jit=2 --tf_xla_use_device_api=true",
    "last-wins": "--tf_xla_auto_jit=2 --tf_xla_auto_jit=0",
    "fusible": "--tf_xla_auto_jit=fusible",
    "single-gpu": "--tf_xla_auto_jit=single-gpu(2)",
    "overflow": "--tf_xla_auto_jit=99999999999 --tf_xla_min_cluster_size=-1",
    "quotes": "--tf_xla_persistent_cache_directory='a \\' b' --tf_xla_clustering_debug",
    "double-quotes": '--tf_xla_clustering_debug "--tf_xla_auto_jit=1"',
    "unterminated": "--tf_xla_persistent_cache_directory='a b --tf_xla_auto_jit=1",
    "file": "/etc/xla flags",
    "stop": "--tf_xla_auto_jit=1 word --tf_xla_auto_jit=2",
    "dashes": "-- --tf_xla_auto_jit=1",
    "one-dash": "-tf_xla_auto_jit=1",
    "unknown": "--tf_xla_no_such=1 --xla_hlo_profile",
    "prefix": "--tf_xla_clustering_debugger --tf_xla_clustering_debug=maybe",
    "backslashes": "--tf_xla_auto_jit=\\1 \\--x",
}


def write(target, name, data):
    directory = HERE / "corpus" / target
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name.replace(" ", "-").lower()).write_bytes(data)


def packet(**fields):
    return harness.pb.Request(id=1, **fields).SerializeToString()


def main():
    pb = harness.pb
    for name, flags in XLA_FLAGS.items():
        write("xla_flags", name, flags.encode())
        request = harness.resolve_message(
            {"TF_XLA_FLAGS": flags, "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "0"},
            {"keras": "3", "jit": "auto", "itex": "newest"},
            bytes(range(16)),
            job="17",
        )
        if name in ("two", "unknown", "file"):
            write("packet", f"resolve-{name}", packet(resolve=request))
    full = harness.resolve_message(
        {"ITEX_OPS_OVERRIDE": "yes", "ZE_AFFINITY_MASK": "0.1,2"}, {"tensorflow": "2.16.1"}, bytes(16),
        policy="advise", apply_errors=True, devices={"count": 1, "allow_none": True}, step="0", launcher=True,
        oversized=["CCL_X"],
        script_env=[pb.ScriptVariable(name="ITEX_DISABLE_XLA", value="1", file="t.py", line=3)],
    )  # fmt: skip
    write("packet", "resolve-full", packet(resolve=full))
    write("packet", "resolve-empty", packet(resolve=pb.Resolve()))
    write("packet", "hello", packet(hello=pb.Hello(name="x", major=1, minor=0, minimum_major=1)))
    write("packet", "query", packet(query=pb.Query(job="1", limit=10)))
    write("rules", "good", GOOD.encode())
    for name, (text, _) in MISTAKES.items():
        write("rules", name, text.encode() if text is not None else b"\xff\xfe#\n" + GOOD.encode())


if __name__ == "__main__":
    main()
