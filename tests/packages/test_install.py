"""meson install below any prefix and DESTDIR, and meson dist."""

from __future__ import annotations

import json
import os
import subprocess
import time

import packages
import pytest
from packages import SOURCE, call

LAYOUT = {
    "sbindir": "services",
    "bindir": "programs",
    "libdir": "libraries",
    "includedir": "headers",
    "datadir": "data",
    "mandir": "manuals",
    "sysconfdir": "configuration",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build for a prefix of its own, in which nothing is where it usually is."""
    folder = tmp_path_factory.mktemp("install")
    options = [f"--{name}={where}" for name, where in LAYOUT.items()]
    call("meson", "setup", folder / "build", SOURCE, f"--prefix={folder}/prefix", *options, "-Dtests=false")
    call("ninja", "-C", folder / "build", timeout=1200)
    return folder


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.fixture(scope="module")
def installed(built):
    call("meson", "install", "-C", built / "build", "--no-rebuild")
    return built / "prefix"


def test_everything_is_below_the_prefix(installed):
    tops = {path.split("/")[0] for path in files(installed)}
    assert tops <= {*LAYOUT.values(), "lib"}
    assert all(
        path.split("/")[1] in ("systemd", "sysusers.d", "tmpfiles.d")
        for path in files(installed)
        if path[:4] == "lib/"
    )


def test_destdir_is_put_before_it(built, installed):
    call("meson", "install", "-C", built / "build", "--no-rebuild", "--destdir", built / "dest")
    assert files(built / "dest" / str(installed).lstrip("/")) == files(installed)
    assert {
        path
        for path in files(built / "dest")
        if str(built / "dest") in (built / "dest" / path).read_text(errors="ignore")
    } == set()


def test_unit_names_the_installed_program(installed):
    unit = (installed / "lib/systemd/system/itexd.service").read_text()
    assert f"ExecStart={installed}/services/itexd\n" in unit


@pytest.fixture
def moved(built, installed):
    """What was installed runs from there alone: the build and its folder are out of reach."""
    hidden = built / "hidden"
    (built / "build").rename(hidden)
    yield installed
    hidden.rename(built / "build")


def test_it_runs_from_there(moved, tmp_path):
    socket = tmp_path / "itexd.sock"
    itexctl = [moved / "programs/itexctl", "--socket", socket]
    service = subprocess.Popen(
        [
            moved / "services/itexd",
            *(f"--socket={socket}", f"--database={tmp_path}/itexd.db", f"--runtime-directory={tmp_path}/run"),
            "--devices=off",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20 * packages.SLOW
        while not socket.exists() and service.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        status = json.loads(call(*itexctl, "status", "--json"))
        assert status["ruleset"]["name"] == "shipped", status
        job = tmp_path / "job.py"
        job.write_text("import sys\nprint('hook', 'itexclient.hook' in sys.modules)\n")
        said = call(*itexctl, "run", "--gpus", "0", "--", "/usr/bin/python3", job)
        assert "hook True" in said
        assert call(*itexctl, "resolve", "--offline", "--keras", "3", "--json")
    finally:
        service.terminate()
        service.wait(20 * packages.SLOW)


def test_programs_are_built_against_it(moved, tmp_path):
    environment = {"PKG_CONFIG_PATH": str(moved / "libraries/pkgconfig")}
    flags = call("pkg-config", "--cflags", "--libs", "itexclient", env=environment).split()
    call("cc", "-o", tmp_path / "job", SOURCE / "client/examples/job.c", *flags)
    needed = call("ldd", tmp_path / "job", env={"LD_LIBRARY_PATH": str(moved / "libraries")})
    assert f"{moved}/libraries/libitexclient.so.1" in needed


def test_archive_passes_its_tests(tmp_path):
    """meson dist packs what is committed, builds it without git, and runs the usual tests there."""
    if not (SOURCE / ".git").exists():
        pytest.skip("needs the git repository")
    call("meson", "setup", tmp_path / "build", SOURCE)
    said = call(
        *("meson", "dist", "-C", tmp_path / "build", "--formats", "xztar", "--allow-dirty"),
        timeout=2400,
        env={"MESON_TESTTHREADS": str(os.cpu_count() or 1)},
    )
    assert "Distribution package" in said
    [archive] = (tmp_path / "build/meson-dist").glob("*.tar.xz")
    assert archive.name == f"itexd-{packages.version()}.tar.xz"
