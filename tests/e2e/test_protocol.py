"""Hello, versions, and what a connection may do: the part of the protocol that every later version keeps."""

from __future__ import annotations

import secrets

import pytest
from harness import MAJOR, MINOR, Code, Refused, pb, resolve_message


def hello(client, **fields):
    return client.call(
        "hello", **{"name": "e2e", "major": MAJOR, "minor": MINOR, "minimum_major": MAJOR, **fields}
    )


@pytest.fixture
def silent(shared_itexd):
    """A connection that has not said hello."""
    with shared_itexd.client(hello=False) as client:
        yield client


def test_hello_tells_versions_and_limits(silent):
    reply = hello(silent).hello
    assert (reply.name, reply.major, reply.minor, reply.minimum_major) == ("itexd", MAJOR, MINOR, MAJOR)
    assert reply.max_packet == 65536
    assert reply.version


@pytest.mark.parametrize(
    "body", ["resolve", "accept", "report", "explain", "query", "status", "rules_list", "reload"]
)
def test_hello_comes_first(shared_itexd, body):
    with shared_itexd.client(hello=False) as client:
        assert client.error(body).code == Code.NO_HELLO


def test_a_newer_minor_is_served(silent):
    assert hello(silent, minor=MINOR + 41).WhichOneof("body") == "hello"
    assert silent.resolve(declared={"keras": "0"}).outcome.mode == "npd"


def test_a_newer_major_that_still_speaks_ours_is_served(silent):
    reply = hello(silent, major=MAJOR + 1, minimum_major=MAJOR)
    assert reply.hello.major == MAJOR


def test_a_newer_major_that_does_not_is_refused_with_both_versions(silent):
    reply = hello(silent, major=MAJOR + 8, minimum_major=MAJOR + 8)
    assert reply.error.code == Code.INCOMPATIBLE
    assert str(MAJOR + 8) in reply.error.text
    assert str(MAJOR) in reply.error.text


def test_an_older_major_is_refused(silent):
    assert hello(silent, major=0, minimum_major=0).error.code == Code.INCOMPATIBLE


def test_a_refused_client_gets_no_service(silent):
    hello(silent, major=MAJOR + 8, minimum_major=MAJOR + 8)
    try:
        assert silent.error("status").code in (Code.NO_HELLO, Code.INCOMPATIBLE)
    except (AssertionError, OSError):
        assert silent.ended()


def test_a_hello_without_a_version_is_a_bad_request(silent):
    assert silent.error("hello", name="e2e").code in (Code.BAD_REQUEST, Code.INCOMPATIBLE)


def test_an_unknown_body_is_answered(shared_client):
    unknown_field = bytes([0x08, 0x63, 0xA2, 0x06, 0x00])  # id 99, field 100 with no bytes
    shared_client.send_raw(unknown_field)
    reply = shared_client.reply()
    assert reply.id == 99
    assert reply.error.code == Code.BAD_REQUEST
    assert shared_client.ok("status").state


def test_unknown_fields_are_skipped(shared_client):
    request = pb.Request(id=7, status=pb.StatusRequest()).SerializeToString()
    shared_client.send_raw(request + bytes([0xF8, 0x7F, 0x01]))  # field 2047, a number
    assert shared_client.reply(7).status.state


def test_two_requests_in_flight(shared_client):
    first = shared_client.send("resolve", resolve_message(declared={"keras": "0"}))
    second = shared_client.send("status")
    third = shared_client.send("resolve", resolve_message(declared={"keras": "0"}))
    replies = {}
    for _ in range(3):
        reply = shared_client.reply()
        replies[reply.id] = reply.WhichOneof("body")
    assert replies == {first: "decision", second: "status", third: "decision"}


def test_each_reply_has_the_id_of_its_request(shared_client):
    for number in (1, 2**31, 2**64 - 1):
        shared_client.send_raw(pb.Request(id=number, status=pb.StatusRequest()).SerializeToString())
        assert shared_client.reply().id == number


def test_a_request_without_an_id_is_a_bad_request(shared_client):
    shared_client.send_raw(pb.Request(status=pb.StatusRequest()).SerializeToString())
    assert shared_client.reply().error.code == Code.BAD_REQUEST


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_request_id_is_sixteen_bytes(shared_client, size):
    with pytest.raises(Refused) as refused:
        shared_client.resolve(declared={"keras": "0"}, request_id=secrets.token_bytes(size))
    assert refused.value.code == Code.BAD_REQUEST
    assert "request_id" in refused.value.text or "request id" in refused.value.text


def test_a_decision_repeats_its_request_id(shared_client):
    request_id = secrets.token_bytes(16)
    assert shared_client.resolve(request_id=request_id).request_id == request_id


def test_recorded_packets_of_version_1_are_served(shared_itexd):
    """Bytes as a client of 1.0 sends them, written down by hand; they may never change."""
    recorded_hello = bytes.fromhex("0801120b0a0365326510011800" + "2001")
    recorded_status = bytes.fromhex("08024200")
    with shared_itexd.client(hello=False) as client:
        client.send_raw(recorded_hello)
        assert client.reply().hello.major == 1
        client.send_raw(recorded_status)
        reply = client.reply()
        assert (reply.id, reply.WhichOneof("body")) == (2, "status")
