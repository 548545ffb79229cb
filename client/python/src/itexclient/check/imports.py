"""Import statements: which file or library they get, in which order TensorFlow and Keras come, and what may
fail.
"""

from __future__ import annotations

import ast

from . import environment, externals, keras_objects, statements
from .interpreter import EXIT, RAISE, Leaves
from .libraries import LEAVE_ENVIRONMENT, imports_tensorflow, standing
from .modules import STANDARD
from .values import ABSENT, UNKNOWN, Constant, External, LocalModule
from .world import MAYBE, NO, YES

MOST_FILES = 400


# ---- Statements -------------------------------------------------------------------------------------


def plain(run, node):
    """import a.b.c, d as e"""
    for alias in node.names:
        module = load(run, alias.name, node)
        if alias.asname:
            run.bind(alias.asname, module)
        else:
            top = alias.name.split(".")[0]
            value = module if "." not in alias.name else loaded(run, top, node)
            run.bind(top, value)


def from_module(run, node):
    """from a.b import c as d"""
    name = absolute(run, node.module, node.level)
    if name is None:
        run.unseen("a relative import leads nowhere", node)
        for alias in node.names:
            if alias.name != "*":
                run.bind(alias.asname or alias.name, UNKNOWN)
        return
    if name == "__future__":
        return
    module = load(run, name, node, [alias.name for alias in node.names])
    for alias in node.names:
        if alias.name == "*":
            star(run, module, node)
        else:
            run.bind(alias.asname or alias.name, member(run, module, alias.name, node))


def absolute(run, name, level):
    """The module's full name; None where a relative import has nothing to be relative to."""
    if not level:
        return name
    package = run.frame.scope.module.package
    parts = package.split(".") if package else []
    if level - 1 > len(parts) or not parts:
        return None
    base = parts[: len(parts) - (level - 1)]
    return ".".join(base + ([name] if name else [])) or None


def member(run, module, name, node):
    if isinstance(module, LocalModule):
        value = module.table.get(name, ABSENT)
        if value is not ABSENT:
            return value
        inner = submodule(run, module, name, node)
        if (
            inner is UNKNOWN
            and module.complete
            and "*" not in module.table
            and run.loaded.get(module.name) == YES
        ):
            return UNKNOWN
        return inner
    if isinstance(module, External):
        value = externals.reach(run, externals.canonical(f"{module.path}.{name}"), node)
        note_submodule(run, value, node)
        if value == External("tensorflow.keras"):
            keras_objects.named(run, node)
        return value
    return UNKNOWN


def note_submodule(run, value, node):
    """from horovod import tensorflow: a module that imports TensorFlow, by way of a name."""
    if isinstance(value, External) and value.path.split(".")[0] not in ("tensorflow", "keras", "tf_keras"):
        note_import(run, value.path, node)


def star(run, module, node):
    """from x import *"""
    if isinstance(module, LocalModule):
        names = module.table.get("__all__", ABSENT)
        chosen = names.value if isinstance(names, Constant) and isinstance(names.value, tuple) else None
        for name, value in list(module.table.items()):
            if isinstance(name, str) and (name in chosen if chosen is not None else not name.startswith("_")):
                run.bind(name, value)
        stars = module.table.get("*", ())
        if stars:
            run.write(run.frame.scope.table, "*", stars)
        return
    if isinstance(module, External):
        table = run.frame.scope.module.table
        run.write(table, "*", (*table.get("*", ()), module.path))
        route, rest = keras_objects.route_of(module.path)
        if route:
            keras_objects.used(run, route, rest, node)
        if standing(module.path, STANDARD) in ("unknown",):
            run.unseen("names that are not known are imported", node)


def from_stars(run, stars, node):
    """What an unbound name is that a star import may have brought; None where it is none of theirs."""
    layers = [path for path in stars if keras_objects.offers(path, node.id)]
    if layers:
        return externals.reach(run, f"{layers[-1]}.{node.id}", node)
    for path in reversed(stars):
        kind = standing(path, STANDARD)
        if kind in ("tensorflow", "keras", "tf_keras", "unknown"):
            return UNKNOWN
    return None


def by_name(run, name, package, node):
    """importlib.import_module(name)"""
    if not isinstance(name, Constant) or not isinstance(name.value, str):
        run.unseen("a module whose name is not known is imported", node)
        return UNKNOWN
    dotted = name.value
    if dotted.startswith("."):
        base = package.value if isinstance(package, Constant) and isinstance(package.value, str) else None
        level = len(dotted) - len(dotted.lstrip("."))
        if base is None:
            run.unseen("a module whose name is not known is imported", node)
            return UNKNOWN
        parts = base.split(".")
        dotted = ".".join(parts[: len(parts) - (level - 1)] + [dotted[level:]])
    return load(run, dotted, node)


