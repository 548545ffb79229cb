"""What the tests of itexctl doctor share: asking it, what it told, and a whole machine for them to break."""

from __future__ import annotations

import json
import os

from harness import INSTRUMENTED, ITEXCTL, RULES, TIMEOUT, ctl
from machine import Machine

NOWHERE = "/tmp/itexd-has-no-such/socket"


class Told:
    """What doctor said, of the JSON's findings."""

    def __init__(self, result):
        assert result.returncode in (0, 1), result
        self.status = result.returncode
        self.whole = json.loads(result.stdout)
        self.findings = self.whole["findings"]
        assert self.whole["errors"] == len(self.of_level("error"))
        assert self.whole["warnings"] == len(self.of_level("warning"))
        assert (self.status == 1) == (self.whole["errors"] > 0), "the status is that of errors"

    def of_level(self, level):
        return [finding["id"] for finding in self.findings if finding["level"] == level]

    def machine_errors(self):
        """Those that are not about itexd or Python."""
        return [f["id"] for f in self.findings if f["level"] == "error" and f["layer"] in LAYERS]

    def __getitem__(self, name):
        found = [finding for finding in self.findings if finding["id"] == name]
        assert found, f"no {name}: {[(f['id'], f['level'], f['found']) for f in self.findings]}"
        return found[0]

    def __contains__(self, name):
        return any(finding["id"] == name for finding in self.findings)

    def layer(self, name):
        return [finding for finding in self.findings if finding["layer"] == name]


LAYERS = [
    "user", "pci", "kernel-driver", "render-node", "render-rights", "device-cgroup", "shm", "limits",
    "loader", "driver-library", "devices", "environment",
]  # fmt: skip


def environment(env=None, socket_path=NOWHERE):
    return {
        **INSTRUMENTED,
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "ITEXD_RULES": str(RULES),
        "ITEXD_SOCKET": str(socket_path),
        **(env or {}),
    }


def doctor(*arguments, env=None, socket_path=NOWHERE, **options):
    return Told(ctl("doctor", "--json", *arguments, env=environment(env, socket_path), **options))


class WholeMachine(Machine):
    """A machine with a card that everybody may use. root: its devices, to be broken."""

    def __init__(self, device_root):
        super().__init__(device_root)
        self.root = device_root
        device_root.add_card(0)
        for node in device_root.nodes(0):
            node.chmod(0o666)

    def look(self, *arguments, env=None, user=None, within=(), socket_path=NOWHERE):
        """What doctor tells there; within: the words in front of it."""
        become = (
            ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user is not None else []
        )
        command = [*within, *become, ITEXCTL, "doctor", "--json", *arguments]
        return Told(self.run(command, env=environment(env, socket_path), timeout=TIMEOUT))
