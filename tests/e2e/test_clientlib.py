"""libitexclient as a program outside the tree uses it: found by pkg-config in an installed tree, from C and
C++, with a service, without one, and across fork and threads."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import BUILD, NOBODY, SOURCE, TIMEOUT

WARNINGS = ["-Wall", "-Wextra", "-Werror"]
PROGRAM = Path(__file__).parent / "clientlib_program.c"
EXAMPLES = SOURCE / "client" / "examples"


@pytest.fixture(scope="module")
def installed():
    """`meson install` of the build into a folder, as a package does."""
    with tempfile.TemporaryDirectory(prefix="itexd-install-") as directory:
        os.chmod(directory, 0o755)
        subprocess.run(
            ["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet", "--destdir", directory],
            check=True, capture_output=True,
        )  # fmt: skip
        yield Path(directory)


@pytest.fixture(scope="module")
def flags(installed):
    pc = next(installed.rglob("*itexclient*.pc"))
    environment = {
        **os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": str(installed),
        "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1",
    }  # fmt: skip
    result = subprocess.run(
        ["pkg-config", "--cflags", "--libs", pc.stem],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return result.stdout.split()


def library_directory(installed):
    return next(installed.rglob("libitexclient.so.*")).parent


def build(tmp_path, flags, source, compiler, *options):
    program = tmp_path / "program"
    sanitize = [] if os.environ.get("ITEXD_TEST_SLOWNESS", "1") == "1" else sanitizer()
    subprocess.run(
        [*compiler, *options, *sanitize, *WARNINGS, "-pthread", str(source), "-o", str(program), *flags],
        check=True,
    )
    return program


def sanitizer():
    """A library built with a sanitizer needs a program that brings its runtime."""
    needed = subprocess.run(
        ["ldd", str(next(BUILD.glob("client/libitexclient.so")))], capture_output=True, text=True, check=False
    ).stdout
    for name in ("address", "thread"):
        if f"lib{name[0]}san" in needed:
            return [f"-fsanitize={name}"]
    return []


@pytest.fixture(scope="module")
def program(installed, flags):
    with tempfile.TemporaryDirectory(prefix="itexd-program-") as directory:
        os.chmod(directory, 0o755)
        yield build(Path(directory), flags, PROGRAM, ["cc", "-std=c11"])


def run(program, installed, socket_path, *arguments, env=None):
    environment = {
        "PATH": "/usr/bin:/bin",
        "LD_LIBRARY_PATH": str(library_directory(installed)),
        "ITEXD_SOCKET": str(socket_path),
        **(env or {}),
    }
    return subprocess.run(
        [str(program), *arguments], env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )


def words(result):
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(line.split("=", 1) for line in result.stdout.splitlines())


def test_resolve_apply_accept_report(itexd, installed, program):
    shown = words(run(program, installed, itexd.socket, "whole"))
    assert shown["resolve"] == shown["apply"] == shown["accept"] == shown["report"] == "0"
    assert (shown["verdict"], shown["mode"], shown["ITEX_DISABLE_XLA"]) == ("fixed", "npd", "1")
    assert shown["match"] == "1"
    assert shown["ITEXD_DECISION"].split(":")[0] == shown["id"]
    with itexd.client() as client:
        kept = client.ok("explain", decision=int(shown["id"]))
    assert (kept.state, kept.observed.mode, kept.observed.match) == ("accepted", "npd", True)


def test_the_decision_that_a_job_runs_under(itexd, installed, program):
    """Made by itexctl run; what it starts finds it, and reports on it."""
    environment = {"LD_LIBRARY_PATH": str(library_directory(installed))}
    shown = words(
        itexd.ctl("run", "--quiet", "--keras=0", "--itex=newest", "--", program, "inherited", env=environment)
    )
    assert (shown["inherited"], shown["mode"], shown["verdict"]) == ("0", "npd", "fixed")
    assert (shown["report"], shown["match"]) == ("0", "1")
    with itexd.client() as client:
        kept = client.ok("explain", decision=int(shown["id"]))
    assert (kept.state, kept.observed.mode) == ("accepted", "npd")


def test_the_decision_of_another_user_is_refused(itexd, installed, program, as_root):
    with itexd.client() as client:
        decision = client.resolve(declared={"keras": "0", "itex": "newest"})
    environment = {
        "LD_LIBRARY_PATH": str(library_directory(installed)),
        "ITEXD_SOCKET": str(itexd.socket),
        "ITEXD_DECISION": f"{decision.id}:{decision.ruleset.digest}:",
    }
    result = subprocess.run(
        [program, "inherited"], env=environment, user=NOBODY, group=NOBODY, extra_groups=[],
        capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert words(result)["inherited"] == "-7"


def test_without_blocking(itexd, installed, program):
    shown = words(run(program, installed, itexd.socket, "dispatch"))
    assert (shown["resolve"], shown["mode"]) == ("0", "npd")


def test_no_service(installed, program, tmp_path):
    shown = words(run(program, installed, tmp_path / "none", "whole"))
    assert (shown["resolve"], shown["unavailable"]) == ("-3", "1")
    assert shown["error"]
    assert shown["ITEX_DISABLE_XLA"] == "unset"


def test_a_service_that_is_slow(installed, program, tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "slow"))
        listener.listen()
        shown = words(run(program, installed, tmp_path / "slow", "slow"))
    assert (shown["resolve"], shown["unavailable"]) == ("-4", "1")
    assert 100 <= int(shown["milliseconds"]) < 3000


def test_a_job_that_asks_again_gets_the_same_decision(itexd, installed, program):
    """The first try times out on a stopped service; the request carries its id into the second."""
    import signal

    itexd.process.send_signal(signal.SIGSTOP)
    environment = {"CONTINUE_PID": str(itexd.process.pid)}
    shown = words(run(program, installed, itexd.socket, "retry", env=environment))
    assert shown["first"] == "-4"
    assert shown["second"] == "0"
    assert itexd.status().decisions == 1


def test_fork(itexd, installed, program):
    shown = words(run(program, installed, itexd.socket, "fork"))
    assert (shown["child"], shown["parent"]) == ("0", "0")
    assert itexd.status().decisions == 2


def test_threads(itexd, installed, program):
    shown = words(run(program, installed, itexd.socket, "threads"))
    assert shown["failed"] == "0"
    assert itexd.status().decisions == 8 * 20


def test_sigpipe_is_not_raised(itexd, installed, program):
    shown = words(run(program, installed, itexd.socket, "gone", env={"KILL_PID": str(itexd.process.pid)}))
    assert shown["alive"] == "1"


def test_null_is_refused(installed, program, tmp_path):
    assert words(run(program, installed, tmp_path / "none", "null"))["refused"] == "all"


def test_a_rejected_decision_is_not_applied(itexd, installed, program):
    shown = words(run(program, installed, itexd.socket, "whole", env={"ZE_AFFINITY_MASK": "x"}))
    assert (shown["resolve"], shown["verdict"], shown["apply"]) == ("0", "rejected", "-8")
    assert shown["ITEX_DISABLE_XLA"] == "unset"


def test_a_value_over_the_limit_is_reported_not_cut(itexd, installed, program):
    shown = words(run(program, installed, itexd.socket, "whole", env={"CCL_LONG": "x" * 9000}))
    with itexd.client() as client:
        kept = client.ok("explain", decision=int(shown["id"]))
    assert list(kept.facts.oversized) == ["CCL_LONG"]


def test_what_is_sent_is_by_allowlist(itexd, installed, program):
    secret = secrets.token_hex(8)
    words(
        run(
            program, installed, itexd.socket, "whole", env={"AWS_SECRET": secret, "LD_AUDIT": "", "X": secret}
        )
    )
    itexd.stop()
    assert secret.encode() not in itexd.database.read_bytes()


# ---- The examples --------------------------------------------------------------------------------------


@pytest.fixture
def example_c(tmp_path, flags):
    return build(tmp_path, flags, EXAMPLES / "job.c", ["cc", "-std=c11"])


@pytest.fixture
def example_cpp(tmp_path, flags):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    return build(tmp_path, flags, EXAMPLES / "job.cpp", ["c++", "-std=c++17", "-pedantic"])


def test_the_c_example(make_itexd, simulated, installed, example_c):
    """Devices, the report, and a forked child that finds the decision by itself."""
    service = make_itexd(devices=simulated(cards=2, tiles=2)).start()
    result = run(example_c, installed, service.socket, "2", env={"ITEX_DISABLE_XLA": "1"})
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "mode npd, lease 1, own device 0 of 2",
        "got npd on 2: as promised",
        "child: decision 1, mode npd",
    ]
    with service.client() as client:
        kept = client.ok("explain", decision=1)
    assert (kept.state, kept.observed.devices, kept.observed.match) == ("accepted", 2, True)


def test_the_c_example_is_told_that_devices_are_taken(make_itexd, simulated, installed, example_c):
    service = make_itexd(devices=simulated(cards=1)).start()
    result = run(example_c, installed, service.socket, "2")
    assert result.returncode == 75
    assert "no-device" in result.stderr


def test_the_cplusplus_example(itexd, installed, example_cpp):
    result = run(example_cpp, installed, itexd.socket)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["keras 0: npd", "keras 2: npd", "keras 3: npd", "keras 0: npd"]
    assert itexd.status().decisions == 5


@pytest.mark.parametrize("example", ["example_c", "example_cpp"])
def test_an_example_without_a_service(request, installed, tmp_path, example):
    program = request.getfixturevalue(example)
    result = run(program, installed, tmp_path / "none")
    assert result.returncode == 0
    assert "going on as I am" in result.stderr


@pytest.mark.parametrize("standard", ["c99", "c11", "c17"])
def test_the_header_stands_alone(flags, tmp_path, standard):
    source = tmp_path / "header.c"
    source.write_text("#include <itexclient.h>\nint main(void) { return itex_version() == 0; }\n")
    build(tmp_path, flags, source, ["cc", f"-std={standard}", "-pedantic"])


def test_the_library_needs_libc_only(installed):
    if os.environ.get("ITEXD_TEST_SLOWNESS", "1") != "1":
        pytest.skip("a sanitizer's runtime is there too")
    library = next(installed.rglob("libitexclient.so.*"))
    output = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in output.splitlines() if "NEEDED" in line]
    assert needed == ["libc.so.6"]
