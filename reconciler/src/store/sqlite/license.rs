//! One licence: read into its fold state, and written back row by row as a unit of work moved it.

use std::collections::BTreeMap;

use ledger::authority::{Activation, GrantPlace, License, Quota, Released, Standing};
use ledger::chain::Head;
use ledger::recovery::Recovery;
use ledger::rows::Rows;
use rusqlite::{Connection, Row, params};
use schemas::canonical;
use schemas::event::authority::ReleaseReason;
use schemas::grant::{Ack, GrantStatus};
use schemas::ids::{ChainId, CustomerId, KeyReference, LicenseId, Link};
use schemas::numbers::{Epoch, FeatureNumber, Seq, Total};
use schemas::period::Period;
use schemas::text::Text;

use super::catalog::text;
use super::{Change, StoreError, int, micros, optional_micros, uint};
use super::{evidence, periods, runs};

/// Reads a licence with its activations, quotas, chains, branches and meters.
pub(super) fn load(connection: &Connection, id: &LicenseId) -> Result<Option<License>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT product, environment, reference, customer_id, policy, issued_at, standing, terms, epoch, seq, link, last_at,
                lost_epoch, lost_seq, taking_back, terms_epoch, standing_epoch
         FROM licenses WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let terms: Vec<u8> = row.get(7)?;
    let license = License {
        id: *id,
        product: text(&row.get::<_, String>(0)?)?,
        environment: text(&row.get::<_, String>(1)?)?,
        key: KeyReference(row.get(2)?),
        customer: CustomerId(row.get(3)?),
        policy: text(&row.get::<_, String>(4)?)?,
        issued_at: micros(row.get(5)?)?,
        standing: Standing::from_word(&row.get::<_, String>(6)?).ok_or(StoreError::Damaged("standing"))?,
        terms: canonical::from_bytes(&terms)?,
        epoch: Epoch(row.get(8)?),
        head: Head { seq: Seq(uint(row.get(9)?)?), link: Link(row.get(10)?) },
        last_at: micros(row.get(11)?)?,
        activations: activations(connection, id)?,
        chains: evidence::chains(connection, id)?,
        forks: evidence::forks(connection, id)?,
        periods: periods::load(connection, id)?,
        recovery: recovery(row, 12)?,
    };
    Ok(Some(license))
}

/// Reads what was taken back from column `at` on.
fn recovery(row: &Row<'_>, at: usize) -> Result<Recovery, StoreError> {
    let lost = match (row.get(at)?, row.get(at + 1)?) {
        (Some(epoch), Some(seq)) => Some((Epoch(epoch), Seq(uint(seq)?))),
        _ => None,
    };
    Ok(Recovery {
        lost,
        taking_back: row.get(at + 2)?,
        terms: Epoch(row.get(at + 3)?),
        standing: Epoch(row.get(at + 4)?),
    })
}

/// Takes a licence's key reference, unless another licence has it.
pub(super) fn claim_key(connection: &Connection, license: &License) -> Result<bool, StoreError> {
    let taken = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO license_keys (reference, license_id, product) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![license.key.as_bytes(), license.id.as_bytes(), license.product.as_str()])?;
    Ok(taken == 1)
}

/// Writes what a unit of work left: runs and attachments, then the rows that moved.
pub(super) fn write(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    let Change { update, attachments } = change;
    let id = update.license.id;
    for attachment in attachments {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO attachments (license_id, commitment, salt, value) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                id.as_bytes(),
                attachment.commitment.as_bytes(),
                attachment.salt.as_bytes(),
                attachment.value
            ])?;
    }
    if update.is_empty() {
        return Ok(());
    }
    for run in &update.runs {
        runs::insert(connection, &id, run)?;
    }
    evidence::write_parked(connection, update)?;
    project(connection, &update.license, &update.rows)
}

