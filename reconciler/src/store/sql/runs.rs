//! Runs: stored as they came, read whole, one link at a time, or one grant.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ledger::authority::License;
use ledger::chain::{self, Head};
use ledger::rows::{BranchNumber, StoredRun};
use ledger::{refold, trust};
use schemas::canonical;
use schemas::event::Writer;
use schemas::grant::Grant;
use schemas::ids::{CertificateId, ChainId, LicenseId, Link, Signature};
use schemas::numbers::{Micros, Seq};
use schemas::run::{Origin, pairs};

use super::database::{Database, Row, Value, Values, all, one};
use super::{StoreError, statements};
use crate::store::{GrantAt, HistoryEntry};

/// The values of a run of a licence, in the order of its columns.
pub(super) fn values<'a>(license: &'a LicenseId, run: &'a StoredRun) -> Values<'a> {
    let mut values = vec![
        license.as_bytes().into(),
        run.chain.as_bytes().into(),
        run.branch.into(),
        writer_number(run.origin.writer()).into(),
    ];
    values.extend(content(run));
    values
}

/// What is stored of any run, in the order in which [`read`] takes it.
pub(super) fn content(run: &StoredRun) -> [Value<'_>; 8] {
    [
        run.first_seq.into(),
        run.version.into(),
        canonical::to_bytes(&run.origin).into(),
        run.prev.as_bytes().into(),
        run.count.into(),
        run.head.link.as_bytes().into(),
        run.last_at.into(),
        run.pairs.as_slice().into(),
    ]
}

/// Reads [`content`].
pub(super) fn read(row: &mut Row, branch: BranchNumber) -> Result<StoredRun, StoreError> {
    let (first_seq, version) = (row.seq()?, row.small()?);
    let origin: Origin = canonical::from_bytes(&row.bytes()?)?;
    let prev = Link(row.fixed()?);
    let count = row.uint()?;
    Ok(StoredRun {
        chain: chain::chain_of(&origin),
        branch,
        version,
        origin,
        first_seq,
        prev,
        count,
        head: Head { seq: Seq((first_seq.0 + count).saturating_sub(1)), link: Link(row.fixed()?) },
        last_at: row.micros()?,
        pairs: row.bytes()?,
    })
}

/// Reads a run with the chain that it is stored under, which must be its own, and who writes it.
pub(super) fn read_stored(row: &mut Row) -> Result<(StoredRun, u8), StoreError> {
    let chain = ChainId(row.fixed()?);
    let (branch, writer) = (row.small()?, row.small()?);
    let run = read(row, branch)?;
    if run.chain == chain { Ok((run, writer)) } else { Err(StoreError::Damaged("chain")) }
}

/// The authority runs of a licence, in the order of chain and place.
pub(super) fn of_authority(db: &mut dyn Database, license: &LicenseId) -> Result<Vec<StoredRun>, StoreError> {
    let writer = writer_number(Writer::Authority);
    all(db, &statements::RUNS_OF_WRITER, &[license.as_bytes().into(), writer.into()], |row| {
        Ok(read_stored(row)?.0)
    })
}

/// The events of a licence's authority chains with their places.
pub(super) fn authority_events(
    db: &mut dyn Database,
    license: &LicenseId,
) -> Result<Vec<HistoryEntry>, StoreError> {
    let mut entries = Vec::new();
    for run in of_authority(db, license)? {
        for (seq, event) in refold::events(&run)? {
            let (at, kind, core) = (event.at, event.body.kind(), event.encode());
            entries.push(HistoryEntry { chain: run.chain, branch: run.branch, seq, at, kind, core });
        }
    }
    Ok(entries)
}

/// The newest grant of a device chain, in detached form.
pub(super) fn newest_grant(
    db: &mut dyn Database,
    license: &License,
    chain: &ChainId,
) -> Result<Option<Grant>, StoreError> {
    let Some(place) = GrantAt::newest(license, chain) else { return Ok(None) };
    Ok(grants_at(db, &[place])?.pop())
}

/// The grants at these places, in their order.
pub(super) fn grants_at(db: &mut dyn Database, places: &[GrantAt]) -> Result<Vec<Grant>, StoreError> {
    // Few keys sign for a vendor.
    let mut certificates: BTreeMap<CertificateId, Vec<u8>> = BTreeMap::new();
    let mut grants = Vec::new();
    for GrantAt { license, authority, seq } in places {
        let run = run_holding(db, license, (authority, 0), *seq)?.ok_or(StoreError::Damaged("grant"))?;
        let (before, core, signature) = event_at(&run, *seq)?.ok_or(StoreError::Damaged("grant"))?;
        let Origin::Authority(origin) = &run.origin else { return Err(StoreError::Damaged("grant")) };
        let certificate = match certificates.entry(origin.signer) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(certificate(db, &origin.signer)?),
        };
        grants.push(trust::detach(*authority, (*seq, before.link), core, signature, certificate.clone()));
    }
    Ok(grants)
}

