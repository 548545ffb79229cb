#!/usr/bin/env python3
"""What the shared library is to the world: symbols, needs, header in C and C++, ABI, manual page.

One check a run, named by the first argument; prints TAP. A tool that is missing skips the check and says so.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
HEADER = ROOT / "client" / "itexclient.h"
# One for each minor version, the oldest first: whoever was built with it finds all of it unchanged.
BASELINES = sorted((HERE / "abi").glob("libitexclient-*.abi"))
# What an older container that loads the library from the node may have: RHEL 8 and all that is newer.
NEWEST_GLIBC = (2, 28)


class Skip(Exception):
    """The check cannot be made here."""


def run(*command: str | Path, good: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, check=False)
    if done.returncode not in good:
        raise AssertionError(
            f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done


def refuse_sanitized() -> None:
    if os.environ.get("ITEXD_SANITIZED"):
        raise Skip("a sanitizer's runtime is in this build")


def tool(name: str) -> str:
    path = shutil.which(name)
    if not path:
        raise Skip(f"{name} is not installed")
    return path


def declared_functions(header: str) -> set[str]:
    """Names of the functions that a header declares."""
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    return set(re.findall(r"\b(itex_[a-z_]+)\(", code))


def exported(library: Path) -> list[str]:
    lines = run(tool("nm"), "-D", "--defined-only", "--with-symbol-versions", library).stdout.splitlines()
    symbols = [line.split() for line in lines]
    return sorted(s[2] for s in symbols if s[1] != "A")


def check_symbols(library: Path) -> None:
    """Exactly the recorded symbols, each with its version; none of protobuf-c, none beside the header."""
    recorded = (HERE / "symbols.txt").read_text().split()
    found = exported(library)
    assert found == recorded, f"gone: {set(recorded) - set(found)}, new: {set(found) - set(recorded)}"
    names = {s.split("@")[0] for s in found}
    assert names == declared_functions(HEADER.read_text()), "header and library differ"


def check_needs(library: Path) -> None:
    """libc and nothing else, the right soname, and no symbol of a C library that is too new."""
    refuse_sanitized()
    dynamic = run(tool("readelf"), "-dW", library).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    assert needed == ["libc.so.6"], f"needs {needed}"
    assert "[libitexclient.so.1]" in dynamic, "the soname is not libitexclient.so.1"
    wanted = run(tool("nm"), "-D", "--undefined-only", library).stdout
    versions = {tuple(map(int, v.split("."))) for v in re.findall(r"@GLIBC_([\d.]+)", wanted)}
    print(f"# newest symbol version: GLIBC_{'.'.join(map(str, max(versions)))}")
    assert max(versions) <= NEWEST_GLIBC, f"needs {max(versions)}, at most {NEWEST_GLIBC} is wanted"


def check_header(library: Path) -> None:
    """The header compiles alone, in C99 and in C++17, and programs made with it run with the library."""
    refuse_sanitized()
    compilers = [
        ("cc", ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"], HERE / "header_c99.c"),
        ("g++", ["-std=c++17", "-Wall", "-Wextra", "-Werror"], HERE / "header_cxx.cc"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for compiler, options, source in compilers:
            program = Path(folder) / source.stem
            run(
                tool(compiler),
                *options,
                f"-I{ROOT}",
                source,
                "-o",
                program,
                library,
                f"-Wl,-rpath,{library.parent}",
            )
            run(program)


def abi_difference(library: Path) -> str:
    """What abidiff says against the baselines, "" if nothing but additions (status bits 2, 3: changes)."""
    said = ""
    for baseline in BASELINES:
        done = run(tool("abidiff"), "--no-added-syms", baseline, library, good=(0, 4, 8, 12))
        said += done.stdout if done.returncode else ""
    return said


def check_abi(library: Path) -> None:
    """The ABI is the recorded one; a function added is no break, anything else is."""
    if ".debug_info" not in run(tool("readelf"), "-SW", library).stdout:
        raise Skip("the library was built without debug information (-g)")
    difference = abi_difference(library)
    assert not difference, difference


def hollow_source(header: str) -> str:
    """C source with an empty body for each function of a header."""
    code = re.sub(r"/\*.*?\*/|^\s*#.*?$|extern \"C\" \{", "", header, flags=re.S | re.M)
    declarations = re.findall(r"^[a-z][^;{}()]*\bitex_[a-z_]+\([^;{}]*\);", code, flags=re.M)
    bodies = [d[:-1] + (" {}" if d.startswith("void") else " { return 0; }") for d in declarations]
    return '#include "itexclient.h"\n' + "\n".join(bodies) + "\n"


def build_hollow(folder: Path, header: str) -> Path:
    folder.mkdir()
    (folder / "itexclient.h").write_text(header)
    (folder / "hollow.c").write_text(hollow_source(header))
    library = folder / "libitexclient.so.1"
    version_script = ROOT / "client" / "libitexclient.map"
    options = [
        "-g",
        "-shared",
        "-fPIC",
        "-w",
        f"-Wl,-soname,{library.name},--version-script={version_script}",
    ]
    run(tool("cc"), *options, folder / "hollow.c", "-o", library)
    return library


def check_abi_check(library: Path) -> None:
    """The check of the ABI can fail: it sees one changed parameter, and one changed enumerator."""
    header = HEADER.read_text()
    changes = [
        ("itex_request_set_timeout(itex_request *request, unsigned milliseconds)",
         "itex_request_set_timeout(itex_request *request, unsigned long milliseconds)"),
        ("ITEX_ERR_BUSY = -6", "ITEX_ERR_BUSY = -60"),
        ("itex_request_set_numa(itex_request *request, int node)",
         "itex_request_set_numa(itex_request *request, long node)"),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert not abi_difference(build_hollow(folder / "same", header))
        for number, (old, new) in enumerate(changes):
            assert header.count(old) == 1, f"the header has no {old}"
            text = abi_difference(build_hollow(folder / str(number), header.replace(old, new)))
            assert "itex_" in text, f"{old} -> {new} was not seen:\n{text}"


def check_manual(library: Path) -> None:
    """The manual page names every function and status of the header, and none that is not there."""
    text = (ROOT / "docs" / "man" / "itexclient.3.scd").read_text()
    header = HEADER.read_text()
    named = set(re.findall(r"\b(itex_[a-z_]+)\b", text.replace("\\_", "_"))) - {
        "itex_request",
        "itex_decision",
        "itex_status",
        "itex_waiting_fn",
        "itex_event_fn",
    }
    functions = declared_functions(header)
    assert named == functions, f"missing: {functions - named}, unknown: {named - functions}"
    statuses = set(re.findall(r"\b(ITEX_(?:OK|AGAIN|ERR_[A-Z]+))\b", header))
    in_text = set(re.findall(r"\b(ITEX_(?:OK|AGAIN|ERR_[A-Z]+))\b", text.replace("\\_", "_")))
    assert statuses == in_text, f"missing: {statuses - in_text}, unknown: {in_text - statuses}"


CHECKS = {
    "symbols": check_symbols,
    "needs": check_needs,
    "header": check_header,
    "abi": check_abi,
    "abi-check": check_abi_check,
    "manual": check_manual,
}


def record() -> None:
    """Writes the baseline of the header's version, from the declarations alone: nothing private is in it."""
    version = ".".join(re.findall(r"#define ITEX_(?:MAJOR|MINOR) (\d+)", HEADER.read_text()))
    baseline = HERE / "abi" / f"libitexclient-{version}.abi"
    options = ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed"]
    with tempfile.TemporaryDirectory() as name:
        library = build_hollow(Path(name) / "hollow", HEADER.read_text())
        text = run(tool("abidw"), *options, "--exported-interfaces-only", library).stdout
    baseline.parent.mkdir(exist_ok=True)
    baseline.write_text(re.sub(r" path='[^']*'", " path='itexclient.c'", text))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("check", choices=[*CHECKS, "record"])
    parser.add_argument("library", type=Path, nargs="?", default=Path())
    arguments = parser.parse_args()
    library = arguments.library.resolve()
    if arguments.check == "record":
        record()
        return 0
    print("1..1")
    try:
        CHECKS[arguments.check](library)
    except Skip as skip:
        print(f"ok 1 - {arguments.check} # SKIP {skip}")
        return 0
    except AssertionError as error:
        print("\n".join(f"# {line}" for line in str(error).splitlines()))
        print(f"not ok 1 - {arguments.check}")
        return 1
    print(f"ok 1 - {arguments.check}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
