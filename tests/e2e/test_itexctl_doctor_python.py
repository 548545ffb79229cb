"""itexctl doctor on broken installations: each is named by its finding, and by no other warning or error.

Packages are stand-ins with the real ones' metadata; the libraries are real ELF files, made here, with the
names and the needs of ITEX 2.15.0.3. No Python runs for any of it: the interpreter is a
program that would fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import INSTRUMENTED, RULES, SLOW, SOURCE, client_library, ctl

sys.path.insert(0, str(SOURCE / "tests" / "standins"))
import standins  # noqa: E402

LAYERS = [
    "versions", "python", "python-version", "python-folders", "tensorflow", "itex", "plugins", "sycl",
    "keras", "setuptools", "packages",
]  # fmt: skip
ADAPTER = "libur_adapter_level_zero.so.0"
pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")


# ---- Libraries --------------------------------------------------------------------------------------------


class Libraries:
    """Shared libraries with the names that are asked for, each made once."""

    def __init__(self, folder):
        self.folder = folder

    def make(self, path, code="", needs=(), soname=None, flags=()):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        source = self.folder / f"{path.name}.c"
        source.write_text(code or "int stand_in;")
        subprocess.run(
            [
                "cc", "-shared", "-fPIC", "-nostdlib", "-o", path, source,
                f"-Wl,-soname,{soname or path.name}", "-Wl,--no-as-needed",
                "-Wl,--allow-shlib-undefined", *needs, *flags,
            ],
            check=True,
        )  # fmt: skip
        return path


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """lib/ is what pip installs of the runtime; plugin is ITEX's; new and old are two Level Zero loaders."""
    made = Libraries(tmp_path_factory.mktemp("libraries"))
    lib = made.folder / "lib"
    code = "void zeInit(void) {}\nvoid zeDeviceGet(void) {}\n"
    made.old = made.make(made.folder / "old" / "libze_loader.so.1", code)
    made.new = made.make(
        made.folder / "new" / "libze_loader.so.1", code + "void zeDeviceGetRootDevice(void) {}\nint zebra;"
    )
    made.make(
        lib / ADAPTER,
        "void zeInit(void); void zeDeviceGet(void); void zeDeviceGetRootDevice(void);"
        "__attribute__((weak)) void zeNotNeeded(void); void zeItsOwn(void) {}"
        "void use(void) { zeInit(); zeDeviceGet(); zeDeviceGetRootDevice(); zeItsOwn();"
        " if (zeNotNeeded) zeNotNeeded(); }",
        [made.new],
    )
    blas = made.make(lib / "libmkl_sycl_blas.so.5")
    sycl = made.make(lib / "libsycl.so.8")
    common = made.make(made.folder / "libitex_common.so", needs=[sycl])
    flags = ["-Wl,-rpath,$ORIGIN/../intel_extension_for_tensorflow"]
    made.plugin = made.make(made.folder / "libitex_gpu.so", needs=[common, sycl, blas, made.new], flags=flags)
    made.lib, made.common = lib, common
    return made


# ---- An installation --------------------------------------------------------------------------------------


