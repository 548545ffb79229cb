"""Reading a service's metrics: by HTTP on its Unix socket, and as numbers."""

from __future__ import annotations

import http.client
import socket
import threading

from harness import TIMEOUT
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_plain

# What Prometheus 2.42 sends.
ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(service, path="/metrics", method="GET", accept=ACCEPT):
    """The response, with its text in .text."""
    connection = Connection(service.config["metrics_socket"])
    try:
        connection.request(method, path, headers={"Accept": accept} if accept else {})
        response = connection.getresponse()
        response.text = response.read().decode()
        return response
    finally:
        connection.close()


def samples(text, plain=False):
    """{(name, ((label, value), ...)): number}; the parsers refuse what is not well-formed."""
    found = {}
    for family in (read_plain if plain else read_open)(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


class Numbers:
    """One scrape. numbers("itexd_requests_total", request="resolve") is the sum of what has these labels."""

    def __init__(self, service):
        response = get(service)
        assert response.status == 200
        self.text = response.text
        self.samples = samples(self.text)

    def __call__(self, name, **labels):
        matching = self.matching(name, **labels)
        assert matching, f"no {name} {labels}"
        return sum(matching.values())

    def matching(self, name, **labels):
        wanted = set(labels.items())
        return {key: value for key, value in self.samples.items() if key[0] == name and wanted <= set(key[1])}


def wait_for(service, ready):
    """Scrapes until ready(numbers) holds; the device worker's samples come when they come."""
    for _ in range(int(TIMEOUT * 10)):
        numbers = Numbers(service)
        if ready(numbers):
            return numbers
        threading.Event().wait(0.1)
    raise AssertionError(f"it never held:\n{numbers.text}")
