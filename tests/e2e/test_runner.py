"""The runner: whatever a script sees of Python is what it sees without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipapp

import pytest
from harness import SOURCE, TIMEOUT

RUNNER = SOURCE / "client" / "python" / "src" / "itexclient" / "runner.py"
LOOK = """
import sys
print(__name__, __file__, __spec__ and __spec__.name, __package__, __doc__, sys.argv, sys.path[0])
print(sorted(globals()), type(__loader__).__name__, sys.modules["__main__"].__dict__ is globals())
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "look.py").write_text(LOOK)
    (tmp_path / "fails.py").write_text(
        "import look\n\n\ndef inner():\n    raise ValueError('of the script')\n\n\ninner()\n"
    )
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(7)\n")
    (tmp_path / "says.py").write_text("raise SystemExit('said at the end')\n")
    (tmp_path / "syntax.py").write_text("def broken(:\n")
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n")
    (tmp_path / "pickles.py").write_text(
        "import pickle\n\n\nclass Thing:\n    pass\n\n\n"
        "print(type(pickle.loads(pickle.dumps(Thing()))).__module__)\n"
    )
    (tmp_path / "spawns.py").write_text(
        "import multiprocessing\n\n\ndef double(x):\n    return 2 * x\n\n\nif __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(double, [1, 2]))\n"
    )
    (tmp_path / "ends.py").write_text(
        "import atexit\nimport threading\nvalue = 5\natexit.register(lambda: print('at exit', value))\n"
        "threading.Timer(0.05, lambda: print('thread', value)).start()\n"
    )
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(LOOK)
    (package / "part.py").write_text(LOOK)
    directory = tmp_path / "directory"
    directory.mkdir()
    (directory / "__main__.py").write_text(LOOK)
    zipapp.create_archive(directory, tmp_path / "archive.pyz")
    (tmp_path / "link.py").symlink_to(directory / "__main__.py")
    return tmp_path


def run(folder, *command, options=(), stdin=None):
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, *options, *map(str, command)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, input=stdin or "",
    )  # fmt: skip
    return result.returncode, result.stdout, result.stderr


CALLS = [
    ["look.py", "one", "-m", "--two"],
    ["./look.py"],
    ["link.py"],
    ["fails.py"],
    ["exits.py"],
    ["says.py"],
    ["syntax.py"],
    ["latin.py"],
    ["missing.py"],
    ["pickles.py"],
    ["spawns.py"],
    ["ends.py"],
    ["directory", "argument"],
    ["archive.pyz", "argument"],
    ["-m", "package", "argument"],
    ["-m", "package.part", "-x"],
    ["-m", "look", "argument"],
    ["-m", "missing"],
    ["-c", "import sys; print(sys.argv, __name__, sys.path[0] == '')", "-v", "last"],
    ["-c", "1 / 0"],
    ["-c", "raise KeyboardInterrupt"],
]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_call(folder, call):
    assert run(folder, RUNNER, *call)[:2] == run(folder, *call)[:2]


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call[0] in ("fails.py", "says.py", "missing.py", "-c")]
)
def test_what_is_said(folder, call):
    if "KeyboardInterrupt" in call[-1]:
        pytest.skip("ends by the signal, with whatever frames there are")
    assert run(folder, RUNNER, *call)[2] == run(folder, *call)[2]


@pytest.mark.parametrize("rest", [["-"], [], ["-", "argument"]])
def test_standard_input(folder, rest):
    text = "import sys\nprint(sys.argv, __name__, sys.path[0] == '')\n"
    assert run(folder, RUNNER, *rest, stdin=text) == run(folder, *rest, stdin=text)


@pytest.mark.parametrize(
    "options", [["-I"], ["-u"], ["-O"], ["-X", "utf8"], ["-W", "error"], ["-s"], ["-E"], ["-B"]]
)
def test_pythons_own_options(folder, options):
    for call in (["look.py"], ["-c", "import sys; print(sys.flags, __debug__)"]):
        assert run(folder, RUNNER, *call, options=options) == run(folder, *call, options=options)


def test_an_interrupt_ends_it_as_without(folder):
    script = folder / "waits.py"
    script.write_text("print('there', flush=True)\nimport time\ntime.sleep(600)\n")
    process = subprocess.Popen(
        [sys.executable, str(RUNNER), str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) == -signal.SIGINT
    process.stdout.close()


@pytest.mark.parametrize("call", [["{}/look.py", "a"], ["-m", "look"], ["look.py"], ["-c", "print(5)"]])
def test_a_folder_that_is_gone(folder, call):
    """A job's working directory may be removed, or not be in its container."""
    remove = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    arguments = [word.format(folder) for word in call]

    def seen(*runner):
        command = ["sh", "-c", remove, "sh", sys.executable, *runner, *arguments]
        environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT
        )
        return done.returncode, done.stdout, done.stderr

    assert seen(str(RUNNER)) == seen()


def test_the_package_is_not_left_on_the_path(folder):
    (folder / "path.py").write_text("import sys\nprint(sys.path)\n")
    assert run(folder, RUNNER, "path.py") == run(folder, "path.py")
