#!/usr/bin/env python3
"""What devices and leases cost, measured on simulated GPUs. README.md explains the lines.

ITEXD_BUILD=build tests/bench/bench_devices.py [--seconds 10] [--rounds 300] [--pairs 5]
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness import Itexd, Simulated, pb, resolve_message, start_time  # noqa: E402

CARDS = 8
ASK_MS = 60_000
SETTLE_SECONDS = 30
RESULT = struct.Struct("q")


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def p50_p99(values):
    return f"p50 {percentile(values, 0.5) / 1000:.0f} us, p99 {percentile(values, 0.99) / 1000:.0f} us"


# ---- Processes -----------------------------------------------------------------------------------------


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def descendants(root):
    found, parents = [], {root}
    for _ in range(3):
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        for pid in pids:
            try:
                if pid not in parents and parent_of(pid) in parents:
                    found.append(pid)
                    parents.add(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def processes(service):
    """Name to pid: the service and its children."""
    named = {"service": service.process.pid}
    for pid in descendants(service.process.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        role = words[1].decode() if len(words) > 1 else ""
        named[role if role in ("device-worker", "keeper") else "spawner"] = pid
    return named


def cpu_ns(pid):
    """On a CPU so far, all threads."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def memory_kb(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


# ---- The service ---------------------------------------------------------------------------------------


class Node:
    """A service on simulated cards, all of them in its inventory."""

    def __init__(self, directory, cards, tiles):
        own = Path(tempfile.mkdtemp(dir=directory))
        self.gpus = Simulated(own, cards=cards, tiles=tiles)
        self.service = Itexd(directory=own / "itexd", devices=self.gpus).start()
        self.wait_devices(cards)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.service.cleanup()

    def wait_devices(self, cards):
        deadline = time.monotonic() + SETTLE_SECONDS
        with self.service.client() as client:
            while client.ok("status").n_devices != cards:
                if time.monotonic() > deadline:
                    raise SystemExit(f"no {cards} devices: {client.ok('status')}")
                time.sleep(0.05)


def ask(service, out, waiting=None):
    """In a child: asks for a device, accepts it, tells how long it took (or when it came), and holds it."""
    request = resolve_message(
        devices=pb.DeviceRequest(count=1, tiles=False, wait_ms=ASK_MS),
        holder=pb.Holder(pid=os.getpid(), start_time=start_time(os.getpid())),
    )
    with service.client(timeout=ASK_MS / 1000) as client:
        sent = time.monotonic_ns()
        number = client.send("resolve", request)
        while True:
            packet = client.receive()
            if packet.WhichOneof("kind") == "reply":
                break
            if waiting is not None:
                os.write(waiting, b"w")
        answered = time.monotonic_ns()
        if packet.reply.id != number or not packet.reply.decision.HasField("lease"):
            raise SystemExit(f"no lease: {packet.reply}")
        client.ok("accept", request_id=request.request_id, decision=packet.reply.decision.id)
    os.write(out, RESULT.pack(answered if waiting is not None else answered - sent))
    signal.pause()


def forked(body):
    pid = os.fork()
    if pid:
        return pid
    try:
        body()
    finally:
        os._exit(1)


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


# ---- What is measured ------------------------------------------------------------------------------------


def sampling(directory, seconds):
    with Node(directory, CARDS, 2) as node:
        named = processes(node.service)
        time.sleep(2)  # what the start costs is not sampling
        before = {name: cpu_ns(pid) for name, pid in named.items()}
        time.sleep(seconds)
        for name, pid in named.items():
            used = (cpu_ns(pid) - before[name]) / seconds
            print(
                f"{name}: {used / 1e6:.2f} ms CPU per second, RSS {memory_kb(pid, 'VmRSS') / 1024:.1f} MB"
                f" (private {memory_kb(pid, 'RssAnon') / 1024:.1f} MB)"
            )


def grants(directory, rounds):
    """A grant beside a resolution without devices, in turns."""
    with Node(directory, 1, 0) as node, node.service.client() as client:
        results, result = os.pipe()
        with_device, without = [], []
        for _ in range(rounds):
            began = time.monotonic_ns()
            client.resolve()
            without.append(time.monotonic_ns() - began)
            holder = forked(lambda: ask(node.service, result))
            with_device.append(RESULT.unpack(os.read(results, RESULT.size))[0])
            end(holder)
        ratio = percentile(with_device, 0.5) / percentile(without, 0.5)
        print(f"without devices: {p50_p99(without)}")
        print(f"grant: {p50_p99(with_device)}, {ratio:.1f} times one without")


def releases(directory, rounds):
    """From the kill of the only card's holder to the answer that the next in line has in hand."""
    with Node(directory, 1, 0) as node:
        results, result = os.pipe()
        waits, waiting = os.pipe()
        took = []
        holder = forked(lambda: ask(node.service, result))
        os.read(results, RESULT.size)
        for _ in range(rounds):
            follower = forked(lambda: ask(node.service, result, waiting))
            os.read(waits, 1)
            began = time.monotonic_ns()
            end(holder)
            took.append(RESULT.unpack(os.read(results, RESULT.size))[0] - began)
            holder = follower
        end(holder)
        print(f"release to the next grant: {p50_p99(took)}")


def resolutions(client, seconds):
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic_ns()
        client.resolve(declared={"keras": "0"})
        took.append(time.monotonic_ns() - began)
    return took


def hang(directory, pairs, seconds):
    """Resolutions without devices while the worker hangs in the driver, against those before; in turns."""
    with Node(directory, CARDS, 2) as node, node.service.client() as client:
        resolutions(client, 1)
        ratios = []
        for _ in range(pairs):
            before = resolutions(client, seconds)
            node.gpus.change("hang zesPowerGetEnergyCounter")
            during = resolutions(client, seconds)
            node.gpus.reset()
            ratios.append(percentile(during, 0.99) / percentile(before, 0.99))
            print(f"  before {p50_p99(before)}; worker hangs {p50_p99(during)}")
        print(
            f"p99 while the worker hangs, against before: {statistics.median(ratios):.2f} (aim: at most 1.5)"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of sampling")
    parser.add_argument("--rounds", type=int, default=300, help="grants and releases")
    parser.add_argument("--pairs", type=int, default=5, help="before and during a hang, 3 s each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="itexd-bench-", dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        print(f"-- sampling {CARDS} simulated devices")
        sampling(directory, arguments.seconds)
        print("-- leases")
        grants(directory, arguments.rounds)
        releases(directory, arguments.rounds)
        print("-- a driver that hangs")
        hang(directory, arguments.pairs, 3)


if __name__ == "__main__":
    main()
