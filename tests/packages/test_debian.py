"""The Debian packages: what is in them, and their life in a clean root with a real systemd."""

from __future__ import annotations

import re
import shutil

import packages
import pytest
from packages import NAMES, PATH, call, contents, deb, field

HERE = "/root/packages"
RESOLVE = "itexctl resolve --json --require --timeout 60s --itex newest --keras 3 --jit off"
# One client after another, until it is told to stop; each that got no answer says so.
LOAD = f"""
count=0
while [ ! -e /tmp/enough ]; do
    {RESOLVE} --job load >/tmp/answer.$1 2>/tmp/error.$1 || {{ echo "refused: $?"; cat /tmp/error.$1; }}
    count=$((count + 1))
done
echo "asked $count"
"""
# What an installation has changed in any case: the user, dpkg's and apt's records, caches and logs.
KNOWN = re.compile(
    r"^/(proc|sys|dev|run|tmp|root/packages)(/|$)|^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|"
    r"^/etc/\.pwd\.lock$|^/etc/ld\.so\.cache$|^/var/(log|cache|lib/apt|lib/dpkg|lib/systemd/catalog)(/|$)|"
    r"^/var/lib/systemd/(random-seed|linger|timers.*|timesync.*)$|^/var/tmp/systemd-private"
)


def state(machine):
    """Every file with its kind, owner, rights, size and target; not what changes by itself."""
    lines = machine.out(
        "find", "/", "-xdev", "-printf", r"%p\t%y %U:%G %m %l\n", check=False, timeout=120
    ).splitlines()
    found = dict(line.split("\t") for line in lines)
    return {path: what for path, what in found.items() if not KNOWN.match(path)}


def put(machine, folder, names, where=HERE):
    target = machine.path(where)
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(deb(folder, name), target)
    return [f"{where}/{deb(folder, name).name}" for name in names]


def apt(machine, *words):
    return machine.out("apt-get", "-y", "-q", *words, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=120)


def install(machine, folder, names=NAMES):
    return apt(machine, "install", "--no-install-recommends", *put(machine, folder, names))


def of_unit(machine, name, what):
    return machine.out("systemctl", "show", "--value", f"--property={what}", name)


# ---- The packages themselves ------------------------------------------------------------------------------


def test_lintian_has_nothing_to_say(debs):
    if why := packages.missing("lintian"):
        pytest.skip(why)
    [changes] = debs.glob("*.changes")
    said = call("lintian", "--allow-root", "--fail-on", "error,warning", changes)
    assert not re.search(r"^[EW]:", said, re.MULTILINE), said


def test_no_file_is_in_two_packages(debs):
    seen = {}
    for name in NAMES:
        for path in contents(deb(debs, name)):
            assert path not in seen, f"{path} is in {seen[path]} and {name}"
            seen[path] = name


def test_library_alone_needs_only_libc(debs):
    assert re.fullmatch(r"libc6 \([^)]*\)", field(deb(debs, "libitexclient1"), "Depends"))


def test_a_configuration_file_is_kept(debs):
    files = call("dpkg-deb", "--info", deb(debs, "itexd"), "conffiles").split()
    assert files == ["/etc/itexd/itexd.yaml"]


def test_programs_are_hardened(debs, tmp_path):
    for name in ("itexd", "itexctl", "libitexclient1"):
        call("dpkg-deb", "--extract", deb(debs, name), tmp_path)
    for path in ("usr/sbin/itexd", "usr/bin/itexctl"):
        header = call("readelf", "--wide", "--file-header", "--program-headers", "--dynamic", tmp_path / path)
        for word in ("DYN (Position-Independent", "GNU_RELRO", "BIND_NOW"):
            assert word in header, f"{path}: no {word}"


# ---- In a machine -----------------------------------------------------------------------------------------


def test_first_connection_starts_it(machine, debs):
    install(machine, debs)
    assert of_unit(machine, "itexd.socket", "ActiveState") == "active"
    assert of_unit(machine, "itexd.service", "ActiveState") == "inactive"
    assert of_unit(machine, "itexd.socket", "UnitFileState") == "enabled"
    assert of_unit(machine, "itexd.service", "UnitFileState") in ("indirect", "disabled")
    machine.run(*RESOLVE.split(), user="nobody")
    assert of_unit(machine, "itexd.service", "ActiveState") == "active"
    assert of_unit(machine, "itexd.service", "User") == "itexd"


def test_it_is_there_after_a_reboot(machine, debs):
    install(machine, debs)
    machine.run(*RESOLVE.split())
    machine.shut_down()
    machine.boot()
    assert of_unit(machine, "itexd.socket", "ActiveState") == "active"
    assert len(machine.out("itexctl", "query", "--format", "csv").splitlines()) == 2


