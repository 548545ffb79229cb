"""One script from file to facts and findings, and the answer for several."""

from __future__ import annotations

import ast
import os
import sys
import threading
import traceback

from .. import facts as installation_facts
from . import calls, expressions, imports, statements
from .conclusions import Conclusions
from .files import Files, Followed
from .interpreter import EXIT, RAISE, Frame, Interpreter, Leaves, Scope, TooMuch
from .modules import Finder
from .rules import findings_of
from .source import Failure, Source, source_of
from .values import UNKNOWN, Bound, ClassValue, Function, Instance

_STACK = 256 << 20
_RECURSION = 12_000


class Options:
    """itex: a version that was given, or None. bind_rank: each rank sees one device. path: the job's
    sys.path.
    """

    def __init__(self, itex=None, bind_rank=False, path=None, at_hand=None):
        self.itex = itex
        self.bind_rank = bind_rank
        self.path = list(sys.path if path is None else path)
        self.at_hand = dict(os.environ if at_hand is None else at_hand)
        self.installation = installation_facts.installation(self.path)
        self.keras_version = installation_facts.version_of("keras", self.path)


class Target:
    """What is to be analysed. kind: file, module (-m) or code (-c)."""

    def __init__(self, kind, name):
        self.kind = kind
        self.name = name


class Script:
    """What came of one target: the files read, what could not be read, facts and findings."""

    def __init__(self, target, shown):
        self.target = target
        self.shown = shown
        self.files = None
        self.main = None  # the path of its own file
        self.conclusions = None
        self.findings = []
        self.failures = []  # (Followed, Failure, cell)


def analyse(target, options, overrides=None):
    """The Script of a target. Raises nothing, whatever the file holds. overrides: bytes in place of those of
    files.
    """
    result = []

    def work():
        try:
            result.append(analyse_here(target, options, overrides or {}))
        except (RecursionError, MemoryError):
            result.append(not_analysed(target, "too-complex", "nested too deeply to be analysed"))
        except Exception as error:  # a mistake of the analyser's own is no reason to fail a job
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"
            result.append(not_analysed(target, "analyser-failure", f"the analyser failed: {what}"))

    in_large_stack(work)
    return result[0]


def in_large_stack(work):
    """Runs work in a thread with room for deeply nested code; where none can be had, right here."""
    limit, size = sys.getrecursionlimit(), threading.stack_size()
    try:
        threading.stack_size(_STACK)
        sys.setrecursionlimit(max(limit, _RECURSION))
        thread = threading.Thread(target=work, name="check")
        thread.start()
        thread.join()
    except (RuntimeError, ValueError):
        sys.setrecursionlimit(limit)
        work()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)


def not_analysed(target, rule, message):
    script = Script(target, target.name)
    followed = Followed(Source(target.name, target.name, b""))
    failure = Failure(rule, message)
    followed.failures.append((failure, None))
    script.main = target.name
    script.files = Files(target.name, "", None, {})
    script.files.followed[target.name] = followed
    script.failures.append((followed, failure, None))
    return script


def analyse_here(target, options, overrides):
    folder = os.path.dirname(os.path.abspath(target.name)) if target.kind == "file" else os.getcwd()
    finder = Finder([folder, *options.path])
    files = Files(target.name if target.kind == "file" else "", folder, finder, overrides)
    installation = dict(options.installation)
    if options.keras_version:
        installation["keras_version"] = options.keras_version
    run = Interpreter(files, finder, installation, options.at_hand, options.bind_rank, options.itex)
    script = Script(target, target.name)
    script.files = files
    walked = walk(run, target, script)
    for followed in files.followed.values():
        script.failures += [(followed, failure, cell) for failure, cell in followed.failures]
    script.conclusions = Conclusions(run) if walked else None
    script.findings = findings_of(script.conclusions) if walked else []
    return script


def walk(run, target, script):
    """Walks the script; False where nothing can be said of it."""
    module, units = entry(run, target, script)
    if module is None or units is None:
        return False
    run.frames.append(Frame(Scope(module, None, module.table), units[0] if units else None))
    try:
        if target.kind == "module":
            import_packages(run, target, module)
        statements.walk_module(run, module, units)
        walk_what_others_call(run)
        if not any(unit.tree is None for unit in units):
            scan(run)
    except (TooMuch, RecursionError) as error:
        message = "nested too deeply" if isinstance(error, RecursionError) else "too large"
        followed = files_entry(script)
        followed.failures.append((Failure("too-complex", f"{message} to be analysed as a whole"), None))
        return False
    except Leaves:
        return True
    finally:
        del run.frames[:]
    return True


def files_entry(script):
    return script.files.followed[script.main]


