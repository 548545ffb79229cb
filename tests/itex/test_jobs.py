"""`itexctl run` on a node of emulated GPUs: a job of the real ITEX has what was leased, in the decided mode.

Which of the emulated cards a process has cannot be seen in it: their UUIDs repeat under a mask, and they have
no PCI address. That a mask means exactly the leased tiles is shown with the simulated driver
(tests/e2e/test_simulated.py); here it is shown what TensorFlow and PJRT make of it.
"""

from __future__ import annotations

import subprocess

import jobs
import machine
import pytest
from grid import API, FLAGS, JIT, MASK, NPD, SELECTOR

MODES = {
    "npd": {},
    "npd+xla": {FLAGS: f"{JIT}1 {API}"},
    "stream-executor": {NPD: "0"},
}


def assert_has(job, devices, mode):
    assert job.decision["mode"] == mode
    assert job.seen.word == mode, job.seen.why
    assert job.seen.xpus == devices
    assert job.seen.pjrt == (None if mode == "stream-executor" else devices)
    assert len(job.decision["devices"]) == devices
    assert job.seen.operation == ""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("gpus", "mask", "devices"), [("1:tile", "0.0", 1), ("1", "0", 1), ("2", "0,1", 2)])
def test_a_job_has_what_was_leased(services, tmp_path, gpus, mask, devices, mode):
    job = jobs.run(services(), tmp_path, "--gpus", gpus, env=MODES[mode])
    assert_has(job, devices, mode)
    assert job.said["given"][MASK] == mask


@pytest.mark.parametrize(
    ("gpus", "mask", "devices"),
    [("2:tile", "0.0,0.1", 2), ("3:tile", "0.0,0.1,1.0", 3), ("4:tile", "0.0,0.1,1.0,1.1", 4)],
)
def test_tiles_of_several_cards(services, tmp_path, gpus, mask, devices):
    job = jobs.run(services(), tmp_path, "--gpus", gpus)
    assert_has(job, devices, "npd")
    assert job.said["given"][MASK] == mask


@pytest.mark.parametrize(("gpus", "devices"), [("1", 1), ("2", 2), ("1:tile", 1)])
def test_cards_without_tiles(services, tmp_path, gpus, devices):
    job = jobs.run(services(tiles=1), tmp_path, "--gpus", gpus, tiles=1)
    assert_has(job, devices, "npd")


def test_two_jobs_at_once(services, tmp_path):
    """The second has the other card while the first lives, and only that."""
    service = services()
    first = subprocess.Popen(
        jobs.command(service, tmp_path, "--gpus", "1:tile", command=["sh", "-c", f"echo ${MASK}; read line"]),
        env=machine.surroundings(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with first:
        assert first.stdout.readline().strip() == "0.0"
        job = jobs.run(service, tmp_path, "--gpus", "1")
        first.stdin.write("\n")
    assert_has(job, 1, "npd")
    assert job.said["given"][MASK] == "1"


BROKEN = [
    {MASK: "x"},
    {MASK: "9"},
    {SELECTOR: "level_zero:1"},
    {SELECTOR: "gpu"},
    {"SYCL_DEVICE_FILTER": "opencl:gpu"},
    {"SYCL_TILE_AS_DEVICE": "0"},
    {"ITEX_ENABLE_TILE_AS_DEVICE": "1", "ITEX_TILE_AS_DEVICE": "0"},
    {"ITEX_OPS_OVERRIDE": "yes"},
    {"ITEX_VERBOSE": "yes"},
    {FLAGS: "--foo"},
    {FLAGS: "/nonexistent/flags"},
]


@pytest.mark.parametrize("env", BROKEN, ids=lambda env: " ".join(f"{n}={v}" for n, v in env.items()))
def test_what_would_not_even_import_runs(services, tmp_path, env):
    """Each of these, on its own, dies at the import, or lists no XPU, or two where one was asked for."""
    job = jobs.run(services(), tmp_path, "--gpus", "1", env=env)
    assert_has(job, 1, "npd")
