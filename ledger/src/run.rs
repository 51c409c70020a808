//! Runs: building them, and what it takes to believe one.

use std::ops::Range;

use schemas::canonical::DecodeError;
use schemas::codes::Code;
use schemas::event::Event;
use schemas::grant::SeqRange;
use schemas::ids::{ChainId, EventId, Link, PublicKey, Signature};
use schemas::numbers::Seq;
use schemas::run::{Origin, RunBytes, RunHeader, VERSION, append_pair, assemble, pairs};
use thiserror::Error;

use crate::chain::{self, Head};
use crate::keys::SecretKey;

/// Why a run is not believed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RunError {
    /// A part of it breaks the format.
    #[error("the run breaks its format")]
    Format(#[from] DecodeError),
    /// The chain's name does not follow from the header.
    #[error("the chain's name does not follow from its header")]
    ChainMismatch,
    /// An event belongs on a chain of another writer.
    #[error("event {0} belongs on a chain of another writer")]
    WrongWriter(Seq),
    /// The last event's signature, which commits to all before it, is not the signer's.
    #[error("the signature of the run's last event does not verify")]
    SignatureBad,
    /// The signer is not known or may not sign for this chain at that time.
    #[error("the run's signer is not accepted")]
    Signer(Code),
}

impl RunError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Format(error) => error.code(),
            Self::ChainMismatch => Code::ChainMismatch,
            Self::WrongWriter(_) => Code::WrongWriter,
            Self::SignatureBad => Code::SignatureBad,
            Self::Signer(code) => code,
        }
    }
}

/// A run that was believed: every event decodes and is linked, and the last one is signed by the chain's signer.
///
/// One signature is enough, because each link covers the signature before it: the signer of the last event
/// committed to all of them. A value of this type exists only through [`verify_device`] or [`verify_with`].
#[derive(Clone, Debug)]
pub struct VerifiedRun {
    header: RunHeader,
    pairs: Vec<u8>,
    events: Vec<LinkedEvent>,
}

/// One event of a believed run.
#[derive(Clone, Debug)]
pub struct LinkedEvent {
    /// The event.
    pub event: Event,
    /// The link after it.
    pub link: Link,
    /// Where its pair ends among the run's pairs.
    end: u32,
}

/// Consecutive events of a run, as they are stored.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// The version of the event format that the run's header names.
    pub version: u8,
    /// The place of its first event.
    pub first_seq: Seq,
    /// The link before it.
    pub prev: Link,
    /// Its events.
    pub events: &'a [LinkedEvent],
    /// Their pairs of core and signature.
    pub pairs: &'a [u8],
}

impl VerifiedRun {
    /// The header as it came.
    pub fn header(&self) -> &RunHeader {
        &self.header
    }

    /// The chain.
    pub fn chain(&self) -> ChainId {
        self.header.chain
    }

    /// The events in order.
    pub fn events(&self) -> &[LinkedEvent] {
        &self.events
    }

    /// The head after the last event.
    pub fn head(&self) -> Head {
        let link = self.events.last().expect("a run has at least one event").link;
        Head { seq: self.span().last, link }
    }

    /// The places of the events.
    pub fn span(&self) -> SeqRange {
        let first = self.header.first_seq;
        SeqRange { first, last: Seq(first.0 + self.events.len() as u64 - 1) }
    }

    /// The link after the event at `seq`; also for the place just before the run.
    pub fn link_at(&self, seq: Seq) -> Option<Link> {
        let index = (seq.0 + 1).checked_sub(self.header.first_seq.0)?;
        match usize::try_from(index).ok()?.checked_sub(1) {
            None => Some(self.header.prev),
            Some(index) => self.events.get(index).map(|event| event.link),
        }
    }

    /// The run's bytes, as they came.
    pub fn to_bytes(&self) -> Vec<u8> {
        assemble(&self.header, self.events.len() as u64, &self.pairs)
    }

