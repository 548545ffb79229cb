-- Version 1 of itexd's database.
--
-- What decides its shape:
--   * One commit must touch few pages. A decision is one narrow row and three index entries, all but the job's at the
--     right-hand end of their trees; what is equal between decisions (facts, outcome) is stored once, by hash.
--   * Decision ids rise by one from row to row, so "newest first" and paging need no index, and the number of rows
--     is last - first + 1. Retention removes the lowest ids only, and never the newest row: no id is used twice.
--   * Times rise with the ids within one stretch of the clock (clock_stretches), so a time bound is found by
--     bisecting ids. There is no index on time.
--   * Request ids are not indexed: itexd keeps the recent ones in memory.
--
-- Times are milliseconds since 1970, UTC.

CREATE TABLE rule_sets (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    digest      TEXT NOT NULL UNIQUE,
    origin      TEXT NOT NULL,           -- shipped, loaded
    created_ms  INTEGER NOT NULL,
    created_uid INTEGER NOT NULL,
    rules       INTEGER NOT NULL,        -- how many
    files       BLOB NOT NULL            -- itexd.v1.RuleFiles
) STRICT;

-- The last row names the rule set in force; the history is for rollback and for whoever asks who did it.
CREATE TABLE activations (
    id       INTEGER PRIMARY KEY,
    rule_set INTEGER NOT NULL REFERENCES rule_sets (id),
    time_ms  INTEGER NOT NULL,
    uid      INTEGER NOT NULL,
    chosen   INTEGER NOT NULL CHECK (chosen IN (0, 1)) -- by a person
) STRICT;
CREATE INDEX activations_rule_set ON activations (rule_set);

-- last_block: decision id / 65536 of the newest decision that may refer to the row, so that retention
-- finds what nothing refers to without an index on decisions (facts).
CREATE TABLE facts (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,     -- SHA-256
    last_block INTEGER NOT NULL,
    body       BLOB NOT NULL             -- itexd.v1.Facts
) STRICT;

CREATE TABLE outcomes (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,     -- SHA-256
    last_block INTEGER NOT NULL,
    mode       TEXT,                     -- NULL: nothing is reached
    verdict    TEXT NOT NULL,
    body       BLOB NOT NULL             -- itexd.v1.Outcome
) STRICT;
CREATE INDEX outcomes_mode ON outcomes (mode);
CREATE INDEX outcomes_verdict ON outcomes (verdict);

CREATE TABLE outcome_rules (
    rule    TEXT NOT NULL,
    outcome INTEGER NOT NULL REFERENCES outcomes (id) ON DELETE CASCADE,
    PRIMARY KEY (rule, outcome)
) STRICT, WITHOUT ROWID;
CREATE INDEX outcome_rules_outcome ON outcome_rules (outcome);

-- Devices and leases: what is certain about them, so that decisions can refer to them. The live leases are not here
-- but in a file under /run; these tables are their history.
CREATE TABLE devices (
    id         INTEGER PRIMARY KEY,
    bdf        TEXT NOT NULL,            -- PCI address
    uuid       TEXT UNIQUE,
    name       TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    drained    INTEGER NOT NULL DEFAULT 0 CHECK (drained IN (0, 1))
) STRICT;

CREATE TABLE leases (
    id         INTEGER PRIMARY KEY,
    granted_ms INTEGER NOT NULL,
    ended_ms   INTEGER,                  -- NULL: not yet
    uid        INTEGER NOT NULL,
    sharing    TEXT NOT NULL,            -- exclusive, shared
    state      TEXT NOT NULL             -- offered, accepted, released
) STRICT;

CREATE TABLE lease_devices (
    lease  INTEGER NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
    device INTEGER NOT NULL REFERENCES devices (id),
    tile   INTEGER NOT NULL DEFAULT -1,  -- -1: the whole card
    PRIMARY KEY (lease, device, tile)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_devices_device ON lease_devices (device);

CREATE TABLE decisions (
    id               INTEGER PRIMARY KEY,
    time_ms          INTEGER NOT NULL,
    uid              INTEGER NOT NULL,
    pid              INTEGER NOT NULL,
    start_time       INTEGER NOT NULL,   -- field 22 of /proc/PID/stat
    state            INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3), -- asked, offered, undelivered, accepted
    policy           INTEGER NOT NULL CHECK (policy BETWEEN 0 AND 1), -- enforce, advise
    rule_set         INTEGER NOT NULL REFERENCES rule_sets (id),
    facts            INTEGER NOT NULL REFERENCES facts (id),
    outcome          INTEGER NOT NULL REFERENCES outcomes (id),
    lease            INTEGER REFERENCES leases (id),
    request_id       BLOB NOT NULL,
    job              TEXT,
    step             TEXT,
    itex             TEXT,
    observed_mode    TEXT,               -- NULL: no report yet
    observed_devices INTEGER,
    observed_match   INTEGER
) STRICT;
CREATE INDEX decisions_uid ON decisions (uid);
CREATE INDEX decisions_job ON decisions (job) WHERE job IS NOT NULL;
CREATE INDEX decisions_outcome ON decisions (outcome);

-- A row begins where the clock was found to have been set back; within a stretch times rise with the ids.
CREATE TABLE clock_stretches (
    first_decision INTEGER PRIMARY KEY
) STRICT;

-- What happened to the service that an administrator may want to find later.
CREATE TABLE events (
    id      INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT;
