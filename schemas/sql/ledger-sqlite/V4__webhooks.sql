-- Webhooks: to whom it is told what happened, and what waits to be told or was. Both are sources that come and go, and a
-- rebuild leaves them alone. A message is written in the commit of what it tells. Of due_at, delivered_at and failed_at
-- exactly one is there; whoever sends a message puts its due_at off first, so that nobody else sends it meanwhile.

CREATE TABLE hooks (
    hook          BLOB    NOT NULL PRIMARY KEY,
    url           TEXT    NOT NULL,
    topics        TEXT    NOT NULL,
    signature     INTEGER NOT NULL,
    secret        BLOB    NOT NULL,
    allow_private INTEGER NOT NULL,
    maker         BLOB,
    created_at    INTEGER NOT NULL,
    disabled_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    license_id   BLOB    NOT NULL,
    message      BLOB    NOT NULL,
    hook         BLOB    NOT NULL,
    topic        INTEGER NOT NULL,
    body         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    due_at       INTEGER,
    delivered_at INTEGER,
    failed_at    INTEGER,
    status       INTEGER,
    answer       TEXT,
    PRIMARY KEY (license_id, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_due ON deliveries (hook, due_at);
CREATE INDEX deliveries_by_message ON deliveries (message);

-- How far it was looked for devices that are past their check-in deadline.
INSERT INTO counters (name, value) VALUES ('overdue', 0);
