"""Starting, stopping, reloading, and what the service manager sees of it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from harness import INSTRUMENTED, ITEXD, NOBODY, TIMEOUT, Client, Code, Notify, ServiceGone, resolve_message

# ---- Stopping ----------------------------------------------------------------------------------------


def test_sigterm_ends_with_0_and_removes_the_socket(itexd):
    assert itexd.stop() == 0
    assert not itexd.socket.exists()


def test_sigint_ends_with_0(itexd):
    assert itexd.signal(signal.SIGINT) == 0


def test_stopping_is_announced(itexd):
    itexd.process.send_signal(signal.SIGTERM)
    assert itexd.notify.wait("STOPPING=1", itexd.process) is not None
    assert itexd.wait() == 0


def test_pending_requests_are_answered_before_the_end(itexd):
    """What was asked before SIGTERM is committed and answered, or refused as stopping."""
    clients = [itexd.client() for _ in range(30)]
    sent = [(client, secrets.token_bytes(16)) for client in clients]
    for client, request_id in sent:
        client.send("resolve", resolve_message({}, {"keras": "0"}, request_id))
    itexd.process.send_signal(signal.SIGTERM)
    answered = {}
    for client, request_id in sent:
        try:
            reply = client.reply()
        except ServiceGone:
            continue
        if reply.WhichOneof("body") == "decision":
            answered[request_id] = reply.decision.id
        else:
            assert reply.error.code == Code.STOPPING
        client.close()
    assert itexd.wait() == 0
    assert answered
    itexd.start()
    with itexd.client() as client:
        for request_id, decision in answered.items():
            assert client.ok("explain", decision=decision).request_id == request_id


def test_a_second_sigterm_does_no_harm(itexd):
    with itexd.client() as client:
        client.resolve(declared={"keras": "0"})
    itexd.process.send_signal(signal.SIGTERM)
    itexd.process.send_signal(signal.SIGTERM)
    assert itexd.wait() in (0, -signal.SIGTERM)
    itexd.start()
    itexd.assert_serves()


def test_idle_connections_do_not_hold_up_the_end(itexd):
    clients = [itexd.client() for _ in range(20)] + [itexd.client(hello=False)]
    assert itexd.stop() == 0
    for client in clients:
        assert client.ended()
        client.close()


# ---- A second one ------------------------------------------------------------------------------------


def test_a_second_service_on_the_same_socket_is_refused(itexd, make_itexd):
    second = make_itexd({"socket": str(itexd.socket)})
    assert second.start_expecting_failure() not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert str(itexd.socket) in second.log
    itexd.assert_serves()


def test_a_second_service_on_the_same_database_is_refused(itexd, make_itexd):
    second = make_itexd({"database": str(itexd.database)})
    assert second.start_expecting_failure() not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert str(itexd.database) in second.log
    itexd.assert_serves()


def test_a_socket_left_behind_is_replaced(itexd):
    itexd.kill()
    assert itexd.socket.exists()
    itexd.start()
    itexd.assert_serves()


def test_something_else_in_the_sockets_place_is_kept(make_itexd):
    service = make_itexd()
    service.socket.write_text("precious")
    assert service.start_expecting_failure() > 0
    assert service.socket.read_text() == "precious"
    assert str(service.socket) in service.log


# ---- Reload ------------------------------------------------------------------------------------------


def test_reload_on_sighup_takes_new_settings(itexd):
    itexd.config["policy"] = "advise"
    itexd.write_config()
    itexd.process.send_signal(signal.SIGHUP)
    assert itexd.notify.wait("READY=1", itexd.process) is not None
    with itexd.client() as client:
        assert client.resolve(declared={"keras": "0", "itex": "newest"}).policy == "advise"


def test_reload_on_request(itexd):
    itexd.config["policy"] = "advise"
    itexd.write_config()
    assert itexd.ctl("rules", "reload").returncode == 0
    with itexd.client() as client:
        assert client.resolve(declared={"keras": "0", "itex": "newest"}).policy == "advise"


def test_what_takes_a_restart_stays_as_it_was(itexd):
    before = itexd.status()
    itexd.config.update({"database": str(itexd.directory / "db" / "other.db"), "policy": "advise"})
    itexd.write_config()
    with itexd.client() as client:
        client.ok("reload")
        assert client.ok("status").database == before.database
        assert client.resolve(declared={"keras": "0"}).policy == "advise"
    itexd.stop()
    assert "event=reload-partial option=database" in itexd.log


@pytest.mark.parametrize("content", ["socket: [", "no_such_key: 1\n", "durability: perhaps\n", ""])
def test_a_bad_file_on_reload_changes_nothing(itexd, content):
    itexd.write_config(content)
    with itexd.client() as client:
        if content:
            error = client.error("reload")
            assert "itexd.yaml:1:" in error.text or "itexd.yaml" in error.text
            assert itexd.ctl("rules", "reload").returncode == 78
        itexd.process.send_signal(signal.SIGHUP)
        client.ok("status")
    itexd.assert_serves()


def test_connections_live_through_a_reload(itexd, client):
    first = client.resolve(declared={"keras": "0"})
    client.ok("reload")
    assert client.ok("explain", decision=first.id).id == first.id


# ---- Configuration -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("socket: [", ":"),
        ("no_such_key: 1\n", "no_such_key"),
        ("durability: perhaps\n", "perhaps"),
        ("socket: 7\nsocket: 8\n", "socket"),
        ("--- {}\n--- {}\n", "document"),
    ],
)
def test_a_configuration_error_is_78_with_its_place(make_itexd, content, word):
    service = make_itexd()
    service.write_config(content)
    assert service.start_expecting_failure() == 78
    assert "itexd.yaml:" in service.log
    assert word in service.log


def test_a_configuration_file_that_is_not_there(make_itexd):
    service = make_itexd()
    service.write_config()
    service.config_path.rename(service.directory / "elsewhere")
    service.spawn()
    assert service.process.wait(TIMEOUT) == 78
    assert "itexd.yaml" in service.log


def test_an_unknown_option_is_a_usage_error():
    result = subprocess.run([ITEXD, "--no-such-option"], capture_output=True, text=True, timeout=TIMEOUT)
    assert result.returncode == 2
    assert "no-such-option" in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_help_and_version():
    for option in ("--help", "--version"):
        result = subprocess.run([ITEXD, option], capture_output=True, text=True, timeout=TIMEOUT)
        assert (result.returncode, result.stderr) == (0, "")
        assert "itexd" in result.stdout


def test_the_command_line_beats_the_file(make_itexd):
    service = make_itexd()
    other = service.directory / "other.sock"
    service.arguments = ["--socket", str(other)]
    service.start()
    Client(other).close()
    assert not service.socket.exists()


def test_a_socket_path_that_is_too_long(make_itexd):
    service = make_itexd({"socket": "/tmp/" + "x" * 200})
    assert service.start_expecting_failure() == 78
    assert "107" in service.log or "long" in service.log


# ---- The service manager -----------------------------------------------------------------------------


def test_socket_activation(make_itexd):
    """The socket exists before the service: a client that connects starts it and is answered."""
    service = make_itexd()
    del service.config["socket"]
    service.write_config()
    service.notify.close()
    environment = {"PATH": os.environ["PATH"]}
    with service.log_path.open("ab") as log:
        service.process = subprocess.Popen(
            ["systemd-socket-activate", "--seqpacket", f"--listen={service.socket}", str(ITEXD), "--config",
             str(service.config_path)],
            stdout=log, stderr=log, env=environment,
        )  # fmt: skip
    _wait_for_file(service.socket, service.process)
    with Client(service.socket) as client:
        assert client.resolve(declared={"keras": "0"}).outcome.mode == "npd"
    service.process.terminate()
    assert service.process.wait(TIMEOUT) == 0
    assert service.socket.exists(), "a socket of the service manager's is not ours to remove"


# Gives itexd the sockets as a service manager does: from descriptor 3 on, with the names in order.
PASSING = """
import fcntl, os, sys
names, fds, command = sys.argv[1], [int(fd) for fd in sys.argv[2].split(",")], sys.argv[3:]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in fds]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at, inheritable=True)
os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), str(len(fds))
if names != "-":
    os.environ["LISTEN_FDNAMES"] = names
