"""Runs pytest files and prints TAP, so that meson counts every case.

    tap_runner.py FILE... [pytest options]

Nothing but TAP goes to stdout, pytest's own words go to stderr; what a failing case has to say follows it
as comments.
"""

from __future__ import annotations

import os
import sys

import pytest


class Tap:
    def __init__(self, out):
        self.out = out
        self.count = 0

    def line(self, text):
        print(text, file=self.out, flush=True)

    def case(self, ok, name, note=""):
        self.count += 1
        safe = name.replace("#", "_")
        self.line(f"{'ok' if ok else 'not ok'} {self.count} - {safe}{note}")

    def comment(self, text):
        for line in str(text).splitlines():
            self.line(f"# {line}")

    def pytest_collectreport(self, report):
        if report.failed:
            self.case(False, f"collecting {report.nodeid}")
            self.comment(report.longrepr)
        elif report.skipped:
            self.case(True, report.nodeid, " # SKIP")

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.rpartition("/")[2]
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self.case(True, name, f" # SKIP {reason}")
        elif report.when == "call" or report.failed:
            self.case(report.passed, name if report.when == "call" else f"{name} ({report.when})")
        if report.failed:
            self.comment(report.longrepr)
            for title, content in report.sections:
                self.comment(f"---- {title}")
                self.comment(content)


def main():
    tap = Tap(os.fdopen(os.dup(sys.stdout.fileno()), "w"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    options = ["-q", "-p", "no:cacheprovider", *sys.argv[1:]]
    status = pytest.main(options, plugins=[tap])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and tap.count == 0:
        tap.case(False, f"pytest ended with {status!r}")
    tap.line(f"1..{tap.count}")
    return 0 if status == pytest.ExitCode.OK else 1


if __name__ == "__main__":
    sys.exit(main())