class Installation:
    def __init__(self, folder, libraries):
        self.folder, self.libraries = folder, libraries
        self.home = folder / "home"
        self.prefix = folder / "venv"
        self.env = {}
        self.home.mkdir()
        self.interpreter("3.11.2")

    def interpreter(self, version):
        """A virtual environment's, and what it was made from."""
        short = ".".join(version.split(".")[:2])
        base = self.folder / "base" / "bin" / f"python{short}"
        base.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/false", base)
        shutil.rmtree(self.prefix, ignore_errors=True)
        (self.prefix / "bin").mkdir(parents=True)
        self.python = self.prefix / "bin" / "python3"
        self.python.symlink_to(base)
        (self.prefix / "pyvenv.cfg").write_text(
            f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {version}\n"
        )
        self.base = base
        self.short = short
        self.site = self.prefix / "lib" / f"python{short}" / "site-packages"
        self.site.mkdir(parents=True)

    def packages(self, site=None, **versions):
        wanted = {"tensorflow": "2.15.1", "keras": "2.15.0", "itex": "2.15.0.3", "setuptools": "68.0.0"}
        standins.install(site or self.site, **{**wanted, **versions})

    def metadata(self, name, version, site=None):
        site = site or self.site
        site.mkdir(parents=True, exist_ok=True)
        standins._metadata(site, name, version)
        return site / f"{name}-{version}.dist-info"

    def whole(self, **versions):
        """As ITEX 2.15.0.3 is when it is installed right."""
        self.packages(**versions)
        for name, version in (("numpy", "1.26.4"), ("protobuf", "4.23.4"), ("absl_py", "1.4.0")):
            self.metadata(name, version)
        self.plugin()
        self.runtime(self.libraries.new)
        return self

    def plugin(self, name="libitex_gpu.so", site=None):
        site = site or self.site
        (site / "tensorflow-plugins").mkdir(parents=True, exist_ok=True)
        (site / "intel_extension_for_tensorflow").mkdir(exist_ok=True)
        shutil.copy(self.libraries.plugin, site / "tensorflow-plugins" / name)
        shutil.copy(self.libraries.common, site / "intel_extension_for_tensorflow")

    def runtime(self, loader):
        lib = self.prefix / "lib"
        for library in self.libraries.lib.iterdir():
            shutil.copy(library, lib)
        shutil.copy(loader, lib / "libze_loader.so.1")
        self.env["LD_LIBRARY_PATH"] = str(lib)

    def remove(self, pattern, site=None):
        found = list((site or self.site).glob(pattern))
        assert found, pattern
        for path in found:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def doctor(self, *arguments, python=True):
        environment = {
            **INSTRUMENTED,
            "PATH": "/nonexistent",
            "HOME": str(self.home),
            "ITEXD_RULES": str(RULES),
            "ITEXD_SOCKET": "/nonexistent/itexd.sock",
            **self.env,
        }
        chosen = ["--python", self.python] if python else []
        result = ctl("doctor", "--json", *chosen, *arguments, env=environment)
        assert result.returncode in (0, 1), result
        return [finding for finding in json.loads(result.stdout)["findings"] if finding["layer"] in LAYERS]


@pytest.fixture
def installation(tmp_path, libraries):
    return Installation(tmp_path, libraries)


def bad(findings):
    return [finding["id"] for finding in findings if finding["level"] in ("warning", "error")]


def the(findings, name):
    found = [finding for finding in findings if finding["id"] == name]
    assert len(found) == 1, findings
    return found[0]


# ---- Nothing is wrong -------------------------------------------------------------------------------------


def test_a_whole_installation_has_no_warning(installation):
    findings = installation.whole().doctor()
    assert bad(findings) == [], findings
    assert [finding["layer"] for finding in findings] == LAYERS, "a line for each layer"
    assert {finding["level"] for finding in findings} == {"ok"}
    assert "2.15.0.3, xpu flavour" in the(findings, "itex")["found"]
    assert str(installation.prefix / "lib" / "libsycl.so.8") in the(findings, "sycl")["found"]


def test_the_interpreter_is_never_run(installation):
    trap = installation.folder / "ran"
    installation.whole()
    installation.base.write_text(f"#!/bin/sh\ntouch {trap}\n")
    installation.base.chmod(0o755)
    findings = installation.doctor()
    assert bad(findings) == ["python-script"]
    assert not trap.exists()


# ---- Set-ups that are broken ------------------------------------------------------------------------------


def other_tensorflow(it):
    it.whole(tensorflow="2.16.1", keras="3.4.1")


def tensorflow_that_was_not_tried(it):
    it.whole(tensorflow="2.15.0")


def other_python(it):
    it.interpreter("3.12.1")
    it.whole()


def second_plugin(it):
    it.whole()
    (it.site / "tensorflow-plugins" / "libtfdml_plugin.so").write_bytes(b"")
    record = it.metadata("tensorflow_directml_plugin", "0.4.0") / "RECORD"
    record.write_text("tensorflow-plugins/libtfdml_plugin.so,sha256=x,1\n")


def cpu_flavour(it):
    it.whole(lib_flavour="cpu")


def no_flavour(it):
    it.whole(lib_flavour=None)


def two_flavours(it):
    it.whole()
    it.metadata("intel_extension_for_tensorflow_lib", "2.15.0.3.0")


def plugins_of_two_flavours(it):
    it.whole()
    it.plugin("libitex_cpu.so")


