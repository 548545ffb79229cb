"""Scrapers that hang, are slow, are many or send nonsense cost the service nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import stat
import statistics
import threading
import time

from harness import SLOW, TIMEOUT
from scraping import ACCEPT, Connection, Numbers, get

CONNECTIONS = 64  # daemon/metrics/http.h
DEADLINE = 5.0
REQUEST = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {ACCEPT}\r\n".encode()


def connect(service, timeout=TIMEOUT):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(service.config["metrics_socket"])
    return sock


def read_all(sock):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            data += piece
    return data


def round_trips(service, n=200):
    """How long decisions take, in the middle and at the 99th of a hundred."""
    times = []
    with service.client() as client:
        for _ in range(n):
            began = time.monotonic()
            client.resolve(declared={"keras": "0"})
            times.append(time.monotonic() - began)
    return statistics.median(times), sorted(times)[n * 99 // 100]


def test_the_socket_is_for_whom_it_is_configured(make_metered):
    service = make_metered({"metrics_socket_mode": "0600"}).start()
    assert stat.S_IMODE(os.stat(service.config["metrics_socket"]).st_mode) == 0o600
    service.stop()
    assert not os.path.exists(service.config["metrics_socket"])


def test_a_head_has_no_body_and_the_length_of_one(metered):
    response = get(metered, method="HEAD")
    assert (response.status, response.text) == (200, "")
    assert int(response.getheader("Content-Length")) > 10000


def test_other_places_and_methods(metered):
    assert get(metered, "/").status == 200
    assert get(metered, "/metrics?x=1").status == 200
    for path in ("/other", "/metrics/", "/../metrics", "/%6detrics/.."):
        assert get(metered, path).status == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "NONSENSE"):
        assert get(metered, method=method).status in (400, 404, 501), method


def test_what_is_too_large_is_refused(metered):
    for header in (b"X: " + b"x" * 20000, b"\r\n".join(b"X%d: %s" % (i, b"y" * 100) for i in range(200))):
        with connect(metered) as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(REQUEST + header + b"\r\n\r\n")
            assert b" 200 " not in read_all(sock)[:20]
    with connect(metered) as sock:
        sock.sendall(REQUEST + b"Content-Length: 1000000000\r\n\r\n")
        assert b" 200 " not in read_all(sock)[:20]
    assert get(metered).status == 200


def test_nonsense(metered):
    chance = random.Random(7)
    seeds = [REQUEST + b"\r\n", b"GET / HTTP/1.1\r\n\r\n", b"HEAD /metrics HTTP/1.0\r\nAccept: ,;q=\r\n\r\n"]
    for i in range(150):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 12)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if i % 10 == 0:
            data = bytearray(chance.randbytes(chance.randint(1, 4000)))
        with connect(metered) as sock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
            if i % 3 == 0:
                sock.shutdown(socket.SHUT_WR)
    assert get(metered).status == 200
    metered.assert_serves()


def test_a_connection_ends_when_its_time_is_over(metered):
    """Whether nothing is sent, or a byte now and then."""
    began = time.monotonic()
    with connect(metered) as silent, connect(metered) as dripping:
        dripping.settimeout(0.5)
        data = b"x"
        for byte in REQUEST * 10:
            try:
                dripping.send(bytes([byte]))
                data = dripping.recv(1)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
            if not data:
                break
        assert b" 200 " not in data + read_all(silent)
        assert DEADLINE - 0.5 < time.monotonic() - began < (DEADLINE + 3) * SLOW


def test_all_connections_taken_by_those_who_hang(metered):
    """Decisions do not notice, and scrapes go on when the hanging ones' time is over."""
    silent = [connect(metered) for _ in range(CONNECTIONS + 8)]
    try:
        metered.assert_serves()
        descriptors = len(os.listdir(f"/proc/{metered.process.pid}/fd"))
        assert descriptors < CONNECTIONS + 60
        assert get(metered).status == 200
    finally:
        for sock in silent:
            sock.close()


def test_who_does_not_read_the_answer(metered):
    with connect(metered) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sock.sendall(REQUEST + b"\r\n")
        assert get(metered).status == 200
        metered.assert_serves()


def test_who_goes_before_the_answer(metered):
    for _ in range(50):
        with connect(metered) as sock:
            sock.sendall(REQUEST + b"\r\n")
    assert get(metered).status == 200


def test_fifty_scrapers_at_once(metered):
    failed = []
    until = time.monotonic() + 2

    def scrape():
        while time.monotonic() < until:
            response = get(metered)
            if response.status != 200 or not response.text.endswith("# EOF\n"):
                failed.append(response.status)

    before = Numbers(metered)
    threads = [threading.Thread(target=scrape) for _ in range(50)]
    for thread in threads:
        thread.start()
    middle, late = round_trips(metered)
    for thread in threads:
        thread.join(TIMEOUT)
    assert not failed
    after = Numbers(metered)
    assert after("itexd_scrapes_total") - before("itexd_scrapes_total") >= 50
    # the loop's own time, which fifty busy threads of the test's cannot lengthen, as they do the test's
    assert after("itexd_request_duration_seconds_count", request="resolve") == 200
    assert middle < 1 * SLOW


def test_it_ends_with_scrapers_connected(metered):
    with connect(metered) as hanging, connect(metered) as asking:
        hanging.sendall(b"GET /met")
        asking.sendall(REQUEST + b"\r\n")
        assert metered.signal(signal.SIGTERM) == 0


def test_a_second_request_needs_a_second_connection(metered):
    connection = Connection(metered.config["metrics_socket"])
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    response.read()
    assert response.getheader("Connection") == "close"
    connection.close()
