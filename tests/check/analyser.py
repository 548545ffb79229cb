"""The analyser as the tests call it: in this process, on a simulated installation."""

import os
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "client" / "python" / "src"
sys.path.insert(0, str(PACKAGE))
sys.dont_write_bytecode = True

import sites  # noqa: E402
from itexclient.check import analysis, answer, command  # noqa: E402
from itexclient.check.fix import Fixer  # noqa: E402

_folder = tempfile.TemporaryDirectory(prefix="itexd-sites-")
_sites = {}


def site(name):
    if name not in _sites:
        _sites[name] = sites.make(_folder.name, name)
    return _sites[name]


def scripts_of(folder, arguments, site_name, at_hand):
    """(scripts, options) for arguments as the command line has them, in a folder."""
    parsed = command.parser().parse_args(arguments)
    path = [entry for entry in sys.path if "site-packages" not in entry and "dist-packages" not in entry]
    path = [entry for entry in path if entry not in (str(PACKAGE), str(Path(__file__).parent), "")]
    options = analysis.Options(parsed.itex, parsed.bind == "rank", [*path, site(site_name)], at_hand)
    targets = [analysis.Target("file", name) for name in parsed.files]
    targets += [analysis.Target("module", name) for name in parsed.modules]
    targets += [analysis.Target("code", code) for code in parsed.codes]
    before = os.getcwd()
    os.chdir(folder)
    try:
        return [analysis.analyse(target, options) for target in targets], options
    finally:
        os.chdir(before)


def analyse(folder, arguments, site_name="newest", at_hand=None):
    """The answer's JSON object."""
    scripts, options = scripts_of(folder, arguments, site_name, at_hand or {})
    return answer.answer(scripts, options, Fixer(scripts).edits_of)
