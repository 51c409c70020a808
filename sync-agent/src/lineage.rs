//! The chains that the present one follows: what of them the vendor does not have yet, and what they leave behind.
//!
//! They lie in the archive. That the vendor has one to its end is known from a grant that says so, which is kept beside
//! it; until then every report carries the rest of it.

use std::fs;

use ledger::chain::Head;
use ledger::device::AppliedGrant;
use ledger::durable::{self, Access};
use ledger::store::Reader;
use ledger::trust;
use schemas::bundle::{Answer, Bundle, decode_answers, encode_answers};
use schemas::grant::{Ack, Grant, GrantBody};
use schemas::ids::{ChainId, PublicKey};
use schemas::limits;
use schemas::numbers::Epoch;
use schemas::refusal::Refusal;

use crate::refuse;
use crate::state_dir::StateDir;

/// An archived chain that is followed by another.
pub(crate) struct Ancestor {
    pub(crate) chain: ChainId,
    pub(crate) reader: Reader,
    dir: StateDir,
    head: Head,
    /// The vendor's epoch, as far as the youngest chain knows. What was acknowledged in an earlier one, the ledger that
    /// the vendor went back to may have lost.
    epoch: Epoch,
}

/// The chains before the one of `reader`, the nearest first, as far as they can be read.
pub(crate) fn ancestors(dir: &StateDir, reader: &Reader, root: &PublicKey) -> Vec<Ancestor> {
    let mut ancestors: Vec<Ancestor> = Vec::new();
    let mut follows = reader.follows().ok().flatten();
    let epoch = granted_in(reader);
    while let Some(chain) = follows.filter(|_| ancestors.len() + 1 < limits::BUNDLE_CHAINS) {
        let Some(ancestor) = Ancestor::open(dir.archived(chain), chain, epoch, *root) else { break };
        follows = ancestor.reader.follows().ok().flatten();
        ancestors.push(ancestor);
    }
    ancestors
}

/// The last grant of the chains before that of `reader`, the nearest first.
pub(crate) fn inherited(dir: &StateDir, reader: &Reader, root: &PublicKey) -> Option<AppliedGrant> {
    let grant = |ancestor: &Ancestor| ancestor.reader.device().ok()?.grant().cloned();
    ancestors(dir, reader, root).iter().find_map(grant)
}

/// How much of the earlier chains goes with a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// What the vendor is not known to have.
    Unacknowledged,
    /// All, whatever was acknowledged.
    Whole,
}

/// Puts as much of earlier chains as `extent` says before what `bundle` holds.
pub(crate) fn enclose(
    mut bundle: Bundle,
    extent: Extent,
    dir: &StateDir,
    reader: &Reader,
    root: &PublicKey,
) -> Result<Bundle, Refusal> {
    for ancestor in &ancestors(dir, reader, root) {
        let before = match extent {
            Extent::Whole => ancestor.reader.request(),
            Extent::Unacknowledged if ancestor.is_acknowledged(root) => continue,
            Extent::Unacknowledged if granted_in(&ancestor.reader) < ancestor.epoch => {
                ancestor.reader.request()
            }
            Extent::Unacknowledged => ancestor.reader.report(),
        };
        let mut before = before.map_err(|error| refuse::store(&error))?;
        before.runs.append(&mut bundle.runs);
        before.attachments.append(&mut bundle.attachments);
        bundle = Bundle { last_grant: bundle.last_grant.or(before.last_grant), ..before };
    }
    Ok(bundle)
}

impl Ancestor {
    fn open(dir: StateDir, chain: ChainId, epoch: Epoch, root: PublicKey) -> Option<Self> {
        let reader = Reader::open(&dir.chain(), root).ok()?;
        let head = reader.device().ok()?.head();
        Some(Self { chain, reader, dir, head, epoch })
    }

    /// Keeps `grant` if it says that the vendor has the chain to its end. Whether that is news.
    pub(crate) fn hear(&self, grant: &AppliedGrant, root: &PublicKey) -> Result<bool, Refusal> {
        if self.is_acknowledged(root) || !self.is_receipt(&grant.verified.body) {
            return Ok(false);
        }
        let bytes = encode_answers(&[Answer::Grant(Box::new(grant.grant.clone()))]);
        let path = self.dir.receipt();
        durable::write(&path, &bytes, Access::Shared).map_err(|error| refuse::io(&error, &path))?;
        Ok(true)
    }

    /// Whether the vendor is known to have the chain to its end.
    pub(crate) fn is_acknowledged(&self, root: &PublicKey) -> bool {
        let says_so = |grant: &Grant| {
            let verified = trust::verify_grant(grant, root);
            verified.is_ok_and(|verified| self.is_receipt(&verified.body))
        };
        let kept = fs::read(self.dir.receipt()).ok().and_then(|bytes| decode_answers(&bytes).ok());
        kept.into_iter().flatten().any(|answer| match answer {
            Answer::Grant(grant) => says_so(&grant),
            Answer::Notice(_) => false,
        })
    }

    /// Whether a grant says that the vendor has the chain to its end, and has not gone back to an older ledger since.
    fn is_receipt(&self, body: &GrantBody) -> bool {
        let head = Ack::from(self.head);
        let took_in = body.took_in.iter().filter(|took_in| took_in.chain == self.chain);
        let mut heads = took_in.map(|took_in| Ack { seq: took_in.seq, link: took_in.link });
        body.epoch >= self.epoch
            && ((body.device == self.chain && body.ack == head) || heads.any(|known| known == head))
    }
}

/// The vendor's epoch in which the last grant that a chain applied was issued; 0 before the first.
fn granted_in(reader: &Reader) -> Epoch {
    let epoch = reader.device().ok().and_then(|device| device.grant().map(|grant| grant.verified.body.epoch));
    epoch.unwrap_or_default()
}
