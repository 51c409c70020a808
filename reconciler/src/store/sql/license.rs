//! Licences: read into their fold state, and written back as units of work moved them.

use std::collections::BTreeSet;

use ledger::authority::License;
use ledger::draft::Update;
use ledger::evidence::Chain;
use ledger::forks::Fork;
use ledger::merge::Stored;
use ledger::parking::Parked;
use ledger::rows::{BranchNumber, HistoryEntry, Rows, StoredRun};
use ledger::state;
use schemas::bundle::Attachment;
use schemas::event::Kind;
use schemas::grant::SeqRange;
use schemas::ids::{ChainId, Commitment, Digest, LicenseId, Link, Salt};
use schemas::numbers::Seq;

use super::database::{Database, Row, Value, Values, one};
use super::statements::{self, Insert};
use super::webhooks::Outbox;
use super::{StoreError, runs};
use crate::store::{Change, ChangeLicense};

/// Reads licences with all that is known of their device chains, in the order of their identifiers.
pub(super) fn load(
    db: &mut dyn Database,
    ids: &BTreeSet<LicenseId>,
    locked: bool,
) -> Result<Vec<License>, StoreError> {
    let statement = if locked { &statements::LOCKED_LICENSE } else { &statements::LICENSE };
    let keys: Vec<Values<'_>> = ids.iter().map(|id| vec![id.as_bytes().into()]).collect();
    let mut licenses = Vec::new();
    db.query_each(statement, &keys, &mut |_, mut row| {
        licenses.push(state::license(&row.bytes()?)?);
        Ok(())
    })?;
    let found: Vec<LicenseId> = licenses.iter().map(|license| license.id).collect();
    let keys: Vec<Values<'_>> = found.iter().map(|id| vec![id.as_bytes().into()]).collect();
    db.query_each(&statements::CHAINS, &keys, &mut |number, mut row| {
        let chain = ChainId(row.fixed()?);
        Ok(state::add_chain(&mut licenses[number], chain, &row.bytes()?)?)
    })?;
    load_parked(db, &mut licenses, &keys)?;
    Ok(licenses)
}

/// Lets `change` work on each of the licences that are there, and writes what it leaves, and to whom that is told.
pub(super) fn change(
    db: &mut dyn Database,
    ids: &BTreeSet<LicenseId>,
    change: &mut ChangeLicense<'_>,
) -> Result<(), StoreError> {
    let mut outbox = Outbox::open(db)?;
    let mut changes = Vec::new();
    for license in load(db, ids, true)? {
        let id = license.id;
        let before = outbox.before(&license);
        let change = change(license, &mut StoredEvidence { db, license: id })?;
        if let Some(before) = before {
            outbox.add(&before, &change.update);
        }
        changes.push(change);
    }
    write(db, &changes)?;
    outbox.write(db)
}

/// Reads one licence, and of its device chains only `chain`.
pub(super) fn load_chain(
    db: &mut dyn Database,
    id: &LicenseId,
    chain: &ChainId,
) -> Result<Option<License>, StoreError> {
    let mut license = None;
    db.query(&statements::LICENSE, &[id.as_bytes().into()], &mut |mut row| {
        license = Some(state::license(&row.bytes()?)?);
        Ok(())
    })?;
    let Some(mut license) = license else { return Ok(None) };
    db.query(&statements::CHAIN, &[id.as_bytes().into(), chain.as_bytes().into()], &mut |mut row| {
        Ok(state::add_chain(&mut license, *chain, &row.bytes()?)?)
    })?;
    Ok(Some(license))
}

/// The licence of a device chain.
pub(super) fn of_chain(db: &mut dyn Database, chain: &ChainId) -> Result<Option<LicenseId>, StoreError> {
    one(db, &statements::LICENSE_OF_CHAIN, &[chain.as_bytes().into()], |row| Ok(LicenseId(row.fixed()?)))
}

