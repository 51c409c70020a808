-- The vendor's ledger on PostgreSQL.
--
-- Sources: what was received and written. Runs are never changed; attachments may be erased; quarantine and parked runs
-- come and go.
--     catalog_runs, catalog_attachments, runs, attachments, parked, quarantine, counters
-- Tokens of transactions, by which it is seen whether one was committed: commits. A transaction leaves its token with 1;
--     whoever asks for one that is not there leaves it with 0, so that it cannot be left any more.
-- Projections: what follows from the sources, and is made anew by a rebuild. All others.
-- Instants are microseconds since 1970 UTC; identifiers and hashes are bytes. license_id leads every key of what belongs to
-- a licence, so that nothing else places a row. Runs do not compress: their bytes are kept as they are.

CREATE TABLE catalog_runs (
    first_seq BIGINT NOT NULL PRIMARY KEY,
    version   BIGINT NOT NULL,
    origin    BYTEA  NOT NULL,
    prev      BYTEA  NOT NULL,
    events    BIGINT NOT NULL,
    head      BYTEA  NOT NULL,
    last_at   BIGINT NOT NULL,
    pairs     BYTEA  NOT NULL
);

CREATE TABLE catalog_attachments (
    commitment BYTEA  PRIMARY KEY,
    salt       BYTEA  NOT NULL,
    value      BYTEA  NOT NULL
);

CREATE TABLE products (
    product    TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    features   BYTEA  NOT NULL,
    packs      BIGINT NOT NULL,
    defined_at BIGINT NOT NULL
);

CREATE TABLE policies (
    policy     TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    product    TEXT COLLATE "C"   NOT NULL,
    definition BYTEA  NOT NULL,
    defined_at BIGINT NOT NULL
);

CREATE TABLE customers (
    customer_id BYTEA  NOT NULL PRIMARY KEY,
    name        BYTEA  NOT NULL,
    defined_at  BIGINT NOT NULL
);

CREATE TABLE issuers (
    certificate_id BYTEA  NOT NULL PRIMARY KEY,
    certificate    BYTEA  NOT NULL,
    revoked_at     BIGINT
);

CREATE TABLE catalog_history (
    seq  BIGINT NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    core BYTEA  NOT NULL
);

CREATE TABLE license_keys (
    reference  BYTEA  NOT NULL PRIMARY KEY,
    license_id BYTEA  NOT NULL,
    product    TEXT COLLATE "C"   NOT NULL
);

CREATE TABLE chain_licenses (
    chain      BYTEA  NOT NULL PRIMARY KEY,
    license_id BYTEA  NOT NULL
);

