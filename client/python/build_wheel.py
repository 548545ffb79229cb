#!/usr/bin/env python3
"""Builds the wheel without the network, and without leaving anything in the source tree.

build_wheel.py LIBRARY FOLDER: the built libitexclient.so.1, and where the wheel goes. Needs pip, setuptools
and wheel in this interpreter. `ninja -C build python-wheel` calls it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = ["pyproject.toml", "setup.py", "README.md", "itexclient.pth"]


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    library, folder = (Path(argument).resolve() for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="itexclient-wheel-") as name:
        tree = Path(name)
        for source in SOURCES:
            shutil.copy(HERE / source, tree)
        shutil.copytree(
            HERE / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
        return subprocess.run(
            [*command, "--no-build-isolation", f"--wheel-dir={folder}", tree],
            env={**os.environ, "ITEXCLIENT_LIBRARY": str(library)},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
