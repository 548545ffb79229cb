"""itexctl run and a job's script: what it makes of it, and that a job runs whatever goes wrong.

The analyser is the tests' own (fake_analyser.py), so that a test decides what it finds and how it fails;
the service is real.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from fake_analyser import FakePackage
from harness import INSTRUMENTED, ITEXCTL, TIMEOUT, ctl, pb

PYTHON = "/usr/bin/python3"
SHOW = "import json, os, sys; print(json.dumps({'argv': sys.argv, 'env': dict(os.environ)}))\n"


@pytest.fixture
def package(tmp_path):
    return FakePackage(tmp_path)


@pytest.fixture
def job(shared_itexd, package, tmp_path, monkeypatch):
    """job(comments, command, options): runs a script with those comments; command has SCRIPT in its place."""
    folder = tmp_path / "job"
    folder.mkdir()
    os.utime(folder, (10**9, 10**9))

    def run(comments=(), command=(PYTHON, "train.py"), options=(), env=None, socket_path=None, **more):
        lines = [SHOW, *(f"# {comment}\n" for comment in comments)]
        (folder / "train.py").write_text("".join(lines))
        os.utime(folder, (10**9, 10**9))
        result = ctl(
            "run", *options, "--", *command, socket_path=socket_path or shared_itexd.socket,
            env={**package.env, **(env or {})}, cwd=folder, **more,
        )  # fmt: skip
        return result

    run.folder = folder
    run.service = shared_itexd
    os.utime(package.packages, (10**9, 10**9))
    return run


def decision_of(job, result):
    """The decision that the job ran under, as the service has it."""
    text = json.loads(result.stdout.splitlines()[-1])
    given = text["decision"] if "runner" in text else text["env"]["ITEXD_DECISION"]
    number = given.split(":")[0]
    return json.loads(job.service.ctl("explain", number, "--json").stdout)


# ---- What is taken from the script ---------------------------------------------------------------------


def test_facts_come_from_the_script_and_the_installation(job):
    result = job(["fact keras 3", "fact jit off", "installed itex 2.16.0", "hook"])
    assert result.returncode == 0, result.stderr
    decision = decision_of(job, result)
    assert decision["facts"]["keras"] == {"value": "3", "from": "script"}
    assert decision["facts"]["itex"] == {"value": "2.16.0", "from": "node"}
    assert decision["env"]["set"] == {"ITEX_DISABLE_XLA": "1"}
    assert json.loads(result.stdout)["env"]["ITEX_DISABLE_XLA"] == "1"


def test_what_is_declared_wins_and_the_difference_is_told(job):
    result = job(["fact keras 3", "hook"], options=["--keras", "2"])
    decision = decision_of(job, result)
    assert decision["facts"]["keras"] == {"value": "2", "from": "declared"}
    assert "fact-conflict" in [diagnostic["rule"] for diagnostic in decision["diagnostics"]]


def test_what_the_script_sets_is_its_own_to_change(job):
    result = job(["sets ITEX_OPS_OVERRIDE yes", "fact keras 0", "hook"], env={"ITEX_OPS_OVERRIDE": "0"})
    decision = decision_of(job, result)
    assert decision["predicted"]["outcome"] == "abort"
    assert decision["obligations"] == ["script:train.py:2"]
    assert "change train.py:2, which sets ITEX_OPS_OVERRIDE itself" in result.stderr


def test_the_last_assignment_counts(job):
    result = job(["sets ITEX_OPS_OVERRIDE yes", "sets ITEX_OPS_OVERRIDE 0", "fact keras 0", "hook"])
    assert decision_of(job, result)["obligations"] == []


def test_a_variable_that_may_be_set_is_not_counted(job):
    result = job(["perhaps ITEX_OPS_OVERRIDE yes", "fact keras 0", "hook"])
    assert decision_of(job, result)["predicted"]["outcome"] != "abort"


def test_what_the_script_takes_away(job):
    comments = ["fact keras 0", "installed itex 2.16.0", "takes ITEX_DISABLE_XLA", "hook"]
    result = job(comments, env={"ITEX_DISABLE_XLA": "1"})
    assert decision_of(job, result)["predicted"]["outcome"] == "slow"
    assert "change train.py:4, which takes ITEX_DISABLE_XLA away" in result.stderr


def test_a_flags_file_that_the_script_names(job):
    (job.folder / "flags").write_text("--tf_xla_auto_jit=2")
    result = job(["sets TF_XLA_FLAGS flags", "fact keras 0", "installed itex 2.15.0.3", "hook"])
    assert decision_of(job, result)["predicted"]["mode"] == "npd+xla"


def test_no_check(job, package):
    result = job(["fact keras 3"], options=["--no-check"])
    assert decision_of(job, result)["facts"]["keras"]["value"] is None
    assert package.calls() == []
    assert json.loads(result.stdout)["argv"] == ["train.py"]
    assert job(options=["--no-check", "--script", "train.py"]).returncode == 2


def test_a_program_that_is_no_python_starts_none(job, package):
    result = job(command=["/bin/true"])
    assert (result.returncode, result.stderr) == (0, "")
    assert package.calls() == []


def test_the_script_is_named_where_it_cannot_be_found(job, package):
    (job.folder / "job.sh").write_text(f"#!/bin/sh\nexec {PYTHON} train.py\n")
    (job.folder / "job.sh").chmod(0o755)
    assert decision_of(job, job(["fact keras 3"], command=["./job.sh"]))["facts"]["keras"]["value"] is None
    assert package.calls() == []
    result = job(["fact keras 3"], command=["./job.sh"], options=["--script", "train.py", "--python", PYTHON])
    assert decision_of(job, result)["facts"]["keras"]["value"] == "3"
    assert "without the hook" in result.stderr
    assert "./job.sh" in result.stderr
    missing = job(command=["./job.sh"], options=["--script", "absent.py"])
    assert missing.returncode == 2
    assert "absent.py" in missing.stderr


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ([PYTHON, "-m", "train", "a"], ["-m", "train"]),
        (["env", "X=1", "nice", PYTHON, "-u", "train.py"], ["train.py"]),
        ([PYTHON, "-Es", "train.py"], ["train.py"]),
        ([PYTHON, "-c", "import os  # fact keras 3"], ["-c", "import os  # fact keras 3"]),
        ([PYTHON, "-m", "json.tool", "--help"], ["-m", "json.tool"]),
        ([PYTHON, "-Im", "json.tool", "--help"], ["-c", ""]),
        ([PYTHON, "-"], ["-c", ""]),
    ],
)
def test_what_the_analyser_is_asked(job, package, command, arguments):
    assert job(["fact keras 3"], command=command).returncode == 0
    (call,) = package.calls()
    assert call["arguments"] == ["--json", *arguments]
    assert "ITEXD_DECISION" not in call["environment"]
    assert ("X" in call["environment"]) == ("X=1" in command)


def test_an_installed_module_is_no_mistake_and_is_kept(job, package):
    for _ in range(2):
        result = job(command=[PYTHON, "-m", "json.tool", "--help"])
        assert (result.returncode, result.stderr) == (0, "")
    assert len(package.calls()) == 1


def test_what_is_typed_has_no_hook(job):
    leader, follower = pty.openpty()
    try:
        os.write(leader, b"\x04")
        result = job(command=[PYTHON, "-"], stdin=follower)
    finally:
        os.close(leader)
        os.close(follower)
    assert result.returncode == 0
    assert "without the hook" in result.stderr
    assert "typed" in result.stderr


def test_the_analyser_knows_what_run_is_going_to_do(job, package):
    job(
        options=[
            "--itex",
            "2.15.0.3",
            "--bind",
            "rank",
            "--gpus",
            "1",
            "--allow-none",
            "--env",
            "ITEX_VERBOSE=2",
        ]
    )
    (call,) = package.calls()
    assert call["arguments"] == ["--json", "--itex", "2.15.0.3", "--bind", "rank", "train.py"]
    assert call["environment"]["ITEX_VERBOSE"] == "2"


# ---- The command that is run ---------------------------------------------------------------------------


def test_the_runner_is_put_in_front_where_there_is_no_hook(job, package):
    result = job(["fact keras 0"], command=[PYTHON, "-u", "train.py", "--lr", "a b"])
    assert json.loads(result.stdout)["runner"] == ["train.py", "--lr", "a b"]
    with_hook = job(["fact keras 0", "hook"], command=[PYTHON, "train.py", "--lr"])
    assert json.loads(with_hook.stdout)["argv"] == ["train.py", "--lr"]


def test_a_command_that_has_the_runner_already_keeps_it(job, package):
    """As it is copied from --dry-run."""
    result = job(["fact keras 3"], command=[PYTHON, str(package.runner), "train.py", "x"])
    assert json.loads(result.stdout)["runner"] == ["train.py", "x"]
    assert package.calls()[0]["arguments"] == ["--json", "train.py"]
    assert decision_of(job, result)["facts"]["keras"]["value"] == "3"


def test_a_missing_runner_is_told_and_the_job_runs(job, package):
    package.runner.unlink()
    result = job(["fact keras 0"])
    assert json.loads(result.stdout)["argv"] == ["train.py"]
    assert "runs without the hook" in result.stderr
    assert str(package.runner) in result.stderr


def test_an_env_in_the_command_does_not_undo_the_decision(job):
    comments = ["fact keras 0", "installed itex 2.16.0", "hook"]
    for words in (["ITEX_DISABLE_XLA=0"], ["-u", "ITEX_DISABLE_XLA"], ["-i"]):
        result = job(comments, command=["env", *words, "KEPT=1", PYTHON, "train.py"])
        env = json.loads(result.stdout)["env"]
        assert env["ITEX_DISABLE_XLA"] == "1", words
        assert env["KEPT"] == "1"
        assert env["ITEXD_DECISION"]
        assert ("LANG" in env) == (words != ["-i"])


def test_env_of_the_command_is_what_is_decided_for(job):
    result = job(["fact keras 0", "installed itex 2.16.0", "hook"],
                 command=["env", "ITEX_DISABLE_XLA=1", PYTHON, "train.py"])  # fmt: skip
    assert decision_of(job, result)["verdict"] == "ok"
    assert result.stderr == ""


def test_a_shebang_and_its_env(job):
    script = job.folder / "run-me"
    script.write_text(f"#!/usr/bin/env -S ITEX_DISABLE_XLA=0 {PYTHON} -u\n{SHOW}# fact keras 0\n"
                      "# installed itex 2.16.0\n# hook\n")  # fmt: skip
    script.chmod(0o755)
    result = job(command=["./run-me", "x"])
    shown = json.loads(result.stdout)
    assert shown["argv"] == ["./run-me", "x"]
    assert shown["env"]["ITEX_DISABLE_XLA"] == "1"


def test_require_mode_is_told_to_the_hook(job):
    with_nothing = job(["fact keras 0", "hook"], options=["--require-mode"])
    assert json.loads(with_nothing.stdout)["env"]["ITEXD_DECISION"].split(":", 2)[2] == "require-mode"
    comments = ["fact keras 3", "fact jit on", "installed itex 2.15.0.3", "hook"]
    shown = json.loads(job(comments, options=["--require-mode"]).stdout)
    assert shown["env"]["ITEXD_DECISION"].split(":", 2)[2] == "jit_compile=False,require-mode"
    for command in (["/bin/sh", "-c", "true"], [PYTHON, "train.py"]):
        result = job(["crash"], command=command, options=["--require-mode"])
        assert result.returncode == 0
        assert result.stderr.count("require-mode") == 1
    assert "require-mode" in job(["crash"], options=["--require-mode", "--quiet"]).stderr


def test_nested_runs_talk_once(job):
    comments = ["fact keras 3", "fact jit off", "installed itex 2.16.0", "error gpu-name nothing here"]
    result = job(comments, command=[str(ITEXCTL), "run", "--", PYTHON, "train.py"])
    assert "runner" in json.loads(result.stdout)
    assert result.stderr.count("gpu-name") == 1


def test_around_a_launcher_nothing_is_analysed(job, package):
    launcher = job.folder / "mpirun"
    launcher.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    launcher.chmod(0o755)
    result = job(["fact keras 0"], command=["nice", "./mpirun", "-n", "4", PYTHON, "train.py"])
    assert result.returncode == 0
    assert "mpirun is a launcher" in result.stderr
    assert package.calls() == []
    named = job(["fact keras 0", "installed itex 2.16.0"], options=["--script", "train.py", "--quiet"],
                command=["./mpirun", "-n", "4", PYTHON, "train.py"])  # fmt: skip
    assert json.loads(named.stdout)["env"]["ITEX_DISABLE_XLA"] == "1"


# ---- What is told --------------------------------------------------------------------------------------


def test_errors_are_told_one_by_one_and_warnings_counted(job):
    comments = [*(f"error rule-{i} this is wrong" for i in range(8)), "warning a-rule b", "info c d", "hook"]
    result = job(["fact keras 0", *comments], env={"ITEX_DISABLE_XLA": "1"})
    lines = result.stderr.splitlines()
    assert lines[0] == "itexctl: train.py:3:5: error: this is wrong [rule-0]"
    assert len(lines) == 7
    assert "3 more errors" in lines[5]
    assert "1 warning about train.py" in lines[6]
    quiet = job(["fact keras 0", *comments], env={"ITEX_DISABLE_XLA": "1"}, options=["--quiet"])
    assert len(quiet.stderr.splitlines()) == 6


def test_what_the_decision_repairs_is_not_told_again(job):
    comments = ["fact keras 3", "fact import_order keras-first", "installed itex 2.16.0"]
    finding = "error import-order keras comes first"
    assert "import-order" not in job([*comments, finding]).stderr.replace("import-tensorflow-first", "")
    applied = job(
        ["fact keras 3", "fact jit off", "installed itex 2.16.0", "error keras3-5 as it is", "hook"]
    )
    assert "keras3-5" not in applied.stderr


def test_a_message_cannot_paint_the_terminal(job):
    result = job(["error gpu-name a\x1b[31mred", "hook"])
    assert "\x1b" not in result.stderr


def test_dry_run_shows_everything(job, package):
    comments = [
        "fact keras 3",
        "fact jit off",
        "installed itex 2.16.0",
        "sets ITEX_VERBOSE 1",
        "error gpu-name no GPU",
    ]
    result = job(comments, options=["--dry-run"])
    assert result.returncode == 0
    assert "verbose=" not in result.stdout, "what follows from a variable is shown as the variable"
    unwrapped = " ".join(result.stdout.split())
    for text in (
        "train.py", PYTHON, "keras=3 (train.py:2:1", "itex=2.16.0 (installed)", "ITEX_VERBOSE=1 (train.py:5)",
        "train.py:6:5: error: no GPU [gpu-name]", "keras3-5", "ITEX_DISABLE_XLA=1", "runner.py train.py",
    ):  # fmt: skip
        assert text in unwrapped, text
    assert "argv" not in result.stdout
    shown = json.loads(job(comments, options=["--dry-run", "--json"]).stdout)
    assert shown["run"]["facts"]["keras"]["line"] == 2
    assert shown["run"]["hook"] == "bundled"
    assert shown["run"]["command"] == [PYTHON, str(package.runner), "train.py"]
    assert shown["run"]["changes"]["ITEX_DISABLE_XLA"] == "1"
    unknown = job(command=["conda", "run", "-n", "absent", "python", "train.py"], options=["--dry-run"])
    assert "absent" in unknown.stdout


# ---- Whatever goes wrong with the analysis, the job runs -----------------------------------------------


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("crash", ["status 1", "the analyser has a bug"]),
        ("garbage", ["not understood"]),
        ("old", ["Python 3.9"]),
        ("fact colour red", ["colour"]),
        ("fact keras 7", ["keras", "7"]),
        ("hang", ["after 300 ms"]),
    ],
)
def test_a_failing_analysis_is_one_line_and_no_facts(job, package, comment, words):
    result = job(
        ["fact keras 0", comment], env={"ITEX_DISABLE_XLA": "1"}, options=["--check-timeout", "300ms"]
    )
    if comment != "hang" and "after 300 ms" in result.stderr:  # a slow machine
        result = job(["fact keras 0", comment], env={"ITEX_DISABLE_XLA": "1"})
    assert result.returncode == 0
    (line,) = result.stderr.splitlines()
    for word in ["train.py", *words]:
        assert word in line
    assert json.loads(result.stdout)["argv"] == ["train.py"]
    assert decision_of(job, result)["facts"]["keras"]["value"] is None


def test_without_an_analyser(job, tmp_path):
    result = job(
        ["fact keras 0"], env={"ITEXD_PYTHON_DIR": str(tmp_path / "nowhere"), "ITEX_DISABLE_XLA": "1"}
    )
    assert result.returncode == 0
    (line,) = result.stderr.splitlines()
    assert "ITEXD_PYTHON_DIR" in line


def test_a_python_that_is_not_there(job):
    result = job(command=["python3.99", "train.py"])
    assert result.returncode == 127
    assert result.stderr.splitlines()[-1] == "itexctl: python3.99: command not found"


def test_a_script_that_is_not_there_is_pythons_to_say(job, package):
    result = job(command=[PYTHON, "absent.py"])
    assert result.returncode == 2
    assert "itexctl" not in result.stderr
    assert package.calls() == []


def test_the_input_is_the_jobs(job):
    read, write = os.pipe()
    os.write(write, b"for the job")
    os.close(write)
    with open(read) as stdin:
        result = job(command=[PYTHON, "-c", "import sys; print(sys.stdin.read())  # hook"], stdin=stdin)
    assert result.stdout == "for the job\n"


# ---- The cache -----------------------------------------------------------------------------------------


def test_the_second_time_no_python_is_started_to_analyse(job, package):
    for _ in range(3):
        assert decision_of(job, job(["fact keras 3", "hook"]))["facts"]["keras"]["value"] == "3"
    assert len(package.calls()) == 1
    assert decision_of(job, job(["fact keras 2", "hook"]))["facts"]["keras"]["value"] == "2"
    assert len(package.calls()) == 2
    job(["fact keras 2", "hook"], options=["--no-cache"])
    assert len(package.calls()) == 3


def test_what_a_script_imports_counts_too(job, package):
    helper = job.folder / "helper.py"
    helper.write_text("# fact keras 3\n")
    comments = ["imports helper.py", "hook"]
    assert decision_of(job, job(comments))["facts"]["keras"]["value"] == "3"
    job(comments)
    assert len(package.calls()) == 1
    helper.write_text("# fact keras 2\n")
    assert decision_of(job, job(comments))["facts"]["keras"]["value"] == "2"


def test_ranks_that_start_together_analyse_once(job, package):
    (job.folder / "train.py").write_text("# slow\n# fact keras 3\n# hook\n")
    os.utime(job.folder, (10**9, 10**9))
    environment = {
        **INSTRUMENTED, **package.env, "PATH": os.environ["PATH"], "ITEXD_SOCKET": str(job.service.socket),
    }  # fmt: skip
    command = [ITEXCTL, "run", "--quiet", "--job", "together", "--", PYTHON, "train.py"]
    ranks = [subprocess.Popen(command, cwd=job.folder, env=environment) for _ in range(8)]
    assert [rank.wait(TIMEOUT) for rank in ranks] == [0] * 8
    assert len(package.calls()) == 1
    decisions = job.service.ctl("query", "--job", "together", "--json").stdout.splitlines()
    assert [json.loads(line)["facts"]["keras"]["value"] for line in decisions] == ["3"] * 8


def test_a_cache_of_another_user_is_not_used(job, package, as_root):
    job(["fact keras 3", "hook"])
    shutil.chown(package.folder / "itexctl", 65534, 65534)
    job(["fact keras 3", "hook"], env={"TMPDIR": str(package.folder)})
    assert len(package.calls()) == 2


# ---- resolve and env -----------------------------------------------------------------------------------


def test_resolve_and_env_take_facts_from_a_script(job, package):
    job(["fact keras 3", "fact jit off", "installed itex 2.16.0"], command=["/bin/true"])
    options = ["--script", "train.py", "--python", PYTHON]
    service = job.service.socket
    shown = ctl("resolve", "--json", *options, socket_path=service, env=package.env, cwd=job.folder)
    assert json.loads(shown.stdout)["facts"]["keras"] == {"value": "3", "from": "script"}
    text = ctl("resolve", *options, socket_path=service, env=package.env, cwd=job.folder)
    assert "keras=3 (train.py:2:1" in text.stdout
    made = ctl("env", *options, socket_path=service, env=package.env, cwd=job.folder)
    assert "export ITEX_DISABLE_XLA='1';" in made.stdout
    missing = ctl("env", "--script", "absent.py", socket_path=service, env=package.env, cwd=job.folder)
    assert (missing.returncode, missing.stdout) == (2, "(exit 2);\n")


# ---- The service is away -------------------------------------------------------------------------------


def hello_reply(**fields):
    return pb.ServerPacket(reply=pb.Reply(id=1, hello=pb.HelloReply(**fields))).SerializeToString()


@pytest.fixture
def other_service(tmp_path):
    """A socket behind which nobody answers, or somebody answers hello with that."""
    path = tmp_path / "other.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threads = []

    def make(answer):
        listener.bind(str(path))
        listener.listen()

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                if answer is not None:
                    connection.send(answer)
                while connection.recv(65536):
                    pass

        if answer is not None:
            threads.append(threading.Thread(target=serve, daemon=True))
            threads[-1].start()
        return path

    yield make
    for thread in threads:
        thread.join(TIMEOUT)
    listener.close()


@pytest.mark.parametrize("how", ["absent", "hung", "newer"])
def test_without_a_service_the_script_runs_and_one_line_says_so(job, other_service, tmp_path, how):
    if how == "absent":
        path = tmp_path / "absent.sock"
    elif how == "hung":
        path = other_service(None)
    else:
        path = other_service(hello_reply(name="itexd", major=9, minor=0, minimum_major=9, version="9.0.0"))
    result = job(["fact keras 0"], socket_path=path, options=["--timeout", "300ms"])
    shown = json.loads(result.stdout)
    assert shown["argv"] == ["train.py"]
    assert "ITEXD_DECISION" not in shown["env"]
    (line,) = result.stderr.splitlines()
    assert "without a decision" in line
    assert str(path) in line
    dry = job(["fact keras 0"], socket_path=tmp_path / "absent.sock", options=["--dry-run"])
    assert "keras=0 (train.py:2:1" in dry.stdout


def test_restarted_while_the_job_runs(make_itexd, package, tmp_path):
    service = make_itexd().start()
    (tmp_path / "train.py").write_text("print('began', flush=True); input(); print('ended')  # hook\n")
    environment = {
        **INSTRUMENTED,
        **package.env,
        "PATH": os.environ["PATH"],
        "ITEXD_SOCKET": str(service.socket),
    }
    process = subprocess.Popen(
        [ITEXCTL, "run", "--keras", "0", "--", PYTHON, "train.py"], cwd=tmp_path, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "began\n", process.stderr.read()
    service.restart()
    out, errors = process.communicate("\n", timeout=TIMEOUT)
    assert (process.returncode, out) == (0, "ended\n")
    assert len(errors.splitlines()) <= 1, errors
    made = json.loads(service.ctl("query", "--json", "--limit", "1").stdout)
    assert made["state"] == "accepted"


# ---- Ranks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rank",
    [
        {"OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
        {"MPI_LOCALRANKID": "1"},
        {"PALS_LOCAL_RANKID": "3"},
        {"FLUX_TASK_LOCAL_ID": "1"},
        {"HOROVOD_LOCAL_RANK": "1"},
        {"SLURM_LOCALID": "1"},
    ],
)
def test_only_the_first_rank_of_a_node_talks(job, tmp_path, rank):
    comments = ["fact keras 3", "fact jit off", "installed itex 2.16.0", "error gpu-name no", "warning w w"]
    first = {name: "0" if value != "2" else value for name, value in rank.items()}
    assert job(comments, env=first).stderr != ""
    assert job(comments, env=rank).stderr == ""
    assert job(comments, env=rank, socket_path=tmp_path / "absent").stderr == ""


MPIRUN = shutil.which("mpirun")


@pytest.mark.skipif(MPIRUN is None, reason="openmpi-bin is not installed")
def test_ranks_under_mpirun_share_one_lease(make_itexd, simulated, package, tmp_path):
    gpus = simulated(cards=4, tiles=2)
    service = make_itexd(devices=gpus).start()
    out = tmp_path / "out"
    out.mkdir()
    names = "['ITEXD_LEASE', 'ITEXD_LOCAL_DEVICE', 'ZE_AFFINITY_MASK', 'ITEXD_DECISION', 'ITEX_DISABLE_XLA']"
    (tmp_path / "train.py").write_text(
        f"import json, os, time\nrank = os.environ['OMPI_COMM_WORLD_LOCAL_RANK']\n"
        f"shown = {{name: os.environ.get(name) for name in {names}}}\n"
        f"open('{out}/' + rank, 'w').write(json.dumps(shown))\n"
        # as in MPI_Init, none goes on before all are there
        f"while len(os.listdir('{out}')) < 4: time.sleep(0.01)\n"
        "# fact keras 3\n# fact jit off\n# installed itex 2.16.0\n# hook\n# warning late-jit so it is\n"
    )
    environment = {
        **INSTRUMENTED, **package.env, "PATH": os.environ["PATH"], "HOME": str(tmp_path),
        "ITEXD_SOCKET": str(service.socket), "TMPDIR": "/tmp",
    }  # fmt: skip
    launcher = [MPIRUN, "--allow-run-as-root", "--oversubscribe", "-np", "4"]
    result = subprocess.run(
        [*launcher, str(ITEXCTL), "run", "--", PYTHON, "train.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=6 * TIMEOUT,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    ranks = [json.loads((out / str(rank)).read_text()) for rank in range(4)]
    assert len({rank["ITEXD_LEASE"] for rank in ranks}) == 1
    assert {rank["ZE_AFFINITY_MASK"] for rank in ranks} == {"0,1,2,3"}
    assert sorted(rank["ITEXD_LOCAL_DEVICE"] for rank in ranks) == ["0", "1", "2", "3"]
    assert {rank["ITEX_DISABLE_XLA"] for rank in ranks} == {"1"}
    assert len({rank["ITEXD_DECISION"] for rank in ranks}) == 4, "a decision of its own each"
    spoken = [line for line in result.stderr.splitlines() if "itexctl: " in line]
    assert sum("mode npd" in line for line in spoken) == 1, spoken
    assert sum("1 warning" in line for line in spoken) == 1, spoken
    decisions = [json.loads(line) for line in service.ctl("query", "--json").stdout.splitlines()]
    assert {(decision["mode"], decision["verdict"]) for decision in decisions} == {("npd", "fixed")}
    assert len({decision["lease"]["id"] for decision in decisions}) == 1


# ---- What must not happen ------------------------------------------------------------------------------


def test_interrupting_ends_the_analysis_too(job, package):
    (job.folder / "train.py").write_text("# hang\n")
    environment = {
        **INSTRUMENTED,
        **package.env,
        "PATH": os.environ["PATH"],
        "ITEXD_SOCKET": str(job.service.socket),
    }
    process = subprocess.Popen([ITEXCTL, "run", "--", PYTHON, "train.py"], cwd=job.folder, env=environment)
    for _ in range(int(TIMEOUT * 100)):
        if package.calls():
            break
        threading.Event().wait(0.01)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    descriptor = os.pidfd_open(int(child))
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) == -signal.SIGINT
    assert select.select([descriptor], [], [], TIMEOUT)[0], "the analyser goes on"
    os.close(descriptor)


def test_run_execs_still(job):
    environment = {"PATH": os.environ["PATH"], "ITEXD_SOCKET": str(job.service.socket)}
    process = subprocess.Popen(
        [ITEXCTL, "run", "--keras", "0", "--", PYTHON, "-c", "import os; print(os.getpid(), os.getppid())"],
        env={**environment, **INSTRUMENTED}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.communicate(timeout=TIMEOUT)[0].split() == [str(process.pid), str(os.getpid())]
