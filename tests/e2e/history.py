"""Databases with a past: as many decisions as a test wants, made from a few real ones."""

from __future__ import annotations

import contextlib
import sqlite3
import time

# What the few are asked with; the last is rejected.
ASKED = [
    ["--keras", "3", "--jit", "off", "--itex", "newest"],
    ["--keras", "2", "--jit", "on", "--itex", "2.15.0.3"],
    ["--keras", "0", "--itex", "2.14.0.1"],
    ["--keras", "3", "--jit", "on", "--itex", "newest"],
    ["--env", "ZE_AFFINITY_MASK=x"],
]
# Row i, beyond those. One in 1000 is rejected, one in 5 has reported, one in 50 got the CPU.
FILL = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
INSERT INTO decisions
SELECT i, :now - (:last - i) * 60, CASE WHEN i % 7 THEN 1000 + i % 7 ELSE 0 END, pid, start_time, i % 4,
       policy, rule_set, facts, outcome, NULL, randomblob(16), 'job-' || (i / 16), i % 16, itex,
       CASE WHEN i % 50 = 0 THEN 'none' WHEN i % 5 = 0 THEN 'npd' END, CASE WHEN i % 5 = 0 THEN 1 END,
       CASE WHEN i % 5 = 0 THEN i % 50 != 0 END
FROM n JOIN decisions d ON d.id = 1 + (CASE WHEN i % 1000 = 0 THEN 4 ELSE i % 4 END)
"""


def step(decision):
    """The step of such a decision, which its JSON does not have."""
    return "" if decision["job"] == "first" else str(decision["decision"] % 16)


def fill(service, rows):
    """A started service with so many decisions; it is restarted for it."""
    for arguments in ASKED:
        service.ctl("resolve", *arguments, "--clean-env", "--job", "first")
    service.stop()
    with contextlib.closing(sqlite3.connect(service.database)) as db:
        first = db.execute("SELECT max(id) + 1 FROM decisions").fetchone()[0]
        assert first == len(ASKED) + 1
        db.execute(FILL, {"first": first, "last": rows, "now": int(time.time() * 1000)})
        db.commit()
    service.start()
