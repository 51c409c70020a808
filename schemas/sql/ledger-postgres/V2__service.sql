-- Who may use the service: bearer tokens, of which only the SHA-256 is kept. They come and go like quarantine; that an operator
-- was given one and what it allows stands in the catalog as evidence.

CREATE TABLE tokens (
    digest     BYTEA  NOT NULL PRIMARY KEY,
    operator   BYTEA  NOT NULL,
    role       BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

-- The chain that a run's own chain follows, where the run says so: when that one moves, this may go in. What came before this
-- column waits until its own chain is heard of, or until all of the quarantine is tried again.

ALTER TABLE quarantine ADD COLUMN follows BYTEA;
CREATE INDEX quarantine_by_chain ON quarantine (chain) WHERE chain IS NOT NULL;
CREATE INDEX quarantine_by_followed ON quarantine (follows) WHERE follows IS NOT NULL;
-- How much of it came from where: what anybody may hand in has bounded room.
CREATE INDEX quarantine_by_source ON quarantine (source, size);

-- What was asked for with an Idempotency-Key, by its SHA-256 with the token, and what was answered, sealed. It is forgotten after
-- a day.

CREATE TABLE requests (
    key     BYTEA NOT NULL PRIMARY KEY,
    request BYTEA NOT NULL,
    at      BIGINT NOT NULL,
    answer  BYTEA
);
CREATE INDEX requests_by_time ON requests (at);