/// Writes the rows of a licence that `rows` names.
pub(super) fn project(connection: &Connection, license: &License, rows: &Rows) -> Result<(), StoreError> {
    write_license(connection, license)?;
    for chain in &rows.activations {
        if let Some(activation) = license.activations.get(chain) {
            write_activation(connection, &license.id, chain, activation)?;
            // One that was taken back has no evidence yet.
            evidence::write_chain_license(connection, &license.id, chain)?;
        }
    }
    for (chain, feature, period) in &rows.quotas {
        if let Some(quota) =
            license.activations.get(chain).and_then(|known| known.quotas.get(&(*feature, *period)))
        {
            write_quota(connection, &license.id, (chain, *feature, *period), quota)?;
        }
    }
    evidence::write(connection, license, rows)?;
    for key in &rows.periods {
        if let Some(seal) = license.periods.get(key) {
            periods::write(connection, &license.id, *key, seal)?;
        }
    }
    write_added(connection, &license.id, rows)
}

fn write_license(connection: &Connection, license: &License) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO licenses
             (license_id, product, environment, reference, customer_id, policy, issued_at, standing, terms, valid_until,
              epoch, seq, link, last_at, lost_epoch, lost_seq, taking_back, terms_epoch, standing_epoch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        )?
        .execute(params![
            license.id.as_bytes(),
            license.product.as_str(),
            license.environment.as_str(),
            license.key.as_bytes(),
            license.customer.as_bytes(),
            license.policy.as_str(),
            int(license.issued_at.get()),
            license.standing.word(),
            canonical::to_bytes(&license.terms),
            license.terms.entitlement.valid_until.map(|until| int(until.get())),
            license.epoch.0,
            int(license.head.seq.0),
            license.head.link.as_bytes(),
            int(license.last_at.get()),
            license.recovery.lost.map(|(epoch, _)| epoch.0),
            license.recovery.lost.map(|(_, seq)| int(seq.0)),
            license.recovery.taking_back,
            license.recovery.terms.0,
            license.recovery.standing.0,
        ])?;
    Ok(())
}

fn write_activation(
    connection: &Connection,
    license: &LicenseId,
    chain: &ChainId,
    activation: &Activation,
) -> Result<(), StoreError> {
    let released = activation.released.as_ref();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO activations
             (license_id, chain, status, reason, granted_at, released_at, why, seat_free_at, grant_epoch, grant_seq,
              grant_at, ack_seq, ack_link, sync_by, import_until, runs_until, told_to_heal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            license.as_bytes(),
            chain.as_bytes(),
            activation.status.number(),
            activation.reason.as_ref().map(Text::as_str),
            activation.granted_at.map(|at| int(at.get())),
            released.map(|released| int(released.at.get())),
            released.map(|released| released.why.number()),
            released.map(|released| int(released.seat_free_at.get())),
            activation.grant.epoch.0,
            int(activation.grant.seq.0),
            int(activation.grant.at.get()),
            int(activation.ack.seq.0),
            activation.ack.link.as_bytes(),
            activation.sync_by.map(|at| int(at.get())),
            activation.import_until.map(|at| int(at.get())),
            activation.runs_until.map(|at| int(at.get())),
            activation.told_to_heal,
        ])?;
    Ok(())
}

fn write_quota(
    connection: &Connection,
    license: &LicenseId,
    (chain, feature, period): (&ChainId, FeatureNumber, Period),
    quota: &Quota,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO quotas (license_id, chain, feature, period, granted, written_off)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            license.as_bytes(),
            chain.as_bytes(),
            feature.0,
            period.number(),
            int(quota.granted.get()),
            int(quota.written_off.get())
        ])?;
    Ok(())
}

