-- The vendor's ledger on SQLite.
--
-- Sources: what was received and written. Runs are never changed; attachments may be erased; quarantine comes and goes.
--     catalog_runs, runs, attachments, catalog_attachments, quarantine
-- Projections: what follows from the sources, and is made anew by a rebuild. All others.
-- Instants are microseconds since 1970 UTC; identifiers and hashes are blobs.

CREATE TABLE catalog_runs (
    first_seq   INTEGER PRIMARY KEY,
    version     INTEGER NOT NULL,
    origin      BLOB    NOT NULL,
    prev        BLOB    NOT NULL,
    events      INTEGER NOT NULL,
    head        BLOB    NOT NULL,
    last_at     INTEGER NOT NULL,
    pairs       BLOB    NOT NULL
) STRICT;

CREATE TABLE catalog_attachments (
    commitment  BLOB PRIMARY KEY,
    salt        BLOB NOT NULL,
    value       BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    branch      INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    writer      INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    origin      BLOB    NOT NULL,
    prev        BLOB    NOT NULL,
    events      INTEGER NOT NULL,
    head        BLOB    NOT NULL,
    last_at     INTEGER NOT NULL,
    pairs       BLOB    NOT NULL,
    PRIMARY KEY (license_id, chain, branch, first_seq)
) STRICT;

CREATE TABLE attachments (
    license_id  BLOB NOT NULL,
    commitment  BLOB NOT NULL,
    salt        BLOB NOT NULL,
    value       BLOB NOT NULL,
    PRIMARY KEY (license_id, commitment)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    code        TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    chain       BLOB,
    received_at INTEGER NOT NULL,
    digest      BLOB    NOT NULL,
    size        INTEGER NOT NULL,
    bytes       BLOB    NOT NULL
) STRICT;

CREATE INDEX quarantine_by_digest ON quarantine (digest);

CREATE TABLE products (
    product     TEXT    NOT NULL PRIMARY KEY,
    features    BLOB    NOT NULL,
    packs       INTEGER NOT NULL,
    defined_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
    policy      TEXT    NOT NULL PRIMARY KEY,
    product     TEXT    NOT NULL,
    definition  BLOB    NOT NULL,
    defined_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
    customer_id BLOB    NOT NULL PRIMARY KEY,
    name        BLOB    NOT NULL,
    defined_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE issuers (
    certificate_id BLOB    NOT NULL PRIMARY KEY,
    certificate    BLOB    NOT NULL,
    revoked_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE catalog_history (
    seq         INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    core        BLOB    NOT NULL
) STRICT;

CREATE TABLE license_keys (
    reference   BLOB NOT NULL PRIMARY KEY,
    license_id  BLOB NOT NULL,
    product     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE licenses (
    license_id  BLOB    NOT NULL PRIMARY KEY,
    product     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    reference   BLOB    NOT NULL,
    customer_id BLOB    NOT NULL,
    policy      TEXT    NOT NULL,
    issued_at   INTEGER NOT NULL,
    standing    TEXT    NOT NULL,
    terms       BLOB    NOT NULL,
    valid_until INTEGER,
    epoch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    link        BLOB    NOT NULL,
    last_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE activations (
    license_id   BLOB    NOT NULL,
    chain        BLOB    NOT NULL,
    status       INTEGER NOT NULL,
    reason       TEXT,
    granted_at   INTEGER,
    released_at  INTEGER,
    why          INTEGER,
    seat_free_at INTEGER,
    grant_epoch  INTEGER NOT NULL,
    grant_seq    INTEGER NOT NULL,
    grant_at     INTEGER NOT NULL,
    ack_seq      INTEGER NOT NULL,
    ack_link     BLOB    NOT NULL,
    sync_by      INTEGER,
    PRIMARY KEY (license_id, chain)
) STRICT, WITHOUT ROWID;

CREATE TABLE quotas (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    feature     INTEGER NOT NULL,
    period      INTEGER NOT NULL,
    granted     INTEGER NOT NULL,
    written_off INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain, feature, period)
) STRICT, WITHOUT ROWID;

CREATE TABLE chains (
    license_id   BLOB    NOT NULL,
    chain        BLOB    NOT NULL,
    origin       BLOB    NOT NULL,
    opened_at    INTEGER,
    agent        TEXT,
    host         BLOB,
    fingerprint  BLOB    NOT NULL,
    requested_at INTEGER,
    closed_at    INTEGER,
    PRIMARY KEY (license_id, chain)
) STRICT, WITHOUT ROWID;

-- A chain alone finds its licence, as a key reference does: unique across licences, read in a query of its own.
CREATE TABLE chain_licenses (
    chain       BLOB NOT NULL PRIMARY KEY,
    license_id  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE branches (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    branch      INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    link        BLOB    NOT NULL,
    last_at     INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain, branch)
) STRICT, WITHOUT ROWID;

CREATE TABLE meters (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    feature     INTEGER NOT NULL,
    period      INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    refunded    INTEGER NOT NULL,
    returned    INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain, feature, period)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    feature     INTEGER NOT NULL,
    period      INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    refunded    INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain, feature, period, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE variables (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    name        TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    value       BLOB    NOT NULL,
    PRIMARY KEY (license_id, chain, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    branch      INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    core        BLOB    NOT NULL,
    PRIMARY KEY (license_id, chain, branch, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE known (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    first_seq   INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    link        BLOB    NOT NULL,
    known_at    INTEGER NOT NULL,
    PRIMARY KEY (license_id, chain, first_seq, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE findings (
    license_id  BLOB    NOT NULL,
    chain       BLOB    NOT NULL,
    branch      INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    code        TEXT    NOT NULL,
    PRIMARY KEY (license_id, chain, branch, seq, code)
) STRICT, WITHOUT ROWID;
