"""What the hook does inside a job, on stand-ins of TensorFlow, Keras and ITEX (tests/standins): the real
service decides, the real runner starts the script."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from harness import INSTRUMENTED, ITEXCTL, PACKAGE, RULES, SLOW, SOURCE, TIMEOUT, with_client_library

sys.path.insert(0, str(SOURCE / "tests" / "standins"))
import standins

RUNNER = SOURCE / "client" / "python" / "src" / "itexclient" / "runner.py"
COMPILE = "import keras\nmodel = keras.Sequential()\nmodel.compile('adam', 'mse'{})\nmodel.fit()\n"


@pytest.fixture(scope="module")
def newest(tmp_path_factory):
    return standins.virtual_environment(tmp_path_factory.mktemp("newest") / "venv")


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    return standins.virtual_environment(
        tmp_path_factory.mktemp("released") / "venv", tensorflow="2.15.1", keras="2.15.0", itex="2.15.0.3"
    )


@pytest.fixture
def node(make_itexd, simulated):
    """A service on two cards of two tiles."""
    return make_itexd(devices=simulated(cards=2, tiles=2)).start()


@pytest.fixture
def job(node, tmp_path):
    """job(python, script text, options of itexctl run) -> CompletedProcess."""

    def start(python, text, *options, env=None, before=()):
        script = tmp_path / "train.py"
        script.write_text(text)
        command = [*before, *with_client_library(python, RUNNER, script)]
        environment = {
            **INSTRUMENTED,
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "ITEXD_SOCKET": str(node.socket),
            **(env or {}),
        }
        return subprocess.run(
            [ITEXCTL, "run", "--quiet", "--timeout", f"{10 * SLOW:.0f}s", *map(str, options),
             "--", *map(str, command)],
            env=environment, capture_output=True, text=True, timeout=TIMEOUT,
        )  # fmt: skip

    return start


def said(result):
    return [line for line in result.stderr.splitlines() if line.startswith("itexclient: ")]


def decision(node, number=1):
    return json.loads(node.ctl("explain", number, "--json").stdout)


# ---- What is put right ---------------------------------------------------------------------------------


def test_keras_first_would_end_with_status_0(job, newest):
    text = "import keras\nprint('trained')\n"
    without = subprocess.run([newest, "-c", text], capture_output=True, text=True, timeout=TIMEOUT)
    assert (without.returncode, "trained" in without.stdout) == (0, False)
    result = job(newest, text, "--keras", "3", "--jit", "on")
    assert (result.returncode, result.stdout, said(result)) == (0, "trained\n", [])


def test_keras_is_loaded_once(job, newest):
    text = (
        "import keras, sys\nassert sys.modules['keras'] is keras\n"
        "from keras import Model\nimport keras.src.models\nassert Model is keras.src.models.Model\n"
        "assert keras.__spec__.loader.get_source('keras')\n"
    )
    assert job(newest, text, "--keras", "3", "--jit", "on").returncode == 0


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_needs_no_tensorflow(job, newest, backend):
    text = "import keras, sys\nprint('tensorflow' in sys.modules)\n"
    result = job(newest, text, "--keras", "0", "--advise", env={"KERAS_BACKEND": backend})
    assert result.stdout == "False\n"


def test_jit_is_off_where_it_was_decided(job, node, released):
    result = job(released, COMPILE.format(""), "--keras", "2", "--jit", "on", "--itex", "2.15.0.3")
    assert result.stdout == "stand-in: fitted, jit_compile=False\n"
    assert len(said(result)) == 1
    assert "jit_compile=False" in said(result)[0]
    assert decision(node)["obligations"] == ["jit_compile=False"]


def test_the_scripts_own_false_is_no_matter(job, released):
    result = job(
        released, COMPILE.format(", jit_compile=False"), "--keras", "2", "--jit", "on", "--itex", "2.15.0.3"
    )
    assert (result.stdout, said(result)) == ("stand-in: fitted, jit_compile=False\n", [])


def test_an_explicit_true_is_an_error_where_the_rule_is_one(job, newest):
    """Keras 3 with jit on, and no XLA that could compile it: jit-without-xla."""
    result = job(newest, COMPILE.format(", jit_compile=True"), "--keras", "3", "--jit", "on",
                 env={"ITEX_DISABLE_XLA": "1"})  # fmt: skip
    assert result.returncode == 1
    assert "JitCompileError" in result.stderr
    assert "jit-without-xla" in result.stderr


def test_an_explicit_true_is_one_warning_where_the_rule_is_none(job, newest):
    twice = COMPILE.format(", jit_compile=True") + "model.compile('adam', jit_compile=True)\n"
    result = job(newest, twice, "--keras", "3", "--jit", "on", env={"TF_XLA_FLAGS": "--tf_xla_auto_jit=1"})
    assert (result.returncode, result.stdout) == (0, "stand-in: fitted, jit_compile=True\n")
    assert len(said(result)) == 1
    assert "keras-auto-jit" in said(result)[0]


@pytest.mark.parametrize("form", ["class", "function", "keywords"])
def test_compile_as_people_write_it(job, released, form):
    text = {
        "class": "import keras\nclass Mine(keras.Model):\n    def compile(self, *args, **more):\n"
        "        super().compile(*args, **more)\nmodel = Mine()\nmodel.compile('adam')\nmodel.fit()\n",
        "function": "from tensorflow import keras\nmodel = keras.Model()\n"
        "keras.Model.compile(model)\nmodel.fit()\n",
        "keywords": "import tensorflow as tf\nmodel = tf.keras.Model()\n"
        "model.compile(**{'optimizer': 'adam', 'jit_compile': None})\nmodel.fit()\n",
    }[form]
    result = job(released, text, "--keras", "2", "--jit", "on", "--itex", "2.15.0.3")
    assert (result.returncode, result.stdout) == (0, "stand-in: fitted, jit_compile=False\n")


# ---- Ends that look like success -------------------------------------------------------------------------


def test_the_keras_checks_quit_is_65(job, newest):
    """The job was declared otherwise than it is, so that nothing was put right."""
    result = job(newest, COMPILE.format(", jit_compile=False"), "--keras", "3", "--jit", "on")
    assert result.returncode == 65
    assert "status 0" in said(result)[0]
    assert "itexctl explain 1" in said(result)[0]


def test_the_loaders_quit_is_65(job, newest):
    text = "import sys, types\nsys.modules['keras'] = types.ModuleType('keras')\nimport tensorflow\n"
    without = subprocess.run([newest, "-c", text], capture_output=True, text=True, timeout=TIMEOUT)
    assert without.returncode == 0
    result = job(newest, text, "--keras", "3", "--jit", "on")
    assert result.returncode == 65
    assert len(said(result)) == 1


def test_an_end_in_the_import_by_other_ways_is_65(job, newest):
    text = (
        "import sys, types\nkeras = types.ModuleType('keras')\nsys.modules['keras'] = keras\n"
        "def __getattr__(name):\n    import ctypes\n"
        "    ctypes.pythonapi.PyRun_SimpleString(b'import sys; sys.exit(0)')\n"
        "keras.__getattr__ = __getattr__\nimport tensorflow\n"
    )
    result = job(newest, text, "--keras", "3", "--jit", "on")
    assert result.returncode == 65
    assert "in the import of TensorFlow" in said(result)[0]


def test_a_script_that_ends_itself_keeps_its_status(job, newest):
    assert job(newest, "import tensorflow\nraise SystemExit(0)\n", "--keras", "0").returncode == 0
    assert job(newest, "import tensorflow\nquit(3)\n", "--keras", "0").returncode == 3
    assert job(newest, "import sys\nsys.exit(4)\n", "--keras", "0").returncode == 4


# ---- What the job really got ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "env", "mode", "devices"),
    [
        ("1", {}, "npd+xla", 1),
        ("2", {"ITEX_DISABLE_XLA": "1"}, "npd", 2),
        ("1:tile", {"ITEX_DISABLE_XLA": "1", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "0"}, "stream-executor", 1),
        ("3:tile", {}, "npd+xla", 3),
    ],
)
def test_what_was_promised_is_reported(job, node, newest, gpus, env, mode, devices):
    result = job(newest, "import tensorflow\n", "--keras", "3", "--jit", "on", "--gpus", gpus, env=env)
    assert (result.returncode, said(result)) == (0, [])
    told = decision(node)
    assert told["mode"] == mode
    assert told["observed"] == {"mode": mode, "devices": devices, "match": True}


RESET = "import os\nos.environ['ITEX_DISABLE_XLA'] = '0'\nimport tensorflow\nprint('on it went')\n"


def test_a_changed_environment_is_named(job, node, newest):
    result = job(newest, RESET, "--keras", "3", "--jit", "off")
    assert result.stdout == "on it went\n"
    assert "ITEX_DISABLE_XLA was decided as 1 and is 0" in said(result)[0]
    assert "promised npd" in said(result)[1]
    assert "got npd+xla" in said(result)[1]
    assert decision(node)["observed"]["match"] is False


def test_an_activate_script_that_resets_is_named(job, newest):
    """As conda's activate.d does: between itexctl and Python."""
    activate = ["sh", "-c", 'export ITEX_DISABLE_XLA=false; exec "$@"', "activate"]
    result = job(newest, "import tensorflow\n", "--keras", "3", "--jit", "off", before=activate)
    assert "ITEX_DISABLE_XLA was decided as 1 and is false" in said(result)[0]
    assert "activate.d" in said(result)[0]


