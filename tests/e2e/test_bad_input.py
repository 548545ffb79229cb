"""What hostile and broken clients send. After each case the service lives, serves another client, and its
database is whole; where an answer is possible it says what was wrong."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import struct
import tempfile
from pathlib import Path

import pytest
from harness import (
    MAX_PACKET,
    NOBODY,
    SEALS,
    SLOW,
    Client,
    Code,
    Refused,
    ServiceGone,
    memfd,
    pb,
    resolve_message,
    rule_files,
)

RULE_FILES = rule_files({"10-x.yaml": "nothing"})


@pytest.fixture(scope="module")
def service(shared_itexd):
    return shared_itexd


@pytest.fixture
def victim(service):
    """A connection to misbehave on; afterwards the service must be as before."""
    client = service.client()
    yield client
    client.close()
    service.assert_serves()


def error_or_end(client):
    """The service answers with an error, or closes: both are right for bytes that are no request."""
    with contextlib.suppress(ServiceGone):
        reply = client.reply()
        assert reply.WhichOneof("body") == "error", reply
        assert reply.error.text
        return reply.error
    return None


def open_descriptors(service):
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))


# ---- Packets -----------------------------------------------------------------------------------------


def test_an_oversized_packet(victim):
    victim.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_PACKET)
    victim.send_raw(b"\x08\x01" * MAX_PACKET)
    error = error_or_end(victim)
    assert error is None or error.code == Code.TOO_LARGE


def test_the_largest_packet_that_is_allowed(victim):
    request = pb.Request(id=5, resolve=resolve_message(declared={"keras": "0"}))
    padding = MAX_PACKET - len(request.SerializeToString()) - 5
    unknown = bytes([0xFA, 0x7F]) + _varint(padding) + b"x" * padding  # field 2047, bytes
    packet = request.SerializeToString() + unknown
    assert len(packet) == MAX_PACKET
    victim.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_PACKET)
    victim.send_raw(packet)
    assert victim.reply(5).decision.outcome.mode == "npd"


def test_one_submessage_again_and_again(service, victim):
    """Each is merged into the one before; what that takes must not grow with the square of their number."""
    devices = pb.Resolve(devices=pb.DeviceRequest(render_nodes=[""])).SerializeToString()
    resolve = resolve_message().SerializeToString() + devices * 16000
    victim.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_PACKET)
    before = _peak(service)
    victim.send_raw(b"\x08\x07\x1a" + _varint(len(resolve)) + resolve)
    error_or_end(victim)
    assert _peak(service) - before < 64 * 1024 * SLOW  # a sanitizer needs memory of its own


def _peak(service):
    """The most memory that the service has had, in KiB."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def _varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def test_an_empty_packet(victim):
    victim.send_raw(b"")
    assert victim.ended()


def test_every_truncation_of_a_request(service):
    packet = pb.Request(
        id=3, resolve=resolve_message({"ITEX_VERBOSE": "1"}, {"keras": "3"}, job="12345")
    ).SerializeToString()
    for length in range(1, len(packet)):
        with service.client() as client:
            client.send_raw(packet[:length])
            with contextlib.suppress(ServiceGone):
                reply = client.reply()
                assert reply.WhichOneof("body") in ("error", "decision")
    service.assert_serves()


@pytest.mark.parametrize("seed", range(4))
def test_random_packets(service, seed, rounds):
    source = random.Random(seed)
    for _ in range(rounds(100, 5000)):
        with service.client(hello=source.random() < 0.5) as client:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(source.randint(1, 4)):
                    client.send_raw(source.randbytes(source.choice([1, 2, 7, 40, 300, 4000])))
            error_or_end(client)
    service.assert_serves()


