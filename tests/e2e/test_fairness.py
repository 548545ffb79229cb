"""One user cannot take the service from others: not by dear requests, nor by hanging up too early."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3

from harness import MAX_PACKET, NOBODY, Code, pb, resolve_message

# A flags file of 60 KB, which is parsed for each value that an unknown fact may have: some 50 ms.
DEAR = {"xla_flags_file": "--x\n" * 15000}


def stuff(client, n):
    """Sends up to n dear requests without reading; how many the socket took."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * MAX_PACKET)
    client.sock.setblocking(False)
    for sent in range(n):
        message = resolve_message({"TF_XLA_FLAGS": "flags", "ITEX_VERBOSE": os.urandom(4).hex()}, DEAR)
        try:
            client.send_raw(pb.Request(id=100 + sent, resolve=message).SerializeToString())
        except BlockingIOError:
            return sent
    return n


def test_dear_requests_of_one_user_wait_for_those_of_another(as_root, make_itexd):
    service = make_itexd().start()
    crowd = [service.client(uid=NOBODY) for _ in range(24)]
    with service.client() as other:
        before = other.ok("status").requests
        os.kill(service.process.pid, signal.SIGSTOP)
        sent = sum(stuff(client, 4) for client in crowd)
        assert sent >= len(crowd)
        asked = other.send("status")  # when the service wakes all the others are ready before it
        os.kill(service.process.pid, signal.SIGCONT)
        answered = other.reply(asked).status.requests - before
        assert answered < sent / 2, f"{answered} of {sent} requests went before"
    for client in crowd:
        client.close()


def test_who_hangs_up_has_no_more_in_flight_for_it(as_root, make_itexd):
    service = make_itexd({"requests_in_flight_per_uid": 4}).start()
    with sqlite3.connect(service.database, isolation_level=None) as lock, service.client() as watcher:
        lock.execute("BEGIN IMMEDIATE")  # no decision can be written
        first = service.client(uid=NOBODY)
        for _ in range(4):
            first.send("resolve", resolve_message(declared={"keras": "0"}))
        while watcher.ok("status").queue < 4:
            pass
        first.close()
        while watcher.ok("status").peers > 1:
            pass
        with service.client(uid=NOBODY) as second:
            assert second.error("resolve", resolve_message()).code == Code.LIMIT
            lock.execute("ROLLBACK")
            while watcher.ok("status").queue > 0:
                pass
            assert second.resolve(declared={"keras": "0"}).recorded
    with service.client(uid=NOBODY) as client:
        assert len(client.ok("query").decisions) == 5


def test_who_comes_and_goes_leaves_no_line_in_the_log(make_itexd):
    service = make_itexd().start()
    for _ in range(50):
        with service.client() as client:
            for _ in range(3):
                client.send("status")
    while service.status().peers > 1:
        pass
    service.stop()
    assert "event=stopped" in service.log
    assert "peer-closed" not in service.log
