"""The wheel as a user has it: built without the network, put into a fresh venv, with its own library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from harness import BUILD, SOURCE, TIMEOUT, client_library

PYTHON = SOURCE / "client" / "python"
# Whatever asks for the network gets none.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "http_proxy": "http://127.0.0.1:9"}


def call(*command, env=None, **options):
    done = subprocess.run(
        [*map(str, command)],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **OFFLINE, **(env or {})},
        capture_output=True,
        text=True,
        timeout=6 * TIMEOUT,
        **options,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, PYTHON / "build_wheel.py", BUILD / "client" / "libitexclient.so.1", folder)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def venv(wheel, tmp_path_factory):
    """The interpreter of a venv with nothing but the wheel."""
    folder = tmp_path_factory.mktemp("venv")
    call(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    call(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
    return python


def in_venv(python, text, *options, env=None):
    """What the text prints, word by word; a sanitizer's runtime, but no path to the library."""
    library = {name: value for name, value in client_library().items() if name != "LD_LIBRARY_PATH"}
    return call(python, *options, "-c", text, env={**library, **(env or {})}).stdout.split()


def site_packages(python):
    return Path(in_venv(python, "import sysconfig; print(sysconfig.get_path('purelib'))")[0])


# ---- What is in it -------------------------------------------------------------------------------------


def test_its_name_says_what_it_is_for(wheel):
    """Any Python 3, this machine's kind of Linux, and no claim about distributions."""
    machine = os.uname().machine
    assert re.fullmatch(rf"itexclient-[\d.]+-py3-none-linux_{machine}\.whl", wheel.name)


def test_its_content(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        library = (BUILD / "client" / "libitexclient.so.1").read_bytes()
        assert archive.read("itexclient/libitexclient.so.1") == library
        assert archive.getinfo("itexclient/libitexclient.so.1").external_attr >> 16 & 0o777 == 0o755
    sources = {str(path.relative_to(PYTHON / "src")) for path in (PYTHON / "src").rglob("*.py")}
    assert names - sources == {"itexclient.pth", "itexclient/libitexclient.so.1", "itexclient/py.typed"}
    assert sources <= names


def test_one_version(wheel):
    package = re.search(r'__version__ = "([\d.]+)"', (PYTHON / "src/itexclient/__init__.py").read_text())[1]
    whole = re.search(r"version: '([\d.]+)'", (SOURCE / "meson.build").read_text())[1]
    assert wheel.name.split("-")[1] == package == whole


def test_nothing_is_left_in_the_source_tree(wheel):
    assert not list(PYTHON.glob("build")) and not list(PYTHON.rglob("*.egg-info"))


def test_without_the_library_there_is_no_wheel(tmp_path):
    done = subprocess.run(
        [sys.executable, PYTHON / "build_wheel.py", tmp_path / "none", tmp_path],
        env={"PATH": os.environ["PATH"], **OFFLINE},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "ITEXCLIENT_LIBRARY must name" in done.stdout + done.stderr


# ---- Installed -----------------------------------------------------------------------------------------


def test_it_uses_its_own_library(venv, itexd):
    loaded, mode = in_venv(
        venv,
        "import itexclient, itexclient._library as library\n"
        f"decision = itexclient.configure(keras=0, itex='newest', timeout={TIMEOUT})\n"
        "print(library.load()._name, decision.mode)",
        env={"ITEXD_SOCKET": str(itexd.socket)},
    )
    assert (Path(loaded), mode) == (site_packages(venv) / "itexclient" / "libitexclient.so.1", "npd")


LOADED = "import sys; print(*sorted(sys.modules))"


def test_without_a_decision_nothing_of_it_is_imported(venv):
    """The same modules as without the .pth file."""
    pth = site_packages(venv) / "itexclient.pth"
    with_it = in_venv(venv, LOADED)
    assert [name for name in with_it if "itex" in name or name == "ctypes"] == []
    hidden = pth.rename(pth.with_suffix(".hidden"))
    try:
        assert in_venv(venv, LOADED) == with_it
    finally:
        hidden.rename(pth)
    assert in_venv(venv, LOADED, env={"ITEXD_DECISION": ""}) == with_it


@pytest.fixture
def hook(venv):
    """hook(text): the wheel's hook replaced, None: taken away; put back at the end."""
    path = site_packages(venv) / "itexclient" / "hook.py"
    before = path.read_text() if path.exists() else None

    def replace(text):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)

    yield replace
    replace(before)


def test_under_a_decision_the_hook_is_installed(venv, hook):
    """Python reads the .pth files of a venv twice, so the hook is asked to install itself twice."""
    hook("done = []\ndef install():\n    done or print('hooked')\n    done.append(1)\n")
    environment = {"ITEXD_DECISION": "1:abc:"}
    assert in_venv(venv, "print('script')", env=environment) == ["hooked", "script"]
    assert in_venv(venv, "print('script')", "-I", env=environment) == ["hooked", "script"]
    assert in_venv(venv, "print('script')", "-S", env=environment) == ["script"]  # no site, no hook


def test_a_hook_that_is_missing_disturbs_nobody(venv, hook):
    hook(None)
    done = call(venv, "-c", "print('script')", env={"ITEXD_DECISION": "1:abc:"})
    assert (done.stdout, done.stderr) == ("script\n", "")


def test_a_package_that_is_gone_disturbs_nobody(venv):
    package = site_packages(venv) / "itexclient"
    package.rename(package.with_name("elsewhere"))
    try:
        done = call(venv, "-c", "print('script')", env={"ITEXD_DECISION": "1:abc:"})
    finally:
        package.with_name("elsewhere").rename(package)
    assert (done.stdout, done.stderr) == ("script\n", "")


def test_it_goes_away_whole(wheel, tmp_path):
    python = tmp_path / "bin" / "python"
    call(sys.executable, "-m", "venv", tmp_path)
    call(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel)
    site = site_packages(python)
    call(python, "-m", "pip", "uninstall", "--quiet", "--yes", "itexclient")
    assert not list(site.glob("itexclient*"))
