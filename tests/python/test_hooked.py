"""configure() and lease() with the hook, on stand-ins of TensorFlow, Keras and ITEX (tests/standins)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from harness import ITEXCTL, SOURCE, TIMEOUT
from scripts import PRELUDE, environment

sys.path.insert(0, str(SOURCE / "tests" / "standins"))
import standins


@pytest.fixture(scope="module")
def newest(tmp_path_factory):
    """An interpreter with the newest generation's stand-ins, and with the source tree's itexclient."""
    return standins.virtual_environment(tmp_path_factory.mktemp("newest") / "venv")


@pytest.fixture
def job(newest, itexd):
    """job(text, env, before) -> CompletedProcess."""

    def run(text, env=None, before=()):
        return subprocess.run(
            [*map(str, before), newest, "-c", PRELUDE + text],
            env=environment(itexd.socket, env),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )

    return run


def explained(service, number):
    return json.loads(service.ctl("explain", number, "--json").stdout)


def test_what_the_job_got_is_reported(job, itexd):
    result = job("itexclient.configure(keras=0, itex='newest')\nimport tensorflow\nprint('on')\n")
    assert (result.returncode, result.stdout, result.stderr) == (0, "on\n", "")
    observed = explained(itexd, 1)["observed"]
    assert (observed["mode"], observed["match"]) == ("npd", True)


def test_the_scripts_decision_is_the_one_that_counts(job, itexd):
    """It knows of the jit, which the decision of run does not: the model is compiled without."""
    result = job(
        "itexclient.configure(keras=3, jit=True, itex='newest')\n"
        "import keras\nmodel = keras.Sequential()\nmodel.compile('adam', 'mse')\nprint(model.jit_compile)\n",
        env={"ITEX_DISABLE_XLA": "1"},
        before=[ITEXCTL, "run", "--quiet", "--gpus=0", "--keras=0", "--itex=newest", "--"],
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "False\n"
    first, second = (explained(itexd, number) for number in (1, 2))
    assert (first["obligations"], second["obligations"]) == ([], ["jit_compile=False"])
    assert (first["observed"], second["observed"]["match"]) == (None, True)


def test_what_run_was_told_of_the_job_stays(job, itexd):
    """--require-mode is in the ITEXD_DECISION that configure replaces."""
    with itexd.client() as client:
        outer = client.resolve(declared={"keras": "0", "itex": "newest"})
    text = (
        "itexclient.configure(keras=0, itex='newest')\n"
        "os.environ['ITEX_DISABLE_XLA'] = '0'\nimport tensorflow\nprint('on')\n"
    )
    for token, ends in (("require-mode", (65, "")), ("", (0, "on\n"))):
        decision = f"{outer.id}:{outer.ruleset.digest}:{token}"
        result = job("from itexclient import hook\nhook.install()\n" + text, env={"ITEXD_DECISION": decision})
        assert (result.returncode, result.stdout) == ends, result.stderr
        assert "was promised npd and got npd+xla" in result.stderr


def test_after_a_block_nothing_is_promised(job, itexd):
    """TensorFlow was not imported in it: what it gets later is nobody's decision."""
    result = job(
        "with itexclient.lease(allow_none=True, keras=0, itex='newest'):\n    pass\n"
        "import tensorflow\nprint('on')\n"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "on\n", "")
    assert explained(itexd, 1)["observed"] is None


def test_after_a_block_the_outer_decision_counts_again(job, itexd):
    result = job(
        "itexclient.configure(keras=0, itex='newest')\n"
        "with itexclient.lease(allow_none=True, keras=3, itex='newest'):\n    pass\n"
        "import tensorflow\nprint('on')\n"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "on\n", "")
    assert explained(itexd, 1)["observed"]["match"] is True
    assert explained(itexd, 2)["observed"] is None