def lib_of_another_release(it):
    it.whole(lib_flavour=None)
    it.metadata("intel_extension_for_tensorflow_lib", "2.15.0.2.2")


def no_plugin(it):
    it.whole()
    it.remove("tensorflow-plugins/libitex_gpu.so")


def runtime_not_on_the_way(it):
    it.whole()
    del it.env["LD_LIBRARY_PATH"]


def runtime_of_another_oneapi(it):
    it.whole()
    (it.prefix / "lib" / "libsycl.so.8").rename(it.prefix / "lib" / "libsycl.so.7")


def library_missing(it):
    it.whole()
    (it.prefix / "lib" / "libmkl_sycl_blas.so.5").unlink()


def plugin_cut(it):
    it.whole()
    os.truncate(it.site / "tensorflow-plugins" / "libitex_gpu.so", 3000)


def loader_too_old(it):
    it.whole()
    it.runtime(it.libraries.old)


def no_adapter(it):
    it.whole()
    (it.prefix / "lib" / ADAPTER).unlink()


def runtime_of_another_package(it):
    it.whole()
    it.metadata("dpcpp_cpp_rt", "2024.2.1")


def setuptools_without_packaging(it):
    it.whole(setuptools="82.0.0")
    it.env["ITEX_OPS_OVERRIDE"] = "1"


def keras_three(it):
    it.whole(keras="3.4.1")


def keras_two_in_the_newest(it):
    it.whole(tensorflow="2.16.1", keras="2.15.0", itex="2.16.0.0", setuptools="69.5.1")


def legacy_keras_that_is_not_there(it):
    it.whole()
    it.env["TF_USE_LEGACY_KERAS"] = "1"


def protobuf_too_new(it):
    it.whole()
    it.remove("protobuf-*")
    it.metadata("protobuf", "4.24.0")


def no_metadata(it):
    it.whole()
    it.remove("tensorflow-2*/METADATA")


def tensorflow_twice(it):
    it.whole()
    it.metadata("intel_tensorflow", "2.15.0")


def interrupted_pip(it):
    it.whole()
    (it.site / "~ensorflow").mkdir()


def wheel_of_another_python(it):
    it.whole()
    (it.site / "tensorflow-2.15.1.dist-info" / "WHEEL").write_text(
        f"Wheel-Version: 1.0\nTag: cp310-cp310-manylinux_2_17_{os.uname().machine}\n"
    )


def wheel_of_another_machine(it):
    it.whole()
    (it.site / "tensorflow-2.15.1.dist-info" / "WHEEL").write_text("Tag: cp311-cp311-manylinux_2_17_sparc\n")


def wheel_for_a_newer_library(it):
    it.whole()
    (it.site / "tensorflow-2.15.1.dist-info" / "WHEEL").write_text(
        f"Tag: cp311-cp311-manylinux_2_900_{os.uname().machine}\n"
    )


def interpreter_gone(it):
    it.whole()
    it.base.unlink()


def interpreter_replaced(it):
    it.whole()
    newer = it.base.with_name("python3.13")
    it.base.rename(newer)
    it.python.unlink()
    it.python.symlink_to(newer)


def preloaded_plugin(it):
    it.whole()
    it.env["TF_PLUGGABLE_DEVICE_LIBRARY_PATH"] = "/opt/other.so"


def other_python_on_pythonpath(it):
    it.whole()
    other = it.folder / "old" / "lib" / "python3.9" / "site-packages"
    other.mkdir(parents=True)
    it.env["PYTHONPATH"] = str(other)


