//! What a file says, in words for people and as JSON for programs, and whether it holds by public keys alone.
//!
//! [`inspect`] tells what stands in a file whether it is believed or not; [`verify`] believes or refuses it. Neither
//! asks whether a file may be applied or merged here: that needs what is known here.

mod node;
mod verify;
mod words;

use std::io::Cursor;

use schemas::armor;
use schemas::bundle::{Answer, Attachment, BundlePart, BundleReader, decode_answers, decode_pack};
use schemas::canonical::{self, DecodeError};
use schemas::certificate::{Certificate, CertificateBody};
use schemas::codes::Code;
use schemas::container::{ContainerError, FileKind};
use schemas::event::{Body, Event};
use schemas::grant::{Grant, GrantBody};
use schemas::ids::{ChainId, Commitment, Digest, Link};
use schemas::notice::{Notice, NoticeBody};
use schemas::numbers::{Micros, Seq};
use schemas::pack::{Pack, PackBody};
use schemas::refusal::Refusal;
use schemas::run::{Origin, RunBytes, SignedCore, pairs};
use serde::Serialize;

pub use self::verify::{Checked, RootSource, Verification, verify};
use crate::{commitment, run, trust};

/// Tells what a file says. It is recognised by content, and its text form is read as well.
///
/// A run, a grant or a pack that does not verify is told all the same; runs say so in their `verified`.
///
/// # Errors
/// When the file is damaged or of no kind that is known here, or a part of it cannot be read.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Refusal> {
    let bytes = dearmored(bytes)?;
    match recognised(&bytes)? {
        FileKind::Bundle => bundle(&bytes).map(Inspection::Bundle),
        FileKind::Grants => {
            let answers = decode_answers(&bytes).map_err(|error| refusal(&error))?;
            let answers = answers.iter().map(AnswerInspection::read).collect::<Result<_, _>>()?;
            Ok(Inspection::Grant(GrantFileInspection { answers }))
        }
        FileKind::Pack => {
            let pack = decode_pack(&bytes).map_err(|error| refusal(&error))?;
            PackInspection::read(&pack).map(Box::new).map(Inspection::Pack)
        }
        FileKind::Statement => Err(unknown_here()),
    }
}

/// What a file says. `Display` is the form for people, `Serialize` the one for programs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "file", rename_all = "snake_case")]
pub enum Inspection {
    /// A bundle: what a device tells.
    Bundle(BundleInspection),
    /// A grant file: what the vendor answers.
    Grant(GrantFileInspection),
    /// A product pack.
    Pack(Box<PackInspection>),
}

/// What a bundle says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BundleInspection {
    /// Its runs, in the order of the file.
    pub runs: Vec<RunInspection>,
    /// The values beside the runs.
    pub attachments: Vec<AttachmentInspection>,
    /// The last grant that the device applied.
    pub last_grant: Option<Box<GrantInspection>>,
}

/// What a run says, as far as it can be read.
#[derive(Clone, Debug, Serialize)]
pub struct RunInspection {
    /// Whether the run is believed: its name, its links and its last signature.
    pub verified: bool,
    /// Why it is not.
    pub code: Option<Code>,
    /// What stands before the events, where it can be read.
    #[serde(flatten)]
    pub header: Option<HeaderInspection>,
    /// The events that can be read, up to the first that cannot.
    pub events: Vec<EventInspection>,
}

/// What stands before a run's events.
#[derive(Clone, Debug, Serialize)]
pub struct HeaderInspection {
    /// The chain.
    pub chain: ChainId,
    /// Who writes it.
    pub writer: Origin,
    /// The place of the first event.
    pub first_seq: Seq,
    /// The place of the last event.
    pub last_seq: Seq,
    /// The link before the first event.
    pub prev: Link,
}

/// One event with its place.
#[derive(Clone, Debug, Serialize)]
pub struct EventInspection {
    /// Its place on the chain.
    pub seq: Seq,
    /// What it says.
    #[serde(flatten)]
    pub event: Event,
}

/// A value beside the runs.
#[derive(Clone, Debug, Serialize)]
pub struct AttachmentInspection {
    /// The commitment that stands in an event.
    pub commitment: Commitment,
    /// Whether the value is what the commitment stands for.
    pub opens: bool,
    /// The value's length in bytes.
    pub bytes: usize,
    /// The value, where it is text.
    pub text: Option<String>,
}

/// What a grant file says.
#[derive(Clone, Debug, Serialize)]
pub struct GrantFileInspection {
    /// One answer for each chain.
    pub answers: Vec<AnswerInspection>,
}

/// What the vendor answers one chain.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum AnswerInspection {
    /// A grant.
    Grant(Box<GrantInspection>),
    /// A notice: no licence can answer.
    Notice(NoticeInspection),
}

/// What a grant says.
#[derive(Clone, Debug, Serialize)]
pub struct GrantInspection {
    /// The authority chain that the grant stands on.
    pub authority_chain: ChainId,
    /// The grant's place on it.
    pub seq: Seq,
    /// When it was issued.
    pub issued_at: Micros,
    /// All that it grants.
    #[serde(flatten)]
    pub body: GrantBody,
    /// What the issuer's certificate says.
    pub issuer: CertificateBody,
}

