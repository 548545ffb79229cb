"""How tests ask for devices by the protocol itself, and what they expect of the answer.

Holders are processes of the test's own, so that each can be ended alone; whatever must happen then is waited
for by somebody who wants the device. The fixtures `holders` and `node` are conftest.py's.
"""

from __future__ import annotations

import subprocess

from harness import Refused, pb, resolve_message, start_time

PATIENT = 60_000  # ms; nobody waits as long, but a lost wake-up would
KNOWN = {"itex": "newest", "keras": "3", "jit": "on"}
FIRST, SECOND = "0000:3a:00.0", "0000:4a:00.0"  # the simulated node's cards


class Holders:
    """Processes that do nothing but live."""

    def __init__(self):
        self.processes = []

    def new(self, **options):
        process = subprocess.Popen(["sleep", "100000"], **options)
        self.processes.append(process)
        return process

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


def holder(process):
    return pb.Holder(pid=process.pid, start_time=start_time(process.pid))


def asking(process=None, env=None, request_id=None, job=None, step=None, policy=None, lease=None, **devices):
    """The fields of a resolve for devices; count 1 where nothing is said."""
    devices.setdefault("count", 1)
    fields = {"devices": pb.DeviceRequest(**devices), "request_id": request_id}
    for name, value in {"job": job, "step": step, "policy": policy, "lease": lease}.items():
        if value is not None:
            fields[name] = value
    if process is not None:
        fields["holder"] = holder(process)
    return {"env": env or {}, "declared": KNOWN, **fields}


def ask(client, process=None, **more):
    return client.resolve(**asking(process, **more))


def begin(client, process=None, **more):
    """Asks, and comes back before the answer."""
    fields = asking(process, **more)
    return client.send("resolve", resolve_message(fields.pop("env"), fields.pop("declared"), **fields))


def answer(client, request):
    reply = client.reply(request)
    if reply.WhichOneof("body") == "error":
        raise Refused(reply.error)
    return reply.decision


def position(client, request):
    """Waits until the service has said the request's place in the queue."""
    while True:
        for event in client.events:
            if event.kind == "waiting" and event.request == request:
                client.events.remove(event)
                return event.position
        packet = client.receive()
        assert packet.WhichOneof("kind") == "event", f"answered instead of waiting: {packet}"
        client.events.append(packet.event)


def accept(client, decision):
    client.ok("accept", request_id=decision.request_id, decision=decision.id)


def written(client):
    """What was to be written before this is written: an answer comes after its commit."""
    client.resolve(declared=KNOWN)


def env(decision):
    return {
        variable.name: variable.value if variable.HasField("value") else None
        for variable in decision.outcome.env
    }


def rules(decision):
    return [diagnostic.rule for diagnostic in decision.outcome.diagnostics]


def detail(decision, rule):
    return next(d.message for d in decision.outcome.diagnostics if d.rule == rule)


def units(decision):
    return [(device.bdf, device.tile if device.HasField("tile") else None) for device in decision.devices]


def granted(decision):
    assert decision.lease.id, f"no lease: {decision}"
    assert decision.outcome.verdict != "rejected"
    return decision


def rejected(decision, rule):
    assert decision.outcome.verdict == "rejected"
    assert decision.outcome.mode == "none"
    assert decision.state == "asked"
    assert not decision.HasField("lease")
    assert not decision.devices
    assert rule in rules(decision), rules(decision)
    return decision
