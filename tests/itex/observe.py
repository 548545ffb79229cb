"""Observations and predictions of grid points, and whether they agree.

An observation is a process of its own with a time limit. It is kept in a file, so that a run that was cut
short goes on where it was, and one after a change of rules asks only the resolver anew.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import re
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import machine
from grid import FLAGS

HERE = Path(__file__).parent
PROBE = HERE / "probe.py"
WORKERS = 2  # two imports at once are what a small machine can do in time
TIME_LIMIT = 240  # seconds; an import takes 3 to 10
# What becomes of an operation on an emulated device at the best: a tile's, and in the driver a whole card's.
EMULATED = -signal.SIGFPE
DRIVER_ENDS = "Abort was called"
FATAL = re.compile(rf"^\S+ \S+: F (\S+\] .*)|^({DRIVER_ENDS}.*)", re.MULTILINE)
NO_DEVICE = "No device of requested type available"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a job came to."""

    word: str  # at import: a mode, if it has XPUs then; else cpu, exit0, error, abort, no-device, hang
    operation: str = ""  # at the first operation: abort, error, hang; else as far as an emulated device goes
    xpus: int | None = None
    pjrt: int | None = None
    why: str = ""


# ---- Observing -----------------------------------------------------------------------------------------


def _mode(said):
    """The effective mode, read as docs/itex.md says; the two signs of XLA must agree."""
    assert said["auto_jit"] == bool(said["set_by_xla"]), said
    if all(details == {"device_name": "XPU"} for details in said["details"]):
        return "stream-executor"
    assert all(details == {} for details in said["details"]), said
    return "npd+xla" if said["auto_jit"] else "npd"


def _operation(status, said, fatal):
    if "operation" in said:
        return "error"
    if status is None:
        return "hang"
    return "" if status in (0, EMULATED) or fatal.startswith(DRIVER_ENDS) else "abort"


def read(status, said, fatal):
    """What became of a process: exit status (None: it had to be ended), the probe's and a library's words."""
    if status is None and said["stage"] != "operate":
        return Outcome("hang", why=f"no end within {TIME_LIMIT} s, in {said['stage']}")
    if status < 0 and said["stage"] != "operate":
        return Outcome("abort", why=f"signal {-status}: {fatal}")
    if "exception" in said:
        word = "no-device" if NO_DEVICE in said["message"] else "error"
        return Outcome(word, why=f"{said['exception']}: {said['message']}")
    if said["stage"] not in ("operate", "done"):
        return Outcome("exit0" if status == 0 else "error", why=f"status {status} in {said['stage']}")
    if said["xpus"] == 0:
        return Outcome("cpu", xpus=0)
    return Outcome(
        _mode(said), _operation(status, said, fatal), said["xpus"], said["pjrt"], said.get("operation", fatal)
    )


def environment(point, directory):
    """The job's environment; a file that the point has is in directory."""
    path = str(Path(directory) / "flags")
    if point.file is not None:
        Path(path).write_text(point.file)
    env = {
        name: value if value is None else value.replace("@FILE@", path) for name, value in point.env.items()
    }
    return machine.changed(machine.surroundings(point.cards, point.tiles), env)


def last_words(output):
    """What a library said before it ended the process."""
    found = FATAL.search(output)
    return (found[1] or found[2])[:300] if found else ""


def run_probe(point):
    """The arguments of read(), from a process of its own."""
    with tempfile.TemporaryDirectory(prefix="itexd-itex-") as directory:
        result = Path(directory) / "result"
        output = Path(directory) / "output"
        command = [machine.python(point.flavour), PROBE, result, *point.modules]
        try:
            with output.open("wb") as file:
                status = subprocess.run(
                    list(map(str, command)),
                    env=environment(point, directory),
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    timeout=TIME_LIMIT,
                    check=False,
                ).returncode
        except subprocess.TimeoutExpired:
            status = None
        said = json.loads(result.read_text()) if result.exists() else {"stage": "start"}
        return status, said, last_words(output.read_text(errors="replace"))


