//! The registry: every statement that the store may carry out, for SQLite and for PostgreSQL alike.
//!
//! Only this module makes a [`Statement`] or an [`Insert`], and a database takes nothing else. Parameters are numbered in
//! the order in which they first stand in the text, so that they can be bound in that order.

use self::Kind::{Bytes, Int, Text};

/// What a parameter or column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::store) enum Kind {
    /// A whole number of 64 bits.
    Int,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A statement with its parameters.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::store) struct Statement {
    sql: &'static str,
    takes: &'static [Kind],
    locks: bool,
}

impl Statement {
    const fn new(sql: &'static str, takes: &'static [Kind]) -> Self {
        Self { sql, takes, locks: false }
    }

    /// One that locks the rows that it reads where several may write at once.
    const fn locking(sql: &'static str, takes: &'static [Kind]) -> Self {
        Self { sql, takes, locks: true }
    }

    /// The text, for a database with one writer at a time.
    pub(in crate::store) fn sql(&self) -> &'static str {
        self.sql
    }

    /// What its parameters hold.
    pub(in crate::store) fn takes(&self) -> &'static [Kind] {
        self.takes
    }

    /// Whether the rows that it reads are locked to the end of the transaction.
    pub(in crate::store) fn locks(&self) -> bool {
        self.locks
    }
}

/// A table into which rows are written, and what happens to one whose key is there.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::store) struct Insert {
    table: &'static str,
    columns: &'static [(&'static str, Kind)],
    conflict: &'static str,
}

impl Insert {
    /// The text that writes `rows` rows at once.
    pub(in crate::store) fn sql(&self, rows: usize) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let mut number = 0;
        let mut mark = || {
            number += 1;
            format!("${number}")
        };
        let rows: Vec<String> = (0..rows)
            .map(|_| format!("({})", columns.iter().map(|_| mark()).collect::<Vec<_>>().join(", ")))
            .collect();
        let (table, columns, conflict) = (self.table, columns.join(", "), self.conflict);
        format!("INSERT INTO {table} ({columns}) VALUES {} {conflict}", rows.join(", "))
    }

    /// The table.
    pub(in crate::store) fn table(&self) -> &'static str {
        self.table
    }

    /// What the columns hold.
    pub(in crate::store) fn takes(&self) -> impl Iterator<Item = Kind> {
        self.columns.iter().map(|(_, kind)| *kind)
    }
}

