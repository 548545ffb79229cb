"""A real Prometheus that scrapes a real itexd over TCP, and what monitoring/ asks of it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import yaml
from harness import INSTRUMENTED, ITEXD, SOURCE, TIMEOUT

RULES = SOURCE / "monitoring" / "itexd.rules.yml"
DASHBOARD = SOURCE / "monitoring" / "itexd-dashboard.json"
PASSING = """
import fcntl, os, sys
fds, command = [int(fd) for fd in sys.argv[2].split(",")], sys.argv[3:]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in fds]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[1])
os.execv(command[0], command)
"""


def start_with_tcp(service):
    """Starts itexd with systemd's two sockets; returns the port for metrics."""
    service.write_config()
    service.notify.drain()
    with contextlib.ExitStack() as stack:
        requests = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        metrics = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        requests.bind(str(service.socket))
        metrics.bind(("127.0.0.1", 0))
        for sock in (requests, metrics):
            sock.listen()
            os.set_inheritable(sock.fileno(), True)
        log = stack.enter_context(service.log_path.open("ab"))
        service.process = subprocess.Popen(
            [sys.executable, "-c", PASSING, "itexd:metrics", f"{requests.fileno()},{metrics.fileno()}",
             str(ITEXD), "--config", str(service.config_path), *service.arguments],
            stdout=log, stderr=log, close_fds=False,
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": service.notify.path, **INSTRUMENTED},
        )  # fmt: skip
        assert service.notify.wait("READY=1", service.process) is not None, service.log
        return metrics.getsockname()[1]


class Prometheus:
    def __init__(self, directory, target):
        self.directory = directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = {
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {"job_name": "itexd", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]},
            ],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.log = (directory / "prometheus.log").open("wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yml",
             f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self.log, stderr=self.log,
        )  # fmt: skip

    def stop(self):
        self.process.terminate()
        self.process.wait(TIMEOUT)
        self.log.close()

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            return json.load(response)["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def wait(self, expression):
        """Until it gives something."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                result = self.query(expression)
                if result:
                    return result
            threading.Event().wait(0.1)
        raise AssertionError(f"{expression} gave nothing:\n{(self.directory / 'prometheus.log').read_text()}")


def alerts():
    """{name: expression}"""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels():
    """{title and letter: expression} with what Grafana would put in."""
    found = {}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "5s").replace("$instance", ".*")
            found[f"{panel['title']} {target['refId']}"] = expression
    return found
