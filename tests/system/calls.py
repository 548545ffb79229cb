"""A client that calls without a pause, each time on a new connection, until its standard input ends.

    calls.py SOCKET

Says "calling" at its first answer and at the end, as JSON, what it met: answers (decisions by number, each
once), retries (the connection ended, or the service said that it stops, before there was an answer: the same
request is sent again), refusals (what connect() said), other (errors in answers), and the slowest time.
"""

from __future__ import annotations

import json
import secrets
import select
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import harness


class Caller:
    def __init__(self, path):
        self.path = path
        self.answers, self.refusals, self.other = [], [], []
        self.retries = 0
        self.slowest = 0.0

    def attempt(self, request_id):
        """The decision's number; None where the same has to be sent again."""
        try:
            connection = harness.Client(self.path, hello=False)
        except OSError as error:
            self.refusals.append(str(error))
            return None
        with connection:
            try:
                connection.ok(
                    "hello", name="calls", major=harness.MAJOR, minor=0, minimum_major=harness.MAJOR
                )
                return connection.resolve(request_id=request_id).id
            except (harness.ServiceGone, BrokenPipeError, ConnectionResetError):
                return None
            except harness.Refused as error:
                if error.code != harness.Code.STOPPING:
                    self.other.append(str(error))
                return None

    def call(self):
        request_id = secrets.token_bytes(16)
        began = time.monotonic()
        while (number := self.attempt(request_id)) is None:
            self.retries += 1
            time.sleep(0.001)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.answers.append(number)
        if len(self.answers) == 1:
            print("calling", flush=True)


def main():
    caller = Caller(sys.argv[1])
    while not select.select([sys.stdin], [], [], 0)[0]:
        caller.call()
    print(json.dumps(vars(caller)))


main()