def run_file(run, name, node):
    """%run FILE in a notebook."""
    if not isinstance(name, Constant) or not str(name.value).split():
        run.unseen("another script is run", node)
        return
    path = str(name.value).split()[0].strip("\"'")
    module = run.files.module_of_file(run, path)
    if module is None:
        run.unseen("another script is run", node)
        return
    statements.walk_module(run, module, run.files.units_of(module))
    star(run, module, node)


# ---- What an import gets ----------------------------------------------------------------------------


def load(run, name, node, members=()):
    """Imports the dotted name with its packages, as Python would, and returns the module."""
    parts = name.split(".")
    replaced = run.replaced.get(name)
    if replaced is not None:
        return replaced_module(run, replaced, node)
    value = loaded(run, parts[0], node, importing=True, full=name)
    for number in range(1, len(parts)):
        value = step_into(run, value, parts[: number + 1], node)
    if isinstance(value, External):
        note_import(run, value.path, node)
    if isinstance(value, LocalModule):
        for member_name in members:
            if member_name not in value.table and member_name != "*":
                submodule(run, value, member_name, node)
    return value


def replaced_module(run, replaced, node):
    """What the script has put into sys.modules, in every run or in some."""
    if isinstance(replaced, (External, LocalModule)):
        return replaced
    run.unseen("sys.modules is changed", node)
    return UNKNOWN


def step_into(run, value, parts, node):
    if isinstance(value, LocalModule):
        inner = submodule(run, value, parts[-1], node)
        return inner if inner is not UNKNOWN else value.table.get(parts[-1], UNKNOWN)
    if isinstance(value, External):
        path = externals.canonical(f"{value.path}.{parts[-1]}")
        found = externals.reach(run, path, node)
        route, rest = keras_objects.route_of(path)
        if route and not rest:
            keras_objects.used(run, route, "", node)
        return found
    return UNKNOWN


def loaded(run, top, node, importing=False, full=None):
    """The top-level module of this name; runs it where it is the script's own and has not been run."""
    replaced = run.replaced.get(top)
    if replaced is not None:
        return replaced_module(run, replaced, node)
    place = run.finder.find(top)
    if place is not None and place.kind in ("local", "namespace") and not standing_is_taken(run, top, place):
        return local_module(run, top, place, node)
    if importing:
        if top in ("keras", "tf_keras", "tensorflow") and fails(run, top):
            if top == "tf_keras" and not any(frame.catching for frame in run.frames):
                run.finding("tf-keras-missing", node)
            raise Leaves(RAISE, "ModuleNotFoundError")
        note_import(run, top, node)
    return External(top)


def standing_is_taken(run, top, place):
    """A folder without __init__.py is a module only where there is no other of its name."""
    return place.kind == "namespace" and (
        top in ("tensorflow", "keras", "tf_keras") or standing(top, STANDARD) != "unknown"
    )


def local_module(run, name, place, node):
    module = run.modules.get(name)
    if module is None:
        if len(run.modules) >= MOST_FILES:
            run.unseen("more files than are followed", node)
            return UNKNOWN
        module = run.files.module_of(run, name, place)
        run.modules[name] = module
    if name in ("tensorflow", "keras", "tf_keras"):
        run.finding("shadowed-module", node, name=name, path=module.file or "")
    status = run.loaded.get(name, NO)
    if status == YES:
        return module
    units = run.files.units_of(module)
    if units is None:
        text = run.files.text_of(module)
        run.unseen(f"{name} cannot be read", node, own=True, environment=may_set_variables(text))
        run.write(run.loaded, name, YES)
        return module

    def execute():
        run.write(run.loaded, name, YES)
        flow = statements.walk_module(run, module, units)
        if flow in (RAISE, EXIT):
            raise Leaves(flow)

    if status == MAYBE:
        run.either([lambda: None, execute])
        run.write(run.loaded, name, YES)
    else:
        execute()
    return module


