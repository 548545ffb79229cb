"""Which file, if any, an import of the script gets: its own modules are followed, others are known by name
only.
"""

from __future__ import annotations

import os
import sys

_SITE = ("site-packages", "dist-packages")


def standard_modules():
    names = getattr(sys, "stdlib_module_names", None)
    if names is None:  # Python 3.9
        folder = os.path.dirname(os.__file__)
        found = os.listdir(folder) + os.listdir(os.path.join(folder, "lib-dynload"))
        names = {name.split(".")[0] for name in found}
    return frozenset(names) | frozenset(sys.builtin_module_names)


STANDARD = standard_modules()


class Place:
    """Where a module is. kind: local, namespace (a local folder without __init__.py), standard, site."""

    def __init__(self, kind, file=None, folders=()):
        self.kind = kind
        self.file = file
        self.folders = tuple(folders)  # where its submodules are looked for; () if it is no package


class Finder:
    """Looks through the folders of sys.path as the script will have it, the script's own folder first."""

    def __init__(self, folders):
        self.folders = []
        for folder in folders:
            self.add(folder, len(self.folders))
        self._listed = {}

    def add(self, folder, position=None):
        """A folder that the script itself puts into sys.path."""
        folder = os.path.abspath(folder or ".")
        if folder not in self.folders:
            self.folders.insert(len(self.folders) if position is None else position, folder)

    def find(self, name):
        """The Place of a top-level module, or None where there is none to be seen."""
        if name in sys.builtin_module_names:
            return Place("standard")
        spare = None
        for folder in self.folders:
            kind = kind_of(folder)
            if kind == "standard":
                if name in STANDARD:
                    return Place("standard")
                continue
            place = self.in_folder(folder, name, "local" if kind == "local" else "site")
            if place and place.kind == "namespace":
                spare = spare or place
            elif place:
                return place
        return Place("standard") if name in STANDARD else spare

    def below(self, package, name):
        """The Place of a submodule of a package."""
        for folder in package.folders:
            place = self.in_folder(folder, name, package.kind if package.kind == "site" else "local")
            if place:
                return place
        return None

    def in_folder(self, folder, name, kind):
        names = self.listing(folder)
        path = os.path.join(folder, name)
        if name in names and os.path.isfile(os.path.join(path, "__init__.py")):
            return Place(kind, os.path.join(path, "__init__.py"), [path])
        if name + ".py" in names:
            return Place(kind, path + ".py")
        if any(entry.startswith(name + ".") and entry.endswith(".so") for entry in names):
            return Place("site", None)
        if name in names and os.path.isdir(path):
            return Place("namespace" if kind == "local" else "site", None, [path])
        return None

    def listing(self, folder):
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._listed[folder] = frozenset()
        return self._listed[folder]


def kind_of(folder):
    """site, standard or local."""
    if any(part in _SITE for part in folder.split(os.sep)):
        return "site"
    standard = os.path.dirname(os.__file__)
    if folder in (standard, os.path.join(standard, "lib-dynload")) or folder.endswith(".zip"):
        return "standard"
    return "local"