@pytest.mark.parametrize("seed", range(4))
def test_requests_with_flipped_bytes(service, seed, rounds):
    source = random.Random(1000 + seed)
    packet = pb.Request(
        id=3,
        resolve=resolve_message(
            {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2", "ITEX_OPS_OVERRIDE": "1"}, {"keras": "3"}, job="1"
        ),
    ).SerializeToString()
    for _ in range(rounds(100, 5000)):
        broken = bytearray(packet)
        for _ in range(source.randint(1, 5)):
            broken[source.randrange(len(broken))] = source.randrange(256)
        with service.client() as client:
            client.send_raw(bytes(broken))
            with contextlib.suppress(ServiceGone):
                client.reply()
    service.assert_serves()


def test_a_replayed_packet_is_one_decision(victim):
    request = pb.Request(id=9, resolve=resolve_message(declared={"keras": "0"})).SerializeToString()
    for _ in range(5):
        victim.send_raw(request)
    assert len({victim.reply().decision.id for _ in range(5)}) == 1


def test_a_replayed_hello(victim):
    victim.send("hello", name="again", major=1, minor=0, minimum_major=1)
    with contextlib.suppress(ServiceGone):
        victim.reply()


def test_the_wrong_protobuf(victim):
    victim.send_raw(
        pb.ServerPacket(
            reply=pb.Reply(id=1, status=pb.Status(version="9", problems=["x"] * 50))
        ).SerializeToString()
    )
    error_or_end(victim)


def test_text_that_is_not_utf_8(victim):
    packet = pb.Request(
        id=4, resolve=resolve_message({"ITEX_VERBOSE": "QQQQ"}, {"keras": "0"})
    ).SerializeToString()
    victim.send_raw(packet.replace(b"QQQQ", b"\xff\xfe\x80\xc0"))
    with contextlib.suppress(ServiceGone):
        victim.reply(4)


def test_http(service):
    with service.client(hello=False) as client:
        client.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        error_or_end(client)
    service.assert_serves()


# ---- Values ------------------------------------------------------------------------------------------

HUGE = {
    "version": {"declared": {"itex": "2." + "9" * 8000}},
    "path of a script": {
        "script_env": [pb.ScriptVariable(name="ITEX_REMAPPER", value="x", file="f" * 60000, line=1)]
    },
    "digest": {"inherited_digest": "d" * 60000},
    "flags file to be written out": {
        "env": {"TF_XLA_FLAGS": "flags"},
        "declared": {"keras": "3", "itex": "newest", "xla_flags_file": "--tf_xla_auto_jit=2\n" * 3000},
    },
    "model": {"devices": pb.DeviceRequest(count=0, model="m" * 60000)},
    "flags file": {
        "env": {"TF_XLA_FLAGS": "flags"},
        "declared": {"keras": "3", "itex": "newest", "xla_flags_file": "--tf_xla_auto_jit=2\n" * 2000},
    },
}


@pytest.mark.parametrize("kind", HUGE)
def test_what_is_too_large_to_answer_is_not_recorded(service, victim, kind):
    """Else it would break the list of everybody who may see it."""
    victim.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_PACKET)
    before = service.status().decisions
    fields = dict(HUGE[kind])
    reply = victim.call(
        "resolve", resolve_message(fields.pop("env", {}), fields.pop("declared", {}), **fields)
    )
    if reply.WhichOneof("body") == "error":
        assert reply.error.code == Code.BAD_REQUEST
        assert service.status().decisions == before
    else:
        assert victim.ok("explain", decision=reply.decision.id).outcome == reply.decision.outcome
    assert victim.ok("query", limit=200).decisions


NASTY = {
    "newlines": "1\n2\r\n3",
    "shell": "$(reboot) `id` ; rm -rf / && echo 'x' \"y\" | cat > /tmp/z #!",
    "terminal": "\x1b[2J\x1b]0;title\x07",
    "percent": "%s%n%x%99999d",
    "sql": "'; DROP TABLE decisions; --",
    "braces": "{set} {ITEX_VERBOSE} {{}}",
    "unicode": "\u202e\U0001f600\u0000".replace("\u0000", ""),
    "json": '","decision":0,"x":"',
}


@pytest.mark.parametrize("kind", NASTY)
def test_values_come_back_as_they_went(victim, kind):
    value = NASTY[kind]
    decision = victim.resolve({"ITEX_OPS_OVERRIDE": value}, {"keras": "0"}, job=value[:64])
    assert {d.rule for d in decision.outcome.diagnostics} >= {"itex-bool"}
    kept = victim.ok("explain", decision=decision.id)
    assert [v.value for v in kept.facts.env if v.name == "ITEX_OPS_OVERRIDE"] == [value]
    assert kept.job == value[:64]


@pytest.mark.parametrize("kind", NASTY)
def test_values_do_not_forge_log_lines(service, victim, kind):
    victim.resolve({"ITEX_OPS_OVERRIDE": NASTY[kind]}, {"keras": "0"}, job=f"forged-{kind}\nitexd: ready")
    assert "\nitexd: ready" not in service.log
    assert "\x1b" not in service.log


def test_as_many_variables_as_are_allowed(victim):
    env = {f"ITEX_V{n}": "1" for n in range(512)}
    assert victim.resolve(env, {"keras": "0"}).outcome.mode == "npd"


