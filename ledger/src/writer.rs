//! Writing onto one of the vendor's own chains: events are signed one after the other and cut into runs that every
//! reader takes.

use schemas::codes::Code;
use schemas::event::Event;
use schemas::ids::{ChainId, Signature};
use schemas::limits;
use schemas::numbers::{Micros, Seq};
use schemas::refusal::Refusal;
use schemas::run::{Origin, VERSION, append_pair};
use thiserror::Error;

use crate::chain::{self, Head};
use crate::keys::SecretKey;
use crate::rows::StoredRun;

/// An event that would be longer, in bytes or in one of its lists, than a reader takes. Nothing was signed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the event would be longer than every reader takes")]
pub struct TooLong;

impl From<TooLong> for Refusal {
    fn from(error: TooLong) -> Self {
        Self::from_error(Code::TermsInvalid, &error)
    }
}

/// Room for what stands around a core: a run's header, or a grant's places and certificate.
const AROUND_BYTES: usize = 1_024 + limits::CERTIFICATE_BYTES;

/// An event that was just signed.
#[derive(Clone, Debug)]
pub struct Written {
    /// The head before it.
    pub before: Head,
    /// Its core.
    pub core: Vec<u8>,
    /// Its signature.
    pub signature: Signature,
}

/// Signs events onto a chain of the vendor's.
#[derive(Debug)]
pub struct ChainWriter {
    chain: ChainId,
    origin: Origin,
    start: Head,
    head: Head,
    last_at: Micros,
    pairs: Vec<u8>,
    runs: Vec<StoredRun>,
}

impl ChainWriter {
    /// Goes on after `head` of the chain that `origin` names.
    pub fn new(origin: Origin, head: Head) -> Self {
        let chain = chain::chain_of(&origin);
        let (last_at, pairs, runs) = (Micros::default(), Vec::new(), Vec::new());
        Self { chain, origin, start: head, head, last_at, pairs, runs }
    }

    /// Signs `event` as the next one.
    ///
    /// # Errors
    /// When it, or the detached form of a grant that it is, would be longer than a reader takes.
    pub fn write(&mut self, event: &Event, key: &SecretKey) -> Result<Written, TooLong> {
        let core = event.encode();
        // What is signed is read again by the very rules of every reader: too long a list is as bad as too many bytes.
        if core.len() + AROUND_BYTES > limits::GRANT_BYTES || Event::decode(&core).as_ref() != Ok(event) {
            return Err(TooLong);
        }
        let is_full = self.count() == limits::RUN_EVENTS as u64
            || self.pairs.len() + core.len() + AROUND_BYTES > limits::RUN_BYTES;
        if is_full {
            self.cut();
        }
        let before = self.head;
        let appended = before.append(&self.chain, &core, key);
        append_pair(&mut self.pairs, &core, &appended.signature);
        (self.head, self.last_at) = (appended.head, event.at);
        Ok(Written { before, core, signature: appended.signature })
    }

    /// The chain.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// The head after the last event.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The runs of what was written.
    pub fn finish(mut self) -> Vec<StoredRun> {
        if self.count() > 0 {
            self.cut();
        }
        self.runs
    }

    fn count(&self) -> u64 {
        self.head.seq.0 - self.start.seq.0
    }

    fn cut(&mut self) {
        self.runs.push(StoredRun {
            chain: self.chain,
            branch: 0,
            version: VERSION,
            origin: self.origin.clone(),
            first_seq: Seq(self.start.seq.0 + 1),
            prev: self.start.link,
            count: self.count(),
            head: self.head,
            last_at: self.last_at,
            pairs: std::mem::take(&mut self.pairs),
        });
        self.start = self.head;
    }
}

#[cfg(test)]
mod tests {
    use schemas::event::Body;
    use schemas::event::catalog::ProductDefined;
    use schemas::ids::PublicKey;
    use schemas::numbers::FeatureNumber;
    use schemas::pack::ProductFeature;
    use schemas::run::{CatalogOrigin, assemble};
    use schemas::text::Text;

    use super::*;
    use crate::run;

    fn writer() -> (ChainWriter, SecretKey) {
        let origin = CatalogOrigin {
            signer: schemas::ids::CertificateId([1; 32]),
            root: PublicKey([2; 32]),
            environment: Text::new("test").expect("short"),
        };
        (ChainWriter::new(Origin::Catalog(origin), Head::START), SecretKey::from_seed(&[5; 32]))
    }

    /// A product with `count` features whose names have 100 bytes.
    fn product(at: u64, count: u16) -> Event {
        let feature = |number: u16| ProductFeature {
            number: FeatureNumber(number),
            name: Text::new(&format!("{number:0100}")).expect("short"),
            metered: false,
        };
        let product = Text::new("studio").expect("short");
        let features = (1..=count).map(feature).collect();
        Event {
            at: Micros::new(at),
            body: Body::ProductDefined(Box::new(ProductDefined { product, features })),
        }
    }

    #[test]
    fn what_no_reader_would_take_is_not_signed() {
        let (mut writer, key) = writer();
        assert_eq!(writer.write(&product(1, 1_000), &key).err(), Some(TooLong));
        assert_eq!(writer.head(), Head::START);
        assert!(writer.finish().is_empty());
    }

    #[test]
    fn a_long_chain_is_cut_into_runs_that_verify_and_follow_each_other() {
        let (mut writer, key) = writer();
        for at in 1..=40 {
            writer.write(&product(at, 500), &key).expect("500 features fit");
        }
        let head = writer.head();
        let runs = writer.finish();
        assert!(runs.len() > 1);
        let mut end = Head::START;
        for run in runs {
            let header = run.header();
            let bytes = assemble(&header, run.count, &run.pairs);
            let verified = run::verify_with(&bytes, |_, _| Ok(key.public())).expect("within the limits");
            assert_eq!((header.first_seq, header.prev), (end.seq.next(), end.link));
            end = verified.head();
        }
        assert_eq!(end, head);
    }
}
