//! Lists and reports: read-only, each one statement.

use ledger::chain::Head;
use ledger::digest::BranchEvidence;
use ledger::forks::Verdict;
use ledger::license_key;
use ledger::rows::{HistoryEntry, Variable};
use rusqlite::{Connection, Row, ToSql, params};
use schemas::canonical;
use schemas::event::Kind;
use schemas::ids::{ChainId, Commitment, CustomerId, KeyReference, LicenseId, Link};
use schemas::numbers::{FeatureNumber, Seq};
use schemas::terms::Terms;
use schemas::text::Text;

use super::catalog::text;
use super::license::{period, status};
use super::{
    ActivationFilter, ActivationSummary, EvidenceRow, ForkRow, LicenseFilter, LicenseSummary, StoreError,
    UsageFilter, UsageRow, micros, optional_micros, uint,
};

/// Collects the conditions of a query and the values that they bind.
#[derive(Default)]
struct Conditions {
    clauses: Vec<String>,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    fn add<T: ToSql + 'static>(&mut self, clause: &str, value: Option<T>) {
        if let Some(value) = value {
            self.values.push(Box::new(value));
            self.clauses.push(format!("{clause} ?{}", self.values.len()));
        }
    }

    fn sql(&self) -> String {
        if self.clauses.is_empty() { String::new() } else { format!("WHERE {}", self.clauses.join(" AND ")) }
    }

    fn values(&self) -> impl Iterator<Item = &dyn ToSql> {
        self.values.iter().map(AsRef::as_ref)
    }
}

/// Licences that match.
pub(super) fn licenses(
    connection: &Connection,
    filter: &LicenseFilter,
) -> Result<Vec<LicenseSummary>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.add("l.product =", filter.product.clone());
    conditions.add("l.policy =", filter.policy.clone());
    conditions.add("l.standing =", filter.standing.clone());
    let mut statement = connection.prepare(&format!(
        "SELECT l.license_id, l.product, l.policy, l.customer_id, l.standing, l.issued_at, l.valid_until,
                (SELECT count(*) FROM activations a WHERE a.license_id = l.license_id
                 AND a.granted_at IS NOT NULL AND a.released_at IS NULL), l.terms, l.reference
         FROM licenses l {} ORDER BY l.license_id",
        conditions.sql()
    ))?;
    let mut rows = statement.query(rusqlite::params_from_iter(conditions.values()))?;
    let mut found = Vec::new();
    let limit = filter.limit.unwrap_or(u64::MAX);
    while let Some(row) = rows.next()? {
        let customer = CustomerId(row.get(3)?);
        if filter.customers.as_ref().is_some_and(|customers| !customers.contains(&customer)) {
            continue;
        }
        if found.len() as u64 == limit {
            break;
        }
        let terms: Terms = canonical::from_bytes(&row.get::<_, Vec<u8>>(8)?)?;
        let product: String = row.get(1)?;
        found.push(LicenseSummary {
            id: LicenseId(row.get(0)?),
            is_trial: license_key::is_trial(KeyReference(row.get(9)?), &product),
            product,
            policy: row.get(2)?,
            customer,
            standing: row.get(4)?,
            issued_at: micros(row.get(5)?)?,
            valid_from_activation: terms.valid_from_activation,
            valid_until: optional_micros(row.get(6)?)?,
            activations: uint(row.get(7)?)?,
            max_activations: terms.rules.max_activations,
        });
    }
    Ok(found)
}

