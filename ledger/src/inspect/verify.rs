//! Believes a file or refuses it with the code of the first thing in it that does not hold.

use std::fmt::{self, Display};
use std::io::Cursor;

use schemas::bundle::{Answer, Attachment, BundlePart, BundleReader, decode_answers, decode_pack};
use schemas::codes::Code;
use schemas::container::FileKind;
use schemas::grant::Grant;
use schemas::ids::{CertificateId, ChainId, Commitment, Digest, PublicKey};
use schemas::notice::Notice;
use schemas::numbers::Seq;
use schemas::pack::{Pack, PackBody};
use schemas::refusal::Refusal;
use schemas::run::Origin;
use schemas::text::Text;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{certificate, dearmored, recognised, refusal, unknown_here};
use crate::commitment;
use crate::proof::{self, Contradiction};
use crate::run::{self, RunError, VerifiedRun};
use crate::trust::{self, TrustError};

/// Checks all that public keys can check in a file: its digest, the name, the links and *every* signature of its
/// runs, its attachments, and its grants, notices, certificates and pack by the root key.
///
/// Without `root`, a pack is held to the root key that it carries, and a grant or notice to the one that its
/// certificate names: that shows that nothing was changed, and not whose file it is. The result says which it was.
///
/// # Errors
/// The code of the first thing that does not hold.
pub fn verify(bytes: &[u8], root: Option<&PublicKey>) -> Result<Verification, Refusal> {
    let bytes = dearmored(bytes)?;
    let file = recognised(&bytes)?;
    let mut verifier = Verifier { root, checked: Vec::new(), runs: Vec::new() };
    match file {
        FileKind::Bundle => verifier.bundle(&bytes)?,
        FileKind::Grants => verifier.answers(&bytes)?,
        FileKind::Pack => {
            let pack = decode_pack(&bytes).map_err(|error| refusal(&error))?;
            verifier.digest(&bytes);
            verifier.pack(&pack)?;
        }
        FileKind::Statement => return Err(unknown_here()),
    }
    Ok(Verification { file, checked: verifier.checked })
}

/// What was checked and holds.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// What the file is.
    pub file: FileKind,
    /// Each thing that was checked, in the order of the file.
    pub checked: Vec<Checked>,
}

/// One thing that was checked and holds.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Checked {
    /// The file is whole.
    Digest {
        /// The SHA-256 at its end.
        digest: Digest,
    },
    /// A run: its chain's name, every link, every signature.
    Run {
        /// The chain.
        chain: ChainId,
        /// The place of its first event.
        first_seq: Seq,
        /// The place of its last event.
        last_seq: Seq,
        /// How many signatures were checked.
        signatures: u64,
    },
    /// Runs of the file contradict each other: the device's chain has two histories.
    Fork {
        /// The chain.
        chain: ChainId,
        /// The device's public key, which signed both.
        signer: PublicKey,
        /// The first place at which they differ.
        seq: Seq,
    },
    /// A value beside the runs is what its commitment stands for.
    Attachment {
        /// The commitment.
        commitment: Commitment,
    },
    /// An issuer's certificate is signed by the root key.
    Certificate {
        /// The certificate.
        certificate: CertificateId,
        /// The root key.
        root: PublicKey,
        /// Where the root key is known from.
        root_from: RootSource,
    },
    /// A grant is signed by an issuer that may sign for its product, environment and time.
    Grant {
        /// The device chain that it is for.
        device: ChainId,
        /// The authority chain.
        chain: ChainId,
        /// Its place on the authority chain.
        seq: Seq,
    },
    /// A notice is signed by an issuer that may sign at its time.
    Notice {
        /// The device chain that it answers.
        device: ChainId,
        /// Its code.
        code: Text,
    },
    /// A pack is signed by its root key.
    Pack {
        /// The product.
        product: Text,
        /// The pack's version.
        version: u32,
        /// The root key.
        root: PublicKey,
        /// Where the root key is known from.
        root_from: RootSource,
    },
}

/// Where the root key that a file was held to is known from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RootSource {
    /// It was given: what it signed is the vendor's.
    Given,
    /// The file names it: what it signed was not changed, but anyone could have made it.
    File,
}

struct Verifier<'a> {
    root: Option<&'a PublicKey>,
    checked: Vec<Checked>,
    /// The first runs of the file, in which two histories are looked for.
    runs: Vec<VerifiedRun>,
}

/// Events among which two histories are looked for: a proof holds two or a few, a whole bundle would not fit.
const COMPARED_EVENTS: usize = 8_192;

