"""Starts the analyser, as `python -m itexclient.check` or as `python DIR/itexclient/check`.

The script's own folder, PYTHONPATH and the like are what modules are looked for in, never where the
analyser's own imports come from: a file named random.py beside a script must not break it.
"""

import os
import sys


def start():
    if sys.version_info < (3, 9):  # noqa: UP036 - whatever Python the job has starts this
        sys.stderr.write("itexclient.check needs Python 3.9, this is %d.%d\n" % sys.version_info[:2])  # noqa: UP031
        return 70
    here = os.path.dirname(os.path.abspath(__file__))
    package = os.path.dirname(os.path.dirname(here))
    path = [folder for folder in sys.path if os.path.abspath(folder or ".") not in (here, package)]
    if __package__ and os.path.abspath(sys.path[0] or ".") == os.getcwd():
        path = path[1:]  # -m puts the current folder there, which the script will not have
    library = os.path.dirname(os.__file__)
    sys.path[:] = [package] + [
        folder for folder in sys.path if folder.startswith(library) or folder.endswith(".zip")
    ]
    from itexclient.check.command import main

    sys.path[:] = [*path]
    return main(sys.argv[1:], path)


if __name__ == "__main__":
    sys.exit(start())
