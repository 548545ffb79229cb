"""Jobs of every fate, on the socket of a service with two simulated cards; what was done is printed as JSON.

    load.py SOCKET mixed | flood COUNT | steady | outage | until-recorded

mixed: decisions of every verdict, offers that are accepted and that are not, reports that match and that
differ, twice the same, and two at once, requests that are refused. flood: as many jobs as fast as it goes.
steady: jobs until the service ends, after the first of which it says "begun". outage: jobs until one is not
recorded, and ten more, while of two offers that were recorded one is accepted and one is not. until-recorded:
jobs until one is recorded, and ten more.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import asking
import harness
from harness import ServiceGone, resolve_message

# Environment, declared facts, and further fields.
JOBS = [
    ({}, {"keras": "3", "jit": "off", "itex": "newest"}, {}),
    ({}, {"keras": "2", "jit": "on", "itex": "2.15.0.3"}, {}),
    ({}, {"keras": "0", "itex": "2.14.0.1"}, {}),
    ({}, {"keras": "3", "jit": "on", "itex": "newest"}, {}),
    ({"ITEX_OPS_OVERRIDE": "1"}, {"keras": "3", "jit": "auto", "itex": "newest"}, {"policy": "advise"}),
    ({"ZE_AFFINITY_MASK": "x"}, {}, {}),
    ({"TF_XLA_FLAGS": "--tf_xla_auto_jit=2", "ITEX_OPS_OVERRIDE": "1"}, {"itex": "2.15.0.3"}, {}),
]
IN_FLIGHT = 32
PAUSE = 0.005  # or the log's rate is met
OTHER = 65534


class Load:
    def __init__(self, path):
        self.path = path
        self.done = Counter()

    def client(self, **options):
        return harness.Client(self.path, **options)

    def message(self, i):
        env, declared, more = JOBS[i % len(JOBS)]
        return resolve_message(env, declared, job=f"load-{i}", **more)

    def decided(self, decision):
        self.done["decisions"] += 1
        self.done[f"verdict {decision.outcome.verdict}"] += 1
        self.done["unrecorded"] += not decision.recorded
        return decision

    def jobs(self, count):
        with self.client() as client:
            waiting = []
            for i in range(count):
                waiting.append(client.send("resolve", self.message(i)))
                if len(waiting) == IN_FLIGHT or i == count - 1:
                    for request in waiting:
                        self.decided(client.reply(request).decision)
                    waiting.clear()

    # ---- Devices ------------------------------------------------------------------------------------------

    def offers(self, holders):
        """Accepted, busy, hung up before accepting, and ended before accepting."""
        with self.client() as client:
            kept = self.decided(asking.granted(asking.ask(client, holders.new(), job="kept")))
            asking.accept(client, kept)
            self.decided(asking.ask(client, holders.new(), count=2, job="busy"))
            self.done["accepted"] += 1
        with self.client() as client:
            self.decided(asking.granted(asking.ask(client, holders.new(), job="hung up")))
            self.done["undelivered"] += 1
        with self.client() as client:  # gets the card that nobody has accepted
            process = holders.new()
            decision = asking.ask(client, process, job="next", wait_ms=asking.PATIENT)
            asking.accept(client, self.decided(asking.granted(decision)))
            process.kill()
            self.done["accepted"] += 1
        with self.client() as client:
            process = holders.new()
            self.decided(asking.granted(asking.ask(client, process, job="ended", wait_ms=asking.PATIENT)))
            process.kill()
            self.done["undelivered"] += 1
            last = asking.ask(client, holders.new(), job="last", wait_ms=asking.PATIENT)
            asking.accept(client, self.decided(asking.granted(last)))
            self.done["accepted"] += 1

    # ---- Reports ------------------------------------------------------------------------------------------

    def reports(self):
        def of(client, mode, devices=None):
            return client.send(
                "report", decision=decision, mode=mode, **({} if devices is None else {"devices": devices})
            )

        for mode in ("npd", "npd", "none", "stream-executor"):
            with self.client() as client:
                made = self.decided(client.resolve(declared={"keras": "0", "itex": "newest"}, job="reports"))
                decision, same = made.id, made.outcome.mode == mode
                for _ in range(2):  # the second says the same, and is answered only
                    client.reply(of(client, mode))
                self.done["reports"] += 1
                self.done["mismatches"] += not same
        for _ in range(3):
            with self.client() as client, self.client() as other:
                made = client.resolve(declared={"keras": "0", "itex": "newest"}, job="at once")
                decision = self.decided(made).id
                sent = [(each, of(each, "none")) for _ in range(30) for each in (client, other)]
                for each, request in sent:  # one is written, whichever is first
                    assert not each.reply(request).report.match
                self.done["reports"] += 1
                self.done["mismatches"] += 1
        with self.client() as client:
            decision = self.decided(client.resolve(declared={"keras": "0", "itex": "newest"}, job="twice")).id
            client.reply(of(client, "npd"))
            client.reply(of(client, "none"))  # what a later process got
            self.done["reports"] += 1
            self.done["mismatches"] += 1

    # ---- Refusals -----------------------------------------------------------------------------------------

    def refusals(self):
        with self.client() as client:
            decision = self.decided(client.resolve(job="of root")).id
            client.error("explain", decision=1 << 40)
            client.error("explain", decision=0)
            client.error("resolve", resolve_message({}, {"keras": "17"}))
            client.error("report", decision=decision, mode="fast")
            client.error("rules_activate", id=1 << 40)
        with self.client(uid=OTHER) as client:
            client.error("explain", decision=decision)
            client.error("reload")
        with self.client() as client:
            client.send_raw(b"\xff\xff")
            client.ended()
        self.done["refusals"] += 8

    def outage(self):
        holders = asking.Holders()
        with self.client() as one, self.client() as other:
            accepted = self.decided(asking.granted(asking.ask(one, holders.new(), job="accepted")))
            hung_up = self.decided(asking.granted(asking.ask(other, holders.new(), job="not accepted")))
            assert accepted.recorded
            assert hung_up.recorded
            self.until(False)
            asking.accept(one, accepted)
            other.close()
            again = asking.ask(one, holders.new(), job="again", wait_ms=asking.PATIENT)
            asking.accept(one, self.decided(asking.granted(again)))
        holders.end()
        self.done += Counter(accepted=1, undelivered=1, leases=3)

    def mixed(self):
        holders = asking.Holders()
        try:
            self.jobs(210)
            self.offers(holders)
            self.reports()
            self.refusals()
            self.done["leases"] += 5
        finally:
            holders.end()

    def steady(self):
        """A few at a time, so that some are on their way whenever the service ends."""
        with contextlib.suppress(ServiceGone, BrokenPipeError, ConnectionResetError), self.client() as client:
            while True:
                for request in [client.send("resolve", self.message(i)) for i in range(4)]:
                    self.decided(client.reply(request).decision)
                    if self.done["decisions"] == 1:
                        print("begun", flush=True)
                time.sleep(4 * PAUSE)

    def until(self, recorded):
        deadline = time.monotonic() + harness.TIMEOUT
        with self.client() as client:
            left = 10
            while left > 0:
                assert time.monotonic() < deadline
                left -= self.decided(client.resolve(job="until")).recorded == recorded
                time.sleep(PAUSE)


def main():
    load = Load(sys.argv[1])
    what, *more = sys.argv[2:]
    if what == "flood":
        load.jobs(int(more[0]))
    elif what == "steady":
        load.steady()
    elif what == "outage":
        load.outage()
    elif what == "mixed":
        load.mixed()
    else:
        load.until(True)
    print(json.dumps(load.done))


main()
