-- A device's store: one chain, append only, and what is kept beside it so that opening does not fold it.
-- Bytes are stored as they were signed; numbers are microseconds since 1970, places and units.

-- The chain's header: the signer and what it refers to. One row.
CREATE TABLE chain (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    signer    BLOB NOT NULL,
    reference BLOB NOT NULL
) STRICT;

-- Every event at its place.
CREATE TABLE events (
    seq       INTEGER PRIMARY KEY,
    core      BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- Personal data that events commit to, by the place of the event.
CREATE TABLE attachments (
    seq        INTEGER PRIMARY KEY,
    commitment BLOB NOT NULL,
    salt       BLOB NOT NULL,
    value      BLOB NOT NULL
) STRICT;

-- The last applied grant, and the one that carried the newest list of revoked issuers.
CREATE TABLE grants (
    epoch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    revocations INTEGER NOT NULL,
    content     BLOB NOT NULL,
    PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;

-- The sums of each metered feature and period.
CREATE TABLE meters (
    feature  INTEGER NOT NULL,
    period   INTEGER NOT NULL,
    gross    INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    PRIMARY KEY (feature, period)
) STRICT, WITHOUT ROWID;

-- Where each `ref` was first counted.
CREATE TABLE refs (
    feature   INTEGER NOT NULL,
    reference TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    PRIMARY KEY (feature, reference)
) STRICT, WITHOUT ROWID;

-- The chain's state after its last event, written in the same transaction as the event. One row.
CREATE TABLE state (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    head_seq       INTEGER NOT NULL,
    head_link      BLOB NOT NULL,
    prev_link      BLOB NOT NULL,
    mark           INTEGER NOT NULL,
    behind         INTEGER NOT NULL,
    noted          INTEGER,
    applied        INTEGER,
    fingerprint    INTEGER,
    mismatch_since INTEGER,
    restored       INTEGER NOT NULL
) STRICT;