def test_one_variable_too_many(victim):
    env = {f"ITEX_V{n}": "1" for n in range(513)}
    with pytest.raises(Refused) as refused:
        victim.resolve(env, {"keras": "0"})
    assert refused.value.code in (Code.TOO_LARGE, Code.BAD_REQUEST)
    assert "512" in refused.value.text


def test_the_longest_value(victim):
    assert victim.resolve({"ITEX_X": "x" * 8192}, {"keras": "0"}).outcome.mode == "npd"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("ITEX_TOO_LONG", resolve_message({"ITEX_TOO_LONG": "x" * 8193})),
        ("tensorflow", resolve_message({}, {"tensorflow": "x" * 8193})),
        ("job", resolve_message(job="j" * 8193)),
    ],
)
def test_a_value_that_is_too_long_is_named(victim, what, message):
    error = victim.error("resolve", message)
    assert error.code in (Code.TOO_LARGE, Code.BAD_REQUEST)
    assert what in error.text


@pytest.mark.parametrize("name", ["", "A=B", "=", "ITEX\nX", "X" * 5000])
def test_a_name_that_no_variable_can_have(victim, name):
    with contextlib.suppress(Refused):
        decision = victim.resolve({name: "1"}, {"keras": "0"})
        assert name not in ("", "A=B", "="), f"accepted: {decision.id}"


def test_a_variable_named_twice(victim):
    message = resolve_message({"ITEX_VERBOSE": "1"})
    message.env.add(name="ITEX_VERBOSE", value="2")
    error = victim.error("resolve", message)
    assert error.code == Code.BAD_REQUEST
    assert "ITEX_VERBOSE" in error.text


def test_a_variable_of_another_kind_is_never_set(victim):
    decision = victim.resolve({"LD_PRELOAD": "/tmp/x.so", "PATH": "/tmp"}, {"keras": "0"})
    assert {v.name for v in decision.outcome.env} <= {"ITEX_DISABLE_XLA"}
    assert "LD_PRELOAD" not in {v.name for v in victim.ok("explain", decision=decision.id).facts.env}


def test_a_fact_declared_as_inferred(victim):
    message = resolve_message()
    message.facts.append(pb.Fact(**{"name": "keras", "value": "3", "from": "inferred"}))
    assert victim.error("resolve", message).code == Code.BAD_REQUEST


def test_an_unknown_policy(victim):
    error = victim.error("resolve", resolve_message(policy="whatever"))
    assert error.code == Code.BAD_REQUEST
    assert "whatever" in error.text


# ---- Descriptors -------------------------------------------------------------------------------------


@contextlib.contextmanager
def nothing_leaks(service):
    """Descriptors that a client sent are closed again; a connection of our own fixes the moment."""
    with service.client() as client:
        client.ok("status")
        before = open_descriptors(service)
        yield
        client.ok("status")
        assert open_descriptors(service) <= before


def load(client, fd_list, **fields):
    return client.call("rules_load", fds=fd_list, **{"name": "x", "check_only": True, **fields})


def test_several_descriptors(service, victim):
    fds = [memfd(RULE_FILES) for _ in range(3)]
    try:
        with contextlib.suppress(ServiceGone):
            assert load(victim, fds).WhichOneof("body") == "error"
    finally:
        for fd in fds:
            os.close(fd)


def test_descriptors_nobody_asked_for_are_closed(service):
    fds = [memfd(b"x") for _ in range(20)]
    with service.client() as client:
        client.ok("status")
        before = open_descriptors(service)
        for fd in fds:
            client.send("status", fds=[fd])
            client.reply()
            os.close(fd)
        assert open_descriptors(service) == before
    service.assert_serves()


def test_a_descriptor_with_an_empty_packet(service, victim):
    """The packet reads as an end; what came with it must not stay behind."""
    before = open_descriptors(service)
    fd = memfd(b"x")
    for _ in range(10):
        with service.client() as client:
            client.send_raw(b"", fds=[fd])
            assert client.ended()
    os.close(fd)
    assert open_descriptors(service) <= before


def test_descriptors_of_others_never_arrive(service, victim, as_root):
    """Nothing is refused for them: the kernel drops them before the service would have to close them."""
    before = open_descriptors(service)
    fds = [memfd(b"x") for _ in range(3)]
    with service.client(uid=NOBODY) as client:
        for fd in fds:
            assert client.call("status", fds=fds).WhichOneof("body") == "status"
            assert client.error("rules_load", fds=[fd]).code == Code.NOT_PERMITTED
    for fd in fds:
        os.close(fd)
    assert open_descriptors(service) <= before + 1