impl Verifier<'_> {
    fn bundle(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let mut reader = BundleReader::open(Cursor::new(bytes)).map_err(|error| refusal(&error))?;
        self.digest(bytes);
        while let Some(part) = reader.next_part().map_err(|error| refusal(&error))? {
            match part {
                BundlePart::Run(run) => self.run(&run)?,
                BundlePart::Attachment(attachment) => self.attachment(&attachment)?,
                BundlePart::LastGrant(grant) => self.grant(&grant)?,
            }
        }
        self.checked.extend(
            proof::contradiction(&self.runs).map(|Contradiction { chain, signer, seq }| Checked::Fork {
                chain,
                signer,
                seq,
            }),
        );
        Ok(())
    }

    fn answers(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let answers = decode_answers(bytes).map_err(|error| refusal(&error))?;
        self.digest(bytes);
        answers.iter().try_for_each(|answer| match answer {
            Answer::Grant(grant) => self.grant(grant),
            Answer::Notice(notice) => self.notice(notice),
        })
    }

    fn digest(&mut self, bytes: &[u8]) {
        let digest = bytes.last_chunk().expect("a file whose digest was checked ends in one");
        self.checked.push(Checked::Digest { digest: Digest(*digest) });
    }

    fn run(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let run = run::verify_device(bytes).map_err(run_refusal)?;
        every_signature(&run)?;
        let span = run.span();
        self.checked.push(Checked::Run {
            chain: run.chain(),
            first_seq: span.first,
            last_seq: span.last,
            signatures: run.events().len() as u64,
        });
        let events: usize = self.runs.iter().map(|run| run.events().len()).sum();
        if events + run.events().len() <= COMPARED_EVENTS {
            self.runs.push(run);
        }
        Ok(())
    }

    fn attachment(&mut self, attachment: &Attachment) -> Result<(), Refusal> {
        let commitment = attachment.commitment;
        if !commitment::opens(attachment) {
            return Err(Refusal::new(Code::AttachmentMismatch, commitment.to_string()));
        }
        self.checked.push(Checked::Attachment { commitment });
        Ok(())
    }

    fn grant(&mut self, grant: &Grant) -> Result<(), Refusal> {
        let (root, root_from) = self.root_for(&grant.certificate)?;
        let verified = trust::verify_grant(grant, &root).map_err(trust_refusal)?;
        self.checked.push(Checked::Certificate { certificate: verified.issuer, root, root_from });
        let device = verified.body.device;
        self.checked.push(Checked::Grant { device, chain: grant.chain, seq: grant.seq });
        Ok(())
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), Refusal> {
        let (root, root_from) = self.root_for(&notice.certificate)?;
        let body = trust::verify_notice(notice, &root).map_err(trust_refusal)?;
        let certificate = CertificateId(Sha256::digest(&notice.certificate).into());
        self.checked.push(Checked::Certificate { certificate, root, root_from });
        self.checked.push(Checked::Notice { device: body.chain, code: body.code });
        Ok(())
    }

    fn pack(&mut self, pack: &Pack) -> Result<(), Refusal> {
        let body = trust::verify_pack(pack).map_err(trust_refusal)?;
        if self.root.is_some_and(|root| *root != body.root) {
            return Err(Refusal::new(Code::PackInvalid, format!("it is signed by root key {}", body.root)));
        }
        let root_from = if self.root.is_some() { RootSource::Given } else { RootSource::File };
        let PackBody { product, version, root, .. } = body;
        self.checked.push(Checked::Pack { product, version, root, root_from });
        Ok(())
    }

    fn root_for(&self, certificate_bytes: &[u8]) -> Result<(PublicKey, RootSource), Refusal> {
        match self.root {
            Some(root) => Ok((*root, RootSource::Given)),
            None => Ok((certificate(certificate_bytes)?.root, RootSource::File)),
        }
    }
}

fn every_signature(run: &VerifiedRun) -> Result<(), Refusal> {
    let Origin::Device(origin) = &run.header().origin else {
        return Err(Code::WrongWriter.into());
    };
    let bad = run::bad_signatures(run.header(), run.suffix(0).pairs, &origin.signer).map_err(run_refusal)?;
    match bad.first() {
        None => Ok(()),
        Some(seq) => Err(Refusal::new(Code::SignatureBad, format!("event {seq} of chain {}", run.chain()))),
    }
}

fn run_refusal(error: RunError) -> Refusal {
    Refusal::from_error(error.code(), &error)
}

fn trust_refusal(error: TrustError) -> Refusal {
    Refusal::from_error(error.code(), &error)
}

impl Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "this {} file verifies:", self.file)?;
        for checked in &self.checked {
            writeln!(f, "  {checked}")?;
        }
        if self.checked.iter().any(|checked| checked.root_from() == Some(RootSource::File)) {
            writeln!(
                f,
                "The root key was taken from the file itself: nothing in it was changed, but whose file it is"
            )?;
            writeln!(f, "can be told only by the vendor's pack or root key.")?;
        }
        Ok(())
    }
}

impl Checked {
    fn root_from(&self) -> Option<RootSource> {
        match self {
            Self::Certificate { root_from, .. } | Self::Pack { root_from, .. } => Some(*root_from),
            _ => None,
        }
    }
}

impl Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { digest } => write!(f, "the file is whole (SHA-256 {digest})"),
            Self::Run { chain, first_seq, last_seq, signatures } => {
                write!(
                    f,
                    "chain {chain}: name, links and {signatures} signatures of events {first_seq} to {last_seq}"
                )
            }
            Self::Fork { chain, signer, seq } => {
                write!(
                    f,
                    "fork proved: key {signer} signed two histories of chain {chain}, which differ at event {seq}"
                )
            }
            Self::Attachment { commitment } => write!(f, "the value of commitment {commitment}"),
            Self::Certificate { certificate, root, .. } => {
                write!(f, "certificate {certificate} under root key {root}")
            }
            Self::Grant { device, chain, seq } => {
                write!(f, "the grant for chain {device}, event {seq} of authority chain {chain}")
            }
            Self::Notice { device, code } => write!(f, "the notice {code} for chain {device}"),
            Self::Pack { product, version, root, .. } => {
                write!(f, "pack {version} of product {product} under root key {root}")
            }
        }
    }
}
