"""What pyproject.toml cannot say: the wheel carries the client library, and a .pth file beside the package.

ITEXCLIENT_LIBRARY names the built libitexclient.so.1. The wheel is for this platform and any Python 3, for
the library is loaded by ctypes and needs libc only. ITEXCLIENT_LIBRARY=system is for distributions: the
library is a package of its own, and what is built is for every platform.
"""

import os
import stat

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before setuptools 70.1
    from wheel.bdist_wheel import bdist_wheel

LIBRARY = "libitexclient.so.1"
PTH = "itexclient.pth"
SYSTEM = "system"


def named_library():
    return os.environ.get("ITEXCLIENT_LIBRARY", "")


class PlatformDistribution(Distribution):
    """Has something that is not Python's, though no extension module."""

    def has_ext_modules(self):
        return named_library() != SYSTEM


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return  # the source tree uses the library that is installed
        self.copy_file(PTH, os.path.join(self.build_lib, PTH))
        if named_library() != SYSTEM:
            self.add_library(named_library())

    def add_library(self, library):
        if not os.path.isfile(library):
            raise SystemExit(
                f"ITEXCLIENT_LIBRARY must name the built {LIBRARY}, and is {library!r}; "
                "or let meson do it: ninja -C build python-wheel"
            )
        place = os.path.join(self.build_lib, "itexclient", LIBRARY)
        self.copy_file(library, place)
        os.chmod(place, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)

    def get_outputs(self, include_bytecode=1):
        own = [os.path.join(self.build_lib, PTH)]
        if named_library() != SYSTEM:
            own.append(os.path.join(self.build_lib, "itexclient", LIBRARY))
        return super().get_outputs(include_bytecode) + own


class AnyPythonWheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(
    distclass=PlatformDistribution,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": AnyPythonWheel},
)