def submodule(run, module, name, node=None):
    """The module `name` inside a local package; run where it has not been."""
    if not isinstance(module, LocalModule):
        return UNKNOWN
    place = run.finder.below(run.files.place_of(module), name)
    if place is None:
        return UNKNOWN
    if node is None and run.modules.get(f"{module.name}.{name}") is None:
        return UNKNOWN  # an attribute, not an import: it is there only if it has been imported
    if place.kind == "site":
        return UNKNOWN
    inner = (
        local_module(run, f"{module.name}.{name}", place, node)
        if node is not None
        else run.modules[f"{module.name}.{name}"]
    )
    if isinstance(inner, LocalModule):
        run.write(module.table, name, inner)
    return inner


def may_set_variables(text):
    """Of code that does not parse: could it set a variable of the environment?"""
    return text is None or any(
        word in text for word in ("environ", "putenv", "%env", "%set_env", "exec", "eval")
    )


# ---- What it means ----------------------------------------------------------------------------------


def note_import(run, path, node):
    """The import of a module that is not followed: does TensorFlow come with it, or Keras?"""
    kind = standing(path, STANDARD)
    top = path.split(".")[0]
    if kind == "unknown" and run.libraries_harmless(top):
        return
    if kind == "keras":
        keras_imported(run, node)
    elif kind == "tf_keras":
        keras_objects.used(run, "tf_keras", "", node)
        tensorflow_imported(run, node)
        run.happens("tf_keras")
    elif kind in ("tensorflow", "itex"):
        tensorflow_imported(run, node)
        if kind == "itex" and run.happened("itex") != YES:
            run.happens("itex")
    else:
        brings = imports_tensorflow(path)
        if brings == "yes":
            tensorflow_imported(run, node)
        elif brings == "maybe":
            run.may_happen("tensorflow")
            if "none" in run.order["first"]:
                run.write(run.order, "first", run.order["first"] | {"tensorflow"})
        if kind == "unknown":
            run.unseen(f"{top} is not known here", node, environment=top not in LEAVE_ENVIRONMENT)


def tensorflow_imported(run, node):
    if run.happened("tensorflow") == YES:
        return
    run.comes_first("tensorflow", node)
    legacy = environment.legacy_now(run)
    run.write(run.status, "legacy", {True: "on", False: "off"}.get(legacy, MAYBE))
    run.happens("tensorflow")
    run.note_tensorflow(node)


def keras_imported(run, node):
    """import keras: with TensorFlow as its backend it brings that along, and ITEX with it."""
    keras_objects.used(run, "keras", "", node)
    if run.happened("keras") == YES:
        return
    known, backend = environment.value_now(run, "KERAS_BACKEND")
    on_tensorflow = known and (backend is None or backend == "tensorflow")
    brings_tensorflow = on_tensorflow or run.keras_version("keras") == "2"
    before = run.happened("tensorflow")
    run.comes_first("keras", node)
    if before == NO and run.happened("keras") == NO and brings_tensorflow:
        run.finding("import-order", node)
    run.happens("keras")
    if before != YES:
        if brings_tensorflow:
            legacy = environment.legacy_now(run)
            run.write(run.status, "legacy", {True: "on", False: "off"}.get(legacy, MAYBE))
            run.happens("tensorflow")
        elif not known:
            run.may_happen("tensorflow")


def fails(run, top):
    """Is the module known not to be there? Only an interpreter that has TensorFlow is taken for the job's."""
    return outcome_of_name(run, top) == "fails"


def outcome_of_name(run, top):
    facts = run.installation
    if "tensorflow" not in facts or run.reinstalled:
        return "unknown"
    if top == "tensorflow":
        return "goes through"
    if top == "keras":
        found = facts.get("keras_installed")
        return {None: "unknown", "none": "fails"}.get(found, "goes through")
    if top == "tf_keras":
        return {"true": "goes through", "false": "fails"}.get(facts.get("tf_keras_installed"), "unknown")
    if top == "intel_extension_for_tensorflow":
        return "goes through" if "itex" in facts else "unknown"
    return "unknown"


def outcome(run, statement):
    """Of an import statement: 'goes through', 'fails' or 'unknown'; of others 'none'."""
    if isinstance(statement, ast.Import):
        names = [alias.name for alias in statement.names]
    elif isinstance(statement, ast.ImportFrom):
        names = [absolute(run, statement.module, statement.level) or ""]
    else:
        return "none"
    outcomes = {outcome_of_module(run, name) for name in names}
    if "fails" in outcomes:
        return "fails"
    return "unknown" if "unknown" in outcomes else "goes through"


def outcome_of_module(run, name):
    top = name.split(".")[0]
    place = run.finder.find(top) if top else None
    if place is not None and place.kind in ("local", "standard"):
        return "goes through"
    return outcome_of_name(run, top)