@pytest.mark.parametrize(
    ("break_it", "named", "level"),
    [
        (other_tensorflow, ["tensorflow-version", "keras-version"], "error"),
        (tensorflow_that_was_not_tried, ["tensorflow-untried"], "warning"),
        (other_python, ["python-version"], "error"),
        (second_plugin, ["second-plugin"], "warning"),
        (cpu_flavour, ["flavour-cpu"], "error"),
        (no_flavour, ["flavour-none"], "error"),
        (two_flavours, ["flavours-both"], "error"),
        (plugins_of_two_flavours, ["flavours-both"], "error"),
        (lib_of_another_release, ["lib-version"], "error"),
        (no_plugin, ["plugin-missing"], "error"),
        (runtime_not_on_the_way, ["sycl-missing"], "error"),
        (runtime_of_another_oneapi, ["sycl-missing"], "error"),
        (library_missing, ["library-missing"], "error"),
        (plugin_cut, ["library-damaged"], "error"),
        (loader_too_old, ["adapter-symbols"], "error"),
        (no_adapter, ["adapter-missing"], "error"),
        (runtime_of_another_package, ["sycl-version"], "warning"),
        (setuptools_without_packaging, ["setuptools"], "warning"),
        (keras_three, ["keras-version"], "warning"),
        (keras_two_in_the_newest, ["keras-version"], "error"),
        (legacy_keras_that_is_not_there, ["tf-keras-missing"], "error"),
        (protobuf_too_new, ["package-version"], "warning"),
        (no_metadata, ["metadata-missing"], "error"),
        (tensorflow_twice, ["tensorflow-twice"], "warning"),
        (interrupted_pip, ["leftover"], "warning"),
        (wheel_of_another_python, ["tag-python"], "error"),
        (wheel_of_another_machine, ["tag-machine"], "error"),
        (wheel_for_a_newer_library, ["tag-glibc"], "error"),
        (interpreter_gone, ["python-gone"], "error"),
        (interpreter_replaced, ["python-replaced"], "error"),
        (preloaded_plugin, ["plugin-variable"], "warning"),
        (other_python_on_pythonpath, ["pythonpath-other-python"], "warning"),
    ],
)
def test_what_is_broken_is_named_and_nothing_else(installation, break_it, named, level):
    break_it(installation)
    findings = installation.doctor()
    assert bad(findings) == named, findings
    finding = the(findings, named[0])
    assert finding["level"] == level
    assert finding["fix"], "every one of them comes with what to do"


def test_findings_name_what_and_where(installation):
    second_plugin(installation)
    installation.runtime(installation.libraries.old)
    findings = installation.doctor()
    plugin = the(findings, "second-plugin")
    assert "libtfdml_plugin.so (of tensorflow-directml-plugin)" in plugin["found"]
    assert plugin["fix"].endswith(f"{installation.python} -m pip uninstall -y tensorflow-directml-plugin")
    symbols = the(findings, "adapter-symbols")
    assert "zeDeviceGetRootDevice" in symbols["found"]
    assert "zeInit" not in symbols["found"]


def test_where_the_runtime_is_decides_the_fix(installation):
    """In the environment, in oneAPI, or nowhere."""
    it = installation.whole()
    del it.env["LD_LIBRARY_PATH"]
    assert the(it.doctor(), "sycl-missing")["fix"] == (
        f"export LD_LIBRARY_PATH={it.prefix}/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
    )
    oneapi = it.home / "intel" / "oneapi" / "compiler" / "latest" / "lib"
    oneapi.mkdir(parents=True)
    for library in it.libraries.lib.iterdir():
        (it.prefix / "lib" / library.name).rename(oneapi / library.name)
    it.env["ONEAPI_ROOT"] = str(it.home / "intel" / "oneapi")
    assert the(it.doctor(), "sycl-missing")["fix"] == f"source {it.home}/intel/oneapi/setvars.sh"
    shutil.rmtree(oneapi)
    fix = the(it.doctor(), "sycl-missing")["fix"]
    assert f"{it.python} -m pip install 'dpcpp-cpp-rt==2025.0.*'" in fix


def test_a_runtime_of_another_oneapi_is_named(installation):
    runtime_of_another_oneapi(installation)
    found = the(installation.doctor(), "sycl-missing")["found"]
    assert "needs libsycl.so.8 (oneAPI 2025.0)" in found
    assert f"it would find {installation.prefix}/lib/libsycl.so.7" in found


def test_what_is_preloaded_counts(installation):
    loader_too_old(installation)
    shim = installation.libraries.make(
        installation.folder / "shim.so", "void zeDeviceGetRootDevice(void **root) { *root = 0; }"
    )
    sanitizer = client_library().get("LD_PRELOAD", "")  # which must come first
    installation.env["LD_PRELOAD"] = f"{sanitizer} {shim}".strip()
    assert bad(installation.doctor()) == []


# ---- The user's own packages ------------------------------------------------------------------------------