def test_two_hundred_and_fifty_three_descriptors(service, victim):
    fds = [os.dup(0) for _ in range(253)]
    before = open_descriptors(service)
    try:
        victim.send("status", fds=fds)
        with contextlib.suppress(ServiceGone):
            victim.reply()
    finally:
        for fd in fds:
            os.close(fd)
    assert open_descriptors(service) <= before


def test_an_unsealed_memfd(victim):
    fd = memfd(RULE_FILES, seal=False)
    error = load(victim, [fd]).error
    os.close(fd)
    assert error.code == Code.BAD_REQUEST
    assert "seal" in error.text


def test_a_huge_memfd(victim):
    fd = os.memfd_create("huge", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 1 << 40)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    error = load(victim, [fd]).error
    os.close(fd)
    assert error.code in (Code.TOO_LARGE, Code.BAD_REQUEST)


def test_a_memfd_that_holds_something_else(victim):
    fd = memfd(random.Random(1).randbytes(5000))
    assert load(victim, [fd]).error.code in (Code.BAD_REQUEST, Code.BAD_RULES)
    os.close(fd)


def test_an_empty_memfd(victim):
    fd = memfd(b"")
    assert load(victim, [fd]).error.code in (Code.BAD_REQUEST, Code.BAD_RULES)
    os.close(fd)


def test_a_pipe_where_a_memfd_is_wanted(victim):
    read_end, write_end = os.pipe()
    assert load(victim, [read_end]).error.code == Code.BAD_REQUEST
    os.close(read_end)
    os.close(write_end)


def test_a_regular_file_where_a_memfd_is_wanted(victim):
    with tempfile.TemporaryFile() as file:
        file.write(RULE_FILES)
        file.flush()
        assert load(victim, [file.fileno()]).error.code == Code.BAD_REQUEST


def test_no_descriptor_where_one_is_wanted(victim):
    assert load(victim, []).error.code == Code.BAD_REQUEST


def test_a_socket_of_its_own_as_a_descriptor(service, victim):
    """A cycle of sockets in flight must not stay open in the service."""
    load(victim, [victim.sock.fileno()])


def test_descriptors_without_hello_are_closed(service):
    before = open_descriptors(service)
    with service.client(hello=False) as client:
        fd = memfd(RULE_FILES)
        client.send("rules_load", fds=[fd], name="x")
        error_or_end(client)
        os.close(fd)
    with service.client() as client:
        client.ok("status")
        assert open_descriptors(service) <= before + 1


# ---- Too much ----------------------------------------------------------------------------------------


def test_too_many_connections_of_one_user(as_root, make_itexd):
    service = make_itexd({"connections_per_uid": 8}).start()
    crowd = []
    try:
        for _ in range(8):
            crowd.append(service.client(uid=65534))
        with pytest.raises((Refused, ServiceGone, ConnectionError, BrokenPipeError)) as refused:
            crowd.append(service.client(uid=65534))
        if isinstance(refused.value, Refused):
            assert refused.value.code == Code.LIMIT
            assert "65534" in refused.value.text
        service.client(uid=65533).close()
        crowd.pop().close()
        service.assert_serves()
        crowd.append(_until_admitted(service))
    finally:
        for client in crowd:
            client.close()


def _until_admitted(service):
    """The freed place is free as soon as the service has seen the end of the old connection."""
    for _ in range(200):
        try:
            return service.client(uid=65534)
        except (Refused, ServiceGone, ConnectionError):
            continue
    raise AssertionError("the place of a closed connection was not given back")


def test_a_client_that_never_reads(make_itexd):
    service = make_itexd().start()
    deaf = service.client()
    deaf.sock.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
        while sent < 20000:
            deaf.send("status")
            sent += 1
    assert sent > 0
    service.assert_serves()
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])
    assert pages * 4096 < 200 << 20, "what a deaf client does not read must not pile up"
    deaf.close()


def test_a_client_that_leaves_before_its_answer(service):
    for _ in range(50):
        client = service.client()
        client.send("resolve", resolve_message(declared={"keras": "0"}))
        client.close()
    service.assert_serves()


def test_connections_that_say_nothing(service):
    silent = [Client(service.socket, hello=False) for _ in range(40)]
    service.assert_serves()
    for client in silent:
        client.close()


def test_a_reset_in_the_middle(service):
    for _ in range(20):
        client = service.client()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.send("query", limit=100)
        client.sock.shutdown(socket.SHUT_RD)
        client.close()
    service.assert_serves()


def test_nothing_leaked(service):
    with nothing_leaks(service):
        for _ in range(20):
            service.client().close()
