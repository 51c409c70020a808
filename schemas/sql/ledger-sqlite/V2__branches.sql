-- Chains may fork: branches with what is known of each, recorded forks, and runs that wait for events before them.
--
-- Only projections are made anew, empty: the program folds the runs into them before it goes on. Of what waits in
-- quarantine, the places are kept from now on; what waited before is looked at each time.

ALTER TABLE quarantine ADD COLUMN first_seq INTEGER;
ALTER TABLE quarantine ADD COLUMN last_seq INTEGER;

DROP TABLE chains;
CREATE TABLE chains (
    license_id     BLOB    NOT NULL,
    chain          BLOB    NOT NULL,
    origin         BLOB    NOT NULL,
    opened_at      INTEGER,
    agent          TEXT,
    host           BLOB,
    fingerprint    BLOB    NOT NULL,
    fingerprint_at INTEGER NOT NULL,
    follows        BLOB,
    requested_at   INTEGER,
    closed_at      INTEGER,
    fork_seq       INTEGER,
    fork_verdict   TEXT,
    PRIMARY KEY (license_id, chain)
) STRICT, WITHOUT ROWID;

DROP TABLE branches;
CREATE TABLE branches (
    license_id     BLOB    NOT NULL,
    chain          BLOB    NOT NULL,
    branch         INTEGER NOT NULL,
    parent         INTEGER NOT NULL,
    first_seq      INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    link           BLOB    NOT NULL,
    first_at       INTEGER NOT NULL,
    first_is_start INTEGER NOT NULL,
    rival_at       INTEGER,
    rival_is_start INTEGER,
    last_at        INTEGER NOT NULL,
    unsteady       INTEGER,
    ahead_before   INTEGER NOT NULL,
    behind_before  INTEGER NOT NULL,
    ahead          INTEGER NOT NULL,
    behind         INTEGER NOT NULL,
    closed_seq     INTEGER,
    closed_at      INTEGER,
    PRIMARY KEY (license_id, chain, branch)
) STRICT, WITHOUT ROWID;

CREATE TABLE branch_sums (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    branch      INTEGER NOT NULL,
    feature     INTEGER NOT NULL,
    period      INTEGER NOT NULL,
    base        INTEGER,
    used        INTEGER NOT NULL,
    refunded    INTEGER NOT NULL,
    returned    INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain, branch, feature, period)
) STRICT, WITHOUT ROWID;

DROP TABLE meters;
CREATE TABLE meters (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    feature     INTEGER NOT NULL,
    period      INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    refunded    INTEGER NOT NULL,
    returned    INTEGER NOT NULL,
    freed       INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain, feature, period)
) STRICT, WITHOUT ROWID;

DROP TABLE known;
CREATE TABLE known (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    first_seq   INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    link        BLOB    NOT NULL,
    known_at    INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain, first_seq, seq, link)
) STRICT, WITHOUT ROWID;

CREATE TABLE forks (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    recorded    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain)
) STRICT, WITHOUT ROWID;

-- A source, like quarantine: it comes and goes, and a rebuild leaves it alone.
CREATE TABLE parked (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    digest      BLOB    NOT NULL,
    first_seq   INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    bytes       BLOB    NOT NULL,
    PRIMARY KEY (license_id, chain, digest)
) STRICT;
