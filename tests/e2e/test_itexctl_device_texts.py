"""What itexctl makes of what a service says about devices: answers made up, by a service played here."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import tempfile
import threading
from pathlib import Path

import pytest
from harness import MAJOR, MAX_PACKET, MINOR, ctl, pb

HOUR = 3600 * 1000
COLUMNS = ["ID", "NAME", "PCI", "TILES", "MEMORY", "STATE", "HOLDER", "TEMP", "POWER", "USE"]
THEN = 1_750_000_000_000  # 2025-06-15T15:06:40Z


class Played:
    """A service with an answer for each kind of request; keeps what it was asked."""

    def __init__(self, folder, answers):
        self.path = Path(folder) / "itexd.sock"
        self.answers = answers
        self.asked = []
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(str(self.path))
        self.listening.listen(8)
        self.ending, self.end = os.pipe()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def close(self):
        os.close(self.end)
        self.thread.join()
        os.close(self.ending)
        self.listening.close()

    def readable(self, thing):
        ready, _, _ = select.select([thing, self.ending], [], [])
        return self.ending not in ready

    def serve(self):
        while self.readable(self.listening):
            connection, _ = self.listening.accept()
            with connection, contextlib.suppress(ConnectionError):
                self.speak(connection)

    def speak(self, connection):
        while self.readable(connection):
            data = connection.recv(MAX_PACKET)
            if not data:
                return
            request = pb.Request.FromString(data)
            for packet in self.answer(request):
                connection.send(packet.SerializeToString())

    def answer(self, request):
        kind = request.WhichOneof("body")
        reply = pb.ServerPacket(reply=pb.Reply(id=request.id)).reply
        if kind == "hello":
            reply.hello.MergeFrom(pb.HelloReply(name="itexd", major=MAJOR, minor=MINOR, minimum_major=MAJOR))
            return [pb.ServerPacket(reply=reply)]
        self.asked.append(getattr(request, kind))
        before = []
        for message in self.answers[kind]:
            if isinstance(message, pb.Event):
                before.append(pb.ServerPacket(event=message))
            elif isinstance(message, pb.Error):
                reply.error.MergeFrom(message)
            else:
                for field in pb.Reply.DESCRIPTOR.oneofs_by_name["body"].fields:
                    if field.message_type is message.DESCRIPTOR:
                        getattr(reply, field.name).SetInParent()
                        getattr(reply, field.name).MergeFrom(message)
        return [*before, pb.ServerPacket(reply=reply)]


@pytest.fixture
def played():
    """played(kind=answer or [event, ..., answer]): a service that gives them."""
    with tempfile.TemporaryDirectory(prefix="itexd-played-", dir="/tmp") as folder:
        made = []

        def make(**answers):
            listed = {kind: a if isinstance(a, list) else [a] for kind, a in answers.items()}
            made.append(Played(folder, listed))
            return made[0]

        yield make
        for service in made:
            service.close()


def ask(service, *arguments, columns=80, **options):
    return ctl(*arguments, socket_path=service.path, env={"COLUMNS": str(columns)}, **options)


def metric(name, unit, value=None, missing=None, **more):
    return pb.Metric(name=name, unit=unit, value=value, missing=missing, **more)


def device(number, **more):
    """A card of which much is known; by name what is different."""
    known = {
        "id": number,
        "key": f"0000:{number}a:00.0",
        "bdf": f"0000:{number}a:00.0",
        "uuid": f"0000000{number}-0000-0000-0000-000000000000",
        "name": "Intel(R) Data Center GPU Max 1550",
        "tiles": [pb.TileInfo(uuid=f"tile {t}", memory_bytes=64 << 30) for t in range(2)],
        "memory_bytes": 128 << 30,
        "state": "healthy",
        "drained": False,
        "holder": "",
        "metrics": [
            metric("temperature", "C", 61.4),
            metric("power", "W", 412.7),
            metric("utilisation", "", 0.985),
        ],
    }
    return pb.DeviceInfo(**{**known, **more})


def test_the_table_fits_a_narrow_terminal_and_a_pipe_gets_all(played):
    cards = [
        device(3, holder="uid 1000 job 123456.a-scheduler.example"),
        device(
            4, state="degraded", drained=True, metrics=[metric("temperature", "C", missing="not permitted")]
        ),
        device(5, drained=True),
    ]
    service = played(devices=pb.DevicesReply(devices=cards))
    lines = ask(service, "devices").stdout.splitlines()
    assert lines[0].split() == COLUMNS
    assert all(len(line) <= 80 for line in lines), lines
    assert all(word in lines[1] for word in ("3a:00.0", "128 GiB", "healthy", "61 C", "413 W", "98%"))
    assert "degraded, drained" in lines[2]
    assert lines[2].split()[-3:] == ["-", "-", "-"], "what is not measured is no number"
    assert " drained " in lines[3]
    wide = ctl("devices", socket_path=service.path).stdout
    assert "Intel(R) Data Center GPU Max 1550" in wide
    assert "uid 1000 job 123456.a-scheduler.example" in wide


@pytest.mark.parametrize("columns", [80, 200])
def test_what_is_no_real_gpu_is_marked_on_each_line(played, columns):
    service = played(
        devices=pb.DevicesReply(devices=[device(3), device(4)], substitute="SIMULATED"),
        device_show=pb.DeviceShowReply(
            device=device(3, kernel_driver="xe", first_seen_ms=THEN, last_seen_ms=THEN + HOUR, cause="hot"),
            events=[pb.DeviceEvent(time_ms=THEN, kind="health", text="degraded: " + "very hot " * 20)],
            substitute="SIMULATED",
        ),
        leases=pb.LeasesReply(
            leases=[pb.LeaseInfo(id=7, state="accepted", sharing="exclusive", uid=0)],
            waiting=[
                pb.LeaseWaiting(position=1, wants="2 tiles, exclusive", why="they are held by lease 7 " * 8)
            ],
            substitute="SIMULATED",
        ),
    )
    for command in (["devices"], ["devices", "3"], ["leases"]):
        lines = ask(service, *command, columns=columns).stdout.splitlines()
        assert lines
        assert all(line.startswith("SIMULATED") for line in lines), lines
        assert all(len(line) <= columns for line in lines), lines


def test_one_device_says_what_is_not_known(played):
    shown = device(
        3,
        metrics=[
            metric("temperature", "C", 61.4, mean=55.0, highest=80.0),
            metric("memory_temperature", "C", missing="not permitted"),
            metric("power", "W", missing="not available"),
            metric("throttle", "", 9),
            metric("memory_used", "B", float(3 << 30)),
            metric("memory_read", "B/s", 2.5 * (1 << 20)),
            metric("reset_required", "", 0),
        ],
        foreign=[pb.ForeignUse(pid=12, uid=1000, command="python"), pb.ForeignUse()],
        numa_node=1,
        cpus="28-55",
        sampled_ms=THEN,
    )
    service = played(device_show=pb.DeviceShowReply(device=shown))
    said = ask(service, "devices", "3").stdout

    def line(name):
        return next(each[len(name) :] for each in said.splitlines() if each.startswith(name + " "))

    assert line("temperature").split() == ["61", "C", "55", "C", "80", "C"]
    assert "not permitted" in line("memory temperature")
    assert "telemetry.conf" in said
    assert "not available" in line("power")
    assert "average power, heat" in line("throttle")
    assert "3 GiB" in line("memory used")
    assert "2.5 MiB/s" in line("memory read")
    assert line("reset required").split()[0] == "no"
    assert "process 12 (python) of uid 1000" in said
    assert "a process of somebody else" in said
    assert "node 1, processors 28-55" in said
    assert service.asked[0].device == "3"

    told = json.loads(ask(service, "devices", "3", "--json").stdout)
    assert told["device"]["metrics"]["power"] == {
        "value": None, "unit": "W", "missing": "not available", "mean": None, "highest": None,
    }  # fmt: skip
    assert told["device"]["metrics"]["throttle"]["value"] == 9
    assert told["device"]["numa_node"] == 1
    assert told["substitute"] is None


def test_no_devices_is_said_with_its_layer(played):
    service = played(devices=pb.DevicesReply(none="no PCI device of Intel"))
    result = ask(service, "devices")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "itexctl: no devices: no PCI device of Intel\n"
    assert json.loads(ask(service, "devices", "--json").stdout) == {
        "devices": [], "none": "no PCI device of Intel", "substitute": None,
    }  # fmt: skip


def test_leases_of_others_have_no_names(played):
    service = played(
        leases=pb.LeasesReply(
            leases=[
                pb.LeaseInfo(
                    id=7,
                    uid=1000,
                    job="17",
                    sharing="exclusive",
                    state="accepted",
                    mine=True,
                    granted_ms=THEN,
                    devices=[pb.Device(bdf="0000:3a:00.0", tile=t) for t in range(2)],
                    holders=[pb.LeaseHolder(pid=4711, command="python", state="accepted", local_rank=0)],
                ),
                pb.LeaseInfo(
                    id=8, sharing="shared", state="draining", devices=[pb.Device(bdf="0001:4a:00.0")]
                ),
            ],
            waiting=[pb.LeaseWaiting(position=1, wants="1 card, exclusive", why="waits for 0000:3a:00.0")],
            omitted=3,
        )
    )
    said = ask(service, "leases", columns=120).stdout.splitlines()
    assert "3a:00.0/0 3a:00.0/1" in said[1]
    assert "4711 python" in said[1]
    assert said[2].split() == ["8", "draining", "shared", "-", "-", "0001:4a:00.0", "-"]
    assert said[5].startswith("  1. somebody else: 1 card, exclusive")
    assert said[-1] == "and 3 more"
    told = json.loads(ask(service, "leases", "--json", "--mine").stdout)
    assert service.asked[-1].mine
    assert told["leases"][1]["uid"] is None
    assert told["leases"][0]["devices"][1] == {"uuid": None, "bdf": "0000:3a:00.0", "tile": 1, "name": None}
    assert told["waiting"][0]["pid"] is None


def test_values_do_not_steer_the_terminal(played):
    evil = "a\x1b[2J\u202eb\nc"
    service = played(
        devices=pb.DevicesReply(devices=[device(3, name=evil, holder=evil)]),
        device_show=pb.DeviceShowReply(
            device=device(3, name=evil, cause=evil, links=[evil]), events=[pb.DeviceEvent(text=evil)]
        ),
        leases=pb.LeasesReply(
            leases=[pb.LeaseInfo(id=1, job=evil, state=evil)], waiting=[pb.LeaseWaiting(why=evil)]
        ),
    )
    for command in (
        ["devices"],
        ["devices", "3"],
        ["leases"],
        ["devices", "3", "--json"],
        ["leases", "--json"],
    ):
        said = ask(service, *command).stdout
        assert "\x1b" not in said, command
        assert "\u202e" not in said or "--json" in command, command


def decision(**more):
    outcome = pb.Outcome(verdict="fixed", mode="npd", env=[pb.Variable(name="ZE_AFFINITY_MASK", value="0")])
    return pb.Decision(**{"id": 42, "recorded": True, "state": "offered", "outcome": outcome, **more})


def lease(**more):
    return pb.Lease(id=7, sharing="exclusive", state="offered", **more)


def test_run_sets_the_lease_and_says_whose_device(played):
    given = decision(
        substitute="SIMULATED",
        devices=[pb.Device(bdf="0000:3a:00.0", tile=t, name="GPU") for t in range(2)],
        lease=lease(local_device=1),
    )
    service = played(resolve=given, accept=pb.Done(), explain=given, status=pb.Status())
    result = ask(service, "run", "--", "sh", "-c", "echo $ITEXD_LEASE $ITEXD_LOCAL_DEVICE $ZE_AFFINITY_MASK")
    assert result.stdout == "7 1 0\n"
    assert result.stderr.startswith("itexctl: SIMULATED fixed: mode npd")
    asked = service.asked[0].devices
    assert (asked.count, asked.by_default) == (1, True)
    assert service.asked[1].decision == 42

    story = ask(service, "explain", "42").stdout.splitlines()
    assert all(line.startswith("SIMULATED") for line in story)
    assert any("0000:3a:00.0, tile 1, GPU (its own)" in line for line in story)
    assert any("7, exclusive, offered" in line for line in story)


def test_a_launcher_gets_no_device_and_no_lease(played):
    service = played(resolve=decision(), accept=pb.Done())
    with tempfile.TemporaryDirectory() as folder:
        launcher = Path(folder) / "mpirun"
        launcher.write_text("#!/bin/sh\necho lease=$ITEXD_LEASE local=$ITEXD_LOCAL_DEVICE\n")
        launcher.chmod(0o755)
        result = ask(service, "run", "--", launcher)
    assert result.stdout == "lease= local=\n"
    assert not service.asked[0].HasField("devices")
    assert len(service.asked) == 1, "the ranks accept for themselves"


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ([], {"count": 1, "by_default": True}),
        (["--gpus", "2:tile"], {"count": 2, "tiles": True}),
        (["--memory", "8G"], {"count": 1, "memory_bytes": 8 << 30, "by_default": False}),
        (["--gpus", "1", "--numa", "1", "--bind", "rank"], {"numa": 1, "bind": "rank"}),
        (["--gpus", "1", "--shared", "--model", "Max", "--wait", "2s"], {"shared": True, "wait_ms": 2000}),
    ],
)
def test_what_run_asks_for(played, options, sent):
    service = played(resolve=decision(), accept=pb.Done())
    assert ask(service, "run", *options, "--", "true").returncode == 0
    asked = service.asked[0].devices
    assert {name: getattr(asked, name) for name in sent} == sent


def test_gpus_0_asks_for_none(played):
    service = played(resolve=decision(), accept=pb.Done())
    assert ask(service, "run", "--gpus", "0", "--", "true").returncode == 0
    assert not service.asked[0].HasField("devices")


def test_ranks_and_an_inherited_lease_are_sent(played):
    service = played(resolve=decision(), accept=pb.Done())
    ranks = {"OMPI_COMM_WORLD_LOCAL_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "3", "ITEXD_LEASE": "9"}
    assert ctl("run", "--", "true", socket_path=service.path, env=ranks).returncode == 0
    assert (service.asked[0].devices.local_size, service.asked[0].devices.local_rank) == (4, 3)
    assert service.asked[0].lease == 9
    wrong = {"OMPI_COMM_WORLD_LOCAL_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "4", "SLURM_LOCALID": "0"}
    assert ctl("run", "--", "true", socket_path=service.path, env=wrong).returncode == 0
    assert not service.asked[2].devices.HasField("local_size")


@pytest.mark.parametrize("command", ["resolve", "env"])
def test_without_a_holder_there_are_no_devices_to_ask_for(played, command):
    service = played(resolve=decision(), accept=pb.Done())
    result = ask(service, command, "--gpus", "1")
    assert result.returncode == 2
    assert "--holder $$" in result.stderr
    assert not service.asked
    result = ask(service, command, "--memory", "8G")
    assert result.returncode == 2
    assert "--memory" in result.stderr
    assert ask(service, command).returncode == 0
    assert not service.asked[0].HasField("devices")


def rejected(rule, message, **more):
    why = pb.Diagnostic(rule=rule, severity="error", message=message, outcome="no-device")
    return decision(
        state="asked", outcome=pb.Outcome(verdict="rejected", mode="none", diagnostics=[why]), **more
    )


@pytest.mark.parametrize(
    ("rule", "options", "words"),
    [
        ("devices-busy", ["--gpus", "2"], ["2 devices asked for, but both are held", "--wait T waits"]),
        ("devices-busy", ["--gpus", "1", "--wait", "1"], ["1 device asked for, but both are held;"]),
        ("no-device", ["--gpus", "3:tile"], ["3 tiles asked for, but both are held; go without --gpus"]),
        ("no-device", [], ["1 device asked for, but both are held; --gpus 0 goes without"]),
    ],
)
def test_a_rejection_says_why_and_what_else(played, rule, options, words):
    service = played(resolve=rejected(rule, "both are held.", substitute="EMULATED"))
    result = ask(service, "run", *options, "--", "echo", "ran")
    assert (result.returncode, result.stdout) == (75, "")
    assert all(word in result.stderr for word in words), result.stderr
    assert result.stderr.startswith("itexctl: EMULATED rejected: ")
    assert len(result.stderr.splitlines()) == 1


def test_waiting_is_told_with_the_position(played):
    service = played(
        resolve=[
            pb.Event(kind="waiting", position=2),
            pb.Event(
                kind="waiting", position=1, text="SIMULATED waiting for devices, position 1 in the queue"
            ),
            pb.Event(kind="newer", text="what this itexctl does not know"),
            decision(),
        ],
        accept=pb.Done(),
    )
    result = ask(service, "run", "--wait", "5", "--quiet", "--", "echo", "ran")
    assert result.stdout == "ran\n"
    assert result.stderr.splitlines() == [
        "itexctl: waiting for devices, position 2 in the queue",
        "itexctl: SIMULATED waiting for devices, position 1 in the queue",
    ]


def test_wrong_operands(played):
    service = played(devices=pb.DevicesReply())
    for arguments, word in (
        (["devices", "1", "2"], "unexpected"),
        (["devices", ""], "which device"),
        (["devices", "drain"], "which device"),
        (["devices", "drain", "1", "2"], "unexpected"),
        (["devices", "restart", "1"], "unexpected"),
        (["devices", "--no-such"], "unknown option"),
        (["leases", "1"], "unexpected"),
        (["leases", "release"], "number of one lease"),
        (["leases", "release", "x"], "number of one lease"),
        (["leases", "release", "0"], "number of one lease"),
    ):
        result = ask(service, *arguments)
        assert result.returncode == 2, arguments
        assert word in result.stderr, result.stderr
    assert not service.asked


def test_what_the_service_refuses_has_its_status(played):
    unknown = pb.Error(code=pb.Error.NOT_FOUND, text="no device is called 9")
    forbidden = pb.Error(code=pb.Error.NOT_PERMITTED, text="only root may do this")
    service = played(
        device_show=unknown, device_drain=forbidden, worker_restart=forbidden, lease_release=unknown
    )
    for arguments, status in (
        (["devices", "9"], 1),
        (["devices", "drain", "9"], 77),
        (["devices", "undrain", "9"], 77),
        (["devices", "restart"], 77),
        (["leases", "release", "9", "--dry-run"], 1),
    ):
        result = ask(service, *arguments)
        assert result.returncode == status, (arguments, result)
        assert result.stdout == ""


def test_completion_knows_devices_and_commands(played):
    service = played(
        devices=pb.DevicesReply(devices=[device(3), device(4)]),
        leases=pb.LeasesReply(leases=[pb.LeaseInfo(id=7)]),
    )

    def complete(*words):
        lines = ask(service, "__complete", "--", *words).stdout.splitlines()
        return [line.partition("\t")[0] for line in lines]

    assert complete("devices", "") == ["drain", "undrain", "reset", "restart", "3", "4"]
    assert complete("devices", "dr") == ["drain"]
    assert complete("devices", "drain", "") == ["3", "4"]
    assert complete("devices", "reset", "--f") == ["--force", "--format"]
    assert complete("devices", "--j") == ["--json"]
    assert complete("leases", "--m") == ["--mine"]
    assert complete("leases", "release", "") == ["7"]
    assert complete("run", "--bind", "") == ["node", "rank"]
