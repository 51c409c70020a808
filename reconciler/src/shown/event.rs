//! One event with its place on a chain, down to the bytes that were signed.

use data_encoding::HEXLOWER;
use ledger::authority::License;
use ledger::catalog::Catalog;
use ledger::chain::{self, Head};
use ledger::rows::{BranchNumber, StoredRun};
use ledger::{commitment, trust};
use schemas::codes::Code;
use schemas::event::{Body, Event};
use schemas::ids::{ChainId, EventId, LicenseId, Link, PublicKey, Signature};
use schemas::numbers::{Micros, Seq};
use schemas::refusal::Refusal;
use schemas::run::{Origin, pairs};
use serde::Serialize;

use super::values::Attached;
use crate::store::StoreError;
use crate::vendor::Vendor;

/// A signed event.
#[derive(Serialize)]
pub(crate) struct SignedEvent {
    pub(crate) chain: ChainId,
    /// The branch of the chain; 0 is the trunk.
    pub(crate) branch: BranchNumber,
    pub(crate) seq: Seq,
    /// `device` or `authority`.
    pub(crate) writer: &'static str,
    pub(crate) at: Micros,
    pub(crate) kind: &'static str,
    pub(crate) body: Body,
    /// The value that a commitment in it stands for; absent when there is none or it was erased.
    pub(crate) text: Option<Attached>,
    /// The link before it.
    pub(crate) prev: Link,
    pub(crate) id: EventId,
    pub(crate) signature: Signature,
    /// The key that signs the chain; absent where its certificate is not known.
    pub(crate) signer: Option<PublicKey>,
    /// Whether the signature is that key's.
    pub(crate) verifies: bool,
    /// The link after it.
    pub(crate) link: Link,
    /// What is signed of it, in hexadecimal digits.
    pub(crate) core: String,
}

impl SignedEvent {
    /// The events that a licence has at a place of a chain: one, or where the chain's histories part, one of each.
    ///
    /// # Errors
    /// `event_unknown`; when the ledger cannot be read.
    pub(crate) fn read(
        vendor: &mut Vendor,
        license: &License,
        chain: ChainId,
        seq: Seq,
    ) -> Result<Vec<Self>, Refusal> {
        let branches: Vec<BranchNumber> = match license.chains.get(&chain) {
            Some(evidence) => evidence.branches.keys().copied().collect(),
            None => vec![0],
        };
        let catalog = vendor.catalog()?;
        let mut found = Vec::new();
        for branch in branches {
            if let Some(run) = vendor.store.run_holding(&license.id, (&chain, branch), seq)? {
                found.push(Self::of(vendor, &license.id, &catalog, &run, seq)?);
            }
        }
        if found.is_empty() {
            return Err(Refusal::new(Code::EventUnknown, format!("event {seq} of {chain}")));
        }
        Ok(found)
    }

    fn of(
        vendor: &mut Vendor,
        license: &LicenseId,
        catalog: &Catalog,
        run: &StoredRun,
        seq: Seq,
    ) -> Result<Self, Refusal> {
        let (before, core, signature) = pair_at(run, seq)?;
        let event = Event::decode(&core).map_err(StoreError::from)?;
        let (id, after) = before.after(&run.chain, &core, &signature);
        let signer = signer(vendor, catalog, &run.origin);
        Ok(Self {
            chain: run.chain,
            branch: run.branch,
            seq,
            writer: run.origin.word(),
            at: event.at,
            kind: event.body.name(),
            text: Attached::read(vendor, license, commitment::committed(&event).as_ref())?,
            body: event.body,
            prev: before.link,
            id,
            verifies: signer.is_some_and(|signer| chain::verify(&signer, &id, &signature)),
            signature,
            signer,
            link: after.link,
            core: HEXLOWER.encode(&core),
        })
    }
}

/// The head before the event at a place that a run holds, and what is stored of it.
fn pair_at(run: &StoredRun, seq: Seq) -> Result<(Head, Vec<u8>, Signature), StoreError> {
    let mut before = Head { seq: Seq(run.first_seq.0.saturating_sub(1)), link: run.prev };
    for pair in pairs(&run.pairs) {
        let pair = pair?;
        let (_, after) = before.after(&run.chain, pair.core, &pair.signature);
        if after.seq == seq {
            return Ok((before, pair.core.to_vec(), pair.signature));
        }
        before = after;
    }
    Err(StoreError::Damaged("run"))
}

/// The key that signs a run.
fn signer(vendor: &Vendor, catalog: &Catalog, origin: &Origin) -> Option<PublicKey> {
    let certificate = match origin {
        Origin::Device(origin) => return Some(origin.signer),
        Origin::Authority(origin) => origin.signer,
        Origin::Catalog(origin) => origin.signer,
    };
    let record = catalog.issuers.get(&certificate)?;
    let trusted = trust::verify_certificate(&record.certificate, &vendor.root_public()).ok()?;
    Some(trusted.body.issuer)
}