/// A table that follows from the sources.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::store) struct Projection {
    /// Its name.
    pub(super) table: &'static str,
    /// How rows are written.
    pub(super) insert: &'static Insert,
    /// Reads the rows of one licence, or of the one with a key of its own, in the columns of `insert`.
    pub(super) read: &'static Statement,
    /// Counts all rows.
    pub(super) count: &'static Statement,
    /// Takes away all rows.
    pub(super) clear: &'static Statement,
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $make:ident($sql:literal, [$($kind:ident),*]);)*) => {
        $($(#[$doc])* pub(super) static $name: Statement = Statement::$make($sql, &[$($kind),*]);)*

        /// Every statement, by name.
        #[cfg(test)]
        static STATEMENTS: &[(&str, &Statement)] = &[$((stringify!($name), &$name)),*];
    };
}

macro_rules! inserts {
    ($($(#[$doc:meta])* $name:ident = $table:ident($($column:ident $kind:ident),*) $conflict:literal;)*) => {
        $($(#[$doc])* pub(super) static $name: Insert = Insert {
            table: stringify!($table),
            columns: &[$((stringify!($column), $kind)),*],
            conflict: $conflict,
        };)*

        /// Every insert, by name.
        #[cfg(test)]
        static INSERTS: &[(&str, &Insert)] = &[$((stringify!($name), &$name)),*];
    };
}

/// Projections, with the statements that read, count and clear them.
macro_rules! projections {
    ($(list $list:ident: $($name:ident = $table:ident, $select:literal [$($kind:ident),*],
       $count:literal, $clear:literal;)*;)*) => {
        $(pub(super) static $list: &[Projection] = &[$(Projection {
            table: stringify!($table),
            insert: &$name,
            read: &Statement::new($select, &[$($kind),*]),
            count: &Statement::new($count, &[]),
            clear: &Statement::new($clear, &[]),
        }),*];)*
    };
}

statements! {
    // The catalog.
    CATALOG_RUNS = new("SELECT first_seq, version, origin, prev, events, head, last_at, pairs FROM catalog_runs ORDER BY first_seq", []);
    CATALOG_HEAD = new("SELECT first_seq + events - 1, head, last_at FROM catalog_runs ORDER BY first_seq DESC LIMIT 1", []);
    CATALOG_ATTACHMENT = new("SELECT salt, value FROM catalog_attachments WHERE commitment = $1", [Bytes]);
    CATALOG_ATTACHMENTS = new("SELECT commitment, salt, value FROM catalog_attachments ORDER BY commitment", []);
    PRODUCTS = new("SELECT product, features, packs, defined_at FROM products ORDER BY product", []);
    POLICIES = new("SELECT policy, definition, defined_at FROM policies ORDER BY policy", []);
    CUSTOMERS = new("SELECT customer_id, name, defined_at FROM customers ORDER BY customer_id", []);
    ISSUERS = new("SELECT certificate_id, certificate, revoked_at FROM issuers ORDER BY certificate_id", []);
    CERTIFICATE = new("SELECT certificate FROM issuers WHERE certificate_id = $1", [Bytes]);

    // One licence.
    LICENSE_OF_KEY = new("SELECT license_id FROM license_keys WHERE reference = $1", [Bytes]);
    LICENSE_OF_CHAIN = new("SELECT license_id FROM chain_licenses WHERE chain = $1", [Bytes]);
    LICENSE = new("SELECT state FROM licenses WHERE license_id = $1", [Bytes]);
    LOCKED_LICENSE = locking("SELECT state FROM licenses WHERE license_id = $1", [Bytes]);
    CHAINS = new("SELECT chain, state FROM chains WHERE license_id = $1", [Bytes]);
    CHAIN = new("SELECT state FROM chains WHERE license_id = $1 AND chain = $2", [Bytes, Bytes]);
    LAST_PLACE = new("SELECT last_seq FROM chains WHERE license_id = $1 AND chain = $2", [Bytes, Bytes]);
    RUN_HOLDING = new("SELECT first_seq, version, origin, prev, events, head, last_at, pairs FROM runs
        WHERE license_id = $1 AND chain = $2 AND branch = $3 AND first_seq <= $4 ORDER BY first_seq DESC LIMIT 1", [Bytes, Bytes, Int, Int]);
    LINK_BEFORE = new("SELECT head, first_seq + events - 1 FROM runs
        WHERE license_id = $1 AND chain = $2 AND branch = $3 AND first_seq <= $4 ORDER BY first_seq DESC LIMIT 1", [Bytes, Bytes, Int, Int]);
    RUNS = new("SELECT chain, branch, writer, first_seq, version, origin, prev, events, head, last_at, pairs FROM runs
        WHERE license_id = $1 ORDER BY chain, branch, first_seq", [Bytes]);
    RUN_ROWS = new("SELECT license_id, chain, branch, writer, first_seq, version, origin, prev, events, head, last_at, pairs FROM runs
        WHERE license_id = $1 ORDER BY chain, branch, first_seq", [Bytes]);
    /// The lengths of runs from a place on, so many. A length alone has 32 bits in PostgreSQL; with a column on top it has 64.
    RUN_LENGTHS = new("SELECT chain, branch, first_seq, version, origin, events, length(pairs) + events FROM runs
        WHERE license_id = $1 AND (chain, branch, first_seq) >= ($2, $3, $4) ORDER BY chain, branch, first_seq LIMIT $5", [Bytes, Bytes, Int, Int, Int]);
    /// The same of the last runs of a branch, the last one first.
    TAIL_LENGTHS = new("SELECT chain, branch, first_seq, version, origin, events, length(pairs) + events FROM runs
        WHERE license_id = $1 AND chain = $2 AND branch = $3 ORDER BY first_seq DESC LIMIT $4", [Bytes, Bytes, Int, Int]);
    RUNS_BETWEEN = new("SELECT first_seq, version, origin, prev, events, head, last_at, pairs FROM runs
        WHERE license_id = $1 AND chain = $2 AND branch = $3 AND first_seq >= $4 AND first_seq <= $5 ORDER BY first_seq", [Bytes, Bytes, Int, Int, Int]);
    DROP_RUNS = new("DELETE FROM runs WHERE license_id = $1 AND chain = $2 AND branch = $3 AND first_seq >= $4 AND first_seq <= $5", [Bytes, Bytes, Int, Int, Int]);
    RUNS_OF_WRITER = new("SELECT chain, branch, writer, first_seq, version, origin, prev, events, head, last_at, pairs FROM runs
        WHERE license_id = $1 AND writer = $2 ORDER BY chain, branch, first_seq", [Bytes, Int]);
    ATTACHMENT = new("SELECT salt, value FROM attachments WHERE license_id = $1 AND commitment = $2", [Bytes, Bytes]);
    ATTACHMENT_ROWS = new("SELECT license_id, commitment, salt, value FROM attachments WHERE license_id = $1 ORDER BY commitment", [Bytes]);
    PARKED = new("SELECT chain, digest, first_seq, last_seq, size FROM parked WHERE license_id = $1", [Bytes]);
    PARKED_ROWS = new("SELECT license_id, chain, digest, first_seq, last_seq, size, bytes FROM parked WHERE license_id = $1 ORDER BY chain, digest", [Bytes]);
    PARKED_BYTES = new("SELECT bytes FROM parked WHERE license_id = $1 AND chain = $2 AND digest = $3", [Bytes, Bytes, Bytes]);
    UNPARK = new("DELETE FROM parked WHERE license_id = $1 AND chain = $2 AND digest = $3", [Bytes, Bytes, Bytes]);
    HISTORY = new("SELECT chain, branch, seq, at, kind, core FROM history WHERE license_id = $1 ORDER BY at, chain, branch, seq", [Bytes]);
    HISTORY_OF_KIND = new("SELECT chain, branch, seq, at, kind, core FROM history
        WHERE license_id = $1 AND chain = $2 AND kind = $3 ORDER BY branch, seq", [Bytes, Bytes, Int]);
    VARIABLES = new("SELECT name, seq, at, value FROM variables WHERE license_id = $1 AND chain = $2 ORDER BY name", [Bytes, Bytes]);
    BRANCHES_OF_LICENSE = new("SELECT chain, branches FROM chains WHERE license_id = $1", [Bytes]);

    // Across licences.
    /// Licences after one, so many, in their order.
    LICENSES_AFTER = new("SELECT DISTINCT license_id FROM runs WHERE license_id > $1 ORDER BY license_id LIMIT $2", [Bytes, Int]);
    LICENSE_LIST = new("SELECT license_id, reference, product, policy, customer_id, standing, issued_at, valid_until, valid_from_activation,
            max_activations, (SELECT count(*) FROM chains c WHERE c.license_id = l.license_id
                AND c.granted_at IS NOT NULL AND c.released_at IS NULL)
        FROM licenses l WHERE (product = $1 OR $1 IS NULL) AND (policy = $2 OR $2 IS NULL) AND (standing = $3 OR $3 IS NULL)
            AND (customer_id = $4 OR $4 IS NULL) AND (license_id > $5 OR $5 IS NULL)
        ORDER BY license_id LIMIT $6", [Text, Text, Text, Bytes, Bytes, Int]);
    ACTIVATION_LIST = new("SELECT c.license_id, c.chain, c.status, c.reason, c.agent, c.host, c.requested_at, c.granted_at, c.released_at,
            c.sync_by, c.seq, c.last_at, c.fork_seq
        FROM chains c JOIN licenses l ON l.license_id = c.license_id
        WHERE c.status IS NOT NULL AND (c.chain = $1 OR $1 IS NULL) AND (l.product = $2 OR $2 IS NULL) AND (c.status = $3 OR $3 IS NULL)
            AND ((c.license_id, c.chain) > ($4, $5) OR $4 IS NULL)
        ORDER BY c.license_id, c.chain LIMIT $6", [Bytes, Text, Int, Bytes, Bytes, Int]);
    ACTIVATIONS_OF_LICENSE = new("SELECT c.license_id, c.chain, c.status, c.reason, c.agent, c.host, c.requested_at, c.granted_at, c.released_at,
            c.sync_by, c.seq, c.last_at, c.fork_seq
        FROM chains c JOIN licenses l ON l.license_id = c.license_id
        WHERE c.license_id = $1 AND c.status IS NOT NULL AND (c.chain = $2 OR $2 IS NULL) AND (l.product = $3 OR $3 IS NULL)
            AND (c.status = $4 OR $4 IS NULL) AND (c.chain > $5 OR $5 IS NULL)
        ORDER BY c.chain LIMIT $6", [Bytes, Bytes, Text, Int, Bytes, Int]);
    CODED_CHAINS = new("SELECT license_id, chain FROM chains WHERE coded = 1 AND chain >= $1 AND chain <= $2
        ORDER BY license_id, chain", [Bytes, Bytes]);
    USAGE_LIST = new("SELECT u.license_id, l.product, u.chain, u.feature, u.period, u.day, u.n, u.refunded, u.events
        FROM usage u JOIN licenses l ON l.license_id = u.license_id
        WHERE (l.product = $1 OR $1 IS NULL) AND u.day >= $2 AND u.day < $3
        ORDER BY u.license_id, u.chain, u.feature, u.period, u.day", [Text, Int, Int]);
    USAGE_OF_LICENSE = new("SELECT u.license_id, l.product, u.chain, u.feature, u.period, u.day, u.n, u.refunded, u.events
        FROM usage u JOIN licenses l ON l.license_id = u.license_id
        WHERE u.license_id = $1 AND (l.product = $2 OR $2 IS NULL) AND u.day >= $3 AND u.day < $4
        ORDER BY u.chain, u.feature, u.period, u.day", [Bytes, Text, Int, Int]);
    BRANCHES = new("SELECT license_id, chain, branches FROM chains ORDER BY license_id, chain", []);
    FORKS = new("SELECT c.license_id, c.chain, c.fork_seq, c.fork_at, c.fork_verdict, c.branches, l.on_fork
        FROM chains c JOIN licenses l ON l.license_id = c.license_id WHERE c.fork_seq IS NOT NULL ORDER BY c.license_id, c.chain", []);
    FINDINGS = new("SELECT license_id, chain, seq, code FROM findings ORDER BY license_id, chain, seq, code", []);

    // Tokens.
    TOKENS = new("SELECT digest, operator, role, created_at, expires_at, revoked_at FROM tokens ORDER BY created_at, digest", []);
    TOKEN = new("SELECT digest, operator, role, created_at, expires_at, revoked_at FROM tokens WHERE digest = $1", [Bytes]);
    REVOKE_TOKEN = new("UPDATE tokens SET revoked_at = $1 WHERE digest = $2 AND revoked_at IS NULL", [Int, Bytes]);

    // Requests that may come again.
    REQUESTS = new("SELECT key, request, at, answer FROM requests ORDER BY key", []);
    REQUEST = new("SELECT request, answer FROM requests WHERE key = $1", [Bytes]);
    ANSWER_REQUEST = new("UPDATE requests SET answer = $1 WHERE key = $2", [Bytes, Bytes]);
    FORGET_REQUEST = new("DELETE FROM requests WHERE key = $1", [Bytes]);
    FORGET_REQUESTS = new("DELETE FROM requests WHERE at < $1", [Int]);

    // Webhooks.
    HOOKS = new("SELECT hook, url, topics, signature, secret, allow_private, maker, created_at, disabled_at FROM hooks
        ORDER BY created_at, hook", []);
    ADDRESSEES = new("SELECT hook, topics, created_at FROM hooks WHERE disabled_at IS NULL ORDER BY hook", []);
    DISABLE_HOOK = new("UPDATE hooks SET disabled_at = $1 WHERE hook = $2 AND disabled_at IS NULL", [Int, Bytes]);
    REMOVE_HOOK = new("DELETE FROM hooks WHERE hook = $1", [Bytes]);
    DELIVERY_ROWS = new("SELECT license_id, message, hook, topic, body, created_at, attempts, due_at, delivered_at, failed_at, status, answer
        FROM deliveries WHERE license_id = $1 ORDER BY message", [Bytes]);
    PUT_OFF = new("UPDATE deliveries SET due_at = $1 WHERE license_id = $2 AND message = $3 AND due_at = $4", [Int, Bytes, Bytes, Int]);
    SETTLE_DELIVERY = new("UPDATE deliveries SET attempts = $1, due_at = $2, delivered_at = $3, failed_at = $4, status = $5, answer = $6
        WHERE license_id = $7 AND message = $8 AND due_at = $9", [Int, Int, Int, Int, Int, Text, Bytes, Bytes, Int]);
    REPLAY_DELIVERY = new("UPDATE deliveries SET attempts = $1, due_at = $2, delivered_at = $3, failed_at = $3
        WHERE license_id = $4 AND message = $5", [Int, Int, Int, Bytes, Bytes]);
    FORGET_DELIVERY = new("DELETE FROM deliveries WHERE license_id = $1 AND message = $2", [Bytes, Bytes]);
    DUE_DELIVERIES = new("SELECT license_id, message, hook, topic, body, created_at, attempts, due_at, delivered_at, failed_at, status, answer
        FROM deliveries WHERE hook = $1 AND due_at <= $2 ORDER BY due_at, message LIMIT $3", [Bytes, Int, Int]);
    DELIVERIES = new("SELECT license_id, message, hook, topic, body, created_at, attempts, due_at, delivered_at, failed_at, status, answer
        FROM deliveries WHERE message < $1 AND (hook = $2 OR $2 IS NULL) AND (failed_at IS NOT NULL OR $3 = 0)
        ORDER BY message DESC LIMIT $4", [Bytes, Bytes, Int, Int]);
    DELIVERY = new("SELECT license_id, message, hook, topic, body, created_at, attempts, due_at, delivered_at, failed_at, status, answer
        FROM deliveries WHERE message = $1", [Bytes]);
    DELIVERIES_OF_HOOK = new("SELECT license_id, message FROM deliveries WHERE hook = $1 ORDER BY due_at LIMIT $2", [Bytes, Int]);
    DELIVERIES_AFTER = new("SELECT license_id, message, hook, delivered_at, failed_at FROM deliveries
        WHERE message > $1 AND message < $2 ORDER BY message LIMIT $3", [Bytes, Bytes, Int]);
    OVERDUE_CHAINS = new("SELECT c.license_id, c.chain, c.sync_by, l.product, l.customer_id
        FROM chains c JOIN licenses l ON l.license_id = c.license_id
        WHERE c.sync_by > $1 AND c.sync_by <= $2 AND c.status = $3 AND c.released_at IS NULL AND (c.license_id, c.chain) > ($4, $5)
        ORDER BY c.license_id, c.chain LIMIT $6", [Int, Int, Int, Bytes, Bytes, Int]);
    COUNTER = new("SELECT value FROM counters WHERE name = $1", [Text]);
    RAISE_COUNTER = new("UPDATE counters SET value = $1 WHERE name = $2 AND value < $1", [Int, Text]);

    // Quarantine.
    NEXT_NUMBER = new("UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value", [Int, Text]);
    COUNTERS = new("SELECT value, name FROM counters ORDER BY name", []);
    QUARANTINED_AGAIN = new("UPDATE quarantine SET code = $1, first_seq = $2, last_seq = $3, follows = $4
        WHERE digest = $5 AND chain IS NOT DISTINCT FROM $6", [Text, Int, Int, Bytes, Bytes, Bytes]);
    QUARANTINE = new("SELECT id, code, source, chain, received_at, digest, size, first_seq, last_seq FROM quarantine ORDER BY id", []);
    QUARANTINE_OF_CHAIN = new("SELECT id, code, source, chain, received_at, digest, size, first_seq, last_seq FROM quarantine
        WHERE chain = $1 ORDER BY id", [Bytes]);
    QUARANTINE_ENTRY = new("SELECT id, code, source, chain, received_at, digest, size, first_seq, last_seq FROM quarantine
        WHERE id = $1", [Int]);
    QUARANTINE_AFTER = new("SELECT id, code, source, chain, received_at, digest, size, first_seq, last_seq FROM quarantine
        WHERE id > $1 AND (code = $2 OR $2 IS NULL) ORDER BY id LIMIT $3", [Int, Text, Int]);
    QUARANTINED_FOLLOWERS = new("SELECT DISTINCT chain FROM quarantine WHERE follows = $1 AND code = $2 AND chain IS NOT NULL", [Bytes, Text]);
    QUARANTINED_FROM = new("SELECT code, size FROM quarantine WHERE source = $1", [Text]);
    QUARANTINED = new("SELECT id, code, source, chain, received_at, digest, size, first_seq, last_seq, follows, bytes FROM quarantine
        WHERE id > $1 ORDER BY id LIMIT $2", [Int, Int]);
    QUARANTINED_BYTES = new("SELECT bytes FROM quarantine WHERE id = $1", [Int]);
    LEAVE_QUARANTINE = new("DELETE FROM quarantine WHERE id = $1", [Int]);
}

inserts! {
    NEW_CATALOG_RUN = catalog_runs(first_seq Int, version Int, origin Bytes, prev Bytes, events Int, head Bytes, last_at Int, pairs Bytes) "";
    NEW_CATALOG_ATTACHMENT = catalog_attachments(commitment Bytes, salt Bytes, value Bytes) "ON CONFLICT (commitment) DO NOTHING";
    PRODUCT = products(product Text, features Bytes, packs Int, defined_at Int)
        "ON CONFLICT (product) DO UPDATE SET features = excluded.features, packs = excluded.packs, defined_at = excluded.defined_at";
    POLICY = policies(policy Text, product Text, definition Bytes, defined_at Int)
        "ON CONFLICT (policy) DO UPDATE SET product = excluded.product, definition = excluded.definition, defined_at = excluded.defined_at";
    CUSTOMER = customers(customer_id Bytes, name Bytes, defined_at Int)
        "ON CONFLICT (customer_id) DO UPDATE SET name = excluded.name, defined_at = excluded.defined_at";
    ISSUER = issuers(certificate_id Bytes, certificate Bytes, revoked_at Int)
        "ON CONFLICT (certificate_id) DO UPDATE SET certificate = excluded.certificate, revoked_at = excluded.revoked_at";
    CATALOG_EVENT = catalog_history(seq Int, at Int, kind Int, core Bytes) "";

    KEY = license_keys(reference Bytes, license_id Bytes, product Text) "ON CONFLICT (reference) DO NOTHING";
    CHAIN_LICENSE = chain_licenses(chain Bytes, license_id Bytes) "ON CONFLICT (chain) DO NOTHING";
    LICENSE_ROW = licenses(license_id Bytes, reference Bytes, product Text, policy Text, customer_id Bytes, standing Text, issued_at Int,
            valid_until Int, valid_from_activation Int, max_activations Int, on_fork Int, state Bytes)
        "ON CONFLICT (license_id) DO UPDATE SET reference = excluded.reference, product = excluded.product, policy = excluded.policy,
            customer_id = excluded.customer_id, standing = excluded.standing, issued_at = excluded.issued_at,
            valid_until = excluded.valid_until, valid_from_activation = excluded.valid_from_activation,
            max_activations = excluded.max_activations, on_fork = excluded.on_fork, state = excluded.state";
    CHAIN_ROW = chains(license_id Bytes, chain Bytes, status Int, reason Text, agent Text, host Bytes, requested_at Int, granted_at Int,
            released_at Int, sync_by Int, seq Int, last_at Int, last_seq Int, fork_seq Int, fork_at Int, fork_verdict Text,
            branches Bytes, state Bytes, coded Int)
        "ON CONFLICT (license_id, chain) DO UPDATE SET status = excluded.status, reason = excluded.reason, agent = excluded.agent,
            host = excluded.host, requested_at = excluded.requested_at, granted_at = excluded.granted_at,
            released_at = excluded.released_at, sync_by = excluded.sync_by, seq = excluded.seq, last_at = excluded.last_at,
            last_seq = excluded.last_seq, fork_seq = excluded.fork_seq, fork_at = excluded.fork_at,
            fork_verdict = excluded.fork_verdict, branches = excluded.branches, state = excluded.state,
            coded = excluded.coded";
    RUN = runs(license_id Bytes, chain Bytes, branch Int, writer Int, first_seq Int, version Int, origin Bytes, prev Bytes, events Int,
            head Bytes, last_at Int, pairs Bytes) "";
    NEW_ATTACHMENT = attachments(license_id Bytes, commitment Bytes, salt Bytes, value Bytes)
        "ON CONFLICT (license_id, commitment) DO NOTHING";
    PARK = parked(license_id Bytes, chain Bytes, digest Bytes, first_seq Int, last_seq Int, size Int, bytes Bytes)
        "ON CONFLICT (license_id, chain, digest) DO NOTHING";
    /// Sums are added to what is there.
    USAGE_ROW = usage(license_id Bytes, chain Bytes, feature Int, period Int, day Int, n Int, refunded Int, events Int)
        "ON CONFLICT (license_id, chain, feature, period, day) DO UPDATE SET n = usage.n + excluded.n,
            refunded = usage.refunded + excluded.refunded, events = usage.events + excluded.events";
    /// The last one set stays.
    VARIABLE_ROW = variables(license_id Bytes, chain Bytes, name Text, seq Int, at Int, value Bytes)
        "ON CONFLICT (license_id, chain, name) DO UPDATE SET seq = excluded.seq, at = excluded.at, value = excluded.value
            WHERE (excluded.seq, excluded.at, excluded.value) > (variables.seq, variables.at, variables.value)";
    HISTORY_ROW = history(license_id Bytes, chain Bytes, branch Int, seq Int, at Int, kind Int, core Bytes) "";
    FINDING_ROW = findings(license_id Bytes, chain Bytes, branch Int, seq Int, code Text)
        "ON CONFLICT (license_id, chain, branch, seq, code) DO NOTHING";
    NEW_TOKEN = tokens(digest Bytes, operator Bytes, role Int, created_at Int, expires_at Int, revoked_at Int) "";
    NEW_REQUEST = requests(key Bytes, request Bytes, at Int, answer Bytes) "ON CONFLICT (key) DO NOTHING";
    NEW_HOOK = hooks(hook Bytes, url Text, topics Text, signature Int, secret Bytes, allow_private Int, maker Bytes, created_at Int,
            disabled_at Int) "";
    /// What is found again is the same.
    NEW_DELIVERY = deliveries(license_id Bytes, message Bytes, hook Bytes, topic Int, body Text, created_at Int, attempts Int, due_at Int,
            delivered_at Int, failed_at Int, status Int, answer Text)
        "ON CONFLICT (license_id, message) DO NOTHING";
    NEW_QUARANTINE = quarantine(id Int, code Text, source Text, chain Bytes, received_at Int, digest Bytes, size Int, first_seq Int,
            last_seq Int, follows Bytes, bytes Bytes) "";
}

projections! {
    // Those of the catalog, read whole.
    list CATALOG_PROJECTIONS:
    PRODUCT = products, "SELECT product, features, packs, defined_at FROM products" [],
        "SELECT count(*) FROM products", "DELETE FROM products";
    POLICY = policies, "SELECT policy, product, definition, defined_at FROM policies" [],
        "SELECT count(*) FROM policies", "DELETE FROM policies";
    CUSTOMER = customers, "SELECT customer_id, name, defined_at FROM customers" [],
        "SELECT count(*) FROM customers", "DELETE FROM customers";
    ISSUER = issuers, "SELECT certificate_id, certificate, revoked_at FROM issuers" [],
        "SELECT count(*) FROM issuers", "DELETE FROM issuers";
    CATALOG_EVENT = catalog_history, "SELECT seq, at, kind, core FROM catalog_history" [],
        "SELECT count(*) FROM catalog_history", "DELETE FROM catalog_history";
    ;
    // Those of licences, read licence by licence.
    list LICENSE_PROJECTIONS:
    LICENSE_ROW = licenses, "SELECT license_id, reference, product, policy, customer_id, standing, issued_at, valid_until,
            valid_from_activation, max_activations, on_fork, state FROM licenses WHERE license_id = $1" [Bytes],
        "SELECT count(*) FROM licenses", "DELETE FROM licenses";
    CHAIN_ROW = chains, "SELECT license_id, chain, status, reason, agent, host, requested_at, granted_at, released_at,
            sync_by, seq, last_at, last_seq, fork_seq, fork_at, fork_verdict, branches, state, coded FROM chains WHERE license_id = $1" [Bytes],
        "SELECT count(*) FROM chains", "DELETE FROM chains";
    USAGE_ROW = usage, "SELECT license_id, chain, feature, period, day, n, refunded, events
            FROM usage WHERE license_id = $1" [Bytes],
        "SELECT count(*) FROM usage", "DELETE FROM usage";
    VARIABLE_ROW = variables, "SELECT license_id, chain, name, seq, at, value FROM variables
            WHERE license_id = $1" [Bytes],
        "SELECT count(*) FROM variables", "DELETE FROM variables";
    HISTORY_ROW = history, "SELECT license_id, chain, branch, seq, at, kind, core FROM history
            WHERE license_id = $1" [Bytes],
        "SELECT count(*) FROM history", "DELETE FROM history";
    FINDING_ROW = findings, "SELECT license_id, chain, branch, seq, code FROM findings
            WHERE license_id = $1" [Bytes],
        "SELECT count(*) FROM findings", "DELETE FROM findings";
    ;
    // Those with a key of their own, read by it.
    list KEYED_PROJECTIONS:
    KEY = license_keys, "SELECT reference, license_id, product FROM license_keys WHERE reference = $1" [Bytes],
        "SELECT count(*) FROM license_keys", "DELETE FROM license_keys";
    CHAIN_LICENSE = chain_licenses, "SELECT chain, license_id FROM chain_licenses WHERE chain = $1" [Bytes],
        "SELECT count(*) FROM chain_licenses", "DELETE FROM chain_licenses";
    ;
}

#[cfg(test)]
mod tests;
