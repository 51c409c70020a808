//! The sealed periods of a licence.

use std::collections::BTreeMap;

use ledger::periods::{Conditions, Seal};
use rusqlite::{Connection, params};
use schemas::ids::{Digest, LicenseId};
use schemas::numbers::{Epoch, FeatureNumber, Seq};
use schemas::period::Period;

use super::license::{period, total};
use super::{StoreError, int, micros, uint};

/// Reads the seals of a licence.
pub(super) fn load(
    connection: &Connection,
    license: &LicenseId,
) -> Result<BTreeMap<(FeatureNumber, Period), Seal>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT feature, period, epoch, seq, at, early, used, added, removed, evidence, silent, gaps, forks, clocks
         FROM periods WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([license.as_bytes()])?;
    let mut seals = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let seal = Seal {
            epoch: Epoch(row.get(2)?),
            seq: Seq(uint(row.get(3)?)?),
            at: micros(row.get(4)?)?,
            early: row.get(5)?,
            used: total(row.get(6)?)?,
            added: total(row.get(7)?)?,
            removed: total(row.get(8)?)?,
            evidence: Digest(row.get(9)?),
            conditions: Conditions {
                silent: row.get(10)?,
                gaps: row.get(11)?,
                forks: row.get(12)?,
                clocks: row.get(13)?,
            },
        };
        seals.insert((FeatureNumber(row.get(0)?), period(row.get(1)?)?), seal);
    }
    Ok(seals)
}

/// Writes one seal.
pub(super) fn write(
    connection: &Connection,
    license: &LicenseId,
    (feature, period): (FeatureNumber, Period),
    seal: &Seal,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO periods
             (license_id, feature, period, epoch, seq, at, early, used, added, removed, evidence, silent, gaps, forks,
              clocks)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            license.as_bytes(),
            feature.0,
            period.number(),
            seal.epoch.0,
            int(seal.seq.0),
            int(seal.at.get()),
            seal.early,
            int(seal.used.get()),
            int(seal.added.get()),
            int(seal.removed.get()),
            seal.evidence.as_bytes(),
            seal.conditions.silent,
            seal.conditions.gaps,
            seal.conditions.forks,
            seal.conditions.clocks,
        ])?;
    Ok(())
}
