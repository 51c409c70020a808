//! For each rule what breaks it and nothing else.

use super::rules::Breach;
use super::tables;

/// A breach, how many parameters the statement takes, and the statement.
pub(super) const STATEMENTS: &[(Breach, usize, &str)] = &[
    (Breach::Unreadable, 0, "SELECT product FROM WHERE products"),
    (Breach::Unreadable, 0, "DELETE FROM products; DELETE FROM policies"),
    (Breach::Unreadable, 0, ""),
    (Breach::Verb, 0, "TRUNCATE products"),
    (Breach::Verb, 0, "LISTEN merged"),
    (Breach::Verb, 0, "NOTIFY merged"),
    (Breach::Verb, 0, "CREATE SEQUENCE numbers"),
    (Breach::Verb, 0, "SET TimeZone = 'UTC'"),
    (
        Breach::Verb,
        0,
        "MERGE INTO products p USING policies q ON p.product = q.product WHEN MATCHED THEN UPDATE SET packs = 1",
    ),
    (Breach::Verb, 0, "WITH known AS (SELECT product FROM products) SELECT product FROM products"),
    (Breach::Verb, 0, "SELECT product FROM products UNION SELECT product FROM policies"),
    (Breach::NotATable, 1, "SELECT 1 FROM unnest($1)"),
    (Breach::NotATable, 1, "SELECT 1 FROM generate_series(1, $1)"),
    (Breach::NotATable, 0, "SELECT 1 FROM (SELECT product FROM products) p"),
    (Breach::UnknownTable, 0, "SELECT name FROM resellers"),
    (Breach::UnknownTable, 0, "DELETE FROM resellers"),
    (Breach::UnknownColumn, 0, "SELECT name FROM products"),
    (Breach::UnknownColumn, 1, "SELECT r.state FROM runs r WHERE r.license_id = $1"),
    (Breach::UnknownColumn, 1, "INSERT INTO products (name) VALUES ($1)"),
    (Breach::UnknownColumn, 2, "UPDATE counters SET number = $1 WHERE name = $2"),
    (Breach::Wildcard, 0, "SELECT * FROM products"),
    (Breach::Wildcard, 1, "SELECT l.* FROM licenses l WHERE l.license_id = $1"),
    (Breach::LicenseNotNamed, 1, "SELECT state FROM chains WHERE chain = $1"),
    (Breach::LicenseNotNamed, 0, "DELETE FROM runs"),
    (Breach::LicenseNotNamed, 2, "UPDATE chains SET seq = $1 WHERE chain = $2"),
    (Breach::LicenseNotNamed, 1, "INSERT INTO usage (chain) VALUES ($1)"),
    (Breach::LicenseNotNamed, 2, "SELECT state FROM chains WHERE license_id = $1 OR chain = $2"),
    (Breach::LicenseNotNamed, 1, "SELECT state FROM chains WHERE license_id > $1"),
    (Breach::LicenseNotNamed, 0, "SELECT state FROM chains WHERE license_id = license_id"),
    (
        Breach::LicenseNotNamed,
        1,
        "SELECT (SELECT count(*) FROM chains c WHERE c.seq = l.issued_at) FROM licenses l WHERE l.license_id = $1",
    ),
    (
        Breach::JoinedApart,
        1,
        "SELECT c.chain FROM chains c JOIN usage u ON u.chain = c.chain WHERE c.license_id = $1",
    ),
    (Breach::JoinedApart, 1, "SELECT c.chain FROM chains c CROSS JOIN usage u WHERE c.license_id = $1"),
    (Breach::JoinedApart, 1, "SELECT c.chain FROM chains c, usage u WHERE c.license_id = $1"),
    (
        Breach::JoinedApart,
        1,
        "SELECT c.chain FROM chains c JOIN usage u ON c.license_id = c.license_id WHERE c.license_id = $1",
    ),
    (Breach::JoinedApart, 1, "DELETE FROM chains USING runs WHERE chains.license_id = $1"),
    (Breach::Lock, 2, "SELECT state FROM chains WHERE chain = $1 AND license_id = $2 FOR UPDATE"),
    (Breach::Lock, 1, "SELECT value FROM counters WHERE name = $1 FOR UPDATE"),
    (Breach::Lock, 1, "SELECT state FROM licenses WHERE license_id = $1 FOR SHARE"),
    (
        Breach::Lock,
        1,
        "SELECT c.state FROM chains c JOIN licenses l ON l.license_id = c.license_id WHERE c.license_id = $1 FOR UPDATE",
    ),
    (
        Breach::Lock,
        1,
        "SELECT (SELECT c.seq FROM chains c WHERE c.license_id = l.license_id FOR UPDATE) FROM licenses l
            WHERE l.license_id = $1",
    ),
    (Breach::Expression, 0, "SELECT now() FROM products"),
    (Breach::Expression, 0, "SELECT CURRENT_TIMESTAMP FROM products"),
    (Breach::Expression, 0, "SELECT nextval('numbers')"),
    (Breach::Expression, 1, "SELECT pg_advisory_xact_lock($1)"),
    (Breach::Expression, 1, "SELECT unnest($1) FROM products"),
    (Breach::Expression, 2, "UPDATE counters SET value = value + random() * $1 WHERE name = $2"),
    (Breach::Expression, 1, "SELECT product FROM products WHERE defined_at < extract(epoch FROM $1)"),
    (Breach::Expression, 1, "SELECT defined_at::text FROM products WHERE product = $1"),
    (Breach::Expression, 0, "SELECT product FROM products WHERE product = 'studio'"),
    (Breach::Expression, 1, "SELECT product FROM products WHERE product LIKE $1"),
    (Breach::InsertFromQuery, 0, "INSERT INTO products (product) SELECT product FROM policies"),
    (
        Breach::SubselectInUpdate,
        2,
        "INSERT INTO counters (name, value) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET value = (SELECT count(*) FROM products)",
    ),
    (
        Breach::ConflictKey,
        2,
        "INSERT INTO chain_licenses (chain, license_id) VALUES ($1, $2) ON CONFLICT (license_id) DO NOTHING",
    ),
    (Breach::ConflictKey, 1, "INSERT INTO counters (name) VALUES ($1) ON CONFLICT DO NOTHING"),
    (
        Breach::ConflictKey,
        1,
        "INSERT INTO counters (name) VALUES ($1) ON CONFLICT ON CONSTRAINT counters_pkey DO NOTHING",
    ),
    (Breach::ParameterOrder, 2, "UPDATE counters SET value = $2 WHERE name = $1"),
    (Breach::ParameterOrder, 1, "SELECT value FROM counters WHERE name = $2"),
    (Breach::ParameterCount, 2, "SELECT value FROM counters WHERE name = $1"),
    (Breach::ParameterCount, 0, "SELECT value FROM counters WHERE name = $1"),
];

