//! What device chains prove, as rows: chains, branches, sums, recorded forks, and the runs that wait.

use std::collections::BTreeMap;

use ledger::authority::{License, RecordedFork};
use ledger::chain::Head;
use ledger::draft::Update;
use ledger::evidence::{Branch, BranchSum, Chain, ChainSum, Closed, Start, Steps};
use ledger::forks::{Fork, Verdict};
use ledger::parking::Parked;
use ledger::rows::{BranchNumber, Rows};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use schemas::canonical;
use schemas::event::device::FingerprintComponent;
use schemas::grant::SeqRange;
use schemas::ids::{ChainId, Commitment, Digest, LicenseId, Link};
use schemas::numbers::{FeatureNumber, Seq};
use schemas::period::Period;
use schemas::run::{DeviceOrigin, Origin};
use schemas::text::Text;

use super::catalog::text;
use super::license::{period, total};
use super::{StoreError, int, micros, optional_micros, uint};

/// Writes the rows of a licence's chains that `rows` names.
pub(super) fn write(connection: &Connection, license: &License, rows: &Rows) -> Result<(), StoreError> {
    for chain in &rows.chains {
        let Some(known) = license.chains.get(chain) else { continue };
        write_chain(connection, &license.id, chain, known)?;
        for (number, branch) in &known.branches {
            write_branch(connection, (&license.id, chain, *number), branch)?;
            for ((feature, period), sum) in &branch.sums {
                write_sum(connection, (&license.id, chain, *number), (*feature, *period), sum)?;
            }
        }
    }
    for (chain, feature, period) in &rows.meters {
        if let Some(meter) =
            license.chains.get(chain).and_then(|known| known.meters.get(&(*feature, *period)))
        {
            write_meter(connection, &license.id, (chain, *feature, *period), meter)?;
        }
    }
    for chain in &rows.forks {
        if let Some(fork) = license.forks.get(chain) {
            write_fork(connection, &license.id, chain, fork)?;
        }
    }
    Ok(())
}

/// Lets runs wait, and lets those go that are attached.
pub(super) fn write_parked(connection: &Connection, update: &Update) -> Result<(), StoreError> {
    let license = update.license.id;
    for ((chain, digest), bytes) in &update.parked {
        let parked = update.license.chains.get(chain).and_then(|known| known.parked.get(digest));
        let Some(Parked { span, .. }) = parked else { continue };
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO parked (license_id, chain, digest, first_seq, last_seq, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                license.as_bytes(),
                chain.as_bytes(),
                digest.as_bytes(),
                int(span.first.0),
                int(span.last.0),
                bytes
            ])?;
    }
    for (chain, digest) in &update.unparked {
        connection
            .prepare_cached("DELETE FROM parked WHERE license_id = ?1 AND chain = ?2 AND digest = ?3")?
            .execute(params![license.as_bytes(), chain.as_bytes(), digest.as_bytes()])?;
    }
    Ok(())
}

/// The bytes of a run of a chain that waits.
pub(super) fn parked_bytes(
    connection: &Connection,
    license: &LicenseId,
    chain: &ChainId,
    name: &Digest,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT bytes FROM parked WHERE license_id = ?1 AND chain = ?2 AND digest = ?3")?;
    let bytes = statement
        .query_row(params![license.as_bytes(), chain.as_bytes(), name.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(bytes)
}

/// The last place of a chain that is attached on any branch.
pub(super) fn last_place(connection: &Connection, chain: &ChainId) -> Result<Seq, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(max(b.seq), 0) FROM chain_licenses c
         JOIN branches b ON b.license_id = c.license_id AND b.chain = c.chain WHERE c.chain = ?1",
    )?;
    Ok(Seq(uint(statement.query_row([chain.as_bytes()], |row| row.get(0))?)?))
}