/// The last place of a device chain that is attached.
pub(super) fn last_place(
    db: &mut dyn Database,
    license: &LicenseId,
    chain: &ChainId,
) -> Result<Seq, StoreError> {
    let mut place = Seq(0);
    db.query(
        &statements::LAST_PLACE,
        &[license.as_bytes().into(), chain.as_bytes().into()],
        &mut |mut row| {
            place = row.seq()?;
            Ok(())
        },
    )?;
    Ok(place)
}

/// The value that a commitment stands for, beside a licence's runs.
pub(super) fn attachment(
    db: &mut dyn Database,
    license: &LicenseId,
    commitment: &Commitment,
) -> Result<Option<Attachment>, StoreError> {
    let values = [license.as_bytes().into(), commitment.as_bytes().into()];
    one(db, &statements::ATTACHMENT, &values, |row| opened(commitment, row))
}

/// Reads what opens a commitment.
pub(super) fn opened(commitment: &Commitment, row: &mut Row) -> Result<Attachment, StoreError> {
    Ok(Attachment { commitment: *commitment, salt: Salt(row.fixed()?), value: row.bytes()? })
}

/// Reads which runs wait beside the chains.
fn load_parked(
    db: &mut dyn Database,
    licenses: &mut [License],
    keys: &[Values<'_>],
) -> Result<(), StoreError> {
    db.query_each(&statements::PARKED, keys, &mut |number, mut row| {
        let (chain, name) = (ChainId(row.fixed()?), Digest(row.fixed()?));
        let span = SeqRange { first: row.seq()?, last: row.seq()? };
        let known = licenses[number].chains.get_mut(&chain).ok_or(StoreError::Damaged("parked run"))?;
        known.parked.insert(name, Parked { span, size: row.uint()? });
        Ok(())
    })
}

/// Takes a licence's key reference, unless another licence has it.
pub(super) fn claim_key(db: &mut dyn Database, license: &License) -> Result<bool, StoreError> {
    Ok(db.insert(&statements::KEY, &[key(license)])? == 1)
}

fn key(license: &License) -> Values<'_> {
    vec![license.key.as_bytes().into(), license.id.as_bytes().into(), license.product.as_str().into()]
}

/// Writes what units of work left of as many licences: runs and attachments, then the rows that moved.
pub(super) fn write(db: &mut dyn Database, changes: &[Change]) -> Result<(), StoreError> {
    let attachments = changes.iter().flat_map(|Change { update, attachments }| {
        attachments.iter().map(|attachment| {
            vec![
                update.license.id.as_bytes().into(),
                attachment.commitment.as_bytes().into(),
                attachment.salt.as_bytes().into(),
                attachment.value.as_slice().into(),
            ]
        })
    });
    insert(db, &statements::NEW_ATTACHMENT, &attachments.collect::<Vec<_>>())?;
    let updates: Vec<&Update> =
        changes.iter().map(|change| &change.update).filter(|update| !update.is_empty()).collect();
    let new =
        updates.iter().flat_map(|update| update.runs.iter().map(|run| runs::values(&update.license.id, run)));
    insert(db, &statements::RUN, &new.collect::<Vec<_>>())?;
    write_parked(db, &updates)?;
    let mut moved = Moved::default();
    for update in updates {
        moved.add(&update.license, &update.rows);
    }
    moved.write(db)
}

fn insert(db: &mut dyn Database, into: &'static Insert, rows: &[Values<'_>]) -> Result<(), StoreError> {
    if !rows.is_empty() {
        db.insert(into, rows)?;
    }
    Ok(())
}

/// Lets runs wait, and lets those go that are attached.
fn write_parked(db: &mut dyn Database, updates: &[&Update]) -> Result<(), StoreError> {
    let parked = updates.iter().flat_map(|update| {
        update.parked.iter().filter_map(|((chain, name), bytes)| {
            let Parked { span, size } = update.license.chains.get(chain)?.parked.get(name)?;
            Some(vec![
                update.license.id.as_bytes().into(),
                chain.as_bytes().into(),
                name.as_bytes().into(),
                span.first.into(),
                span.last.into(),
                (*size).into(),
                bytes.as_slice().into(),
            ])
        })
    });
    insert(db, &statements::PARK, &parked.collect::<Vec<_>>())?;
    for update in updates {
        for (chain, name) in &update.unparked {
            let values =
                [update.license.id.as_bytes().into(), chain.as_bytes().into(), name.as_bytes().into()];
            db.execute(&statements::UNPARK, &values)?;
        }
    }
    Ok(())
}

