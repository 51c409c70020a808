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
