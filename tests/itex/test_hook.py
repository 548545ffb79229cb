"""The hook inside jobs of the real ITEX under `itexctl run`: what the job got is read, reported and compared.

The same cases, and more of them, run on stand-ins in tests/e2e/test_hook.py.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess

import harness
import machine
import pytest
from grid import API, FLAGS, JIT, MASK, NPD
from observe import TIME_LIMIT

PACKAGE = machine.SOURCE / "client" / "python" / "src"
IMPORT = "import tensorflow as tf\n"
# Of a variable that no analysis of the script can know.
SET = "import os, sys\nos.environ[sys.argv[1]] = sys.argv[2]\n"
LIST = "print('XPUs', len(tf.config.list_physical_devices('XPU')))\n"


@dataclasses.dataclass
class Ended:
    status: int
    output: str
    said: list[str]
    decision: dict


@pytest.fixture
def job(services, tmp_path):
    """job(script text, options of itexctl run): Ended."""

    def run(text, *options, env=None, before=(), sets=()):
        service = services()
        (tmp_path / "train.py").write_text(text)
        library = harness.client_library()["LD_LIBRARY_PATH"]
        surroundings = machine.changed(machine.surroundings(), env or {})
        surroundings["LD_LIBRARY_PATH"] = f"{surroundings['LD_LIBRARY_PATH']}:{library}"
        surroundings["ITEXD_PYTHON_DIR"] = str(PACKAGE)
        runner = [PACKAGE / "itexclient" / "runner.py"] if before else []  # itexctl sees no script then
        command = [harness.ITEXCTL, "run", "--socket", service.socket, "--job", tmp_path.name, *options]
        done = subprocess.run(
            list(map(str, [*command, "--", *before, machine.python(), *runner, "train.py", *sets])),
            env=surroundings,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT,
            check=False,
        )
        kept = service.ctl("query", "--job", tmp_path.name, "--limit", "1", "--json").stdout
        said = [line for line in done.stderr.splitlines() if line.startswith("itexclient: ")]
        return Ended(done.returncode, done.stdout, said, json.loads(kept))

    return run


@pytest.mark.parametrize(
    ("gpus", "env", "mode", "devices"),
    [
        ("1", {}, "npd", 1),
        ("2", {FLAGS: f"{JIT}1 {API}"}, "npd+xla", 2),
        ("3:tile", {NPD: "0"}, "stream-executor", 3),
    ],
)
def test_what_was_promised_is_reported(job, gpus, env, mode, devices):
    ended = job(IMPORT + LIST, "--gpus", gpus, env=env)
    assert (ended.status, ended.output, ended.said) == (0, f"XPUs {devices}\n", [])
    assert ended.decision["mode"] == mode
    assert ended.decision["observed"] == {"mode": mode, "devices": devices, "match": True}


@pytest.mark.parametrize("options", [[], ["--require-mode"]])
def test_another_mode(job, options):
    """Nothing was decided about the variable: ITEX's default is what was promised."""
    ended = job(SET + IMPORT + "print('on')\n", *options, sets=(NPD, "0"))
    assert (ended.status, ended.output) == ((65, "") if options else (0, "on\n"))
    assert "promised npd on 1 device and got stream-executor on 1 device" in " ".join(ended.said)
    assert ended.decision["observed"] == {"mode": "stream-executor", "devices": 1, "match": False}


def test_the_cpu_instead_of_a_gpu(job):
    ended = job(SET + IMPORT + LIST, sets=("SYCL_DEVICE_FILTER", "opencl:cpu"))
    assert (ended.status, ended.output) == (0, "XPUs 0\n")
    assert "SYCL_DEVICE_FILTER=opencl:cpu" in ended.said[-1]
    assert ended.decision["observed"] == {"mode": "none", "devices": 0, "match": False}


def test_fewer_devices_than_promised(job):
    ended = job(SET + IMPORT + LIST, "--gpus", "2", sets=(MASK, "0"))
    assert (ended.status, ended.output) == (0, "XPUs 1\n")
    assert f"{MASK} was decided as 0,1 and is 0" in ended.said[-1]
    assert ended.decision["observed"] == {"mode": "npd", "devices": 1, "match": False}


def test_a_mask_in_the_script(job):
    """It is seen before the job starts, and is the cause that is named afterwards."""
    ended = job(f"import os\nos.environ['{MASK}'] = '0'\n" + IMPORT + LIST, "--gpus", "2")
    assert (ended.status, ended.output) == (0, "XPUs 1\n")
    assert "train.py:2 sets a variable itself" in ended.said[-1]


ORDER = (
    "import sys\nseen = [n for n in sys.modules if n in ('tensorflow', 'keras')]\n"
    "print(*seen, keras.__version__, sys.modules['keras'] is keras)\n"
)


def test_keras_first(job):
    """TensorFlow comes first nevertheless, Keras once, and the job is what was promised."""
    ended = job("import keras\n" + ORDER)
    assert (ended.status, ended.output, ended.said) == (0, "tensorflow keras 2.15.0 True\n", [])
    assert ended.decision["facts"]["keras"]["value"] == "2"
    assert ended.decision["observed"]["match"]


def test_an_activate_script_that_resets(job):
    """As conda's activate.d does: between itexctl and Python."""
    activate = ["sh", "-c", f'export {MASK}=1.0 {NPD}=0; exec "$@"', "activate"]
    ended = job(
        IMPORT + LIST, "--keras", "0", "--gpus", "2", env={"ITEX_OPS_OVERRIDE": "yes"}, before=activate
    )
    assert (ended.status, ended.output) == (0, "XPUs 1\n")
    assert f"{MASK} was decided as 0,1 and is 1.0" in ended.said[0]
    assert "activate.d" in ended.said[0]
    assert "got stream-executor on 1 device" in ended.said[-1]
    assert ended.decision["observed"]["match"] is False


def test_tensorflow_that_fails_fails_as_without(job):
    """A device that is not there: one exception, TensorFlow's own, and no second import, which would hang."""
    ended = job(SET + IMPORT, sets=(MASK, "9"))
    assert ended.status == 1
    assert ended.decision["observed"] is None