os.execv(command[0], command)
"""


def _pass_sockets(service, sockets, names):
    """Starts itexd with these sockets; returns the process before it is ready."""
    service.write_config()
    service.notify.drain()
    for sock in sockets:
        os.set_inheritable(sock.fileno(), True)
    fds = ",".join(str(sock.fileno()) for sock in sockets)
    with service.log_path.open("ab") as log:
        service.process = subprocess.Popen(
            [sys.executable, "-c", PASSING, names, fds, str(ITEXD), "--config", str(service.config_path),
             *service.arguments],
            stdout=log, stderr=log, close_fds=False,
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": service.notify.path, **INSTRUMENTED},
        )  # fmt: skip
    return service.process


@pytest.fixture
def listening():
    """listening(kind, path): a socket as a unit makes it; without a path one of TCP on a free port."""
    made = []

    def make(kind, path=None, listen=True):
        made.append(socket.socket(socket.AF_UNIX if path else socket.AF_INET, kind))
        made[-1].bind(str(path) if path else ("127.0.0.1", 0))
        if listen:
            made[-1].listen()
        return made[-1]

    yield make
    for sock in made:
        sock.close()


@pytest.mark.parametrize("names", ["itexd:metrics", "itexd.socket:itexd-metrics.socket"])
def test_sockets_are_told_apart_by_name(make_itexd, listening, names):
    service = make_itexd()
    wanted = {
        "itexd": listening(socket.SOCK_SEQPACKET, service.socket),
        "metrics": listening(socket.SOCK_STREAM),
    }
    for order in (["itexd", "metrics"], ["metrics", "itexd"]):
        called = dict(zip(["itexd", "metrics"], names.split(":")))
        process = _pass_sockets(
            service, [wanted[use] for use in order], ":".join(called[use] for use in order)
        )
        assert service.notify.wait("READY=1", process) is not None, service.log
        service.assert_serves()
        assert service.stop() == 0


def test_one_socket_needs_no_name(make_itexd, listening):
    service = make_itexd()
    requests = listening(socket.SOCK_SEQPACKET, service.socket)
    for names in ("-", "unknown"):
        process = _pass_sockets(service, [requests], names)
        assert service.notify.wait("READY=1", process) is not None, service.log
        service.assert_serves()
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("names", "kinds", "said"),
    [
        ("stored", "p", 'a socket named "stored" was passed'),
        ("itexd:other", "pp", 'a socket named "other" was passed'),
        ("-", "pp", 'a socket named "unknown" was passed'),
        ("itexd:itexd", "pp", "two sockets for requests were passed"),
        ("itexd", "s", "needs ListenSequentialPacket="),
        ("unknown", "s", "needs ListenSequentialPacket="),
        ("itexd:metrics", "pp", "the socket passed for metrics is no listening stream socket"),
        ("itexd:metrics", "pd", "the socket passed for metrics is no listening stream socket"),
        (":".join(["metrics"] * 9), "s" * 9, "more than 8 sockets for metrics"),
    ],
)
def test_sockets_that_are_refused(make_itexd, listening, names, kinds, said):
    service = make_itexd()
    sockets = [
        listening(socket.SOCK_SEQPACKET, service.directory / f"passed{at}") if kind == "p"
        else listening(socket.SOCK_STREAM, listen=kind == "s")
        for at, kind in enumerate(kinds)
    ]  # fmt: skip
    process = _pass_sockets(service, sockets, names)
    assert service.notify.wait("READY=1", process) is None
    assert process.wait(TIMEOUT) == 78
    service.process = None
    assert said in service.log.replace("\\", "")


def _wait_for_file(path, process):
    for _ in range(int(TIMEOUT * 100)):
        if path.exists():
            return
        assert process.poll() is None
        threading.Event().wait(0.01)
    raise AssertionError(f"{path} did not appear")


def test_the_watchdog_is_fed(make_itexd):
    service = make_itexd(env={"WATCHDOG_USEC": "400000"})
    service.start()
    for _ in range(3):
        assert service.notify.wait("WATCHDOG=1", service.process) is not None
    service.assert_serves()


def test_ready_comes_when_a_client_can_connect(make_itexd):
    service = make_itexd()
    service.write_config()
    service.spawn()
    lines = service.notify.wait("READY=1", service.process)
    assert lines is not None
    service.client().close()


def test_it_runs_without_a_service_manager(make_itexd):
    service = make_itexd()
    service.write_config()
    service.env["NOTIFY_SOCKET"] = ""
    service.spawn()
    _wait_for_file(service.socket, service.process)
    for _ in range(200):
        try:
            service.client().close()
            break
        except (ConnectionRefusedError, FileNotFoundError):
            threading.Event().wait(0.02)
    service.assert_serves()


def test_as_an_ordinary_user(as_root, make_itexd):
    service = make_itexd(user=NOBODY).start()
    service.assert_serves()
    assert Path(f"/proc/{service.process.pid}").stat().st_uid == NOBODY


# ---- Quotas and sloth --------------------------------------------------------------------------------


def test_a_client_that_stops_reading_is_dropped_in_time(make_itexd):
    """Less waits for it than it may let wait; it is the time that ends it."""
    service = make_itexd({"stall_timeout": "200ms"}).start()
    with service.client() as lazy:
        for _ in range(15):
            lazy.send("rules_show")
        deadline = time.monotonic() + TIMEOUT
        while service.status().peers > 1:
            assert time.monotonic() < deadline
    service.stop()  # which waits for the log's writer
    assert "it does not read what it asked for" in service.log


def test_a_client_that_never_says_hello_is_dropped(make_itexd):
    service = make_itexd({"hello_timeout": "300ms"}).start()
    with service.client(hello=False) as client:
        assert client.ended()


def test_standard_descriptors_that_are_closed_are_nobody_elses(make_itexd):
    service = make_itexd()
    service.write_config()
    service.spawn(wrapper=["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-'])
    assert service.notify.wait("READY=1", service.process) is not None
    service.assert_serves()
    for number in range(3):
        assert os.readlink(f"/proc/{service.process.pid}/fd/{number}") == "/dev/null"


def test_few_descriptors_are_no_crash(make_itexd):
    """With no descriptors left new clients wait or are told so; those connected are served."""
    service = make_itexd()
    service.write_config()
    service.spawn(wrapper=["prlimit", "--nofile=64:64"])
    assert service.notify.wait("READY=1", service.process) is not None
    with service.client() as first:
        crowd = []
        for _ in range(80):
            try:
                crowd.append(Client(service.socket, hello=False, timeout=2))
            except (OSError, ServiceGone):
                break
        assert first.resolve(declared={"keras": "0"}).outcome.mode == "npd"
        for client in crowd:
            client.close()
        assert first.ok("status").state
    service.assert_serves()


def test_the_socket_is_for_everyone_and_its_directory_is_not_changed(itexd):
    assert itexd.socket.stat().st_mode & 0o777 == 0o666
    assert itexd.directory.stat().st_mode & 0o777 == 0o755


def test_log_lines_are_structured(make_itexd):
    service = make_itexd().start()
    with service.client() as client:
        client.resolve(declared={"keras": "0"})
    service.stop()
    lines = service.log.splitlines()
    assert lines
    assert all(line.strip() for line in lines)


def test_nothing_of_a_jobs_environment_is_logged(make_itexd):
    service = make_itexd().start()
    with service.client() as client:
        client.resolve({"SLURM_JOB_ACCOUNT": "very-secret-account", "ITEX_VERBOSE": "1"}, {"keras": "0"})
    service.stop()
    assert "very-secret-account" not in service.log


def test_a_foreign_notify_socket_is_no_matter(make_itexd):
    service = make_itexd()
    gone = service.directory / "gone"
    Notify(gone).close()
    service.write_config()
    service.env["NOTIFY_SOCKET"] = str(gone)
    service.spawn()
    _wait_for_file(service.socket, service.process)
    assert service.alive()


def test_a_manager_that_does_not_read_stops_nobody(make_itexd):
    """Its socket holds a few datagrams; the service goes on, and READY=1 arrives once there is room again."""
    service = make_itexd().start()
    with service.client() as client:
        for _ in range(20):
            client.ok("reload")
    service.assert_serves()
    service.notify.drain()
    assert service.notify.wait("READY=1", service.process) is not None


def test_it_stops_in_the_middle_of_a_reload(make_itexd):
    """Both signals come at once, and the manager reads nothing: it ends cleanly, and is not ready again."""
    service = make_itexd().start()
    with service.client() as client:
        for _ in range(20):
            client.ok("reload")
    for number in (signal.SIGSTOP, signal.SIGHUP, signal.SIGTERM, signal.SIGCONT):
        service.process.send_signal(number)
    assert service.process.wait(TIMEOUT) == 0, service.log
