"""The script's files: which module is which, their text as trees, and what was read."""

from __future__ import annotations

import os
import re

from . import magics, notebook, syntax
from .interpreter import Unit
from .modules import Place
from .source import read_source, source_of
from .values import Constant, LocalModule

# Of a library that is in no table: how much of it is read before it counts as unknown.
_MOST_LIBRARY_FILES = 300
_MOST_LIBRARY_BYTES = 6 << 20
_SUSPECT = re.compile(
    rb"tensorflow|keras|environ\s*\[[^\]\n]*\]\s*=[^=]|environ\.(?:update|setdefault|pop)|putenv|"
    rb"\bexec\s*\(|\beval\s*\(|__import__"
)
_IMPORT = re.compile(rb"^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)


class Followed:
    """A file that was read for a script. failures: what of it is not understood, (Failure, cell or None)
    each.
    """

    def __init__(self, source):
        self.source = source
        self.failures = []

    @property
    def parsed(self):
        return not self.failures


class Files:
    """main: the script's path as the person gave it; folder: where its modules are looked for first."""

    def __init__(self, shown, folder, finder, overrides):
        self.shown = shown
        self.folder = folder
        self.finder = finder
        self.overrides = overrides  # path -> bytes to be taken for the file's
        self.followed = {}  # path -> Followed
        self.places = {}  # module -> Place
        self.units = {}  # module -> its units, None if it cannot be read
        self.asked = {}

    # ---- Modules --------------------------------------------------------------------------------

    def main_module(self, path, package="", name="__main__"):
        module = LocalModule(name, path, package, True)
        self.places[module] = Place("local", path)
        self.describe(module, "__main__")
        return module

    def module_of(self, run, name, place):
        is_package = bool(place.folders)
        package = name if is_package else name.rpartition(".")[0]
        module = LocalModule(name, place.file, package, False)
        module.complete = place.file is not None
        self.places[module] = place
        self.describe(module, name)
        return module

    def describe(self, module, name):
        module.table["__name__"] = Constant(name)
        module.table["__package__"] = Constant(module.package or None)
        module.table["__doc__"] = Constant(None)
        if module.file:
            module.table["__file__"] = Constant(os.path.abspath(module.file))

    def module_of_file(self, run, path):
        """%run FILE: a module that is run as a script."""
        for folder in (self.folder, os.getcwd()):
            whole = os.path.join(folder, path)
            if os.path.isfile(whole):
                return self.main_module(whole)
        return None

    def place_of(self, module):
        return self.places.get(module) or Place("local")

    # ---- Text -----------------------------------------------------------------------------------

    def units_of(self, module):
        """The module's units; None where its file cannot be read at all. A folder without __init__.py has
        none.
        """
        if module not in self.units:
            self.units[module] = self.read(module)
        return self.units[module]

    def text_of(self, module):
        """The text of a module that does not parse, None where there is none."""
        followed = self.followed.get(module.file)
        return followed.source.text if followed else None

    def read(self, module):
        if module.file is None:
            return []
        followed = self.follow(module.file)
        source = followed.source
        if source.failure is not None:
            followed.failures.append((source.failure, None))
            return None
        if module.file.endswith(".ipynb"):
            return self.cells(followed)
        return self.parsed(followed, source.text)

    def text_units(self, source, text):
        """A script that is no file (-c)."""
        followed = Followed(source)
        self.followed[source.path] = followed
        return self.parsed(followed, text)

    def parsed(self, followed, text):
        tree, failure = syntax.parse(text)
        if failure is not None:
            followed.failures.append((failure, None))
            return None
        return [Unit(followed.source, tree, text)]

    def follow(self, path):
        if path not in self.followed:
            shown, override = self.shown_path(path), self.overrides.get(path)
            source = read_source(shown, path) if override is None else source_of(shown, path, override)
            self.followed[path] = Followed(source)
        return self.followed[path]

    def cells(self, followed):
        """A notebook's code cells. One that does not parse is told, and leaves a gap: an empty unit without a
        tree.
        """
        cells, failure = notebook.read_cells(followed.source.text)
        if failure is not None:
            followed.failures.append((failure, None))
            return None
        units = []
        for cell in cells:
            tree, failure = syntax.parse(cell.text, top_level_await=True)
            if failure is not None:
                tree, failure = syntax.parse(magics.to_python(cell.text), top_level_await=True)
            if failure is not None:
                followed.failures.append((failure, cell))
            units.append(Unit(followed.source, tree, cell.text, cell))
        return units

    def shown_path(self, path):
        """The path as a person would give it, from where the script was given."""
        whole = os.path.abspath(path)
        main_folder = os.path.abspath(os.path.dirname(self.shown) or ".")
        if whole == os.path.abspath(self.shown):
            return self.shown
        if whole.startswith(main_folder + os.sep):
            return os.path.normpath(
                os.path.join(os.path.dirname(self.shown), os.path.relpath(whole, main_folder))
            )
        here = os.getcwd()
        return os.path.relpath(whole, here) if whole.startswith(here + os.sep) else whole

    # ---- Libraries ------------------------------------------------------------------------------

    def is_harmless(self, place, depth=0):
        """Has an installed package, read as text, nothing to do with TensorFlow, Keras or the environment?"""
        if place is None or place.kind not in ("site", "standard") or depth > 4:
            return False
        if place.kind == "standard":
            return True
        key = place.file or "".join(place.folders)
        if key not in self.asked:
            self.asked[key] = True  # while it is asked: packages import each other
            self.asked[key] = self.reads_harmless(place, depth)
        return self.asked[key]

    def reads_harmless(self, place, depth):
        imported, size = set(), 0
        for number, path in enumerate(library_files(place)):
            try:
                with open(path, "rb") as file:
                    text = file.read(_MOST_LIBRARY_BYTES)
            except OSError:
                return False
            size += len(text)
            if number >= _MOST_LIBRARY_FILES or size > _MOST_LIBRARY_BYTES or _SUSPECT.search(text):
                return False
            imported |= {name.decode() for name in _IMPORT.findall(text)}
        if not size:
            return False
        from .libraries import NEUTRAL

        return all(
            name in NEUTRAL or self.is_harmless(self.finder.find(name), depth + 1) for name in imported
        )


def library_files(place):
    if not place.folders:
        if place.file:
            yield place.file
        return
    for folder in place.folders:
        for base, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name not in ("tests", "test", "__pycache__")]
            for name in names:
                if name.endswith(".py"):
                    yield os.path.join(base, name)
