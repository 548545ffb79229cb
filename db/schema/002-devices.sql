-- Version 2: devices, leases, what happened to them, and what was measured.
--
-- What decides its shape:
--   * A decision without a lease costs what it did in version 1, to the byte. One with a lease costs a lease row, a row
--     for each unit and an entry among the open leases; only ranks that see or begin with something else than the
--     whole lease need a row of their own (lease_ranks).
--   * What a decision shows of its devices is what they were at the grant: units refer to a version of the device, and
--     a new name, UUID or driver makes a new version.
--   * Lease ids are chosen by the service and rise. They are kept as long as decisions: last_block as in facts.
--   * Events and samples are only ever added at the end and removed from the beginning.
--
-- The three tables of version 1 that go here never held a row.

DROP TABLE lease_devices;
DROP TABLE leases;
DROP TABLE devices;

CREATE TABLE devices (
    id            INTEGER PRIMARY KEY,   -- for people
    key           TEXT NOT NULL UNIQUE,  -- the identity: PCI address, else UUID
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    drained       INTEGER NOT NULL CHECK (drained IN (0, 1))
) STRICT;

-- The newest of a device is how it is now. A UUID may repeat: drivers do that.
CREATE TABLE device_versions (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES devices (id),
    since_ms     INTEGER NOT NULL,
    bdf          TEXT,                   -- PCI address
    uuid         TEXT,
    name         TEXT,                   -- NULL: only the key was known
    driver       TEXT,
    tiles        INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX device_versions_device ON device_versions (device);

-- The live leases are in a file under /run; this is their history.
CREATE TABLE leases (
    id          INTEGER PRIMARY KEY,
    granted_ms  INTEGER NOT NULL,
    released_ms INTEGER,                 -- NULL: not yet
    uid         INTEGER NOT NULL,
    shared      INTEGER NOT NULL CHECK (shared IN (0, 1)),
    state       INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2), -- offered, accepted, released
    last_block  INTEGER NOT NULL,
    job         TEXT
) STRICT;
CREATE INDEX leases_open ON leases (id) WHERE released_ms IS NULL;

CREATE TABLE lease_units (
    lease   INTEGER NOT NULL REFERENCES leases (id),
    place   INTEGER NOT NULL,            -- in the mask, from 0
    version INTEGER NOT NULL REFERENCES device_versions (id),
    tile    INTEGER NOT NULL,            -- -1: the whole card
    PRIMARY KEY (lease, place)
) STRICT, WITHOUT ROWID;

-- Of decisions whose process begins with another than the first device or sees only some of the lease.
CREATE TABLE lease_ranks (
    decision     INTEGER PRIMARY KEY,    -- goes in the transaction in which the decision goes
    local_device INTEGER NOT NULL,
    places       TEXT                    -- its own, as a JSON array; NULL: all
) STRICT;

ALTER TABLE events ADD COLUMN device INTEGER REFERENCES devices (id);
ALTER TABLE events ADD COLUMN lease INTEGER; -- may be gone
CREATE INDEX events_device ON events (device) WHERE device IS NOT NULL;

CREATE TABLE metrics (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Aggregates of a metric over a stretch of time.
CREATE TABLE samples (
    id      INTEGER PRIMARY KEY,
    device  INTEGER NOT NULL REFERENCES devices (id),
    metric  INTEGER NOT NULL REFERENCES metrics (id),
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    least   REAL,
    mean    REAL,
    highest REAL
) STRICT;
CREATE INDEX samples_device ON samples (device, from_ms);
