-- Chains may fork and runs may wait. What follows from the runs of a licence is kept as one value for the licence and one
-- for each of its device chains, beside the columns that lists are made of; only what grows with use has rows of its own.
--
-- Only projections are made anew, empty: the program folds the runs into them before it goes on. Of what waits in
-- quarantine, the places are kept from now on; what waited before is looked at each time.

ALTER TABLE quarantine ADD COLUMN first_seq INTEGER;
ALTER TABLE quarantine ADD COLUMN last_seq INTEGER;

DROP TABLE licenses;
CREATE TABLE licenses (
    license_id            BLOB    NOT NULL PRIMARY KEY,
    reference             BLOB    NOT NULL,
    product               TEXT    NOT NULL,
    policy                TEXT    NOT NULL,
    customer_id           BLOB    NOT NULL,
    standing              TEXT    NOT NULL,
    issued_at             INTEGER NOT NULL,
    valid_until           INTEGER,
    valid_from_activation INTEGER,
    max_activations       INTEGER NOT NULL,
    on_fork               INTEGER NOT NULL,
    state                 BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

DROP TABLE activations;
DROP TABLE quotas;
DROP TABLE branches;
DROP TABLE meters;
DROP TABLE known;
DROP TABLE chains;
CREATE TABLE chains (
    license_id   BLOB    NOT NULL,
    chain        BLOB    NOT NULL,
    status       INTEGER,
    reason       TEXT,
    agent        TEXT,
    host         BLOB,
    requested_at INTEGER,
    granted_at   INTEGER,
    released_at  INTEGER,
    sync_by      INTEGER,
    seq          INTEGER NOT NULL,
    last_at      INTEGER,
    last_seq     INTEGER NOT NULL,
    fork_seq     INTEGER,
    fork_at      INTEGER,
    fork_verdict TEXT,
    branches     BLOB    NOT NULL,
    state        BLOB    NOT NULL,
    PRIMARY KEY (license_id, chain)
) STRICT, WITHOUT ROWID;

-- A source, like quarantine: it comes and goes, and a rebuild leaves it alone.
CREATE TABLE parked (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    digest      BLOB    NOT NULL,
    first_seq   INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    bytes       BLOB    NOT NULL,
    PRIMARY KEY (license_id, chain, digest)
) STRICT;

-- Numbers that were given out.
CREATE TABLE counters (
    name   TEXT    NOT NULL PRIMARY KEY,
    value  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value)
SELECT 'quarantine', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'quarantine'), 0);