    /// The part from the event number `from` of this run on.
    ///
    /// # Panics
    /// If `from` is not below the number of events.
    pub fn suffix(&self, from: usize) -> Section<'_> {
        self.section(from..self.events.len())
    }

    /// The events with these numbers. Where it does not end with the run, [`VerifiedRun::signed_end`] says whether it may
    /// be believed by itself.
    ///
    /// # Panics
    /// If there are no such events.
    pub fn section(&self, numbers: Range<usize>) -> Section<'_> {
        assert!(!numbers.is_empty(), "a section holds at least one event");
        let (prev, start) = self.before(numbers.start);
        Section {
            version: self.header.version,
            first_seq: Seq(self.header.first_seq.0 + numbers.start as u64),
            prev,
            events: &self.events[numbers.clone()],
            pairs: &self.pairs[start..self.events[numbers.end - 1].end as usize],
        }
    }

    /// Where a section of these events ends if it is to be believed by itself: after the last one whose own signature is
    /// `key`'s, or where it starts if there is none.
    pub fn signed_end(&self, numbers: Range<usize>, key: &PublicKey) -> usize {
        let signed = numbers.clone().rev().find(|number| self.is_signed(*number, key));
        signed.map_or(numbers.start, |number| number + 1)
    }

    /// Whether the own signature of the event with this number is `key`'s.
    fn is_signed(&self, number: usize, key: &PublicKey) -> bool {
        let Section { first_seq, prev, pairs: signed, .. } = self.section(number..number + 1);
        let bad = bad_signatures(&RunHeader { first_seq, prev, ..self.header.clone() }, signed, key);
        bad.is_ok_and(|bad| bad.is_empty())
    }

    /// The link before the event with this number, and where its pair begins.
    fn before(&self, number: usize) -> (Link, usize) {
        match number.checked_sub(1).map(|before| &self.events[before]) {
            None => (self.header.prev, 0),
            Some(before) => (before.link, before.end as usize),
        }
    }
}

impl Section<'_> {
    /// The head after the last event.
    pub fn head(&self) -> Head {
        let link = self.events.last().expect("a section has at least one event").link;
        Head { seq: Seq(self.first_seq.0 + self.events.len() as u64 - 1), link }
    }

    /// The events with their places.
    pub fn numbered(&self) -> impl Iterator<Item = (Seq, &LinkedEvent)> {
        (self.first_seq.0..).map(Seq).zip(self.events)
    }
}

/// Believes or refuses a run of a device chain, whose header itself names the key.
///
/// # Errors
/// The first rule that the run breaks. Nothing outside the run is looked at.
pub fn verify_device(bytes: &[u8]) -> Result<VerifiedRun, RunError> {
    verify_with(bytes, |header, _| match &header.origin {
        Origin::Device(device) => Ok(device.signer),
        Origin::Authority(_) | Origin::Catalog(_) => Err(RunError::WrongWriter(header.first_seq)),
    })
}

/// Believes or refuses a run whose key `signer` finds from its header and events.
///
/// # Errors
/// The first rule that the run breaks, or the error of `signer`.
pub fn verify_with(
    bytes: &[u8],
    signer: impl FnOnce(&RunHeader, &[LinkedEvent]) -> Result<PublicKey, RunError>,
) -> Result<VerifiedRun, RunError> {
    let RunBytes { header, count, pairs } = RunBytes::parse(bytes)?;
    if chain::chain_of(&header.origin) != header.chain {
        return Err(RunError::ChainMismatch);
    }
    let walked = walk(&header, pairs)?;
    match walked.events.len() as u64 {
        found if found < count => return Err(DecodeError::Truncated.into()),
        found if found > count => return Err(DecodeError::TrailingBytes.into()),
        _ => {}
    }
    let (id, signature) = walked.last.expect("the header counts at least one event, and so many were found");
    let key = signer(&header, &walked.events)?;
    if !chain::verify(&key, &id, &signature) {
        return Err(RunError::SignatureBad);
    }
    if header.first_seq == Seq(1) && header.prev != Link::START {
        return Err(DecodeError::OutOfRange.into());
    }
    Ok(VerifiedRun { header, pairs: pairs.to_vec(), events: walked.events })
}

