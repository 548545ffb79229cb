"""Python as it was called, with the hook: for interpreters that do not have this package.

    PYTHON [python's own options] .../itexclient/runner.py SCRIPT ARG ...
    PYTHON [python's own options] .../itexclient/runner.py -m MODULE ARG ...
    PYTHON [python's own options] .../itexclient/runner.py -c CODE ARG ...
    PYTHON [python's own options] .../itexclient/runner.py -           (or nothing: standard input)

`itexctl run` writes commands so. The script finds what it would find without: sys.argv, sys.path, __main__
and its attributes, and a traceback without this file's frames.
"""

from __future__ import annotations

import importlib.machinery
import io
import os
import pkgutil
import runpy
import sys
import types


def _install_hook() -> None:
    """The package is beside this file, and is on sys.path only while it is imported."""
    package = os.path.dirname(os.path.abspath(__file__))
    # Python put this file's folder there; under -P and -I it did not.
    if sys.path and os.path.realpath(sys.path[0] or os.curdir) == os.path.realpath(package):
        del sys.path[0]
    beside = os.path.dirname(package)
    sys.path.insert(0, beside)
    try:
        from itexclient import hook

        hook.install()
    except Exception as error:
        print(
            "itexclient: the job runs without what itexclient would do in it: "
            f"{type(error).__name__}: {error}",
            file=sys.stderr,
        )
    finally:
        sys.path.remove(beside)


def _put_on_path(folder: str) -> None:
    if not getattr(sys.flags, "safe_path", False) and not sys.flags.isolated:
        sys.path.insert(0, folder)


def _new_main(**attributes: object) -> types.ModuleType:
    """A __main__ as if there had been no other; the old one lives on behind it, for this file still runs."""
    main = types.ModuleType("__main__")
    main.__dict__.update(
        {"__builtins__": __builtins__, "__loader__": None, "__annotations__": {}, **attributes},
    )
    global _old_main
    _old_main = sys.modules["__main__"]
    sys.modules["__main__"] = main
    return main


_old_main: types.ModuleType | None = None


def _code_of(path: str) -> types.CodeType:
    with io.open_code(path) as file:
        code = pkgutil.read_code(file)
    if isinstance(code, types.CodeType):
        return code  # a compiled one
    with io.open_code(path) as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


def _current_folder() -> str | None:
    """None where it has been removed, or is outside of the root: Python gets along without."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _run_script(name: str) -> None:
    path = os.path.join(_current_folder() or "", name)  # as Python itself names it
    if os.path.isdir(path) or _is_archive(path):
        sys.path.insert(0, path)
        _new_main()
        runpy._run_module_as_main("__main__", False)  # type: ignore[attr-defined]
        return
    try:
        code = _code_of(path)
    except OSError as error:
        print(
            f"{sys.executable}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    _put_on_path(os.path.dirname(os.path.realpath(path)))
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    main = _new_main(__file__=path, __cached__=None, __loader__=loader)
    exec(code, main.__dict__)


def _is_archive(path: str) -> bool:
    import zipimport

    try:
        zipimport.zipimporter(path)
    except zipimport.ZipImportError:
        return False
    return True


def _run_module(name: str) -> None:
    if (folder := _current_folder()) is not None:
        _put_on_path(folder)
    _new_main()
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]


def _run_text(text: str, filename: str) -> None:
    _put_on_path("")
    main = _new_main(__loader__=importlib.machinery.BuiltinImporter)
    exec(compile(text, filename, "exec", dont_inherit=True), main.__dict__)


def _run(arguments: list[str]) -> None:
    first = arguments[0] if arguments else "-"
    if first == "-m":
        sys.argv = ["-m", *arguments[2:]]
        _run_module(arguments[1])
    elif first == "-c":
        sys.argv = ["-c", *arguments[2:]]
        _run_text(arguments[1], "<string>")
    elif first == "-":
        sys.argv = arguments or [""]
        _run_text(sys.stdin.read(), "<stdin>")
    else:
        sys.argv = arguments
        _run_script(first)


def _without_own_frames(error: BaseException) -> types.TracebackType | None:
    """What Python would have shown: the frames from the script on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def main() -> None:
    arguments = sys.argv[1:]
    _install_hook()
    try:
        _run(arguments)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        error.__traceback__ = _without_own_frames(error)
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(1)


if __name__ == "__main__":
    main()
