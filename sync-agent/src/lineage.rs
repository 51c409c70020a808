//! The chains that the present one follows: what of them the vendor does not have yet, and what they leave behind.
//!
//! They lie in the archive. How far the vendor has one is known from a grant that says so, which is kept beside it; until it
//! has it to its end every report carries the rest of it.

use std::fs;

use ledger::chain::Head;
use ledger::device::AppliedGrant;
use ledger::durable::{self, Access};
use ledger::store::{Reader, Stretch};
use ledger::trust;
use schemas::bundle::{Answer, Bundle, decode_answers, encode_answers};
use schemas::grant::{Ack, GrantBody};
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

/// A part of a report, with the stretch of each chain that it holds, the oldest chain first.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) bundle: Bundle,
    pub(crate) stretches: Vec<Stretch>,
    /// Whether nothing that is to be reported is left out.
    pub(crate) is_whole: bool,
}

impl Part {
    /// Adds what is not acknowledged of one more chain, as far as about `most` bytes of the whole hold it. Whether that is
    /// all of it.
    pub(crate) fn add(&mut self, reader: &Reader, most: usize, known: Option<Ack>) -> Result<bool, Refusal> {
        let runs: usize = self.bundle.runs.iter().map(Vec::len).sum();
        let values: usize = self.bundle.attachments.iter().map(|attachment| attachment.value.len()).sum();
        let filled = runs + values;
        let part = reader.part(most.saturating_sub(filled), known);
        let (mut bundle, stretch) = part.map_err(|error| refuse::store(&error))?;
        self.bundle.runs.append(&mut bundle.runs);
        self.bundle.attachments.append(&mut bundle.attachments);
        self.bundle.last_grant = bundle.last_grant.or(self.bundle.last_grant.take());
        self.stretches.push(stretch);
        Ok(stretch.reaches_head)
    }

    /// Adds the rest of the earlier chains, the oldest first, as [`Self::add`] does. Whether that is all of them.
    pub(crate) fn add_earlier(
        &mut self,
        ancestors: &[Ancestor],
        root: &PublicKey,
        most: usize,
    ) -> Result<bool, Refusal> {
        for ancestor in ancestors.iter().rev().filter(|ancestor| !ancestor.is_acknowledged(root)) {
            if !self.add(&ancestor.reader, most, ancestor.known(root))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Ancestor {
    fn open(dir: StateDir, chain: ChainId, epoch: Epoch, root: PublicKey) -> Option<Self> {
        let reader = Reader::open(&dir.chain(), root).ok()?;
        let head = reader.device().ok()?.head();
        Some(Self { chain, reader, dir, head, epoch })
    }

    /// Keeps `grant` if it says that the vendor has the chain to its end, or further than was known. Whether it has it to
    /// its end now and that is news.
    pub(crate) fn hear(&self, grant: &AppliedGrant, root: &PublicKey) -> Result<bool, Refusal> {
        let body = &grant.verified.body;
        let ends = self.is_receipt(body);
        if self.is_acknowledged(root) || !(ends || self.goes_further(body, root)) {
            return Ok(false);
        }
        let bytes = encode_answers(&[Answer::Grant(Box::new(grant.grant.clone()))]);
        let path = self.dir.receipt();
        durable::write(&path, &bytes, Access::Shared).map_err(|error| refuse::io(&error, &path))?;
        Ok(ends)
    }

    /// Whether the vendor is known to have the chain to its end.
    pub(crate) fn is_acknowledged(&self, root: &PublicKey) -> bool {
        self.kept(root).is_some_and(|body| self.is_receipt(&body))
    }

    /// How far the vendor is known to have the chain beyond what was acknowledged while it was the present one; nothing of
    /// it where the vendor went back to an older ledger since.
    fn known(&self, root: &PublicKey) -> Option<Ack> {
        let kept = self.kept(root).filter(|body| self.is_about_this(body)).map(|body| body.ack);
        kept.or_else(|| (granted_in(&self.reader) < self.epoch).then_some(Ack::NONE))
    }

    /// What the kept grant says, if there is one and it is genuine.
    fn kept(&self, root: &PublicKey) -> Option<GrantBody> {
        let answers = decode_answers(&fs::read(self.dir.receipt()).ok()?).ok()?;
        answers.into_iter().find_map(|answer| match answer {
            Answer::Grant(grant) => Some(trust::verify_grant(&grant, root).ok()?.body),
            Answer::Notice(_) => None,
        })
    }

    fn goes_further(&self, body: &GrantBody, root: &PublicKey) -> bool {
        let known = self.kept(root).filter(|kept| self.is_about_this(kept)).map(|kept| kept.ack.seq);
        self.is_about_this(body) && known.is_none_or(|known| known < body.ack.seq)
    }

    /// Whether a grant acknowledges this chain, in the vendor's present epoch.
    fn is_about_this(&self, body: &GrantBody) -> bool {
        body.device == self.chain && body.epoch >= self.epoch
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