/// The device chains of a licence.
pub(super) fn chains(
    connection: &Connection,
    id: &LicenseId,
) -> Result<BTreeMap<ChainId, Chain>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT chain, origin, opened_at, agent, host, fingerprint, fingerprint_at, follows, requested_at, closed_at,
                fork_seq, fork_verdict, fingerprints, requested_in
         FROM chains WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    let mut chains = BTreeMap::new();
    while let Some(row) = rows.next()? {
        chains.insert(ChainId(row.get(0)?), read_chain(row)?);
    }
    read_branches(connection, id, &mut chains)?;
    read_sums(connection, id, &mut chains)?;
    read_meters(connection, id, &mut chains)?;
    read_parked(connection, id, &mut chains)?;
    Ok(chains)
}

/// The recorded forks of a licence's chains.
pub(super) fn forks(
    connection: &Connection,
    id: &LicenseId,
) -> Result<BTreeMap<ChainId, RecordedFork>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT chain, seq, recorded, at FROM forks WHERE license_id = ?1")?;
    let mut rows = statement.query([id.as_bytes()])?;
    let mut forks = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let fork = RecordedFork {
            seq: Seq(uint(row.get(1)?)?),
            recorded: Seq(uint(row.get(2)?)?),
            at: micros(row.get(3)?)?,
        };
        forks.insert(ChainId(row.get(0)?), fork);
    }
    Ok(forks)
}

fn write_chain(
    connection: &Connection,
    license: &LicenseId,
    chain: &ChainId,
    known: &Chain,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO chains
             (license_id, chain, origin, opened_at, agent, host, fingerprint, fingerprint_at, follows, requested_at,
              closed_at, fork_seq, fork_verdict, fingerprints, requested_in)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            license.as_bytes(),
            chain.as_bytes(),
            canonical::to_bytes(&Origin::Device(known.origin.clone())),
            known.opened_at.map(|at| int(at.get())),
            known.agent.as_ref().map(Text::as_str),
            known.host.as_ref().map(Commitment::as_bytes),
            canonical::to_bytes(&known.fingerprint),
            int(known.fingerprint_at.0),
            known.follows.as_ref().map(ChainId::as_bytes),
            known.requested_at.map(|at| int(at.get())),
            known.closed_at.map(|at| int(at.get())),
            known.fork.map(|fork| int(fork.seq.0)),
            known.fork.map(|fork| fork.verdict.word()),
            canonical::to_bytes(&known.fingerprints.iter().collect::<Vec<_>>()),
            int(known.requested_in.0),
        ])?;
    write_chain_license(connection, license, chain)
}

/// A chain alone finds its licence.
pub(super) fn write_chain_license(
    connection: &Connection,
    license: &LicenseId,
    chain: &ChainId,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO chain_licenses (chain, license_id) VALUES (?1, ?2)")?
        .execute(params![chain.as_bytes(), license.as_bytes()])?;
    Ok(())
}

/// A branch of a chain of a licence.
type BranchKey<'a> = (&'a LicenseId, &'a ChainId, BranchNumber);

fn write_branch(
    connection: &Connection,
    (license, chain, number): BranchKey<'_>,
    branch: &Branch,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO branches
             (license_id, chain, branch, parent, first_seq, seq, link, first_at, first_is_start, rival_at, rival_is_start,
              last_at, unsteady, ahead_before, behind_before, ahead, behind, closed_seq, closed_at, closed_for)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
        )?
        .execute(params![
            license.as_bytes(),
            chain.as_bytes(),
            number,
            branch.parent,
            int(branch.first_seq.0),
            int(branch.head.seq.0),
            branch.head.link.as_bytes(),
            int(branch.first.at.get()),
            branch.first.is_start,
            branch.rival.map(|rival| int(rival.at.get())),
            branch.rival.map(|rival| rival.is_start),
            int(branch.last_at.get()),
            branch.unsteady.map(|seq| int(seq.0)),
            int(branch.steps_before.ahead),
            branch.steps_before.behind,
            int(branch.steps.ahead),
            branch.steps.behind,
            branch.closed.map(|closed| int(closed.seq.0)),
            branch.closed.map(|closed| int(closed.at.get())),
            branch.closed.and_then(|closed| closed.successor).as_ref().map(ChainId::as_bytes),
        ])?;
    Ok(())
}

