//! Large bundles, such as a backlog of years: surveyed whole, then read in pieces worth a commit each, so that memory
//! stays bounded however much a device has to say. A bundle that breaks its format anywhere changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;

use ledger::commitment;
use schemas::bundle::{Attachment, BundlePart, BundleReader};
use schemas::canonical::DecodeError;
use schemas::container::ContainerError;
use schemas::grant::Grant;
use schemas::ids::{ChainId, Commitment};
use schemas::limits;
use schemas::refusal::Refusal;
use schemas::run::RunBytes;

use super::{COMMIT_EVENTS, Give, PIECE_BYTES, Parcel, Source, Unread, take_run};

/// Reads a file from its beginning and hands its pieces to `give`; says whether to go on.
pub(super) fn read(source: &Source, file: &File, give: &mut Give<'_>) -> bool {
    match give_pieces(source, file, give) {
        Ok(goes_on) => goes_on,
        Err(error) => {
            let refusal = Refusal::from_error(error.code(), &error);
            give(0, Err(Box::new(Unread { source: source.clone(), refusal, bytes: None })))
        }
    }
}

fn open(file: &File) -> Result<BundleReader<BufReader<&File>>, ContainerError> {
    BundleReader::open(BufReader::new(file))
}

fn give_pieces(source: &Source, file: &File, give: &mut Give<'_>) -> Result<bool, ContainerError> {
    let mut piece = Piece::first(source, survey(open(file)?)?);
    let mut bundle = open(file)?;
    while let Some(part) = bundle.next_part()? {
        match part {
            BundlePart::Run(bytes) => piece.take_run(bytes)?,
            BundlePart::Attachment(attachment) => piece.take_attachment(attachment),
            BundlePart::LastGrant(_) => {}
        }
        if piece.is_full() && !give(piece.size(), Ok(piece.next(true))) {
            return Ok(false);
        }
    }
    Ok(give(piece.size(), Ok(piece.next(false))))
}

/// Reads a bundle to its end and keeps the grants that it encloses, which are taken back before any run goes in.
fn survey(mut bundle: BundleReader<BufReader<&File>>) -> Result<Vec<Grant>, ContainerError> {
    let mut chains: BTreeSet<ChainId> = BTreeSet::new();
    let mut enclosed = Vec::new();
    while let Some(part) = bundle.next_part()? {
        match part {
            BundlePart::Run(bytes) => {
                chains.insert(RunBytes::parse(&bytes)?.header.chain);
                if chains.len() > limits::BUNDLE_CHAINS {
                    return Err(DecodeError::TooLong.into());
                }
            }
            BundlePart::LastGrant(grant) if enclosed.len() < limits::BUNDLE_CHAINS => enclosed.push(*grant),
            BundlePart::Attachment(_) | BundlePart::LastGrant(_) => {}
        }
    }
    if chains.is_empty() { Err(DecodeError::Truncated.into()) } else { Ok(enclosed) }
}

/// The piece that is being filled.
struct Piece<'a> {
    source: &'a Source,
    parcel: Parcel,
    /// The chains whose runs refer to each commitment, of all pieces so far.
    owners: BTreeMap<Commitment, BTreeSet<ChainId>>,
    /// Bytes that the piece holds.
    bytes: usize,
}

impl<'a> Piece<'a> {
    fn size(&self) -> u64 {
        self.bytes as u64
    }

    fn first(source: &'a Source, enclosed: Vec<Grant>) -> Self {
        let mut parcel = Parcel::new(source.clone());
        for grant in enclosed {
            parcel.enclose(grant);
        }
        Self { source, parcel, owners: BTreeMap::new(), bytes: 0 }
    }

    fn take_run(&mut self, bytes: Vec<u8>) -> Result<(), ContainerError> {
        self.bytes += bytes.len();
        if let Some(run) = take_run(&mut self.parcel, bytes)? {
            for commitment in run.events().iter().filter_map(|linked| commitment::committed(&linked.event)) {
                self.owners.entry(commitment).or_default().insert(run.chain());
            }
        }
        Ok(())
    }

    /// Attachments stand after the runs, most of which are in the ledger by then.
    fn take_attachment(&mut self, attachment: Attachment) {
        self.bytes += attachment.value.len();
        if !commitment::opens(&attachment) {
            self.parcel.false_attachments.push(attachment);
            return;
        }
        for chain in self.owners.get(&attachment.commitment).into_iter().flatten() {
            self.parcel.late.entry(*chain).or_default().push(attachment.clone());
        }
    }

    fn is_full(&self) -> bool {
        self.parcel.event_count() >= COMMIT_EVENTS || self.bytes >= PIECE_BYTES
    }

    /// Gives away what the piece holds and begins the next one.
    fn next(&mut self, more: bool) -> Parcel {
        self.bytes = 0;
        let mut parcel = std::mem::replace(&mut self.parcel, Parcel::new(self.source.clone()));
        parcel.sort();
        parcel.more = more;
        parcel
    }
}