fn certificate(db: &mut dyn Database, signer: &CertificateId) -> Result<Vec<u8>, StoreError> {
    let found = one(db, &statements::CERTIFICATE, &[signer.as_bytes().into()], Row::bytes)?;
    found.ok_or(StoreError::Damaged("certificate"))
}

/// The run of a branch that holds the event at `seq`.
pub(super) fn run_holding(
    db: &mut dyn Database,
    license: &LicenseId,
    (chain, branch): (&ChainId, BranchNumber),
    seq: Seq,
) -> Result<Option<StoredRun>, StoreError> {
    let values = [license.as_bytes().into(), chain.as_bytes().into(), branch.into(), seq.into()];
    let mut found = None;
    db.query(&statements::RUN_HOLDING, &values, &mut |mut row| {
        found = Some(read(&mut row, branch)?);
        Ok(())
    })?;
    Ok(found.filter(|run| run.covers(seq)))
}

/// The link after an event of a branch: mostly the last one of a stored run, which is read without its events.
pub(super) fn link_at(
    db: &mut dyn Database,
    license: &LicenseId,
    (chain, branch): (&ChainId, BranchNumber),
    seq: Seq,
) -> Result<Option<Link>, StoreError> {
    let values = [license.as_bytes().into(), chain.as_bytes().into(), branch.into(), seq.into()];
    let mut link = None;
    db.query(&statements::LINK_BEFORE, &values, &mut |mut row| {
        let (head, last) = (Link(row.fixed()?), row.seq()?);
        link = (last == seq).then_some(head);
        Ok(())
    })?;
    if link.is_some() {
        return Ok(link);
    }
    Ok(run_holding(db, license, (chain, branch), seq)?.and_then(|run| run.link_at(seq)))
}

/// Hashes a run up to the event at `seq`: the head before it, its core and signature.
fn event_at(run: &StoredRun, seq: Seq) -> Result<Option<(Head, Vec<u8>, Signature)>, StoreError> {
    let mut head = Head { seq: Seq(run.first_seq.0 - 1), link: run.prev };
    for pair in pairs(&run.pairs) {
        let pair = pair?;
        let before = head;
        (_, head) = before.after(&run.chain, pair.core, &pair.signature);
        if head.seq == seq {
            return Ok(Some((before, pair.core.to_vec(), pair.signature)));
        }
    }
    Ok(None)
}

/// How a run's writer is stored: by the number of its origin on the wire.
pub(super) fn writer_number(writer: Writer) -> u8 {
    match writer {
        Writer::Device => 0,
        Writer::Authority => 1,
        Writer::Catalog => 2,
    }
}

/// The order in which a licence's history is told: by time, at one time the devices' events first, then by place.
pub(super) fn history_order(entry: &HistoryEntry) -> (Micros, bool, ChainId, BranchNumber, Seq) {
    (entry.at, entry.kind.0 >= FIRST_AUTHORITY_KIND, entry.chain, entry.branch, entry.seq)
}

/// Kinds of authority events are numbered from here on.
const FIRST_AUTHORITY_KIND: u16 = 32;

/// Licences of which the runs are read at once.
const PAGE: u64 = 512;

/// Hands the stored runs of one licence or of all to `each`, in the order of licence, chain, branch and place.
pub(super) fn each(
    db: &mut dyn Database,
    license: Option<&LicenseId>,
    each: &mut dyn FnMut(&LicenseId, StoredRun) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut of_license = |db: &mut dyn Database, id: &LicenseId| {
        db.query(&statements::RUNS, &[id.as_bytes().into()], &mut |mut row| {
            each(id, read_stored(&mut row)?.0)
        })
    };
    if let Some(license) = license {
        return of_license(db, license);
    }
    let mut page = licenses_after(db, &LicenseId([0; 16]))?;
    while let Some(last) = page.last().copied() {
        page.iter().try_for_each(|id| of_license(db, id))?;
        page = licenses_after(db, &last)?;
    }
    Ok(())
}

/// The next licences with runs, in the order of their identifiers.
pub(super) fn licenses_after(db: &mut dyn Database, after: &LicenseId) -> Result<Vec<LicenseId>, StoreError> {
    all(db, &statements::LICENSES_AFTER, &[after.as_bytes().into(), PAGE.into()], |row| {
        Ok(LicenseId(row.fixed()?))
    })
}
