-- Who may use the service: bearer tokens, of which only the SHA-256 is kept. They come and go like quarantine; that an operator
-- was given one and what it allows stands in the catalog as evidence.

CREATE TABLE tokens (
    digest     BLOB    NOT NULL PRIMARY KEY,
    operator   BLOB    NOT NULL,
    role       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) WITHOUT ROWID;