@pytest.mark.parametrize("options", [["--require-mode"], []])
def test_another_mode_ends_the_job_where_that_is_asked(job, newest, options):
    result = job(newest, RESET, "--keras", "3", "--jit", "off", *options)
    assert (result.returncode, result.stdout) == ((65, "") if options else (0, "on it went\n"))


def test_the_cpu_instead_of_a_gpu(job, node, newest):
    text = "import os\nos.environ['SYCL_DEVICE_FILTER'] = 'opencl:cpu'\nimport tensorflow\nprint('on')\n"
    result = job(newest, text, "--keras", "0")
    assert (result.returncode, result.stdout) == (0, "on\n")
    assert "the CPU" in said(result)[-1]
    assert "SYCL_DEVICE_FILTER=opencl:cpu" in said(result)[-1]
    assert decision(node)["observed"] == {"mode": "none", "devices": 0, "match": False}


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"itex": None}, "intel-extension-for-tensorflow is not installed"),
        ({"lib_flavour": "cpu"}, "the one for the CPU"),
        ({"lib_flavour": None}, "intel-extension-for-tensorflow-lib is not installed"),
    ],
)
def test_an_installation_that_has_no_gpu(job, tmp_path, versions, words):
    python = standins.virtual_environment(tmp_path / "venv", **versions)
    result = job(python, "import tensorflow\n", "--keras", "0")
    assert result.returncode == 0
    assert words in said(result)[-1]