/// What a notice says.
#[derive(Clone, Debug, Serialize)]
pub struct NoticeInspection {
    /// The chain, the code and the time.
    #[serde(flatten)]
    pub body: NoticeBody,
    /// What the issuer's certificate says.
    pub issuer: CertificateBody,
}

/// What a pack says.
#[derive(Clone, Debug, Serialize)]
pub struct PackInspection {
    /// The digest by which chains and the catalog name it.
    pub digest: Digest,
    /// All that it holds.
    #[serde(flatten)]
    pub body: PackBody,
}

impl RunInspection {
    fn read(bytes: &[u8]) -> Self {
        let verdict = run::verify_device(bytes);
        let code = verdict.as_ref().err().map(|error| error.code());
        let Ok(parsed) = RunBytes::parse(bytes) else {
            return Self { verified: false, code, header: None, events: Vec::new() };
        };
        let first_seq = parsed.header.first_seq;
        let header = HeaderInspection {
            chain: parsed.header.chain,
            writer: parsed.header.origin,
            first_seq,
            last_seq: Seq(first_seq.0 + parsed.count - 1),
            prev: parsed.header.prev,
        };
        let events = events(first_seq, parsed.pairs);
        Self { verified: verdict.is_ok(), code, header: Some(header), events }
    }
}

impl AttachmentInspection {
    fn read(attachment: &Attachment) -> Self {
        Self {
            commitment: attachment.commitment,
            opens: commitment::opens(attachment),
            bytes: attachment.value.len(),
            text: std::str::from_utf8(&attachment.value).ok().map(str::to_owned),
        }
    }
}

impl AnswerInspection {
    fn read(answer: &Answer) -> Result<Self, Refusal> {
        match answer {
            Answer::Grant(grant) => GrantInspection::read(grant).map(Box::new).map(Self::Grant),
            Answer::Notice(notice) => NoticeInspection::read(notice).map(Self::Notice),
        }
    }
}

impl GrantInspection {
    fn read(grant: &Grant) -> Result<Self, Refusal> {
        let event = Event::decode(&grant.core).map_err(|error| unreadable("grant", error))?;
        let Body::GrantIssued(body) = event.body else {
            return Err(unreadable("grant", DecodeError::UnknownKind));
        };
        Ok(Self {
            authority_chain: grant.chain,
            seq: grant.seq,
            issued_at: event.at,
            body: *body,
            issuer: certificate(&grant.certificate)?,
        })
    }
}

impl NoticeInspection {
    fn read(notice: &Notice) -> Result<Self, Refusal> {
        let body = canonical::from_bytes(&notice.body).map_err(|error| unreadable("notice", error))?;
        Ok(Self { body, issuer: certificate(&notice.certificate)? })
    }
}

impl PackInspection {
    fn read(pack: &Pack) -> Result<Self, Refusal> {
        let body = canonical::from_bytes(&pack.body).map_err(|error| unreadable("pack", error))?;
        Ok(Self { digest: trust::pack_digest(pack), body })
    }
}

fn bundle(bytes: &[u8]) -> Result<BundleInspection, Refusal> {
    let mut reader = BundleReader::open(Cursor::new(bytes)).map_err(|error| refusal(&error))?;
    let mut bundle = BundleInspection::default();
    while let Some(part) = reader.next_part().map_err(|error| refusal(&error))? {
        match part {
            BundlePart::Run(run) => bundle.runs.push(RunInspection::read(&run)),
            BundlePart::Attachment(attachment) => {
                bundle.attachments.push(AttachmentInspection::read(&attachment));
            }
            BundlePart::LastGrant(grant) => {
                bundle.last_grant = Some(Box::new(GrantInspection::read(&grant)?));
            }
        }
    }
    Ok(bundle)
}

fn events(first: Seq, bytes: &[u8]) -> Vec<EventInspection> {
    let readable = |pair: Result<SignedCore<'_>, _>| Event::decode(pair.ok()?.core).ok();
    (first.0..)
        .map(Seq)
        .zip(pairs(bytes).map_while(readable))
        .map(|(seq, event)| EventInspection { seq, event })
        .collect()
}

fn certificate(bytes: &[u8]) -> Result<CertificateBody, Refusal> {
    let certificate: Result<Certificate, _> = canonical::from_bytes(bytes);
    certificate
        .and_then(|certificate| canonical::from_bytes(&certificate.body))
        .map_err(|error| unreadable("certificate", error))
}

fn dearmored(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    armor::dearmor(bytes.to_vec()).map_err(|error| refusal(&error))
}

fn recognised(bytes: &[u8]) -> Result<FileKind, Refusal> {
    FileKind::recognise(bytes).ok_or_else(|| refusal(&ContainerError::NotOurs))
}

fn unknown_here() -> Refusal {
    Refusal::new(Code::WrongFile, "statements are not read here")
}

fn refusal(error: &ContainerError) -> Refusal {
    Refusal::from_error(error.code(), error)
}

fn unreadable(part: &str, error: DecodeError) -> Refusal {
    Refusal::from_error(error.code(), &error).at(part)
}