def entry(run, target, script):
    """The module that is run as __main__, and its units."""
    files = run.files
    if target.kind == "code":
        script.main = "-c"
        source = source_of("-c", "-c", target.name.encode("utf-8", "surrogateescape"))
        module = files.main_module(None)
        return module, files.text_units(source, target.name)
    if target.kind == "file":
        path, package = target.name, ""
        if os.path.isdir(path):
            path, package = os.path.join(path, "__main__.py"), ""
            run.finder.add(target.name, 0)
    else:
        path, package = module_file(run, target.name)
        if path is None:
            script.main = target.name
            files.followed[target.name] = missing(target.name)
            return None, None
    script.main = path
    module = files.main_module(path, package)
    return module, files.units_of(module)


def missing(name):
    followed = Followed(Source(name, name, b""))
    message = f"there is no module {name} that can be followed from here"
    followed.failures.append((Failure("not-python", message), None))
    return followed


def module_file(run, name):
    """(file, package) of what `python -m name` runs."""
    place, parts = run.finder.find(name.split(".")[0]), name.split(".")
    for part in parts[1:]:
        place = run.finder.below(place, part) if place is not None else None
    if place is None or place.kind not in ("local", "namespace"):
        return None, None
    if place.folders:
        inner = run.finder.below(place, "__main__")
        return (inner.file, name) if inner is not None and inner.file else (None, None)
    return place.file, name.rpartition(".")[0]


def import_packages(run, target, module):
    """`python -m a.b` imports a (and a.b, if that is a package) first."""
    for number in range(1, len(module.package.split(".")) + 1 if module.package else 1):
        name = ".".join(module.package.split(".")[:number])
        node = _nowhere(1)
        imports.load(run, name, node)


def _nowhere(line):
    return ast.Pass(lineno=line, col_offset=0, end_lineno=line, end_col_offset=0)


# ---- What the script does not call itself -----------------------------------------------------------


def walk_what_others_call(run):
    """Methods that Keras calls of the script's layers and models, and what was handed to others, until
    nothing is new.
    """
    done = set()
    for _ in range(20):
        waiting = [value for value in run.deferred if identity(value) not in done]
        instances = [one for one in run.instances if one.keras is not None and id(one) not in done]
        if not waiting and not instances:
            return
        for instance in instances:
            done.add(id(instance))
            walk_keras_methods(run, instance)
        for value in waiting:
            done.add(identity(value))
            walk_deferred(run, value)


def identity(value):
    return (id(value.function), id(value.receiver)) if isinstance(value, Bound) else id(value)


def open_call():
    return calls.Arguments(more=True, more_keywords=True)


def walk_keras_methods(run, instance):
    """build() and call() of a layer or model that was made are called by Keras; other methods may be."""
    for name in ("build", "call"):
        method = method_of(instance, name)
        if method is not None and not method.executed:
            if instance.certain:
                attempt(
                    run,
                    lambda method=method: calls.call_function(
                        run, method, instance, open_call(), method.node
                    ),
                )
            else:
                maybe(run, method, instance)
    for name in methods_of(instance):
        method = method_of(instance, name)
        if method is not None and not method.executed and method.kind in ("plain", "property"):
            maybe(run, method, instance)


def method_of(instance, name):
    found, _ = expressions.find_in_class(instance.cls, name)
    return found if isinstance(found, Function) else None


def methods_of(instance):
    names = []
    for cls in expressions.mro(instance.cls):
        if isinstance(cls, ClassValue):
            names += [
                name for name, value in cls.table.items() if isinstance(value, Function) and name not in names
            ]
    return names


def attempt(run, work):
    try:
        work()
    except Leaves as leaves:
        if leaves.flow not in (RAISE, EXIT):
            raise


def maybe(run, function, receiver):
    run.either(
        [
            lambda: calls.call_function(run, function, receiver, open_call(), function.node) and None,
            lambda: None,
        ]
    )


def walk_deferred(run, value):
    if isinstance(value, Instance):
        for name in methods_of(value):
            method = method_of(value, name)
            if method is not None and not method.executed and method.kind in ("plain", "property"):
                maybe(run, method, value)
        return
    function = value.function if isinstance(value, Bound) else value
    if isinstance(function, Function):
        maybe(run, function, value.receiver if isinstance(value, Bound) else None)


def scan(run):
    """Functions that nothing calls: their mistakes are told, and no fact comes of them."""
    run.scanning = True
    for _ in range(10):
        waiting = [function for function in run.functions if not function.executed]
        if not waiting:
            break
        for function in waiting:
            function.executed = True
            run.world.begin()
            try:
                attempt(run, lambda function=function: scan_function(run, function))
            finally:
                run.world.take_back(False)


def scan_function(run, function):
    receiver = UNKNOWN if function.owner is not None and function.kind != "static" else None
    calls.call_function(run, function, receiver, open_call(), function.node)