def test_fewer_devices_than_promised(job, newest):
    text = "import os\nos.environ['ZE_AFFINITY_MASK'] = '0'\nimport tensorflow\n"
    result = job(newest, text, "--keras", "0", "--gpus", "2")
    assert "ZE_AFFINITY_MASK was decided as 0,1 and is 0" in said(result)[-1]
    assert "on 2 devices and got" in said(result)[-1]


def test_a_mask_in_the_script_is_named_by_its_line(job, newest, tmp_path):
    """The analysis has seen it: no environment can be decided that would stay."""
    text = "import os\nos.environ['ZE_AFFINITY_MASK'] = '0'\nimport tensorflow\n"
    result = job(newest, text, "--keras", "0", "--gpus", "2", "--script", tmp_path / "train.py",
                 env={"ITEXD_PYTHON_DIR": str(PACKAGE)})  # fmt: skip
    assert "train.py:2 sets a variable itself" in said(result)[-1]
    assert "on 2 devices and got" in said(result)[-1]


def test_without_gpus_none_are_promised(job, newest):
    result = job(newest, "import tensorflow\n", "--keras", "0", "--gpus", "0", env={"STANDIN_CARDS": "1"})
    assert (result.returncode, said(result)) == (0, [])


# ---- A hook that cannot ------------------------------------------------------------------------------------


def test_tensorflow_that_is_something_else(job, tmp_path):
    python = standins.virtual_environment(tmp_path / "venv", keras=None, itex=None)
    site = next((tmp_path / "venv" / "lib").glob("python3*/site-packages"))
    (site / "tensorflow" / "__init__.py").write_text("name = 'something else'\n")
    result = job(python, "import tensorflow\nprint(tensorflow.name)\n", "--keras", "0")
    assert (result.returncode, result.stdout) == (0, "something else\n")
    assert len(said(result)) == 1
    assert "runs without" in said(result)[0]


@pytest.mark.parametrize("first", ["tensorflow", "keras"])
def test_a_tensorflow_that_fails_fails_as_without(job, tmp_path, first):
    """And is not imported a second time: the real one was seen to hang then."""
    python = standins.virtual_environment(tmp_path / "venv", itex=None)
    site = next((tmp_path / "venv" / "lib").glob("python3*/site-packages"))
    (site / "tensorflow" / "__init__.py").write_text(
        "print('tried')\nraise ImportError('libx.so is missing')\n"
    )
    result = job(python, f"import {first}\n", "--keras", "0")
    assert (result.returncode, result.stdout) == (1, "tried\n")
    assert "ImportError: libx.so is missing" in result.stderr.splitlines()[-1]


def test_a_service_that_has_gone_meanwhile(node, job, newest):
    text = "import os\nos.kill(int(os.environ['SERVICE']), 9)\nimport tensorflow\nprint('on')\n"
    result = job(newest, text, "--keras", "3", "--jit", "on", env={"SERVICE": str(node.process.pid)})
    assert (result.returncode, result.stdout) == (0, "on\n")


def test_offline_decisions_have_their_obligations(newest, tmp_path):
    script = tmp_path / "train.py"
    script.write_text("import keras\nmodel = keras.Sequential()\nmodel.compile()\nmodel.fit()\n")
    result = subprocess.run(
        [ITEXCTL, "run", "--quiet", "--offline", "--rules", RULES, "--keras", "3", "--jit", "on",
         "--env", "TF_XLA_FLAGS=--tf_xla_auto_jit=1", "--", newest, RUNNER, script],
        env={**INSTRUMENTED, "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, "stand-in: fitted, jit_compile=False\n"), result.stderr


def test_without_tensorflow_nothing_is_loaded(job, newest):
    text = "import sys\nprint(*sorted(n for n in sys.modules if 'itexclient' in n or n == 'ctypes'))\n"
    loaded = "itexclient itexclient.decision_text itexclient.hook\n"
    assert job(newest, text, "--keras", "0").stdout == loaded
