//! What may stand on a chain: of a run, all before the first event that a licence cannot take in.
//!
//! Whatever follows such an event on its history never attaches, so what is known of a chain does not depend on how its
//! events were cut into runs.

use std::collections::BTreeSet;
use std::ops::Range;

use schemas::codes::Code;
use schemas::event::Body;
use schemas::event::device::{Claim, SuccessorClaim};
use schemas::ids::{ChainId, Link};
use schemas::numbers::Seq;
use schemas::run::DeviceOrigin;

use crate::authority::License;
use crate::chain::verify_successor;
use crate::license_key::KeySecret;
use crate::run::VerifiedRun;

/// What decides whether events may stand on a chain of a licence.
#[derive(Clone, Copy)]
pub(super) struct Admission<'a> {
    pub(super) license: &'a License,
    pub(super) chain: &'a ChainId,
    pub(super) secret: &'a KeySecret,
}

/// What of a run may attach.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    /// The numbers of the events that may; none, if the range is empty.
    pub(super) numbers: Range<usize>,
    /// Why the events after them may not, if there are any.
    pub(super) refused: Option<Code>,
}

impl Admission<'_> {
    /// What of a run may attach from its event number `from` on: what stands before the first event that is refused, as
    /// far as it is signed without that.
    pub(super) fn admit(self, origin: &DeviceOrigin, run: &VerifiedRun, from: usize) -> Admitted {
        let last = run.events().len();
        let mut codes = (from..last).map(|number| (number, self.refuse(&run.events()[number].event.body)));
        match codes.find_map(|(number, code)| Some((number, code?))) {
            None => Admitted { numbers: from..last, refused: None },
            Some((number, code)) => {
                let end = run.signed_end(from..number, &origin.signer);
                Admitted { numbers: from..end, refused: Some(code) }
            }
        }
    }

    /// Why a chain that the ledger does not know is not taken in: it must open for this licence's product and prove its
    /// claim, both among the events that attach.
    pub(super) fn refuse_newcomer(self, origin: &DeviceOrigin, runs: &[VerifiedRun]) -> Option<Code> {
        let attaching = self.attaching(origin, runs);
        if attaching.is_empty() {
            // Without its beginning nothing can be proved: the runs wait as a gap.
            return Some(Code::ChainGap);
        }
        let mut firsts = attaching.iter().filter(|(run, _)| run.span().first == Seq(1));
        let opens = |body: &Body| matches!(body, Body::ChainOpened(_)) && self.refuse(body).is_none();
        if !firsts.any(|(run, _)| opens(&run.events()[0].event.body)) {
            return Some(Code::OriginMismatch);
        }
        let asks = |(run, admitted): &(&VerifiedRun, Admitted)| {
            let mut events = run.events()[admitted.numbers.clone()].iter();
            events.any(|linked| matches!(linked.event.body, Body::ActivationRequested(_)))
        };
        if attaching.iter().any(asks) {
            return None;
        }
        let refused = attaching.iter().rev().find_map(|(_, admitted)| admitted.refused);
        refused.or(Some(Code::ClaimInvalid))
    }

    /// The runs that follow each other from the chain's beginning on, whichever history of it they tell, and what of
    /// each may attach.
    fn attaching<'r>(
        self,
        origin: &DeviceOrigin,
        runs: &'r [VerifiedRun],
    ) -> Vec<(&'r VerifiedRun, Admitted)> {
        let mut known: BTreeSet<(Seq, Link)> = BTreeSet::from([(Seq(0), Link::START)]);
        let mut attaching = Vec::new();
        for run in runs {
            let header = run.header();
            if known.contains(&(Seq(header.first_seq.0 - 1), header.prev)) {
                let admitted = self.admit(origin, run, 0);
                let links = run.events()[admitted.numbers.clone()].iter().map(|linked| linked.link);
                known.extend((header.first_seq.0..).map(Seq).zip(links));
                attaching.push((run, admitted));
            }
        }
        attaching
    }

    /// Why an event may not stand on the chain, in whichever history: an opening is for the licence's product, and a
    /// claim proves that the chain may have an activation.
    fn refuse(self, body: &Body) -> Option<Code> {
        match body {
            Body::ChainOpened(opened) => {
                let Self { license, .. } = self;
                let fits = opened.product == license.product && opened.environment == license.environment;
                (!fits).then_some(Code::OriginMismatch)
            }
            Body::ActivationRequested(requested) => self.refuse_claim(&requested.claim),
            _ => None,
        }
    }

    /// Why a claim does not prove that the chain may have an activation of the licence.
    fn refuse_claim(self, claim: &Claim) -> Option<Code> {
        let Self { license, chain, secret } = self;
        match claim {
            Claim::LicenseKey(claim) if secret.license_key(license.key).proves(chain, &claim.proof) => None,
            Claim::Trial(_) if license.is_trial() => None,
            Claim::Successor(claim) => self.refuse_successor(claim),
            Claim::LicenseKey(_) => Some(Code::ClaimInvalid),
            _ => Some(Code::ClaimUnsupported),
        }
    }

    /// A successor proves itself by the key of the chain that it follows, which must be known first and is another one.
    fn refuse_successor(self, claim: &SuccessorClaim) -> Option<Code> {
        if claim.follows == *self.chain {
            return Some(Code::ClaimInvalid);
        }
        let Some(old) = self.license.chains.get(&claim.follows) else { return Some(Code::ChainGap) };
        let signed = verify_successor(&old.origin.signer, &claim.follows, self.chain, &claim.signature);
        (!signed).then_some(Code::ClaimInvalid)
    }
}