/// Activations that match.
pub(super) fn activations(
    connection: &Connection,
    filter: &ActivationFilter,
) -> Result<Vec<ActivationSummary>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.add("a.license_id =", filter.license.map(|license| license.0));
    conditions.add("a.chain =", filter.chain.map(|chain| chain.0));
    conditions.add("l.product =", filter.product.clone());
    conditions.add("a.status =", filter.status.map(schemas::grant::GrantStatus::number));
    let limit = filter.limit.map_or(String::new(), |limit| format!("LIMIT {limit}"));
    let mut statement = connection.prepare(&format!(
        "SELECT a.license_id, a.chain, a.status, a.reason, c.agent, c.host, c.requested_at, a.granted_at, a.released_at,
                a.sync_by, b.seq, b.last_at, c.fork_seq IS NOT NULL OR f.seq IS NOT NULL
         FROM activations a
         JOIN licenses l ON l.license_id = a.license_id
         LEFT JOIN chains c ON c.license_id = a.license_id AND c.chain = a.chain
         LEFT JOIN branches b ON b.license_id = a.license_id AND b.chain = a.chain AND b.branch = 0
         LEFT JOIN forks f ON f.license_id = a.license_id AND f.chain = a.chain
         {} ORDER BY a.license_id, a.chain {limit}",
        conditions.sql()
    ))?;
    let mut rows = statement.query(rusqlite::params_from_iter(conditions.values()))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(ActivationSummary {
            license: LicenseId(row.get(0)?),
            chain: ChainId(row.get(1)?),
            status: status(row.get(2)?)?,
            reason: row.get(3)?,
            agent: row.get(4)?,
            host: row.get::<_, Option<[u8; 32]>>(5)?.map(Commitment),
            requested_at: optional_micros(row.get(6)?)?,
            granted_at: optional_micros(row.get(7)?)?,
            released_at: optional_micros(row.get(8)?)?,
            sync_by: optional_micros(row.get(9)?)?,
            seq: Seq(uint(row.get::<_, Option<i64>>(10)?.unwrap_or(0))?),
            last_at: optional_micros(row.get(11)?)?,
            forked: row.get(12)?,
        });
    }
    Ok(found)
}

/// The lifecycle events of a licence.
pub(super) fn history(connection: &Connection, license: &LicenseId) -> Result<Vec<HistoryEntry>, StoreError> {
    // Kinds of authority events are larger than those of device events: at one time, the device's come first.
    let mut statement = connection.prepare_cached(
        "SELECT chain, branch, seq, at, kind, core FROM history WHERE license_id = ?1
         ORDER BY at, kind >= 32, chain, branch, seq",
    )?;
    let mut rows = statement.query([license.as_bytes()])?;
    let mut history = Vec::new();
    while let Some(row) = rows.next()? {
        history.push(history_entry(row)?);
    }
    Ok(history)
}

/// Tells the lifecycle events of one kind on a chain, each branch's in order.
pub(super) fn history_of_kind(
    connection: &Connection,
    license: &LicenseId,
    (chain, kind): (ChainId, Kind),
    hear: &mut dyn FnMut(&HistoryEntry),
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT chain, branch, seq, at, kind, core FROM history WHERE license_id = ?1 AND chain = ?2 AND kind = ?3
         ORDER BY branch, seq",
    )?;
    let mut rows = statement.query(params![license.as_bytes(), chain.as_bytes(), kind.0])?;
    while let Some(row) = rows.next()? {
        hear(&history_entry(row)?);
    }
    Ok(())
}

fn history_entry(row: &Row<'_>) -> Result<HistoryEntry, StoreError> {
    Ok(HistoryEntry {
        chain: ChainId(row.get(0)?),
        branch: row.get(1)?,
        seq: Seq(uint(row.get(2)?)?),
        at: micros(row.get(3)?)?,
        kind: Kind(row.get(4)?),
        core: row.get(5)?,
    })
}

/// The device variables of a chain.
pub(super) fn variables(
    connection: &Connection,
    license: &LicenseId,
    chain: &ChainId,
) -> Result<Vec<(Text, Variable)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, seq, at, value FROM variables WHERE license_id = ?1 AND chain = ?2 ORDER BY name",
    )?;
    let mut rows = statement.query([license.as_bytes(), chain.as_bytes()])?;
    let mut variables = Vec::new();
    while let Some(row) = rows.next()? {
        let variable = Variable {
            seq: Seq(uint(row.get(1)?)?),
            at: micros(row.get(2)?)?,
            value: Commitment(row.get(3)?),
        };
        variables.push((text(&row.get::<_, String>(0)?)?, variable));
    }
    Ok(variables)
}