def test_python_finds_library_and_hook(machine, debs):
    install(machine, debs)
    script = "import itexclient; print(itexclient.configure(keras=0).verdict)"
    assert machine.out("python3", "-c", script) in ("ok", "fixed")
    job = "import sys; print('itexclient.hook' in sys.modules)"
    assert machine.out("itexctl", "run", "--quiet", "--gpus", "0", "--", "python3", "-c", job) == "True"
    assert machine.out("python3", "-c", job) == "False"
    named = "import importlib.metadata as all; print(all.version('itexclient'))"
    assert machine.out("python3", "-c", named) == packages.version()


def test_run_brings_its_own_python_part(machine, debs):
    """Without python3-itexclient: what puts the hook into a job is itexctl's."""
    install(machine, debs, ["itexd", "itexctl", "libitexclient1"])
    machine.path("/tmp/job.py").write_text("import sys\nprint('itexclient.hook' in sys.modules)\n")
    command = ["itexctl", "run", "--quiet", "--gpus", "0", "--", "python3", "/tmp/job.py"]
    assert machine.out(*command, user="nobody") == "True"


def test_login_node_has_no_service(machine, debs):
    install(machine, debs, ["itexctl", "libitexclient1"])
    assert "itexd.service" not in machine.out("systemctl", "list-unit-files", "--no-legend", check=False)
    machine.path("/tmp/train.py").write_text("import tensorflow as tf\nprint(tf.__version__)\n")
    assert machine.run("itexctl", "check", "--itex", "newest", "/tmp/train.py", check=False).returncode in (
        0,
        1,
    )
    assert '"verdict"' in machine.out("itexctl", "resolve", "--offline", "--json", "--keras", "3")


def test_programs_are_built_against_it(machine, debs):
    install(machine, debs)
    assert machine.path("/usr/include/itexclient.h").exists()
    text = machine.path("/usr/lib/x86_64-linux-gnu/pkgconfig/itexclient.pc").read_text()
    assert "prefix=/usr\n" in text


def test_upgrade_under_load_refuses_nobody(machine, debs, newer_debs):
    install(machine, debs)
    machine.run(*RESOLVE.split())
    socket, service = (
        of_unit(machine, "itexd.socket", "ActiveEnterTimestampMonotonic"),
        service_pid(machine),
    )
    load = [
        machine.start("sh", "-c", LOAD, "sh", str(i), stdout=-1, stderr=-2, user="nobody") for i in range(4)
    ]
    try:
        said = install(machine, newer_debs)
    finally:
        machine.run("touch", "/tmp/enough")
        answers = [client.communicate(timeout=90)[0] for client in load]
    print(said, *answers, sep="\n")
    asked = sum(int(re.search(r"^asked (\d+)$", answer, re.MULTILINE)[1]) for answer in answers)
    assert all("refused" not in answer for answer in answers)
    assert service_pid(machine) not in ("0", service)
    assert of_unit(machine, "itexd.socket", "ActiveEnterTimestampMonotonic") == socket
    rows = machine.out("itexctl", "query", "--limit", "0", "--job", "load", "--format", "csv").splitlines()
    assert len(rows) - 1 == asked > 20


def service_pid(machine):
    return of_unit(machine, "itexd.service", "MainPID")


def test_upgrade_keeps_what_was_configured(machine, debs, newer_debs):
    install(machine, debs)
    configuration = machine.path("/etc/itexd/itexd.yaml")
    configuration.write_text(configuration.read_text() + "retention_days: 7\n")
    machine.run("systemctl", "disable", "--now", "itexd.socket")
    install(machine, newer_debs)
    assert "\nretention_days: 7\n" in configuration.read_text()
    assert of_unit(machine, "itexd.socket", "UnitFileState") == "disabled"
    assert of_unit(machine, "itexd.socket", "ActiveState") == "inactive"


def test_removal_keeps_decisions_and_purge_does_not(machine, debs):
    before = state(machine)
    install(machine, debs)
    machine.run(*RESOLVE.split(), user="nobody")
    apt(machine, "remove", *NAMES)
    assert machine.path("/var/lib/itexd/itexd.db").exists()
    assert machine.path("/etc/itexd/itexd.yaml").exists()
    assert not machine.path("/run/itexd-socket/itexd.sock").exists()
    assert machine.out("pgrep", "-x", "itexd", check=False) == ""
    install(machine, debs)
    assert len(machine.out("itexctl", "query", "--format", "csv").splitlines()) == 2, "they are still there"
    apt(machine, "purge", *NAMES)
    assert state(machine) == before
    assert machine.out("find", "/run", "/tmp", "-name", "*itex*") == ""
    assert machine.out("systemctl", "list-units", "--all", "--no-legend", "itexd.*", "itexd-metrics.*") == ""


def test_piuparts(debs):
    if why := packages.cannot_install() or packages.missing("piuparts"):
        pytest.skip(why)
    call(
        *(
            "piuparts",
            "--no-upgrade-test",
            "--warn-on-leftovers-after-purge",
            "--distribution",
            packages.RELEASE,
        ),
        *("--existing-chroot", packages.clean_root(debs), *(deb(debs, name) for name in NAMES)),
        timeout=1200,
        env={"PATH": PATH},
    )