fn write_sum(
    connection: &Connection,
    (license, chain, number): BranchKey<'_>,
    (feature, period): (FeatureNumber, Period),
    sum: &BranchSum,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO branch_sums
             (license_id, chain, branch, feature, period, base, used, refunded, returned)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            license.as_bytes(),
            chain.as_bytes(),
            number,
            feature.0,
            period.number(),
            sum.base.map(|base| int(base.get())),
            int(sum.used.get()),
            int(sum.refunded.get()),
            int(sum.returned.get()),
        ])?;
    Ok(())
}

fn write_meter(
    connection: &Connection,
    license: &LicenseId,
    (chain, feature, period): (&ChainId, FeatureNumber, Period),
    meter: &ChainSum,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO meters (license_id, chain, feature, period, used, refunded, returned, freed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            license.as_bytes(),
            chain.as_bytes(),
            feature.0,
            period.number(),
            int(meter.used.get()),
            int(meter.refunded.get()),
            int(meter.returned.get()),
            int(meter.freed.get()),
        ])?;
    Ok(())
}

fn write_fork(
    connection: &Connection,
    license: &LicenseId,
    chain: &ChainId,
    fork: &RecordedFork,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO forks (license_id, chain, seq, recorded, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            license.as_bytes(),
            chain.as_bytes(),
            int(fork.seq.0),
            int(fork.recorded.0),
            int(fork.at.get())
        ])?;
    Ok(())
}

fn read_chain(row: &Row<'_>) -> Result<Chain, StoreError> {
    let fingerprint: Vec<u8> = row.get(5)?;
    let mut chain = Chain::new(origin(&row.get::<_, Vec<u8>>(1)?)?);
    chain.opened_at = optional_micros(row.get(2)?)?;
    chain.agent = row.get::<_, Option<String>>(3)?.map(|agent| text(&agent)).transpose()?;
    chain.host = row.get::<_, Option<[u8; 32]>>(4)?.map(Commitment);
    chain.fingerprint = canonical::from_bytes(&fingerprint)?;
    chain.fingerprint_at = Seq(uint(row.get(6)?)?);
    chain.follows = row.get::<_, Option<[u8; 32]>>(7)?.map(ChainId);
    chain.requested_at = optional_micros(row.get(8)?)?;
    chain.closed_at = optional_micros(row.get(9)?)?;
    chain.fork = match (optional_seq(row.get(10)?)?, row.get::<_, Option<String>>(11)?) {
        (Some(seq), Some(word)) => {
            let verdict = Verdict::from_word(&word).ok_or(StoreError::Damaged("verdict"))?;
            Some(Fork { seq, verdict })
        }
        _ => None,
    };
    let fingerprints: Vec<(Seq, Vec<FingerprintComponent>)> =
        canonical::from_bytes(&row.get::<_, Vec<u8>>(12)?)?;
    chain.fingerprints = fingerprints.into_iter().collect();
    chain.requested_in = Seq(uint(row.get(13)?)?);
    Ok(chain)
}

fn read_branches(
    connection: &Connection,
    id: &LicenseId,
    chains: &mut BTreeMap<ChainId, Chain>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT chain, branch, parent, first_seq, seq, link, first_at, first_is_start, rival_at, rival_is_start, last_at,
                unsteady, ahead_before, behind_before, ahead, behind, closed_seq, closed_at, closed_for
         FROM branches WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let chain = chains.get_mut(&ChainId(row.get(0)?)).ok_or(StoreError::Damaged("branch"))?;
        chain.branches.insert(row.get(1)?, read_branch(row)?);
    }
    Ok(())
}