/// Usage rows that match.
pub(super) fn usage(
    connection: &Connection,
    filter: &UsageFilter,
    each: &mut dyn FnMut(UsageRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut conditions = Conditions::default();
    conditions.add("u.license_id =", filter.license.map(|license| license.0));
    conditions.add("l.product =", filter.product.clone());
    conditions.add("u.day >=", filter.from_day);
    conditions.add("u.day <", filter.before_day);
    let mut statement = connection.prepare(&format!(
        "SELECT u.license_id, l.product, u.chain, u.feature, u.period, u.day, u.n, u.refunded, u.events
         FROM usage u JOIN licenses l ON l.license_id = u.license_id
         {} ORDER BY u.license_id, u.chain, u.feature, u.period, u.day",
        conditions.sql()
    ))?;
    let mut rows = statement.query(rusqlite::params_from_iter(conditions.values()))?;
    while let Some(row) = rows.next()? {
        each(UsageRow {
            license: LicenseId(row.get(0)?),
            product: row.get(1)?,
            chain: ChainId(row.get(2)?),
            feature: FeatureNumber(row.get(3)?),
            period: period(row.get(4)?)?,
            day: row.get(5)?,
            used: uint(row.get(6)?)?,
            refunded: uint(row.get(7)?)?,
            events: uint(row.get(8)?)?,
        })?;
    }
    Ok(())
}

/// The branch heads of every device chain.
pub(super) fn evidence(connection: &Connection) -> Result<Vec<EvidenceRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT license_id, chain, branch, parent, first_seq, seq, link FROM branches ORDER BY license_id, chain, branch",
    )?;
    let mut rows = statement.query([])?;
    let mut evidence = Vec::new();
    while let Some(row) = rows.next()? {
        evidence.push(EvidenceRow {
            license: LicenseId(row.get(0)?),
            chain: ChainId(row.get(1)?),
            branch: BranchEvidence {
                number: row.get(2)?,
                parent: row.get(3)?,
                first_seq: Seq(uint(row.get(4)?)?),
                head: Head { seq: Seq(uint(row.get(5)?)?), link: Link(row.get(6)?) },
            },
        });
    }
    Ok(evidence)
}

/// The forks of device chains.
pub(super) fn forks(connection: &Connection) -> Result<Vec<ForkRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT c.license_id, c.chain, min(coalesce(f.seq, c.fork_seq), coalesce(c.fork_seq, f.seq)), f.at, c.fork_verdict,
                (SELECT count(*) FROM branches b WHERE b.license_id = c.license_id AND b.chain = c.chain), l.terms
         FROM chains c JOIN licenses l ON l.license_id = c.license_id LEFT JOIN forks f ON f.license_id = c.license_id AND f.chain = c.chain
         WHERE c.fork_seq IS NOT NULL OR f.seq IS NOT NULL ORDER BY c.license_id, c.chain",
    )?;
    let mut rows = statement.query([])?;
    let mut forks = Vec::new();
    while let Some(row) = rows.next()? {
        let verdict: Option<String> = row.get(4)?;
        let terms: Terms = canonical::from_bytes(&row.get::<_, Vec<u8>>(6)?)?;
        forks.push(ForkRow {
            license: LicenseId(row.get(0)?),
            chain: ChainId(row.get(1)?),
            seq: Seq(uint(row.get(2)?)?),
            at: optional_micros(row.get(3)?)?,
            verdict: verdict
                .map(|word| Verdict::from_word(&word).ok_or(StoreError::Damaged("verdict")))
                .transpose()?,
            branches: uint(row.get(5)?)?,
            on_fork: terms.rules.on_fork,
        });
    }
    Ok(forks)
}

/// Evidence that contradicts itself.
pub(super) fn findings(
    connection: &Connection,
) -> Result<Vec<(LicenseId, ChainId, Seq, String)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT license_id, chain, seq, code FROM findings ORDER BY license_id, chain, seq, code",
    )?;
    let mut rows = statement.query([])?;
    let mut findings = Vec::new();
    while let Some(row) = rows.next()? {
        findings.push((LicenseId(row.get(0)?), ChainId(row.get(1)?), Seq(uint(row.get(2)?)?), row.get(3)?));
    }
    Ok(findings)
}