/// Rows of projections that units of work moved, by where they are written.
#[derive(Default)]
pub(super) struct Moved<'a> {
    pub(super) licenses: Vec<Values<'a>>,
    pub(super) chains: Vec<Values<'a>>,
    pub(super) usage: Vec<Values<'a>>,
    pub(super) variables: Vec<Values<'a>>,
    pub(super) history: Vec<Values<'a>>,
    pub(super) findings: Vec<Values<'a>>,
    pub(super) keys: Vec<Values<'a>>,
    pub(super) chain_licenses: Vec<Values<'a>>,
}

impl<'a> Moved<'a> {
    /// Adds what a unit of work moved of a licence.
    pub(super) fn add(&mut self, license: &'a License, rows: &'a Rows) {
        self.licenses.push(license_row(license));
        for chain in &rows.chains {
            self.chains.push(chain_row(license, chain));
            self.chain_licenses.push(vec![chain.as_bytes().into(), license.id.as_bytes().into()]);
        }
        self.add_rows(&license.id, rows);
    }

    /// Adds everything that follows from the runs of a licence.
    pub(super) fn add_all(&mut self, license: &'a License, rows: &'a Rows) {
        self.add(license, rows);
        self.keys.push(key(license));
    }

    fn add_rows(&mut self, license: &'a LicenseId, rows: &'a Rows) {
        let id = || Value::from(license.as_bytes());
        self.usage.extend(rows.usage.iter().map(|((chain, feature, period, day), sum)| {
            let key = [chain.as_bytes().into(), feature.0.into(), period.number().into(), (*day).into()];
            let sums = [sum.n.into(), sum.refunded.into(), sum.events.into()];
            [id()].into_iter().chain(key).chain(sums).collect()
        }));
        self.variables.extend(rows.variables.iter().map(|((chain, name), variable)| {
            vec![
                id(),
                chain.as_bytes().into(),
                name.into(),
                variable.seq.into(),
                variable.at.into(),
                variable.value.as_bytes().to_vec().into(),
            ]
        }));
        self.history.extend(rows.history.iter().map(|entry| {
            vec![
                id(),
                entry.chain.as_bytes().into(),
                entry.branch.into(),
                entry.seq.into(),
                entry.at.into(),
                entry.kind.0.into(),
                entry.core.as_slice().into(),
            ]
        }));
        self.findings.extend(rows.findings.iter().map(|finding| {
            vec![
                id(),
                finding.chain.as_bytes().into(),
                finding.branch.into(),
                finding.seq.into(),
                finding.code.word().into(),
            ]
        }));
    }

    /// Where each kind of row goes: usage last, so that the rows that others add to are held for the shortest time.
    pub(super) fn by_table(self) -> [(&'static Insert, Vec<Values<'a>>); 8] {
        [
            (&statements::KEY, self.keys),
            (&statements::CHAIN_LICENSE, self.chain_licenses),
            (&statements::LICENSE_ROW, self.licenses),
            (&statements::CHAIN_ROW, self.chains),
            (&statements::VARIABLE_ROW, self.variables),
            (&statements::HISTORY_ROW, self.history),
            (&statements::FINDING_ROW, self.findings),
            (&statements::USAGE_ROW, self.usage),
        ]
    }

    /// Writes all of them.
    pub(super) fn write(self, db: &mut dyn Database) -> Result<(), StoreError> {
        self.by_table().into_iter().try_for_each(|(into, rows)| insert(db, into, &rows))
    }
}

