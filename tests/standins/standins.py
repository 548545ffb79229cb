"""Makes an installation of stand-in packages: see README.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = Path(__file__).parent / "packages"


def install(
    site,
    tensorflow="2.16.1",
    keras="3.4.1",
    tf_keras=None,
    itex="2.16.0.0",
    lib_flavour="xpu",
    setuptools="69.5.1",
):
    """Packages and their metadata into the folder site; None: not installed. Returns site."""
    site = Path(site)
    site.mkdir(parents=True, exist_ok=True)
    if tensorflow:
        _package(site, "tensorflow", "tensorflow", tensorflow)
    if keras:
        _package(site, "keras3" if keras.startswith("3") else "keras2", "keras", keras)
    if tf_keras:
        _package(site, "tf_keras", "tf_keras", tf_keras)
    if itex:
        _package(site, "itex", "intel_extension_for_tensorflow", itex)
        if lib_flavour:
            number = {"cpu": 0, "gpu": 1, "xpu": 2}[lib_flavour]
            _metadata(site, "intel_extension_for_tensorflow_lib", f"{itex}.{number}")
    if setuptools:
        _metadata(site, "setuptools", setuptools)
    return site


def virtual_environment(folder, **versions):
    """A venv without pip whose site-packages hold stand-ins. Returns its interpreter."""
    folder = Path(folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)})
    install(site, **versions)
    return folder / "bin" / "python"


def _package(site, source, name, version):
    shutil.copytree(PACKAGES / source, site, dirs_exist_ok=True)
    _metadata(site, name, version)


def _metadata(site, name, version):
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    shown = name.replace("_", "-")
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {shown}\nVersion: {version}\nSummary: a stand-in, for tests\n"
    )
    (folder / "INSTALLER").write_text("stand-in\n")
