"""Writes the seeds: one folder per target. They are committed; this says where they came from.

make_corpus.py  (from the source tree, with protoc and python3-protobuf)
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
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


def shared_library(hash_style):
    """A small one that needs another, wants its functions and offers one."""
    code = (
        "void zeInit(void); void zesGet(void); void zetOpen(void);"
        "void zeOffered(void) { zeInit(); zesGet(); zetOpen(); }"
    )
    linker = ["-z,noseparate-code", "-z,norelro", "-z,max-page-size=16", "--build-id=none",
              f"--hash-style={hash_style}", "-rpath,$ORIGIN/../lib", "-soname,libseed.so.1",
              "--allow-shlib-undefined"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        needed, made = Path(folder) / "libze_loader.so.1", Path(folder) / "made"
        command = ["cc", "-shared", "-fPIC", "-nostdlib", "-s", "-Os", "-xc", "-"]
        subprocess.run([*command, "-o", needed, "-Wl,-soname,libze_loader.so.1"], input=b"int i;", check=True)
        flags = [f"-Wl,{option}" for option in linker]
        subprocess.run([*command, "-xnone", needed, "-o", made, *flags], input=code.encode(), check=True)
        return made.read_bytes()


def linker_cache():
    """As ldconfig makes it, with two libraries."""
    paths = [b"/usr/lib/libze_loader.so.1", b"/usr/lib/libsycl.so.8"]
    strings, entries, start = b"", b"", 48 + 24 * len(paths)
    for path in paths:
        name, at = path.rsplit(b"/", 1)[1] + b"\0", start + len(strings)
        entries += struct.pack("<iIIIQ", 0x303, at, at + len(name), 0, 0)
        strings += name + path + b"\0"
    header = b"glibc-ld.so.cache1.1" + struct.pack("<II", len(paths), len(strings)) + bytes(20)
    return header + entries + strings


def main():
    pb = harness.pb
    write("libraries", "gnu-hash", shared_library("gnu"))
    write("libraries", "sysv-hash", shared_library("sysv"))
    write("libraries", "linker-cache", linker_cache())
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
