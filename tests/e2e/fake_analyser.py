"""A package itexclient of the tests' own: an analyser that says what comments tell it to, a runner.

So that tests of itexctl decide what is found, and how finding it fails. A script's comments:

    # fact keras 3                 a fact of the script, in this line
    # installed tensorflow 2.15.1  a fact of the installation
    # sets ITEX_VERBOSE 1          a variable set before the import, whatever happens
    # perhaps ITEX_VERBOSE 1       the same, not in every case
    # takes ITEX_VERBOSE           a variable taken away
    # error gpu-name nothing here  a finding; also: warning, info
    # imports helper.py            another file that is read
    # hook                         the interpreter has the hook
    # slow, # crash, # hang, # garbage, # old
"""

from __future__ import annotations

import json
from pathlib import Path

ANALYSER = r"""
import hashlib, json, os, sys, time

arguments = sys.argv[1:]
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(json.dumps({"arguments": arguments, "executable": sys.executable, "flags": list(sys.flags),
                          "environment": dict(os.environ)}) + "\n")
answer = {"format": 1, "python": "%d.%d.%d" % sys.version_info[:3],
          "files": [], "facts": {}, "installation": {}, "environment": [],
          "findings": [], "hook": False,
          "depends": {"environment": {"FAKE_READS": os.environ.get("FAKE_READS")},
                      "path": [os.environ["FAKE_PACKAGES"]]}}
flag, name = (["", ""] + arguments)[-2:]


def look_at(name, code=None):
    data = open(name, "rb").read() if code is None else code.encode()
    answer["files"].append({"path": name, "sha256": hashlib.sha256(data).hexdigest(), "parsed": True})
    for number, line in enumerate(data.decode().splitlines(), 1):
        words = line.partition("# ")[2].split(" ")
        what = words[0]
        place = {"file": name, "line": number}
        if what == "fact":
            answer["facts"][words[1]] = {"value": words[2], "why": "so it says", "column": 1, **place}
        elif what == "installed":
            answer["installation"][words[1]] = words[2]
        elif what in ("sets", "perhaps", "takes"):
            value = None if what == "takes" else " ".join(words[2:])
            answer["environment"].append({"name": words[1], "value": value, "unset": value is None,
                                          "unconditional": what != "perhaps", "before_import": True, **place})
        elif what in ("error", "warning", "info"):
            answer["findings"].append({"rule": words[1], "severity": what, "message": " ".join(words[2:]),
                                       "fix": None, "edits": [], "column": 5, **place})
        elif what == "imports":
            look_at(os.path.join(os.path.dirname(name), words[1]))
        elif what == "hook":
            answer["hook"] = True
        elif what == "crash":
            raise RuntimeError("the analyser has a bug")
        elif what == "slow":
            time.sleep(0.3)
        elif what == "hang":
            time.sleep(3600)
        elif what == "garbage":
            print("Welcome to this cluster!")
        elif what == "old":
            sys.exit("Python 3.9 or newer is needed")


if flag == "-c":
    look_at("-c", name)
elif flag == "-m" and not os.path.exists(name + ".py"):
    answer["files"].append({"path": name, "sha256": hashlib.sha256(b"").hexdigest(), "parsed": False})
    answer["findings"].append({"rule": "not-python", "severity": "error", "message": "not here", "fix": None,
                               "edits": [], "file": name, "line": 1, "column": 1})
else:
    look_at(name + ".py" if flag == "-m" else name)
print(json.dumps(answer))
"""

RUNNER = r"""
import json, os, sys
print(json.dumps({"runner": sys.argv[1:], "decision": os.environ.get("ITEXD_DECISION")}), flush=True)
"""


class FakePackage:
    """The package in a folder; env is what itexctl finds it by."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.log = self.folder / "log"
        self.packages = self.folder / "site-packages"
        package = self.folder / "python" / "itexclient"
        (package / "check").mkdir(parents=True)
        self.packages.mkdir()
        (package / "check" / "__main__.py").write_text(ANALYSER)
        (package / "runner.py").write_text(RUNNER)
        self.runner = package / "runner.py"
        self.env = {
            "ITEXD_PYTHON_DIR": str(self.folder / "python"),
            "FAKE_LOG": str(self.log),
            "FAKE_PACKAGES": str(self.packages),
            "XDG_CACHE_HOME": str(self.folder),
        }

    def calls(self):
        """What the analyser was called with, each time that it was."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