def plain_interpreter(it):
    """No virtual environment: user site-packages count."""
    (it.prefix / "pyvenv.cfg").unlink()
    it.python.unlink()
    it.python = it.prefix / "bin" / "python3.11"
    shutil.copy(it.base, it.python)


def test_a_package_of_the_users_own_comes_first(installation):
    it = installation.whole()
    user = it.home / ".local" / "lib" / "python3.11" / "site-packages"
    it.metadata("numpy", "2.1.0", user)
    assert bad(it.doctor()) == [], "a virtual environment does not see it"
    plain_interpreter(it)
    findings = it.doctor()
    assert bad(findings) == ["user-site-first", "package-version"]
    assert (
        f"numpy 2.1.0 of {user} comes before 1.26.4 of {it.site}" in the(findings, "user-site-first")["found"]
    )
    it.env["PYTHONNOUSERSITE"] = "1"
    findings = it.doctor()
    assert bad(findings) == []
    assert "PYTHONNOUSERSITE is set" in the(findings, "folders")["found"]
    it.env["PYTHONPATH"] = str(user)
    assert bad(it.doctor()) == ["pythonpath-first", "package-version"]


def test_itex_of_the_users_own_and_of_the_environment(installation):
    it = installation.whole()
    plain_interpreter(it)
    user = it.home / ".local" / "lib" / "python3.11" / "site-packages"
    it.plugin(site=user)
    findings = it.doctor()
    assert bad(findings) == ["itex-twice"]
    assert "PYTHONNOUSERSITE=1" in the(findings, "itex-twice")["fix"]


# ---- What cannot be known, and what is not there ----------------------------------------------------------


def test_no_python_at_all(installation):
    findings = installation.doctor(python=False)
    assert bad(findings) == ["python-none"]
    assert {finding["level"] for finding in findings[2:]} == {"skipped"}


def test_the_environment_that_is_active(installation):
    it = installation.whole()
    it.env["VIRTUAL_ENV"] = str(it.prefix)
    assert bad(it.doctor(python=False)) == []
    other = it.folder / "other"
    other.mkdir()
    shutil.copy("/bin/false", other / "python3")
    it.env["PATH"] = str(other)
    assert bad(it.doctor(python=False)) == ["python-not-first"]
    it.env["PATH"] = f"{it.prefix}/bin:{other}"
    assert bad(it.doctor(python=False)) == []
    link = it.folder / "link"
    link.symlink_to(it.prefix)
    it.env["PATH"] = f"{link}/bin:{other}"
    assert bad(it.doctor(python=False)) == [], "the same folder by another name"


def test_a_conda_environment(installation):
    """Its record has the whole version; user site-packages come before it; a folder names it as well."""
    it = installation.whole()
    plain_interpreter(it)
    (it.prefix / "bin" / "python3").symlink_to("python3.11")
    (it.prefix / "conda-meta").mkdir()
    (it.prefix / "conda-meta" / "python-3.11.9-h955ad1f_0.json").write_text("{}")
    it.env["CONDA_PREFIX"] = str(it.prefix)
    findings = it.doctor(python=False)
    assert bad(findings) == []
    assert the(findings, "python")["found"].endswith("bin/python3 (of CONDA_PREFIX), Python 3.11.9")
    it.metadata("keras", "3.4.1", it.home / ".local" / "lib" / "python3.11" / "site-packages")
    del it.env["CONDA_PREFIX"]
    assert bad(it.doctor("--python", it.prefix, python=False)) == ["user-site-first", "keras-version"]


def test_the_systems_python_is_not_the_jobs(installation):
    installation.env["PATH"] = str(installation.prefix / "bin")
    findings = installation.doctor(python=False)
    assert bad(findings) == ["python-not-the-jobs"]
    assert bad(installation.doctor()) == ["tensorflow-missing", "itex-missing"], "one that is named is"


def test_nothing_is_to_be_installed_for_a_python_without_wheels(installation):
    installation.interpreter("3.13.1")
    findings = installation.doctor()
    assert bad(findings) == ["python-version", "tensorflow-missing", "itex-missing"]
    assert "pip install" in the(findings, "python-version")["fix"]
    assert (
        "pip install" not in the(findings, "tensorflow-missing")["fix"] + the(findings, "itex-missing")["fix"]
    )