/// The places whose own signature is not `key`'s, although a later one commits to them.
///
/// # Errors
/// When the pairs do not decode.
pub fn bad_signatures(
    header: &RunHeader,
    pairs_of_run: &[u8],
    key: &PublicKey,
) -> Result<Vec<Seq>, RunError> {
    let mut head = Head { seq: Seq(header.first_seq.0 - 1), link: header.prev };
    let mut bad = Vec::new();
    for pair in pairs(pairs_of_run) {
        let pair = pair?;
        let (id, next) = head.after(&header.chain, pair.core, &pair.signature);
        if !chain::verify(key, &id, &pair.signature) {
            bad.push(next.seq);
        }
        head = next;
    }
    Ok(bad)
}

struct Walked {
    events: Vec<LinkedEvent>,
    last: Option<(EventId, Signature)>,
}

fn walk(header: &RunHeader, bytes: &[u8]) -> Result<Walked, RunError> {
    let writer = header.origin.writer();
    // The shortest pair is a core of 4 bytes and a signature, each with its length before it.
    let mut events = Vec::with_capacity(bytes.len() / 72);
    let mut last = None;
    let mut head = Head { seq: Seq(header.first_seq.0 - 1), link: header.prev };
    let mut end = 0;
    for pair in pairs(bytes) {
        let pair = pair?;
        let event = Event::decode(pair.core)?;
        if event.body.kind().writer().is_some_and(|of_kind| of_kind != writer) {
            return Err(RunError::WrongWriter(head.seq.next()));
        }
        let (id, next) = head.after(&header.chain, pair.core, &pair.signature);
        head = next;
        end += u32::try_from(pair.pair.len()).expect("a run is at most 1 MiB");
        events.push(LinkedEvent { event, link: head.link, end });
        last = Some((id, pair.signature));
    }
    Ok(Walked { events, last })
}

/// An event that was just signed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// Its core.
    pub core: Vec<u8>,
    /// Its signature.
    pub signature: Signature,
}

/// Signs events one after the other and keeps them as a run.
#[derive(Clone, Debug)]
pub struct RunBuilder {
    chain: ChainId,
    origin: Origin,
    start: Head,
    head: Head,
    pairs: Vec<u8>,
}

impl RunBuilder {
    /// Starts a run after `head` of the chain that `origin` names.
    pub fn new(origin: Origin, head: Head) -> Self {
        Self { chain: chain::chain_of(&origin), origin, start: head, head, pairs: Vec::new() }
    }

    /// Signs `event` as the next one and returns its core and signature.
    pub fn push(&mut self, event: &Event, key: &SecretKey) -> Pushed {
        let core = event.encode();
        let appended = self.head.append(&self.chain, &core, key);
        append_pair(&mut self.pairs, &core, &appended.signature);
        self.head = appended.head;
        Pushed { core, signature: appended.signature }
    }

    /// Who writes the chain.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The head after the last event.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The pairs of core and signature so far.
    pub fn pairs(&self) -> &[u8] {
        &self.pairs
    }

    /// The run's bytes.
    ///
    /// # Panics
    /// If no event was pushed.
    pub fn finish(&self) -> Vec<u8> {
        let count = self.head.seq.0 - self.start.seq.0;
        assert!(count > 0, "a run holds at least one event");
        let header = RunHeader {
            version: VERSION,
            chain: self.chain,
            origin: self.origin.clone(),
            first_seq: self.start.seq.next(),
            prev: self.start.link,
        };
        assemble(&header, count, &self.pairs)
    }
}

