//! Forks: the proof that a device's chain has two histories.

use schemas::codes::Code;
use schemas::event::{Body, Event};
use schemas::ids::{ChainId, LicenseId};
use schemas::numbers::Seq;
use schemas::refusal::Refusal;

use super::Vendor;

/// Two signed runs that contradict each other, as a bundle.
#[derive(Clone, Debug)]
pub struct ForkProof {
    /// The chain.
    pub chain: ChainId,
    /// Where its histories part.
    pub seq: Seq,
    /// The bundle.
    pub proof: Vec<u8>,
}

impl Vendor {
    /// The proof of the fork that is called so: the forked chain's name, or enough of its beginning.
    ///
    /// # Errors
    /// `fork_unknown`; `reference_ambiguous` when it is the beginning of several.
    pub fn fork_proof(&mut self, wanted: &str) -> Result<ForkProof, Refusal> {
        let (license, chain) = find(self, wanted)?;
        let (seq, proof) = recorded(self, &license, &chain)?;
        Ok(ForkProof { chain, seq, proof })
    }
}

/// The forked chain whose name begins so.
fn find(vendor: &mut Vendor, wanted: &str) -> Result<(LicenseId, ChainId), Refusal> {
    let wanted = wanted.to_ascii_lowercase();
    let unknown = || Refusal::new(Code::ForkUnknown, wanted.clone());
    if wanted.len() < 6 {
        return Err(unknown());
    }
    let forks = vendor.store.forks()?;
    let mut fitting = forks.iter().filter(|fork| fork.chain.to_string().starts_with(&wanted));
    let found = fitting.next().ok_or_else(unknown)?;
    if fitting.next().is_some() {
        return Err(Refusal::new(
            Code::ReferenceAmbiguous,
            format!("{wanted} is the beginning of several forks"),
        ));
    }
    Ok((found.license, found.chain))
}

/// The proof of the earliest parting that was recorded.
fn recorded(vendor: &mut Vendor, license: &LicenseId, chain: &ChainId) -> Result<(Seq, Vec<u8>), Refusal> {
    let history = vendor.store.history(license)?;
    let forked = history.iter().filter_map(|entry| match Event::decode(&entry.core).ok()?.body {
        Body::ChainForked(forked) if forked.chain == *chain => Some((forked.seq, forked.proof)),
        _ => None,
    });
    let earliest = forked.min_by_key(|(seq, _)| *seq);
    earliest.ok_or_else(|| Refusal::new(Code::ForkUnknown, "no proof of it is short enough to be recorded"))
}
