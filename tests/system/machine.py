"""A machine with a real systemd as its first process, booted in half a second by systemd-nspawn.

Its root is an overlay: of this machine's own root, so that nothing has to be downloaded, or of any other root
directory (one of mmdebstrap, say). What the machine writes is in a tmpfs and goes with it; what is below the
overlay is never changed.

    with Machine() as machine:         # or Machine(root="/some/root", unit="multi-user.target")
        machine.install(BUILD)         # what is needed before it boots; machine.root is its root directory
        machine.boot()
        machine.run("systemctl", "start", "itexd.socket")
        machine.shut_down()            # and boot() again: a reboot, what was written is still there

Commands are run in all of its namespaces, by root unless told otherwise, but not in a unit: those that have
to be in one are run by `systemd-run --pipe --wait`. The machine has a network of its own, a loopback only.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ITEXD_BUILD", SOURCE / "build"))
SLOW = float(os.environ.get("ITEXD_TEST_SLOWNESS", "1"))
TIMEOUT = 30 * SLOW
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Beyond what systemd-nspawn gives: DeviceAllow= is a BPF program, and a unit may give CAP_PERFMON.
# Without the first two (and the call) systemd silently does not enforce DeviceAllow=.
CAPABILITIES = "CAP_BPF,CAP_NET_ADMIN,CAP_PERFMON"
CALLS = "bpf perf_event_open"
TARGET = "itexd-test.target"
TARGET_TEXT = """\
[Unit]
Description=As little as a service may expect
Requires=basic.target
Wants=dbus.socket
After=basic.target dbus.socket
AllowIsolate=yes
"""

# $1: the root below; $2: an empty directory, in which root/ becomes the machine's. Ends with its input.
MOUNTS = """\
set -e
mount -t tmpfs -o mode=0755 none "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" none "$2/root"
mount -t tmpfs -o mode=0755 none /run  # systemd-nspawn's own traces
echo mounted
read -r unused || true
"""


class BootFailed(AssertionError):
    """The machine ended, or was not ready in time; the text has what its console said."""


def _cgroup():
    """This process's own directory of the unified hierarchy; None where there is none."""
    mounts = Path("/proc/self/mountinfo").read_text()
    mount = re.search(r"^(?:\S+ ){4}(\S+) .* - cgroup2 ", mounts, re.MULTILINE)
    own = re.search(r"^0::(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    if not mount or not own:
        return None
    directory = Path(mount[1] + own[1])
    return directory if directory.is_dir() else Path(mount[1])


def cannot_run():
    """Why no machine can be booted here; None where one can."""
    if os.geteuid() != 0:
        return "needs root, to boot a systemd"
    for program in ("systemd-nspawn", "nsenter", "unshare", "setpriv"):
        if not shutil.which(program):
            return f"needs {program} (packages systemd-container and util-linux), to boot a systemd"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        return "needs CAP_SYS_ADMIN, to boot a systemd"
    cgroup = _cgroup()
    if not cgroup or not os.access(cgroup, os.W_OK) or os.statvfs(cgroup).f_flag & os.ST_RDONLY:
        return "needs a writable unified hierarchy of cgroups, to boot a systemd"
    return None


class Machine:
    """root: the directory below. unit: what is booted; None for whatever its default target is. read_only and
    writable: directories of this machine that it has at the same path."""

    def __init__(self, root="/", unit=TARGET, read_only=(), writable=()):
        self.unit = unit
        self.binds = [
            *(f"--bind-ro={path}" for path in read_only),
            *(f"--bind={path}" for path in writable),
        ]
        self.directory = Path(tempfile.mkdtemp(prefix="itexd-machine-", dir="/tmp"))
        self.name = self.directory.name.lower().replace("_", "")
        self.console_path = self.directory / "console"
        self.cgroup = None
        self.nspawn = None
        self.leader = None  # its first process, as this machine numbers it
        overlay = self.directory / "overlay"
        overlay.mkdir()
        self.mounts = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--propagation=private",
                "sh",
                "-c",
                MOUNTS,
                "sh",
                str(root),
                str(overlay),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self.mounts.stdout.readline() != "mounted\n":
            raise BootFailed(f"no overlay of {root}: {self.mounts.stderr.read()}")
        self.inner_root = overlay / "root"
        self.root = Path(f"/proc/{self.mounts.pid}/root{self.inner_root}")
        self._adapt()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it at once, whatever it does, and leaves nothing behind."""
        if self.nspawn:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader or self.nspawn.pid, signal.SIGKILL)
            self._ended(TIMEOUT)
        self.mounts.communicate()
        shutil.rmtree(self.directory)

    # ---- Before it boots ------------------------------------------------------------------------------

    def _adapt(self):
        etc = self.root / "etc"
        (etc / "machine-id").write_text("")  # this machine's is not its own
        (etc / "fstab").write_text("")
        (etc / "systemd/system").mkdir(parents=True, exist_ok=True)
        (etc / "systemd/system" / TARGET).write_text(TARGET_TEXT)

    def chroot(self, *command, check=True, timeout=TIMEOUT, **options):
        """Runs a command in its root, booted or not; /proc, /sys and /dev are empty there."""
        return self._finish(
            ["nsenter", f"--target={self.mounts.pid}", "--mount", "chroot", str(self.inner_root)],
            command,
            check,
            timeout,
            **options,
        )

    def install(self, build):
        """meson install, and what a package would do behind it."""
        subprocess.run(
            ["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", f"--destdir={self.root}"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.chroot("ldconfig")

    # ---- Booting and ending ---------------------------------------------------------------------------

    def _join_cgroup(self):
        """One of its own: in a common one two machines would take each other's processes for theirs."""
        self.cgroup = _cgroup() / self.name
        self.cgroup.mkdir(exist_ok=True)
        return f'echo $$ >"{self.cgroup}/cgroup.procs" && exec "$@"'

    def boot(self, timeout=TIMEOUT):
        """Returns when it has reached its unit."""
        notify_path = self.directory / "notify"
        notify_path.unlink(missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
            self.console_path.open("ab") as console,
        ):
            notify.bind(str(notify_path))
            self.nspawn = subprocess.Popen(
                [
                    *("sh", "-c", self._join_cgroup(), "sh", "setpriv", "--pdeathsig=KILL"),
                    *("nsenter", f"--target={self.mounts.pid}", "--mount"),
                    *("systemd-nspawn", "--quiet", "--boot", f"--directory={self.inner_root}"),
                    *(f"--machine={self.name}", "--register=no", "--keep-unit"),
                    *("--console=pipe", "--notify-ready=yes", "--private-network", "--resolv-conf=off"),
                    *(f"--capability={CAPABILITIES}", f"--system-call-filter={CALLS}", *self.binds),
                    *([f"systemd.unit={self.unit}"] if self.unit else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={
                    "PATH": PATH,
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                    "NOTIFY_SOCKET": str(notify_path),
                },
            )
            self._wait_ready(notify, time.monotonic() + timeout)

    def _wait_ready(self, notify, deadline):
        notify.settimeout(0.2)
        while self.nspawn.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                lines = notify.recv(65536).decode().split("\n")
                for line in lines:
                    if line.startswith("X_NSPAWN_LEADER_PID="):
                        self.leader = int(line.partition("=")[2])
                if "READY=1" in lines:
                    return
        raise BootFailed(f"the machine has not booted; its console:\n{self.console}")

    def _ended(self, timeout):
        status = self.nspawn.wait(timeout)
        self.nspawn = self.leader = None
        groups = sorted(self.cgroup.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
        for group in (*groups, self.cgroup):
            with contextlib.suppress(OSError):  # a last process is still going
                group.rmdir()
        return status

    def shut_down(self, status=0, timeout=TIMEOUT):
        """In order: units are stopped. Returns the status that it ended with."""
        self.run("systemctl", "exit", str(status))
        return self._ended(timeout)

    @property
    def console(self):
        return self.console_path.read_text(errors="replace") if self.console_path.exists() else ""

    # ---- While it runs --------------------------------------------------------------------------------

    def _entered(self, user):
        # not --wd=/, which is the root of the machine outside
        prefix = ["nsenter", f"--target={self.leader}", "--all", "env", "--chdir=/", "--"]
        return [*prefix, "runuser", "-u", user, "--"] if user else prefix

    @staticmethod
    def _environment(more=None):
        return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "SYSTEMD_PAGER": "", **(more or {})}

    def start(self, *command, user=None, env=None, **options):
        """A process in it; as subprocess.Popen."""
        return subprocess.Popen(
            [*self._entered(user), *map(str, command)],
            env=self._environment(env),
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, "text": True, **options},
        )

    def run(self, *command, user=None, check=True, timeout=TIMEOUT, **options):
        """Its CompletedProcess, the output as text; where check is set, a failure is an AssertionError."""
        return self._finish(self._entered(user), command, check, timeout, **options)

    def out(self, *command, **options):
        """What it said on standard output, without the last line's end."""
        return self.run(*command, **options).stdout.rstrip("\n")

    def _finish(self, prefix, command, check, timeout, env=None, input=None):
        command = [str(word) for word in command]
        process = subprocess.Popen(
            [*prefix, *command],
            env=self._environment(env),
            start_new_session=True,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out, error = process.communicate(input, timeout)
        except subprocess.TimeoutExpired as expired:
            os.killpg(process.pid, signal.SIGKILL)
            out, error = process.communicate()
            text = f"{' '.join(command)} takes longer than {timeout} s; it said:\n{out}{error}"
            raise AssertionError(text) from expired
        if check and process.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {process.returncode}:\n{out}{error}")
        return subprocess.CompletedProcess(command, process.returncode, out, error)

    def path(self, inside):
        """A file of the running machine, mounts of its own included, as this machine reaches it."""
        return Path(f"/proc/{self.leader}/root/{str(inside).lstrip('/')}")

    def journal(self, unit=None):
        """What the journal has, of one unit or of all."""
        return self.out(
            "journalctl", "--no-pager", "--output=short-monotonic", *(["-u", unit] if unit else [])
        )
