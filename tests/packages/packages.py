"""The packages under test, and the clean root that they are installed in.

Packages are built once a session from what is committed, under BUILD/packages; the root is made once by
mmdebstrap and kept as an archive under build/, named after what is in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/system"))

import machine as machines  # noqa: E402

BUILD = Path(os.environ.get("ITEXD_BUILD", SOURCE / "build"))
SLOW = float(os.environ.get("ITEXD_TEST_SLOWNESS", "1"))
FOLDER = BUILD / "packages"
SCRIPT = SOURCE / "packaging/build"
# What /usr/bin has, not what a developer has in front of it.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
RELEASE = "bookworm"
# What the packages need of the distribution, so that nothing is downloaded while they are tested, and what
# their users have: a Python and the loader of Level Zero.
SYSTEM = ["systemd", "systemd-sysv", "dbus", "udev", "python3", "libze1"]
NAMES = ["itexd", "itexctl", "libitexclient1", "libitexclient-dev", "python3-itexclient"]


def call(*command, timeout=600, **options):
    """What it printed, both streams; a failure is an AssertionError with the end of it."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8", **options.pop("env", {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout * SLOW,
        **options,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def missing(*programs):
    """Why a test cannot run here; None where it can."""
    absent = [program for program in programs if not shutil.which(program, path=PATH)]
    return f"needs {', '.join(absent)}" if absent else None


def version():
    return re.search(r"^  version: '(.*)',$", (SOURCE / "meson.build").read_text(), re.MULTILINE)[1]


def build(kind, revision=1):
    """Builds them by packaging/build, and returns their folder."""
    work, result = FOLDER / "work", FOLDER / f"{kind}-{revision}"
    shutil.rmtree(result, ignore_errors=True)
    log = call(
        *(SCRIPT, kind, "--output", work, "--revision", revision, "--no-tests", "--nodeps"),
        # debhelper has a home of its own, in which nothing is kept
        env={"CCACHE_DIR": os.environ.get("CCACHE_DIR", str(FOLDER / "ccache"))},
        timeout=1200,
    )
    work.rename(result)
    (result / "log").write_text(log)
    return result


def deb(folder, name):
    [found] = folder.glob(f"{name}_*.deb")
    return found


def field(package, name):
    return call("dpkg-deb", "--field", package, name).strip()


def contents(package):
    """The paths of its files, directories without."""
    lines = call("dpkg-deb", "--contents", package).splitlines()
    paths = (line.split(None, 5)[5].removeprefix(".").split(" -> ")[0] for line in lines)
    return {path for path in paths if not path.endswith("/")}


def needed(folder):
    """The packages of the distribution that ours depend on."""
    names = set()
    for name in NAMES:
        for alternatives in field(deb(folder, name), "Depends").split(","):
            first = re.match(r"\s*([a-z0-9.+-]+)", alternatives)
            if first and first[1] not in NAMES:
                names.add(first[1])
    return sorted(names)


def clean_archive(folder):
    """The archive of a root with what ours depend on, and nothing of ours."""
    include = sorted({*SYSTEM, *needed(folder)})
    digest = hashlib.sha256(" ".join([RELEASE, *include]).encode()).hexdigest()[:12]
    archive = SOURCE / "build" / f"clean-root-{digest}.tar"
    if not archive.exists():
        made = archive.with_suffix(".new.tar")
        call("mmdebstrap", "--variant=minbase", f"--include={','.join(include)}", RELEASE, made)
        made.rename(archive)
    return archive


def clean_root(folder):
    """That archive, unpacked: what machines have below their own."""
    archive = clean_archive(folder)
    root = archive.with_suffix("")
    if not root.exists():
        made = archive.with_suffix(".unpacked")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        call("tar", "-C", made, "--numeric-owner", "--xattrs", "-xpf", archive)
        made.rename(root)
    return root


def cannot_install():
    """Why packages cannot be installed in a machine here; None where they can."""
    return machines.cannot_run() or missing("dpkg-buildpackage", "dh", "mmdebstrap")