/// Writes the rows that are added or summed.
fn write_added(connection: &Connection, license: &LicenseId, rows: &Rows) -> Result<(), StoreError> {
    for ((chain, feature, period, day), sum) in &rows.usage {
        connection
            .prepare_cached(
                "INSERT INTO usage (license_id, chain, feature, period, day, n, refunded, events)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (license_id, chain, feature, period, day)
                 DO UPDATE SET n = n + excluded.n, refunded = refunded + excluded.refunded,
                               events = events + excluded.events",
            )?
            .execute(params![
                license.as_bytes(),
                chain.as_bytes(),
                feature.0,
                period.number(),
                day,
                int(sum.n),
                int(sum.refunded),
                int(sum.events)
            ])?;
    }
    for entry in &rows.history {
        connection
            .prepare_cached(
                "INSERT INTO history (license_id, chain, branch, seq, at, kind, core) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                license.as_bytes(),
                entry.chain.as_bytes(),
                entry.branch,
                int(entry.seq.0),
                int(entry.at.get()),
                entry.kind.0,
                entry.core
            ])?;
    }
    for ((chain, name), variable) in &rows.variables {
        connection
            .prepare_cached(
                "INSERT INTO variables (license_id, chain, name, seq, at, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (license_id, chain, name)
                 DO UPDATE SET seq = excluded.seq, at = excluded.at, value = excluded.value
                 WHERE (excluded.seq, excluded.at, excluded.value) > (variables.seq, variables.at, variables.value)",
            )?
            .execute(params![
                license.as_bytes(),
                chain.as_bytes(),
                name.as_str(),
                int(variable.seq.0),
                int(variable.at.get()),
                variable.value.as_bytes()
            ])?;
    }
    for known in &rows.known {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO known (license_id, chain, first_seq, seq, link, known_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                license.as_bytes(),
                known.chain.as_bytes(),
                int(known.first_seq.0),
                int(known.head.seq.0),
                known.head.link.as_bytes(),
                int(known.known_at.get())
            ])?;
    }
    for finding in &rows.findings {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO findings (license_id, chain, branch, seq, code) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                license.as_bytes(),
                finding.chain.as_bytes(),
                finding.branch,
                int(finding.seq.0),
                finding.code.word()
            ])?;
    }
    Ok(())
}

fn activations(connection: &Connection, id: &LicenseId) -> Result<BTreeMap<ChainId, Activation>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT chain, status, reason, granted_at, released_at, why, seat_free_at, grant_epoch, grant_seq, grant_at,
                ack_seq, ack_link, sync_by, import_until, runs_until, told_to_heal
         FROM activations WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    let mut activations = BTreeMap::new();
    while let Some(row) = rows.next()? {
        activations.insert(ChainId(row.get(0)?), read_activation(row)?);
    }
    let mut statement = connection.prepare_cached(
        "SELECT chain, feature, period, granted, written_off FROM quotas WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let quota = Quota { granted: total(row.get(3)?)?, written_off: total(row.get(4)?)? };
        activations
            .get_mut(&ChainId(row.get(0)?))
            .ok_or(StoreError::Damaged("quota"))?
            .quotas
            .insert((FeatureNumber(row.get(1)?), period(row.get(2)?)?), quota);
    }
    Ok(activations)
}

fn read_activation(row: &Row<'_>) -> Result<Activation, StoreError> {
    let released_at = optional_micros(row.get(4)?)?;
    let released = match (released_at, row.get::<_, Option<u8>>(5)?, optional_micros(row.get(6)?)?) {
        (Some(at), Some(why), Some(seat_free_at)) => {
            let why = ReleaseReason::from_number(u64::from(why)).ok_or(StoreError::Damaged("release"))?;
            Some(Released { at, why, seat_free_at })
        }
        _ => None,
    };
    Ok(Activation {
        status: status(row.get(1)?)?,
        reason: row.get::<_, Option<String>>(2)?.map(|reason| text(&reason)).transpose()?,
        granted_at: optional_micros(row.get(3)?)?,
        told_to_heal: row.get(15)?,
        released,
        grant: GrantPlace {
            epoch: Epoch(row.get(7)?),
            seq: Seq(uint(row.get(8)?)?),
            at: micros(row.get(9)?)?,
        },
        ack: Ack { seq: Seq(uint(row.get(10)?)?), link: Link(row.get(11)?) },
        sync_by: optional_micros(row.get(12)?)?,
        import_until: optional_micros(row.get(13)?)?,
        runs_until: optional_micros(row.get(14)?)?,
        quotas: BTreeMap::new(),
    })
}

/// Reads a grant's status.
pub(super) fn status(number: u8) -> Result<GrantStatus, StoreError> {
    GrantStatus::from_number(u64::from(number)).ok_or(StoreError::Damaged("status"))
}

/// Reads a period.
pub(super) fn period(number: u32) -> Result<Period, StoreError> {
    Period::from_number(number).ok_or(StoreError::Damaged("period"))
}

/// Reads a total.
pub(super) fn total(number: i64) -> Result<Total, StoreError> {
    Total::new(uint(number)?).ok_or(StoreError::Damaged("total"))
}