/// What keeps every rule.
pub(super) const GOOD: &[(usize, &str)] = &[
    (1, "SELECT state FROM licenses WHERE license_id = $1 FOR UPDATE"),
    (1, "SELECT bytes FROM parked WHERE license_id = $1 FOR UPDATE SKIP LOCKED"),
    (2, "DELETE FROM parked WHERE chain = $1 AND (license_id = $2)"),
    (1, "SELECT reference FROM license_keys WHERE license_id = $1"),
    (0, "DELETE FROM license_keys"),
];

/// A breach, and the migration that commits it.
pub(super) const TABLES: &[(tables::Breach, &str)] = &[
    (tables::Breach::NotATable, "CREATE SEQUENCE numbers"),
    (tables::Breach::NotATable, "CREATE TRIGGER t AFTER INSERT ON runs FOR EACH ROW EXECUTE FUNCTION f()"),
    (tables::Breach::NotATable, "CREATE UNLOGGED TABLE t (a BIGINT PRIMARY KEY)"),
    (tables::Breach::NotATable, "INSERT INTO counters (name) SELECT product FROM products"),
    (tables::Breach::NotATable, "ALTER TABLE runs DROP COLUMN pairs"),
    (
        tables::Breach::NotLedByLicense,
        "CREATE TABLE t (license_id BYTEA NOT NULL, chain BYTEA NOT NULL, PRIMARY KEY (chain, license_id))",
    ),
    (
        tables::Breach::NotLedByLicense,
        "CREATE TABLE t (license_id BYTEA PRIMARY KEY, digest BYTEA NOT NULL UNIQUE)",
    ),
    (tables::Breach::NotLedByLicense, "CREATE UNIQUE INDEX i ON runs (head)"),
    (tables::Breach::NoKey, "CREATE TABLE t (license_id BYTEA NOT NULL)"),
    (tables::Breach::Type, "CREATE TABLE t (a BIGINT PRIMARY KEY, b TIMESTAMPTZ)"),
    (tables::Breach::Type, "CREATE TABLE t (a BIGSERIAL PRIMARY KEY)"),
    (tables::Breach::Order, "CREATE TABLE t (name TEXT PRIMARY KEY)"),
    (
        tables::Breach::ForeignKey,
        "CREATE TABLE t (license_id BYTEA PRIMARY KEY REFERENCES licenses (license_id))",
    ),
    (
        tables::Breach::ForeignKey,
        "CREATE TABLE t (license_id BYTEA PRIMARY KEY, FOREIGN KEY (license_id) REFERENCES licenses (license_id))",
    ),
    (tables::Breach::MadeByDatabase, "CREATE TABLE t (a BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY)"),
    (tables::Breach::MadeByDatabase, "CREATE TABLE t (a BIGINT DEFAULT 0 PRIMARY KEY)"),
    (tables::Breach::NamelessCheck, "CREATE TABLE t (a BIGINT PRIMARY KEY CHECK (a > 0))"),
    (tables::Breach::NamelessCheck, "CREATE TABLE t (a BIGINT PRIMARY KEY, CHECK (a > 0))"),
];
