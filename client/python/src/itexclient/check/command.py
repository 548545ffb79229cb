"""The command line: python -m itexclient.check [OPTIONS] FILE...

--json            one JSON object on stdout (docs/check.md); without it, lines like a compiler's
--itex VERSION    the version of ITEX that the job will have, where it is not installed here; or newest
--bind rank       each local rank sees one device only
-m MODULE         what python -m MODULE would run, in place of a FILE
-c CODE           what python -c CODE would run
--fix             prints what would be rewritten, as a unified diff; with --write it is written
--timing          how long it took, on stderr
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from . import answer
from .analysis import Options, Target, analyse
from .fix import Fixer


def parser():
    made = argparse.ArgumentParser(
        prog="itexclient.check", description="Analyses training scripts without running them."
    )
    made.add_argument("files", nargs="*", metavar="FILE")
    made.add_argument("-m", dest="modules", action="append", default=[], metavar="MODULE")
    made.add_argument("-c", dest="codes", action="append", default=[], metavar="CODE")
    made.add_argument("--json", action="store_true")
    made.add_argument("--itex", metavar="VERSION")
    made.add_argument("--bind", choices=("node", "rank"), default="node")
    made.add_argument("--fix", action="store_true")
    made.add_argument("--write", action="store_true")
    made.add_argument("--timing", action="store_true")
    return made


def main(arguments, path):
    """path: sys.path as the job's own interpreter has it. Returns the exit status: 0 whenever it could
    analyse.
    """
    options = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    targets = [Target("file", name) for name in options.files]
    targets += [Target("module", name) for name in options.modules]
    targets += [Target("code", code) for code in options.codes]
    if not targets:
        parser().error("which FILE?")
    if options.write and not options.fix:
        parser().error("--write goes with --fix")
    started = time.perf_counter()
    job = Options(options.itex, options.bind == "rank", path)
    scripts = [analyse(target, job) for target in targets]
    fixer = Fixer(scripts)
    made = None if options.fix else answer.answer(scripts, job, fixer.edits_of)
    took = time.perf_counter() - started
    if options.timing:
        lines = sum(f.source.data.count(b"\n") for script in scripts for f in script.files.followed.values())
        print(f"analysed {lines} lines in {took:.3f} s", file=sys.stderr)
    if options.fix:
        return fix(fixer, job, options.write)
    sys.stdout.write(json.dumps(made) + "\n" if options.json else answer.text(made))
    return 0


def fix(fixer, job, write):
    """The diff of all edits; with write the files are replaced. Status 1 where one could not be."""
    files = fixer.changed(lambda script, overrides: analyse(script.target, job, overrides))
    for file in files:
        # A diff is for patch(1) and the eye: UTF-8 whatever the terminal is said to take.
        sys.stdout.buffer.write(file.diff().encode("utf-8", "surrogateescape"))
    sys.stdout.flush()
    status = 0
    for file in files if write else ():
        try:
            file.write()
        except (OSError, ValueError) as error:
            print(
                f"{file.source.shown}: not written: {getattr(error, 'strerror', None) or error}",
                file=sys.stderr,
            )
            status = 1
    return status