fn read_branch(row: &Row<'_>) -> Result<Branch, StoreError> {
    let rival = match (optional_micros(row.get(8)?)?, row.get::<_, Option<bool>>(9)?) {
        (Some(at), Some(is_start)) => Some(Start { at, is_start }),
        _ => None,
    };
    let closed = match (optional_seq(row.get(16)?)?, optional_micros(row.get(17)?)?) {
        (Some(seq), Some(at)) => {
            let successor = row.get::<_, Option<[u8; 32]>>(18)?.map(ChainId);
            Some(Closed { seq, at, successor })
        }
        _ => None,
    };
    Ok(Branch {
        parent: row.get(2)?,
        first_seq: Seq(uint(row.get(3)?)?),
        head: Head { seq: Seq(uint(row.get(4)?)?), link: Link(row.get(5)?) },
        first: Start { at: micros(row.get(6)?)?, is_start: row.get(7)? },
        rival,
        last_at: micros(row.get(10)?)?,
        unsteady: optional_seq(row.get(11)?)?,
        steps_before: Steps { ahead: uint(row.get(12)?)?, behind: row.get(13)? },
        steps: Steps { ahead: uint(row.get(14)?)?, behind: row.get(15)? },
        closed,
        sums: BTreeMap::new(),
    })
}

fn read_sums(
    connection: &Connection,
    id: &LicenseId,
    chains: &mut BTreeMap<ChainId, Chain>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT chain, branch, feature, period, base, used, refunded, returned FROM branch_sums WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let branch = chains.get_mut(&ChainId(row.get(0)?)).and_then(|chain| {
            let number: BranchNumber = row.get(1).ok()?;
            chain.branches.get_mut(&number)
        });
        let sum = BranchSum {
            base: row.get::<_, Option<i64>>(4)?.map(total).transpose()?,
            used: total(row.get(5)?)?,
            refunded: total(row.get(6)?)?,
            returned: total(row.get(7)?)?,
        };
        let branch = branch.ok_or(StoreError::Damaged("sum"))?;
        branch.sums.insert((FeatureNumber(row.get(2)?), period(row.get(3)?)?), sum);
    }
    Ok(())
}

fn read_meters(
    connection: &Connection,
    id: &LicenseId,
    chains: &mut BTreeMap<ChainId, Chain>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT chain, feature, period, used, refunded, returned, freed FROM meters WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let meter = ChainSum {
            used: total(row.get(3)?)?,
            refunded: total(row.get(4)?)?,
            returned: total(row.get(5)?)?,
            freed: total(row.get(6)?)?,
        };
        let chain = chains.get_mut(&ChainId(row.get(0)?)).ok_or(StoreError::Damaged("meter"))?;
        chain.meters.insert((FeatureNumber(row.get(1)?), period(row.get(2)?)?), meter);
    }
    Ok(())
}

fn read_parked(
    connection: &Connection,
    id: &LicenseId,
    chains: &mut BTreeMap<ChainId, Chain>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT chain, digest, first_seq, last_seq, length(bytes) FROM parked WHERE license_id = ?1",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let span = SeqRange { first: Seq(uint(row.get(2)?)?), last: Seq(uint(row.get(3)?)?) };
        let chain = chains.get_mut(&ChainId(row.get(0)?)).ok_or(StoreError::Damaged("parked run"))?;
        chain.parked.insert(Digest(row.get(1)?), Parked { span, size: uint(row.get(4)?)? });
    }
    Ok(())
}

fn origin(bytes: &[u8]) -> Result<DeviceOrigin, StoreError> {
    match canonical::from_bytes(bytes)? {
        Origin::Device(origin) => Ok(origin),
        Origin::Authority(_) | Origin::Catalog(_) => Err(StoreError::Damaged("origin")),
    }
}

pub(super) fn optional_seq(number: Option<i64>) -> Result<Option<Seq>, StoreError> {
    number.map(|number| uint(number).map(Seq)).transpose()
}