#[cfg(test)]
mod tests {
    use schemas::event::Body;
    use schemas::event::device::ClockNoted;
    use schemas::ids::KeyReference;
    use schemas::numbers::Micros;
    use schemas::run::DeviceOrigin;

    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_seed(&[3; 32])
    }

    fn run_of(count: u64) -> Vec<u8> {
        let origin = DeviceOrigin { signer: key().public(), reference: KeyReference([9; 5]) };
        let mut builder = RunBuilder::new(Origin::Device(origin), Head::START);
        for at in 1..=count {
            let at = Micros::new(at);
            builder
                .push(&Event { at, body: Body::ClockNoted(ClockNoted { expected: at, wall: at }) }, &key());
        }
        builder.finish()
    }

    #[test]
    fn a_run_verifies_as_it_was_built() {
        let run = verify_device(&run_of(5)).expect("it was just signed");
        assert_eq!(run.head().seq, Seq(5));
        assert_eq!(run.link_at(Seq(0)), Some(Link::START));
        assert_eq!(run.link_at(Seq(5)), Some(run.head().link));
        assert_eq!(run.link_at(Seq(6)), None);
        let suffix = run.suffix(3);
        assert_eq!((suffix.first_seq, suffix.prev), (Seq(4), run.link_at(Seq(3)).expect("within the run")));
        assert_eq!(suffix.head(), run.head());
        let section = run.section(1..3);
        assert_eq!((section.first_seq, section.head().seq), (Seq(2), Seq(3)));
        assert_eq!(Some(section.head().link), run.link_at(Seq(3)));
    }

    #[test]
    fn no_flipped_byte_and_no_cut_is_believed() {
        let bytes = run_of(3);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x01;
            assert!(verify_device(&flipped).is_err(), "byte {at}");
            assert!(verify_device(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_bad_inner_signature_under_a_good_head_is_found_by_the_deep_check_only() {
        let origin = Origin::Device(DeviceOrigin { signer: key().public(), reference: KeyReference([9; 5]) });
        let mut builder = RunBuilder::new(origin, Head::START);
        let at = Micros::new(1);
        let event = Event { at, body: Body::ClockNoted(ClockNoted { expected: at, wall: at }) };
        builder.push(&event, &SecretKey::from_seed(&[4; 32]));
        builder.push(&event, &key());
        let bytes = builder.finish();
        let run = verify_device(&bytes).expect("the head's signature is good");
        let bad = bad_signatures(run.header(), &run.pairs, &key().public());
        assert_eq!(bad, Ok(vec![Seq(1)]));
    }

    #[test]
    fn a_section_is_believed_by_itself_up_to_its_last_own_signature() {
        let origin = DeviceOrigin { signer: key().public(), reference: KeyReference([9; 5]) };
        let mut builder = RunBuilder::new(Origin::Device(origin.clone()), Head::START);
        let at = Micros::new(1);
        let event = Event { at, body: Body::ClockNoted(ClockNoted { expected: at, wall: at }) };
        let other = SecretKey::from_seed(&[4; 32]);
        for key in [&key(), &key(), &other, &other, &key()] {
            builder.push(&event, key);
        }
        let run = verify_device(&builder.finish()).expect("the head's signature is good");
        let ends = [(0..5, 5), (0..4, 2), (0..3, 2), (0..2, 2), (1..4, 2), (2..4, 2), (3..4, 3), (4..5, 5)];
        for (numbers, end) in ends {
            assert_eq!(run.signed_end(numbers.clone(), &key().public()), end, "{numbers:?}");
        }
        let Section { version, first_seq, prev, pairs, events } = run.section(1..2);
        let header = RunHeader { version, first_seq, prev, ..run.header().clone() };
        let alone = verify_device(&assemble(&header, 1, pairs)).expect("its own signature is good");
        assert_eq!(alone.head().link, events[0].link);
    }
}
