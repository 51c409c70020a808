-- Webhooks: to whom it is told what happened, and what waits to be told or was. Both are sources that come and go, and a
-- rebuild leaves them alone. A message is written in the commit of what it tells. Of due_at, delivered_at and failed_at
-- exactly one is there; whoever sends a message puts its due_at off first, so that nobody else sends it meanwhile.

CREATE TABLE hooks (
    hook          BYTEA   NOT NULL PRIMARY KEY,
    url           TEXT COLLATE "C" NOT NULL,
    topics        TEXT COLLATE "C" NOT NULL,
    signature     BIGINT NOT NULL,
    secret        BYTEA   NOT NULL,
    allow_private BIGINT NOT NULL,
    maker         BYTEA,
    created_at    BIGINT NOT NULL,
    disabled_at   BIGINT
);

CREATE TABLE deliveries (
    license_id   BYTEA   NOT NULL,
    message      BYTEA   NOT NULL,
    hook         BYTEA   NOT NULL,
    topic        BIGINT NOT NULL,
    body         TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    due_at       BIGINT,
    delivered_at BIGINT,
    failed_at    BIGINT,
    status       BIGINT,
    answer       TEXT COLLATE "C",
    PRIMARY KEY (license_id, message)
);

CREATE INDEX deliveries_by_due ON deliveries (hook, due_at);
CREATE INDEX deliveries_by_message ON deliveries (message);

-- How far it was looked for devices that are past their check-in deadline.
INSERT INTO counters (name, value) VALUES ('overdue', 0);
