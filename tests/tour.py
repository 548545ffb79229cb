"""The tour that ./try gives: the vendor page's invalid cases and use cases against a real itexd.

Starts itexd from a build directory on a private socket and database, asks it through itexctl as a job
would, prints what it answers, and stops it. Nothing here knows an answer: every line comes from the service.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SOURCE / "tests/standins"))
from standins import virtual_environment  # noqa: E402

NPD_OFF = {"ITEX_ENABLE_NEXTPLUGGABLE_DEVICE": "0"}


def auto_jit(level):
    return {"TF_XLA_FLAGS": f"--tf_xla_auto_jit={level}"}


# The page's table, one job for each row, in the newest generation (its rows 1, 2, 4 and 5 exist only there).
INVALID = [
    ("1  no Keras, NPD off", ["--keras", "0"], NPD_OFF),
    ("2  no Keras", ["--keras", "0"], {}),
    ("3  Keras 2, jit on", ["--keras", "2", "--jit", "on"], {}),
    ("4  Keras 3, NPD off", ["--keras", "3", "--jit", "auto"], NPD_OFF),
    ("5  Keras 3, jit off", ["--keras", "3", "--jit", "off"], {}),
    ("6  auto_jit 1, NPD off", ["--keras", "0"], {**auto_jit(1), **NPD_OFF}),
    ("7  auto_jit 2, NPD off", ["--keras", "0"], {**auto_jit(2), **NPD_OFF}),
    ("8  ops override, auto_jit 2", ["--keras", "0"], {**auto_jit(2), "ITEX_OPS_OVERRIDE": "1"}),
    ("3 then 6: Keras 2, jit on, NPD off", ["--keras", "2", "--jit", "on"], NPD_OFF),
]
USE_CASES = [
    ("default: Keras 3, the model supports jit", ["--keras", "3", "--jit", "auto"], {}),
    ("legacy Keras by tf_keras", ["--keras", "2", "--jit", "auto"], {"TF_USE_LEGACY_KERAS": "1"}),
    ("Keras 3 with jit_compile off", ["--keras", "3", "--jit", "off"], {}),
    ("XLA through TensorFlow, Keras 3", ["--keras", "3", "--jit", "on"], auto_jit(1)),
]
# Columns: case (what is left of the terminal), on its own, fix, resulting mode.
WIDTH = min(max(shutil.get_terminal_size().columns, 80), 110)
OWN, FIX, MODE = 11, 34, 15
CASE = WIDTH - OWN - FIX - MODE - 6
WIDTHS = (CASE, OWN, FIX, MODE)


class Service:
    """itexd on a private socket, ready when the constructor returns."""

    def __init__(self, build, folder, devices=("--devices=off",)):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.itexctl = str(build / "client/itexctl/itexctl")
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ITEX", "TF_", "XLA_", "ZE_", "ZES_", "SYCL_", "ONEAPI_DEVICE"))
            and name not in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID")
        }
        self.environment["ITEXD_SOCKET"] = str(folder / "itexd.sock")
        self.environment["ITEXD_PYTHON_DIR"] = str(SOURCE / "client/python/src")
        self.environment["XDG_CACHE_HOME"] = str(folder)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(folder / "notify"))
        notify.settimeout(20)
        with open(folder / "log", "w") as log:
            self.process = subprocess.Popen(
                [
                    str(build / "daemon/itexd"),
                    f"--socket={folder / 'itexd.sock'}",
                    f"--database={folder / 'itexd.db'}",
                    f"--rules={SOURCE / 'db/rules'}",
                    *devices,
                ],
                env={**self.environment, "NOTIFY_SOCKET": str(folder / "notify")},
                stderr=log,
            )
        try:
            while b"READY=1" not in notify.recv(4096):
                pass
        except TimeoutError:
            sys.exit("itexd did not become ready:\n" + (folder / "log").read_text())
        finally:
            notify.close()

    def ask(self, arguments, job_environment):
        words = [f"--env={name}={value}" for name, value in job_environment.items()]
        command = [self.itexctl, "resolve", "--json", "--clean-env", "--itex", "newest", *arguments, *words]
        answer = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if not answer.stdout:
            sys.exit(f"{' '.join(command)}: {answer.stderr}")
        return json.loads(answer.stdout)

    def start(self, *arguments, **options):
        command = [self.itexctl, *arguments]
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, text=True, **options)

    def show(self, *arguments):
        """Runs itexctl as it would be typed, its line first."""
        print(f"\n$ itexctl {shlex.join(arguments)}", flush=True)
        subprocess.run([self.itexctl, *arguments], env=self.environment, cwd=self.folder)

    def until(self, command, condition):
        """Asks itexctl until its answer is so."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            answer = subprocess.run(
                [self.itexctl, command, "--json"], env=self.environment, capture_output=True, text=True
            )
            if answer.stdout and condition(json.loads(answer.stdout)):
                return
            time.sleep(0.05)
        sys.exit(f"itexctl {command}: {answer.stdout}{answer.stderr}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)


def own_outcome(decision):
    outcome = decision["predicted"]["outcome"]
    words = {
        "exit0": "exit 0",
        "error": "exception",
        None: "depends",
    }
    return words.get(outcome, outcome)


def fix(decision):
    parts = [f"{name}={value}" for name, value in decision["env"]["set"].items()]
    parts += [f"unset {name}" for name in decision["env"]["unset"]]
    parts += [f"the job: {word}" for word in decision["obligations"]]
    parts += [
        f"({d['rule']} because of {', '.join(d['because'])})"
        for d in decision["diagnostics"]
        if d["because"] and d["applied"]
    ]
    return parts or ["nothing to do"]


def print_row(*cells):
    """Prints one row; a cell is a list of paragraphs, each wrapped to its column."""
    columns = [
        [line for paragraph in cell for line in textwrap.wrap(paragraph, width)]
        for cell, width in zip(cells, WIDTHS)
    ]
    for line in range(max(map(len, columns))):
        parts = [
            (column[line] if line < len(column) else "").ljust(width)
            for column, width in zip(columns, WIDTHS)
        ]
        print("  ".join(parts).rstrip())


def print_table(service, title, cases):
    print(f"\n{title}\n")
    print_row(["case"], ["on its own"], ["fix"], ["mode with it"])
    print("  ".join("-" * width for width in WIDTHS))
    for name, arguments, job_environment in cases:
        decision = service.ask(arguments, job_environment)
        print_row([name], [own_outcome(decision)], fix(decision), [decision["mode"]])


def run_one(service, build):
    """A script as somebody submits it, who knows nothing of all this."""
    python = virtual_environment(service.folder / "venv")
    shutil.copy(SOURCE / "tests/standins/use_cases/jit_off.py", service.folder / "train.py")
    service.environment["PATH"] = f"{python.parent}:{service.environment['PATH']}"
    service.environment["LD_LIBRARY_PATH"] = str(build / "client")
    print("\nA job: Keras 3 with jit_compile=False. TensorFlow, Keras, ITEX and its XPUs are stand-ins.")
    service.show("check", "train.py")
    service.show("run", "--", "python", "train.py")
    newest = subprocess.run(
        [service.itexctl, "query", "--limit", "1", "--json"],
        env=service.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    number = str(json.loads(newest.stdout)["decision"])
    print(f"\nIts decision: itexctl explain {number}\n", flush=True)
    subprocess.run([service.itexctl, "explain", number], env=service.environment, check=True)


# A job that prints its environment; every line says that the GPUs are none.
JOB = """#!/bin/sh
echo "SIMULATED  lease $ITEXD_LEASE, own device $ITEXD_LOCAL_DEVICE"
for name in ZE_AFFINITY_MASK ZE_FLAT_DEVICE_HIERARCHY ITEX_TILE_AS_DEVICE; do
    eval "echo \"SIMULATED  $name=\\$$name\""
done
"""


def compete(service):
    """One job holds both cards; another waits for one, is told its place, and gets it when the first ends."""
    print("\nTwo jobs, one after the other: the first has both cards until it ends.", flush=True)
    holder = service.start(
        "run", "--quiet", "--gpus", "2", "--job", "first", "--", "sh", "-c", "echo; read line",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        holder.stdout.readline()
        service.show("run", "--gpus", "1", "--", "true")
        command = ["run", "--gpus", "1", "--wait", "30", "--job", "second", "--", "./job"]
        print(f"\n$ itexctl {shlex.join(command)} &", flush=True)
        waiter = service.start(*command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        print(waiter.stderr.readline(), end="", flush=True)  # its place in the queue
        service.show("leases")
        print("\n(the first job ends)\n", flush=True)
    finally:
        holder.stdin.close()
        holder.wait(timeout=20)
        holder.stdout.close()
    _, said = waiter.communicate(timeout=40)  # one line, of what was decided
    print(textwrap.fill(said.strip(), WIDTH, break_long_words=False, subsequent_indent="SIMULATED   "))


def show_leases(build, folder):
    """A service of its own on two cards of two tiles, by the simulated driver of the tests."""
    folder.mkdir()
    control = folder / "gpus"
    control.write_text("cards 2\ntiles 2\n")
    (folder / "job").write_text(JOB)
    (folder / "job").chmod(0o755)
    service = Service(
        build,
        folder,
        [
            f"--runtime-directory={folder / 'run'}",
            f"--simulated-driver={build / 'tests/simze/libsimze.so'}",
            f"--worker-environment=SIMZE_CONTROL={control}",
        ],
    )
    try:
        print("\nLeases, on two GPUs of two tiles each. They are SIMULATED: no line below is about hardware.")
        service.until("devices", lambda told: all(device["sampled"] for device in told["devices"]))
        service.show("devices")
        service.show("run", "--quiet", "--gpus", "1", "--", "./job")
        service.show("run", "--quiet", "--gpus", "1:tile", "--", "./job")
        compete(service)
        service.until("leases", lambda told: not told["leases"])
        service.show("leases")
        service.show("devices")
    finally:
        service.stop()


def main():
    build = Path(sys.argv[1]).resolve()
    folder = Path(tempfile.mkdtemp(prefix="itexd-try-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        service = Service(build, folder)
        stack.callback(service.stop)
        print_table(service, "The vendor's eight invalid cases, and a chain of two", INVALID)
        print_table(service, "The vendor's four use cases", USE_CASES)
        print("\nabort: dies by a signal at import; exit 0: ends as if done, without having trained.")
        run_one(service, build)
        show_leases(build, folder / "simulated")


if __name__ == "__main__":
    main()