class Observations:
    """The observations of a run, made two at a time, kept in a file as they were made."""

    def __init__(self, path):
        self.path = Path(path)
        self.lock = threading.Lock()
        self.kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.pool = concurrent.futures.ThreadPoolExecutor(WORKERS)
        self.futures = {}
        self.ground = hashlib.sha256()
        for part in (PROBE.read_text(), json.dumps(machine.versions()), json.dumps(machine.surroundings())):
            self.ground.update(part.encode())

    def _key(self, point):
        key = self.ground.copy()
        about = dataclasses.asdict(point)
        del about["topic"], about["facts"]
        about["env"] = sorted(about["env"].items())
        key.update(json.dumps(about, sort_keys=True).encode())
        return key.hexdigest()

    def _keep(self, key, *seen):
        with self.lock:
            self.kept[key] = seen
            beside = self.path.with_name(self.path.name + ".new")
            beside.write_text(json.dumps(self.kept, indent=1))
            beside.replace(self.path)

    def _look(self, key, point):
        if key not in self.kept:
            self._keep(key, *run_probe(point))
        return read(*self.kept[key])

    def of(self, point):
        """A future of the point's outcome."""
        key = self._key(point)
        if key not in self.futures:
            self.futures[key] = self.pool.submit(self._look, key, point)
        return self.futures[key]

    def close(self):
        self.pool.shutdown(wait=True, cancel_futures=True)


# ---- Predicting ----------------------------------------------------------------------------------------


def ask(point, ctl):
    """The decision that `itexctl resolve` makes for the point; ctl runs itexctl at a service."""
    with tempfile.TemporaryDirectory(prefix="itexd-itex-") as directory:
        env = environment(point, directory)
        for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", *machine.NOISE):
            env.pop(name)
        facts = {"keras": "0", "custom_ops": "false", "tensorflow": machine.TENSORFLOW, **point.facts}
        arguments = ["resolve", "--json", "--itex", machine.ITEX]
        arguments += [f"--fact={name}={value}" for name, value in facts.items()]
        if "SLURM_JOB_ID" in point.env:
            # What a scheduler gave is looked at where a job comes for devices; it has them while that lives.
            with subprocess.Popen(["sleep", "infinity"]) as holder:
                answer = ctl(*arguments, "--gpus", "1", "--holder", str(holder.pid), env=env)
                holder.kill()
        else:
            answer = ctl(*arguments, env=env)
    assert answer.returncode in (0, 1), answer.stderr
    return json.loads(answer.stdout)


def predicted(decision):
    """The word of the outcome that the decision predicts for the job as it is."""
    word = decision["predicted"]["mode"] or decision["predicted"]["outcome"]
    assert word is not None, decision
    return word


OBLIGATIONS = {
    "import-tensorflow-first": {"modules": ("tensorflow", "keras")},
    "install:intel-extension-for-tensorflow-lib": {"flavour": "xpu"},
}


def as_decided(point, decision):
    """The point as the job would run under the decision; None where nothing is fixed."""
    changes = {**decision["env"]["set"], **dict.fromkeys(decision["env"]["unset"])}
    more = {}
    for obligation in decision["obligations"]:
        more.update(OBLIGATIONS[obligation])
    if decision["verdict"] != "fixed":
        return None
    file = None if FLAGS in changes else point.file
    return dataclasses.replace(point, env={**point.env, **changes}, file=file, facts={}, **more)


def holds(decision, rule):
    return any(diagnostic["rule"] == rule for diagnostic in decision["diagnostics"])


def later(decision):
    """What is predicted of the first operation: that the process dies, an exception, or nothing special."""
    outcome = decision["predicted"]["outcome"]
    return outcome if decision["predicted"]["mode"] and outcome in ("abort", "error") else ""


def disagreement(word, seen, operation="", uneven=False):
    """What is different, or None. Under NPD TensorFlow and PJRT count alike, unless said to be uneven."""
    if word != seen.word:
        return f"expected {word}, seen {seen.word} {seen.why}"
    if operation != seen.operation:
        return f"expected {operation or 'nothing'} at the first operation, seen {seen.operation or 'nothing'}"
    if seen.word in ("npd", "npd+xla") and (seen.xpus != seen.pjrt) != uneven:
        return f"TensorFlow has {seen.xpus} XPUs and PJRT {seen.pjrt}"
    return None