def test_a_pth_file(installation):
    """Folders in it are looked through; code in it is said to be not known."""
    it = installation.whole()
    tree = it.folder / "tree"
    it.remove("numpy-*")
    it.metadata("numpy", "1.26.4", tree)
    (it.site / "tree.pth").write_text(f"# a comment\n\n{tree}\nimport tree_finder; tree_finder.install()\n")
    findings = it.doctor()
    assert bad(findings) == []
    assert "tree.pth runs code when Python starts (import tree_finder" in the(findings, "start-code")["found"]


def test_eggs_and_packages_of_distributions(installation):
    it = installation.whole()
    for pattern in ("numpy-*", "protobuf-*"):
        it.remove(pattern)
    (it.site / "numpy-1.26.4.egg-info").write_text("Metadata-Version: 1.2\nName: numpy\nVersion: 1.26.4\n")
    egg = it.site / "protobuf-4.25.0-py3.11.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Name: protobuf\nVersion: 4.25.0\n")
    (it.site / "easy-install.pth").write_text(f"./{egg.name}\n")
    assert "protobuf is 4.25.0" in the(it.doctor(), "package-version")["found"]


def test_a_release_that_is_wanted(installation):
    installation.packages(itex=None)
    installation.metadata("numpy", "1.26.4")
    installation.metadata("protobuf", "4.23.4")
    installation.metadata("absl_py", "1.4.0")
    assert bad(installation.doctor()) == ["itex-missing"]
    assert bad(installation.doctor("--itex", "2.15.0.3")) == []
    newest = installation.doctor("--itex", "newest")
    assert bad(newest) == ["tensorflow-version", "keras-version", "package-version"]
    assert "ITEX 2.16.0.0 is for >=2.16,<2.17" in the(newest, "tensorflow-version")["found"]
    assert bad(installation.doctor("--itex", "2.14.0.2")) == [
        "tensorflow-version", "keras-version", "package-version",
    ]  # fmt: skip


def test_a_release_that_is_no_version_is_refused():
    result = ctl("doctor", "--itex", "newish")
    assert result.returncode == 2
    assert '--itex takes a version such as 2.15.0.3, or newest, not "newish"' in result.stderr


def test_versions_are_compared_as_versions(installation):
    """2.15.0.10 is newer than 2.15.0.3, of the same TensorFlow; 1.26 is newer than 1.3."""
    it = installation.whole(itex="2.15.0.10")
    findings = it.doctor()
    assert bad(findings) == []
    assert "held against 2.15.0.3" in the(findings, "itex-near")["found"]


def test_thousands_of_packages(installation):
    it = installation.whole()
    for i in range(5000):
        (it.site / f"package_{i}-1.{i}.dist-info").mkdir()
    start = time.monotonic()
    findings = it.doctor()
    assert bad(findings) == []
    assert "5008 distributions" in the(findings, "folders")["found"]
    assert time.monotonic() - start < 5 * SLOW


# ---- The matrix -------------------------------------------------------------------------------------------


def test_all_mistakes_of_the_matrix_are_named(installation):
    bad_file = installation.folder / "versions.yaml"
    bad_file.write_text(
        "releases:\n"
        "  - itex: 2.15.0.x\n"
        "    source: rumour\n"
        '    python: "3.9"\n'
        '    tensorflow: {wants: "~=2.15.0", trie: "2"}\n'
        '    keras: "<3"\n'
        "    sycl: {library: libsycl.so, oneapi: '2025.0', compiler: '==2025.*'}\n"
    )
    installation.env["ITEXD_VERSIONS"] = str(bad_file)
    findings = installation.whole().doctor()
    mistakes = [f["found"] for f in findings if f["id"] == "versions-unreadable"]
    assert [mistake.split(": ")[0].rsplit(":", 2)[1:] for mistake in mistakes] == [
        ["5", "37"], ["2", "11"], ["3", "13"], ["7", "21"], ["4", "13"],
    ], mistakes  # fmt: skip
    assert set(bad(findings)) == {"versions-unreadable"}, "the rest is looked at without it"


def test_the_matrix_is_no_rule_file():
    assert "versions.yaml" not in [path.name for path in Path(RULES).iterdir()]
    assert ctl("rules", "check", RULES).returncode == 0