CREATE TABLE counters (
    name  TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE quarantine (
    id          BIGINT NOT NULL PRIMARY KEY,
    code        TEXT COLLATE "C"   NOT NULL,
    source      TEXT COLLATE "C"   NOT NULL,
    chain       BYTEA,
    received_at BIGINT NOT NULL,
    digest      BYTEA  NOT NULL,
    size        BIGINT NOT NULL,
    first_seq   BIGINT,
    last_seq    BIGINT,
    bytes       BYTEA  NOT NULL
);

CREATE INDEX quarantine_by_digest ON quarantine (digest);

CREATE TABLE licenses (
    license_id            BYTEA  NOT NULL PRIMARY KEY,
    reference             BYTEA  NOT NULL,
    product               TEXT COLLATE "C"   NOT NULL,
    policy                TEXT COLLATE "C"   NOT NULL,
    customer_id           BYTEA  NOT NULL,
    standing              TEXT COLLATE "C"   NOT NULL,
    issued_at             BIGINT NOT NULL,
    valid_until           BIGINT,
    valid_from_activation BIGINT,
    max_activations       BIGINT NOT NULL,
    on_fork               BIGINT NOT NULL,
    state                 BYTEA  NOT NULL
);

CREATE TABLE runs (
    license_id BYTEA  NOT NULL,
    chain      BYTEA  NOT NULL,
    branch     BIGINT NOT NULL,
    first_seq  BIGINT NOT NULL,
    writer     BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    origin     BYTEA  NOT NULL,
    prev       BYTEA  NOT NULL,
    events     BIGINT NOT NULL,
    head       BYTEA  NOT NULL,
    last_at    BIGINT NOT NULL,
    pairs      BYTEA  NOT NULL,
    PRIMARY KEY (license_id, chain, branch, first_seq)
);

CREATE TABLE attachments (
    license_id BYTEA  NOT NULL,
    commitment BYTEA  NOT NULL,
    salt       BYTEA  NOT NULL,
    value      BYTEA  NOT NULL,
    PRIMARY KEY (license_id, commitment)
);

CREATE TABLE parked (
    license_id BYTEA  NOT NULL,
    chain      BYTEA  NOT NULL,
    digest     BYTEA  NOT NULL,
    first_seq  BIGINT NOT NULL,
    last_seq   BIGINT NOT NULL,
    size       BIGINT NOT NULL,
    bytes      BYTEA  NOT NULL,
    PRIMARY KEY (license_id, chain, digest)
);

CREATE TABLE chains (
    license_id   BYTEA  NOT NULL,
    chain        BYTEA  NOT NULL,
    status       BIGINT,
    reason       TEXT COLLATE "C",
    agent        TEXT COLLATE "C",
    host         BYTEA,
    requested_at BIGINT,
    granted_at   BIGINT,
    released_at  BIGINT,
    sync_by      BIGINT,
    seq          BIGINT NOT NULL,
    last_at      BIGINT,
    last_seq     BIGINT NOT NULL,
    fork_seq     BIGINT,
    fork_at      BIGINT,
    fork_verdict TEXT COLLATE "C",
    branches     BYTEA  NOT NULL,
    state        BYTEA  NOT NULL,
    PRIMARY KEY (license_id, chain)
);

CREATE TABLE usage (
    license_id BYTEA  NOT NULL,
    chain      BYTEA  NOT NULL,
    feature    BIGINT NOT NULL,
    period     BIGINT NOT NULL,
    day        BIGINT NOT NULL,
    n          BIGINT NOT NULL,
    refunded   BIGINT NOT NULL,
    events     BIGINT NOT NULL,
    PRIMARY KEY (license_id, chain, feature, period, day)
);

CREATE TABLE variables (
    license_id BYTEA  NOT NULL,
    chain      BYTEA  NOT NULL,
    name       TEXT COLLATE "C"   NOT NULL,
    seq        BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    value      BYTEA  NOT NULL,
    PRIMARY KEY (license_id, chain, name)
);

CREATE TABLE history (
    license_id BYTEA  NOT NULL,
    chain      BYTEA  NOT NULL,
    branch     BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    kind       BIGINT NOT NULL,
    core       BYTEA  NOT NULL,
    PRIMARY KEY (license_id, chain, branch, seq)
);

CREATE TABLE findings (
    license_id BYTEA  NOT NULL,
    chain      BYTEA  NOT NULL,
    branch     BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    code       TEXT COLLATE "C"   NOT NULL,
    PRIMARY KEY (license_id, chain, branch, seq, code)
);

CREATE TABLE commits (
    token     BYTEA  NOT NULL PRIMARY KEY,
    committed BIGINT NOT NULL
);

ALTER TABLE runs ALTER COLUMN pairs SET STORAGE EXTERNAL;
ALTER TABLE catalog_runs ALTER COLUMN pairs SET STORAGE EXTERNAL;
ALTER TABLE parked ALTER COLUMN bytes SET STORAGE EXTERNAL;
ALTER TABLE quarantine ALTER COLUMN bytes SET STORAGE EXTERNAL;
ALTER TABLE licenses ALTER COLUMN state SET STORAGE EXTERNAL;
ALTER TABLE chains ALTER COLUMN state SET STORAGE EXTERNAL;

INSERT INTO counters (name, value) VALUES ('quarantine', 0);
