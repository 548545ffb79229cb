"""itexctl: every command, its exit status, and what it says where something is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest
from harness import ITEXCTL, RULES, TIMEOUT, ctl, pb

COMMANDS = ["status", "resolve", "env", "run", "explain", "query", "rules", "backup"]
PRINT_ENV = [sys.executable, "-S", "-c", "import json, os; print(json.dumps(dict(os.environ)))"]


@pytest.fixture(scope="module")
def service(shared_itexd):
    return shared_itexd


@pytest.fixture
def nowhere(tmp_path):
    return tmp_path / "no.sock"


def one_line(result, status):
    """The exit status, nothing on stdout, and exactly one line on stderr that names the program."""
    assert result.returncode == status, (result.returncode, result.stdout, result.stderr)
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("itexctl: ")
    return lines[0]


# ---- Usage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command):
    result = ctl(command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.lower().startswith("usage: itexctl " + command)


def test_help_lists_every_command():
    result = ctl("--help")
    assert result.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^\s+{command}\b", result.stdout, re.M), command


def test_version():
    result = ctl("--version")
    assert result.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", result.stdout)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--no-such"], "--no-such"),
        (["no-such"], "no-such"),
        (["resolve", "--no-such"], "--no-such"),
        (["resolve", "--keras"], "--keras"),
        (["resolve", "--keras", "9"], "9"),
        (["resolve", "--jit", "perhaps"], "perhaps"),
        (["resolve", "--timeout", "soon"], "soon"),
        (["resolve", "--format", "xml"], "xml"),
        (["env", "--format", "xml"], "xml"),
        (["explain"], ""),
        (["explain", "x"], "x"),
        (["explain", "1", "2"], ""),
        (["query", "--limit", "-1"], "-1"),
        (["rules", "no-such"], "no-such"),
        (["rules", "activate"], ""),
        (["rules", "activate", "x"], "x"),
        (["run"], ""),
        (["run", "--clean-env", "--", "true"], "--clean-env"),
        (["backup"], ""),
    ],
)
def test_usage_errors(service, arguments, word):
    result = service.ctl(*arguments)
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert result.stderr.startswith("itexctl")
    assert word in result.stderr
    assert len(result.stderr.splitlines()) <= 2


# ---- The service is not there, or is not itexd -------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["resolve"], ["explain", "1"], ["query"], ["rules", "list"], ["rules", "reload"]],
)
def test_no_service(nowhere, arguments):
    line = one_line(ctl(*arguments, socket_path=nowhere), 69)
    assert str(nowhere) in line


def test_a_socket_that_nobody_listens_on(nowhere):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(str(nowhere))
    one_line(ctl("status", socket_path=nowhere), 69)


def test_a_socket_of_another_type(nowhere):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(nowhere))
        sock.listen()
        one_line(ctl("status", socket_path=nowhere), 69)


def test_a_socket_that_is_a_file(nowhere):
    nowhere.write_text("")
    one_line(ctl("status", socket_path=nowhere), 69)


class Impostor(threading.Thread):
    """Somebody else on the socket, who answers the first packet with `answer` (None: never)."""

    def __init__(self, path, answer):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen()
        self.answer = answer
        self.start()

    def run(self):
        try:
            connection, _ = self.listener.accept()
            with connection:
                connection.recv(65536)
                if self.answer is not None:
                    connection.send(self.answer)
                while connection.recv(65536):
                    pass
        except OSError:
            pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(TIMEOUT)


@pytest.fixture
def impostor(nowhere):
    made = []

    def make(answer):
        made.append(Impostor(nowhere, answer))
        return nowhere

    yield make
    for thread in made:
        thread.stop()


def hello_reply(**fields):
    return pb.ServerPacket(reply=pb.Reply(id=1, hello=pb.HelloReply(**fields))).SerializeToString()


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example.org ESMTP\r\n",
        b"\x00",
        hello_reply(name="otherd", major=1, minor=0, minimum_major=1),
    ],
    ids=["text", "zero", "another daemon"],
)
def test_a_foreign_service(impostor, answer):
    path = impostor(answer)
    one_line(ctl("status", socket_path=path), 69)


def test_a_service_of_another_major(impostor):
    path = impostor(hello_reply(name="itexd", major=9, minor=0, minimum_major=9, version="9.0.0"))
    line = one_line(ctl("status", socket_path=path), 69)
    assert "9" in line


def test_a_service_that_does_not_answer(impostor):
    path = impostor(None)
    one_line(ctl("resolve", "--timeout", "200ms", socket_path=path), 69)


# ---- status, resolve, explain, query -----------------------------------------------------------------


def test_status(service):
    result = service.ctl("status")
    assert result.returncode == 0
    for word in (str(service.socket), str(service.database), "full"):
        assert word in result.stdout


def test_status_json(service):
    shown = json.loads(service.ctl("status", "--json").stdout)
    assert shown["state"] == "ok"
    assert shown["database"] == str(service.database)


def test_resolve_explains_itself(service):
    result = service.ctl("resolve", "--keras", "0", "--itex", "newest")
    assert result.returncode == 0
    for word in ("keras3-2", "ITEX_DISABLE_XLA", "npd"):
        assert word in result.stdout


def test_resolve_takes_the_environment_of_the_caller_and_env(service):
    arguments = ["resolve", "--keras", "0", "--itex", "newest", "--json"]
    own = {"ITEX_DISABLE_XLA": "1"}
    assert json.loads(service.ctl(*arguments, env=own).stdout)["verdict"] == "ok"
    assert json.loads(service.ctl(*arguments, "--env", "ITEX_DISABLE_XLA=1").stdout)["verdict"] == "ok"
    assert json.loads(service.ctl(*arguments, "--clean-env", env=own).stdout)["verdict"] == "fixed"


def test_resolve_with_devices_where_none_are_managed_is_75(service):
    result = service.ctl("resolve", "--keras", "0", "--gpus", "1", "--holder", str(os.getpid()))
    assert result.returncode == 75
    assert "device" in result.stderr + result.stdout
    without = service.ctl("resolve", "--keras", "0", "--gpus", "1")
    assert without.returncode == 2
    assert "--holder $$" in without.stderr


def test_resolve_a_fact_that_does_not_exist(service):
    result = service.ctl("resolve", "--fact", "color=red")
    assert result.returncode == 2
    assert "color" in result.stderr


def test_explain_of_nothing(service):
    line = one_line(service.ctl("explain", "987654"), 1)
    assert "987654" in line


def test_explain_shows_the_chain(service):
    made = json.loads(
        service.ctl(
            "resolve", "--keras", "2", "--jit", "on", "--itex", "newest", "--json",
            "--env", "ITEX_ENABLE_NEXTPLUGGABLE_DEVICE=0",
        ).stdout
    )  # fmt: skip
    result = service.ctl("explain", made["decision"])
    assert result.returncode == 0
    assert result.stdout.index("keras3-3") < result.stdout.index("keras3-6")


def test_query_finds_by_job(service):
    service.ctl("resolve", "--keras", "0", "--job", "job-17")
    result = service.ctl("query", "--job", "job-17", "--json")
    assert [json.loads(line)["job"] for line in result.stdout.splitlines()] == ["job-17"]
    table = service.ctl("query", "--job", "job-17")
    assert table.returncode == 0
    assert "job-17" in table.stdout


def test_query_fail_empty(service):
    assert service.ctl("query", "--job", "nobody").returncode == 0
    assert service.ctl("query", "--job", "nobody", "--fail-empty").returncode == 1


def test_query_since_an_age(service):
    service.ctl("resolve", "--keras", "0", "--job", "fresh")
    assert service.ctl("query", "--job", "fresh", "--since", "1 hour ago", "--fail-empty").returncode == 0


def test_the_jobs_id_comes_from_the_scheduler(service):
    made = json.loads(service.ctl("resolve", "--keras", "0", "--json", env={"SLURM_JOB_ID": "8812"}).stdout)
    assert made["job"].startswith("8812")


# ---- Terminals and pipes -----------------------------------------------------------------------------


def on_a_terminal(service, *arguments, env=None):
    """The output as a terminal shows it."""
    import pty

    leader, follower = pty.openpty()
    try:
        service.ctl(*arguments, stdout=follower, env={"TERM": "xterm-256color", **(env or {})})
        os.close(follower)
        follower = -1
        output = b""
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:
                return output
            if not data:
                return output
            output += data
    finally:
        os.close(leader)
        if follower >= 0:
            os.close(follower)


def test_colour_only_on_a_terminal(service):
    arguments = ["resolve", "--keras", "0", "--itex", "newest"]
    assert b"\x1b[" in on_a_terminal(service, *arguments)
    assert "\x1b" not in service.ctl(*arguments).stdout
    assert b"\x1b[" not in on_a_terminal(service, *arguments, env={"NO_COLOR": "1"})
    assert b"\x1b[" not in on_a_terminal(service, *arguments, "--no-color")


def test_values_cannot_paint_the_terminal(service):
    result = service.ctl("resolve", "--keras", "0", "--env", "ITEX_OPS_OVERRIDE=\x1b[31mred")
    assert "\x1b" not in result.stdout


# What a terminal obeys: C0 and C1 controls, DEL, and marks that turn the direction of writing.
STEERING = [b"\x1b", b"\x07", b"\r", b"\x7f", b"\xc2\x9b", b"\xe2\x80\xae"]


def test_what_a_job_is_called_steers_no_terminal(service):
    evil = "a\x1b[31m\x07\r\nforged line\x7f\u009b31m\u202e"
    with service.client() as client:
        decision = client.resolve({"ITEX_OPS_OVERRIDE": evil, "TF_XLA_FLAGS": evil}, job=evil, step=evil)
    missing = str(service.directory / evil)
    for arguments in (
        ["explain", str(decision.id)],
        ["explain", str(decision.id), "--json"],
        ["query", "--job", evil, "--limit", "1"],
        ["query", "--job", evil, "--limit", "1", "--json"],
        ["env", "--format", evil],
        ["run", "--keras", "0", "--", missing],
        ["rules", "check", missing],
    ):
        result = service.ctl(*arguments, binary=True)
        # A direction mark in JSON is for the program that reads it.
        sought = STEERING[:-1] if "--json" in arguments else STEERING
        assert not [mark for mark in sought if mark in result.stdout + result.stderr], arguments
        assert b"\nforged" not in result.stdout, arguments
    found = service.ctl("query", "--job", evil, "--limit", "1", "--json").stdout
    assert json.loads(found)["job"] == evil


def test_a_closed_pipe_is_no_disaster(service):
    for _ in range(30):
        service.ctl("resolve", "--keras", "0")
    process = subprocess.Popen(
        [ITEXCTL, "query", "--json", "--limit", "1000"],
        env={"ITEXD_SOCKET": str(service.socket), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(TIMEOUT) in (0, 1, 70, -signal.SIGPIPE, 128 + signal.SIGPIPE)
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 1


def test_a_full_disk_under_stdout_is_an_error(service):
    with open("/dev/full", "w") as full:
        result = service.ctl("resolve", "--keras", "0", "--json", stdout=full)
    assert result.returncode != 0
    assert result.stderr


def test_ctrl_c_ends_at_once(impostor):
    path = impostor(None)
    process = subprocess.Popen(
        [ITEXCTL, "resolve", "--timeout", "60s"],
        env={"ITEXD_SOCKET": str(path), "PATH": "/usr/bin:/bin"}, stderr=subprocess.PIPE,
    )  # fmt: skip
    _until_connected(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) in (-signal.SIGINT, 130)
    process.stderr.close()


def _until_connected(process):
    for _ in range(int(TIMEOUT * 100)):
        links = []
        for name in os.listdir(f"/proc/{process.pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{process.pid}/fd/{name}"))
            except OSError:
                continue
        if any(link.startswith("socket:") for link in links):
            return
        assert process.poll() is None
        threading.Event().wait(0.01)
    raise AssertionError("never connected")


# ---- env ---------------------------------------------------------------------------------------------


def sh(script, service, shell="/bin/sh", env=None):
    environment = {
        "PATH": f"{ITEXCTL.parent}:/usr/bin:/bin",
        "ITEXD_SOCKET": str(service.socket),
        **(env or {}),
    }
    return subprocess.run(
        [shell, "-c", script], env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )


def test_env_in_a_shell(service):
    result = sh(
        'eval "$(itexctl env --keras 0 --itex newest)" && echo "$ITEX_DISABLE_XLA $ITEXD_DECISION"', service
    )
    assert re.fullmatch(r"1 \d+:[0-9a-f]+:\S*\n", result.stdout), (result.stdout, result.stderr)


def test_env_unsets(service):
    result = sh(
        'eval "$(itexctl env --keras 0 --itex newest)"; echo "${ITEX_VERBOSE-gone}"', service,
        env={"ITEX_VERBOSE": "loud", "ITEX_DISABLE_XLA": "1"},
    )  # fmt: skip
    assert result.stdout == "gone\n"


@pytest.mark.parametrize("form", ["sh", "fish", "csh", "json"])
def test_env_formats_are_safe(service, form, tmp_path):
    result = service.ctl(
        "env", "--format", form, "--keras", "2", "--jit", "on", "--itex", "newest",
        env={"TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory=/x;$(touch${IFS}pwned)`id`!\"y"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    if form == "json":
        assert "TF_XLA_FLAGS" in json.loads(result.stdout)["env"]["set"]
    if form == "sh":
        shell = subprocess.run(
            ["/bin/sh", "-c", result.stdout + '\nprintf %s "$TF_XLA_FLAGS"'],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert "$(touch${IFS}pwned)`id`" in shell.stdout
        assert list(tmp_path.iterdir()) == []


def test_env_rejected_fails_the_eval_too(service):
    result = sh('eval "$(itexctl env --keras 0 --gpus 1 --holder $$)"; echo "status $?"', service)
    assert result.stdout == "status 75\n", result.stderr


def test_env_unmanaged_without_a_service(nowhere):
    result = ctl("env", "--keras", "0", socket_path=nowhere)
    assert result.returncode == 0
    assert len(result.stderr.splitlines()) == 1
    assert ctl("env", "--keras", "0", "--require", socket_path=nowhere).returncode == 69


# ---- run ---------------------------------------------------------------------------------------------


def run(service, *command, options=(), **keywords):
    return service.ctl("run", "--keras", "0", "--itex", "newest", *options, "--", *command, **keywords)


def test_run_sets_what_was_decided(service):
    result = run(service, *PRINT_ENV)
    assert result.returncode == 0, result.stderr
    env = json.loads(result.stdout)
    assert env["ITEX_DISABLE_XLA"] == "1"
    decision, digest, _ = env["ITEXD_DECISION"].split(":", 2)
    kept = json.loads(service.ctl("explain", decision, "--json").stdout)
    assert kept["ruleset"]["digest"].startswith(digest)
    assert kept["state"] == "accepted"


def test_run_execs(service):
    """The command is the process that was started: same pid, no parent in between."""
    process = subprocess.Popen(
        [ITEXCTL, "run", "--keras", "0", "--", "/bin/sh", "-c", "echo $$"],
        env={"ITEXD_SOCKET": str(service.socket), "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    shown = process.communicate(timeout=TIMEOUT)[0]
    assert int(shown) == process.pid


@pytest.mark.parametrize("status", [0, 1, 3, 69, 75, 255])
def test_runs_status_is_the_commands(service, status):
    assert run(service, "/bin/sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV])
def test_runs_signal_is_the_commands(service, number):
    assert run(service, "/bin/sh", "-c", f"kill -{int(number)} $$").returncode == -number


def test_run_leaves_signals_and_descriptors_alone(service):
    result = run(
        service, "/bin/sh", "-c", "ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status"
    )
    count, *masks = result.stdout.splitlines()
    assert int(count) <= 5
    assert masks[0].endswith("0000000000000000")


def test_run_of_nothing_that_exists(service):
    result = run(service, "/no/such/program")
    assert result.returncode == 127
    assert "/no/such/program" in result.stderr


def test_run_of_what_may_not_be_executed(service, tmp_path):
    file = tmp_path / "data"
    file.write_text("no program")
    assert run(service, file).returncode == 126


def test_run_searches_the_path(service):
    assert run(service, "true").returncode == 0


def test_run_passes_arguments_as_they_are(service):
    result = run(service, "printf", "[%s]", "a b", "$x", "--keras", "")
    assert result.stdout == "[a b][$x][--keras][]"


def test_run_goes_on_without_a_service(nowhere):
    result = ctl("run", "--keras", "0", "--", *PRINT_ENV, socket_path=nowhere)
    assert result.returncode == 0
    assert len(result.stderr.splitlines()) == 1
    env = json.loads(result.stdout)
    assert "ITEX_DISABLE_XLA" not in env
    assert "ITEXD_DECISION" not in env


def test_run_require(nowhere):
    result = ctl("run", "--require", "--", "echo", "ran", socket_path=nowhere)
    assert result.returncode == 69
    assert "ran" not in result.stdout


def test_run_goes_on_when_the_service_is_slow(impostor):
    path = impostor(None)
    result = ctl("run", "--timeout", "200ms", "--", "echo", "ran", socket_path=path)
    assert (result.returncode, result.stdout) == (0, "ran\n")


def test_run_rejected_executes_nothing(service):
    result = run(service, "echo", "ran", env={"ZE_AFFINITY_MASK": "x"})
    assert result.returncode == 1
    assert "ran" not in result.stdout
    assert "affinity-mask" in result.stderr


def test_run_with_devices_where_none_are_managed_is_75(service):
    result = run(service, "echo", "ran", options=["--gpus", "1"])
    assert result.returncode == 75
    assert "ran" not in result.stdout


def test_run_dry(service):
    before = service.status().decisions
    result = run(service, "echo", "ran", options=["--dry-run"])
    assert result.returncode == 0
    assert "ran\n" not in result.stdout.replace("echo ran", "")
    assert "ITEX_DISABLE_XLA" in result.stdout
    states = [
        json.loads(line)["state"]
        for line in service.ctl("query", "--json", "--limit", "1").stdout.splitlines()
    ]
    assert states != ["accepted"] or service.status().decisions == before


def test_run_advise_changes_nothing(service):
    env = json.loads(run(service, *PRINT_ENV, options=["--advise"]).stdout)
    assert "ITEX_DISABLE_XLA" not in env


def test_run_inside_run(service):
    inner = [str(ITEXCTL), "run", "--keras", "0", "--itex", "newest", "--", *PRINT_ENV]
    outer = run(service, *inner)
    assert outer.returncode == 0, outer.stderr
    env = json.loads(outer.stdout)
    inner_decision = json.loads(service.ctl("explain", env["ITEXD_DECISION"].split(":")[0], "--json").stdout)
    assert inner_decision["verdict"] == "ok", "the outer run had fixed it already"


def test_run_env_is_resolved_and_set(service):
    env = json.loads(
        run(service, *PRINT_ENV, options=["--env", "ITEX_VERBOSE=2", "--env", "OMP_NUM_THREADS=4"]).stdout
    )
    assert (env["ITEX_VERBOSE"], env["OMP_NUM_THREADS"]) == ("2", "4")


def test_run_around_a_launcher(service, tmp_path):
    """mpirun and the like: mode variables only, and the inner form is named."""
    launcher = tmp_path / "mpirun"
    launcher.write_text("#!/bin/sh\nenv\n")
    launcher.chmod(0o755)
    result = run(
        service, "mpirun", "-n", "4", "python", "train.py", env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert result.returncode == 0, result.stderr
    assert "ITEX_DISABLE_XLA=1" in result.stdout
    assert "ITEXD_LEASE" not in result.stdout
    assert "mpirun" in result.stderr
    assert "itexctl run" in result.stderr


def test_obligations_are_told(service):
    result = service.ctl("run", "--keras", "3", "--jit", "on", "--itex", "2.15.0.3", "--", *PRINT_ENV)
    assert "jit_compile=False" in result.stderr
    assert "jit_compile=False" in json.loads(result.stdout)["ITEXD_DECISION"]


def test_no_secrets_leave_the_job(service):
    service.ctl(
        "resolve", "--keras", "0", "--job", "private",
        env={"AWS_SECRET_ACCESS_KEY": "hunter2", "TF_VAR_password": "hunter2", "SLURM_JWT": "hunter2"},
    )  # fmt: skip
    assert b"hunter2" not in service.database.read_bytes()
    wal = service.database.with_name(service.database.name + "-wal")
    assert not wal.exists() or b"hunter2" not in wal.read_bytes()


# ---- Offline -----------------------------------------------------------------------------------------


def test_resolve_offline(nowhere):
    result = ctl(
        "resolve", "--offline", "--rules", RULES, "--keras", "0", "--itex", "newest", "--json",
        socket_path=nowhere,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert (shown["decision"], shown["recorded"], shown["mode"]) == (None, False, "npd")
    assert shown["ruleset"]["id"] is None


def test_alternatives(service):
    result = service.ctl("resolve", "--keras", "0", "--itex", "newest", "--alternatives", "--json")
    assert result.returncode == 0, result.stderr
    for alternative in json.loads(result.stdout)["alternatives"]:
        assert set(alternative) == {"env", "obligations", "mode"}
