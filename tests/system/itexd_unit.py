"""The installed units on a booted machine, as an administrator and the tests see them."""

from __future__ import annotations

import re
import time
from pathlib import Path

from machine import SOURCE, TIMEOUT

DROP_INS = "/etc/systemd/system/itexd.service.d"
METRICS_SOCKET = "itexd-metrics.socket"
SOCKET = "/run/itexd-socket/itexd.sock"
CONFIG = "/etc/itexd/itexd.yaml"
# As after the installation; one process, for it is run before each test.
RESET = f"""
set -e
if [ "$(systemctl is-enabled {METRICS_SOCKET})" = enabled ]; then
    systemctl disable --now --quiet {METRICS_SOCKET}
fi
systemctl stop itexd.socket itexd.service
if [ -e {DROP_INS} ]; then
    rm -r {DROP_INS}
    systemctl daemon-reload
fi
rm -rf {CONFIG} /run/itexd /var/lib/itexd /dev/gpus
systemd-tmpfiles --create itexd.conf
systemctl reset-failed
systemctl start itexd.socket
journalctl --lines=0 --show-cursor
"""
SETS = ("Inh", "Prm", "Eff", "Bnd", "Amb")


class Unit:
    def __init__(self, machine):
        self.machine = machine
        self.run = machine.run
        self.out = machine.out
        self.path = machine.path

    def systemctl(self, *arguments, **options):
        return self.run("systemctl", *arguments, **options)

    # ---- Its set-up ----------------------------------------------------------------------------------

    def reset(self):
        """As after the installation: nothing configured or kept, listening, not running."""
        told = self.out("sh", "-c", RESET)
        self.cursor = re.search(r"^-- cursor: (.*)$", told, re.MULTILINE)[1]

    def drop_in(self, name, text=None):
        """A shipped one by the way that its own first lines say, or one with this text."""
        if text is None:
            shipped = self.shipped(name)
            comment = self.path(shipped).read_text()
            for command in re.findall(r"^#   (.*)$", comment, re.MULTILINE):
                self.run("sh", "-c", command.replace("systemctl restart itexd", "true"))
            return
        directory = self.path(DROP_INS)
        directory.mkdir(exist_ok=True)
        (directory / f"{name}.conf").write_text(f"[Service]\n{text}\n")
        self.systemctl("daemon-reload")

    def shipped(self, name):
        places = [Path(prefix) / "share/itexd/systemd" / f"{name}.conf" for prefix in ("/usr", "/usr/local")]
        return next(place for place in places if self.path(place).exists())

    def configure(self, text):
        self.path(CONFIG).write_text(text)

    def start(self):
        self.systemctl("start", "itexd.service")
        return self

    # ---- What it is ----------------------------------------------------------------------------------

    def show(self, name, unit="itexd.service"):
        return self.out("systemctl", "show", "--property", name, "--value", unit)

    @property
    def pid(self):
        """Of the loop, as the machine numbers it; 0: none runs."""
        return int(self.show("MainPID"))

    def processes(self):
        """pid by name, of the whole unit: itexd, itexd-spawner, itexd-worker, itexd-keeper."""
        group = f"/sys/fs/cgroup{self.show('ControlGroup')}/cgroup.procs"
        script = f"for pid in $(cat {group}); do echo $pid $(cat /proc/$pid/comm); done"
        lines = [line.split() for line in self.out("sh", "-c", script, check=False).splitlines()]
        return {line[1]: int(line[0]) for line in lines if len(line) == 2}

    def proc(self, pid, name):
        return self.path(f"/proc/{pid}/{name}")

    def process_status(self, pid):
        """/proc/PID/status of one, which has to be that of all its threads as far as rights go."""
        kept = re.compile(r"Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp$")
        states = []
        for task in self.proc(pid, "task").iterdir():
            lines = dict(
                line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line
            )
            states.append({name: value for name, value in lines.items() if kept.match(name)})
        assert all(state == states[0] for state in states), states
        return states[0]

    def capabilities(self, pid):
        """The sets by name, as numbers."""
        state = self.process_status(pid)
        return {name: int(state[f"Cap{name}"], 16) for name in SETS}

    def ctl(self, *arguments, **options):
        return self.run("itexctl", *arguments, **options)

    def status(self):
        return self.out("itexctl", "status")

    def journal(self):
        """Since the last reset."""
        since = f"--after-cursor={self.cursor}"
        return self.out("journalctl", "--no-pager", "--output=short-monotonic", "--unit=itexd.service", since)

    def until(self, condition, what, timeout=TIMEOUT):
        """Waits for what nobody tells; its last value."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not within {timeout} s: {what}\n{self.journal()}"
            time.sleep(0.02)
        return value

    def restarted(self, before):
        """The pid of the loop that runs, and is ready, in the place of this one."""
        return self.until(
            lambda: self.show("ActiveState") == "active" and self.pid != before and self.pid, "a restart"
        )

    def python(self, script, *arguments, **options):
        """Starts a script of this directory in the machine; a Popen."""
        return self.machine.start(
            "/usr/bin/python3", "-B", SOURCE / "tests" / "system" / script, *arguments, **options
        )