fn license_row(license: &License) -> Values<'_> {
    vec![
        license.id.as_bytes().into(),
        license.key.as_bytes().into(),
        license.product.as_str().into(),
        license.policy.as_str().into(),
        license.customer.as_bytes().into(),
        license.standing.word().into(),
        license.issued_at.into(),
        license.terms.entitlement.valid_until.into(),
        license.terms.valid_from_activation.map(|valid_for| valid_for.0).into(),
        license.terms.rules.max_activations.into(),
        license.terms.rules.on_fork.number().into(),
        state::of_license(license).into(),
    ]
}

fn chain_row<'a>(license: &'a License, chain: &'a ChainId) -> Values<'a> {
    let (activation, known) = (license.activations.get(chain), license.chains.get(chain));
    let trunk = known.and_then(|known| known.branches.get(&0));
    let verdict = known.and_then(|known| known.fork).map(|Fork { verdict, .. }| verdict.word());
    vec![
        license.id.as_bytes().into(),
        chain.as_bytes().into(),
        activation.map(|activation| activation.status.number()).into(),
        activation.and_then(|activation| activation.reason.as_ref()).into(),
        known.and_then(|known| known.agent.as_ref()).into(),
        known.and_then(|known| known.host.as_ref()).map(Commitment::as_bytes).into(),
        known.and_then(|known| known.requested_at).into(),
        activation.and_then(|activation| activation.granted_at).into(),
        activation.and_then(|activation| activation.released.as_ref()).map(|released| released.at).into(),
        activation.and_then(|activation| activation.sync_by).into(),
        trunk.map_or(Seq(0), |trunk| trunk.head.seq).into(),
        trunk.map(|trunk| trunk.last_at).into(),
        known.map_or(Seq(0), Chain::last_place).into(),
        license.fork_of(chain).into(),
        license.forks.get(chain).map(|fork| fork.at).into(),
        verdict.into(),
        state::of_branches(known).into(),
        state::of_chain(license, chain).into(),
        license.coded.device(chain).map(|_| 1_u32).into(),
    ]
}

/// What is stored of one licence's chains, as a unit of work sees it.
struct StoredEvidence<'a> {
    db: &'a mut dyn Database,
    license: LicenseId,
}

impl Stored<StoreError> for StoredEvidence<'_> {
    fn run_holding(
        &mut self,
        chain: &ChainId,
        branch: BranchNumber,
        seq: Seq,
    ) -> Result<StoredRun, StoreError> {
        let run = runs::run_holding(self.db, &self.license, (chain, branch), seq)?;
        run.ok_or(StoreError::Damaged("run"))
    }

    fn authority_link(&mut self, chain: &ChainId, seq: Seq) -> Result<Option<Link>, StoreError> {
        runs::link_at(self.db, &self.license, (chain, 0), seq)
    }

    fn history(
        &mut self,
        chain: &ChainId,
        kind: Kind,
        hear: &mut dyn FnMut(&HistoryEntry),
    ) -> Result<(), StoreError> {
        let values = [self.license.as_bytes().into(), chain.as_bytes().into(), kind.0.into()];
        self.db.query(&statements::HISTORY_OF_KIND, &values, &mut |mut row| {
            hear(&history_entry(&mut row)?);
            Ok(())
        })
    }

    fn parked(&mut self, chain: &ChainId, name: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let values = [self.license.as_bytes().into(), chain.as_bytes().into(), name.as_bytes().into()];
        let mut bytes = None;
        self.db.query(&statements::PARKED_BYTES, &values, &mut |mut row| {
            bytes = Some(row.bytes()?);
            Ok(())
        })?;
        Ok(bytes)
    }
}

/// Reads a lifecycle event.
pub(super) fn history_entry(row: &mut Row) -> Result<HistoryEntry, StoreError> {
    Ok(HistoryEntry {
        chain: ChainId(row.fixed()?),
        branch: row.small()?,
        seq: row.seq()?,
        at: row.micros()?,
        kind: Kind(row.small()?),
        core: row.bytes()?,
    })
}
