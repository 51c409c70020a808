//! The vectors themselves: each a file, from the events and files of the small world.

use counterfoil_ledger::chain::{self, Head};
use counterfoil_ledger::keys::SecretKey;
use counterfoil_ledger::{fingerprint, inspect, license_key};
use data_encoding::HEXLOWER;
use schemas::armor;
use schemas::bundle::{Answer, Bundle, encode_answers, encode_pack};
use schemas::certificate::CertificateBody;
use schemas::container::FileKind;
use schemas::event::{Event, Kind};
use schemas::ids::{
    CertificateId, ChainId, Commitment, EventId, FingerprintKey, FingerprintTag, KeyProof, KeyReference,
    Link, Salt, Signature,
};
use schemas::numbers::Seq;
use schemas::run::{Origin, RunBytes, pairs};
use serde::Serialize;

use crate::{samples, world};

/// A file of the folder `schemas/golden/v1`: where it lies, and its bytes.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// Every vector of what is right.
pub(crate) fn all() -> Vec<Vector> {
    let mut vectors: Vec<_> =
        samples::events().into_iter().map(|(name, event)| event_vector(&name, event)).collect();
    vectors.extend([
        run_vector("device", &world::device_run(), &world::device_origin()),
        run_vector("authority", &world::authority_run(), &world::authority_origin()),
        run_vector("catalog", &catalog_run(), &world::catalog_origin()),
        json("certificate.json", &CertificateVector::make()),
        json("license-key.json", &LicenseKeyVector::make()),
        json("commitment.json", &CommitmentVector::make()),
        json("fingerprint.json", &FingerprintVector::make()),
    ]);
    vectors.extend(files());
    vectors
}

pub(crate) fn catalog_run() -> Vec<u8> {
    world::sign_run(world::catalog_origin(), &samples::catalog_events(), &world::issuer()).finish()
}

pub(crate) fn bundle() -> Bundle {
    Bundle {
        runs: vec![world::device_run()],
        attachments: vec![world::attachment()],
        last_grant: Some(world::first_grant()),
    }
}

pub(crate) fn answers() -> Vec<Answer> {
    vec![Answer::Grant(Box::new(world::first_grant())), Answer::Notice(world::notice())]
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

#[derive(Serialize)]
struct EventVector {
    name: String,
    kind: u16,
    hex: String,
    content: Event,
}

fn event_vector(name: &str, content: Event) -> Vector {
    let Kind(kind) = content.body.kind();
    let vector = EventVector { name: name.to_owned(), kind, hex: hex(&content.encode()), content };
    json(&format!("events/{name}.json"), &vector)
}

#[derive(Serialize)]
struct RunVector<'a> {
    name: &'a str,
    signer_seed: String,
    chain: ChainId,
    origin: &'a Origin,
    hex: String,
    events: Vec<LinkedVector>,
}

#[derive(Serialize)]
struct LinkedVector {
    seq: Seq,
    prev: Link,
    core: String,
    id: EventId,
    signature: Signature,
    link: Link,
}

fn run_vector(name: &str, run: &[u8], origin: &Origin) -> Vector {
    let parsed = RunBytes::parse(run).expect("just assembled");
    let mut head = Head::START;
    let mut events = Vec::new();
    for pair in pairs(parsed.pairs) {
        let pair = pair.expect("just assembled");
        let (seq, prev) = (head.seq.next(), head.link);
        let id = chain::event_id(&parsed.header.chain, seq, &prev, pair.core);
        let link = chain::link(&id, &pair.signature);
        events.push(LinkedVector { seq, prev, core: hex(pair.core), id, signature: pair.signature, link });
        head = Head { seq, link };
    }
    let signer = if matches!(origin, Origin::Device(_)) { world::device() } else { world::issuer() };
    let chain = parsed.header.chain;
    let vector = RunVector { name, signer_seed: seed(&signer), chain, origin, hex: hex(run), events };
    json(&format!("runs/{name}.json"), &vector)
}

#[derive(Serialize)]
struct CertificateVector {
    root_seed: String,
    issuer_seed: String,
    content: CertificateBody,
    hex: String,
    id: CertificateId,
}

impl CertificateVector {
    fn make() -> Self {
        Self {
            root_seed: seed(&world::root()),
            issuer_seed: seed(&world::issuer()),
            content: world::certificate_body(),
            hex: hex(&world::certificate()),
            id: world::issuer_certificate().id,
        }
    }
}

#[derive(Serialize)]
struct LicenseKeyVector {
    key_secret: String,
    reference: KeyReference,
    license_key: String,
    chain: ChainId,
    proof: KeyProof,
    trial_product: &'static str,
    trial_reference: KeyReference,
}

impl LicenseKeyVector {
    fn make() -> Self {
        let key = world::license_key();
        let chain = world::device_chain();
        Self {
            key_secret: hex(&[4; 32]),
            reference: key.reference(),
            license_key: key.reveal(),
            chain,
            proof: key.proof(&chain),
            trial_product: "studio",
            trial_reference: license_key::trial_reference("studio"),
        }
    }
}

#[derive(Serialize)]
struct CommitmentVector {
    salt: Salt,
    value: String,
    commitment: Commitment,
}

impl CommitmentVector {
    fn make() -> Self {
        let attachment = world::attachment();
        let value = String::from_utf8(attachment.value).expect("text");
        Self { salt: attachment.salt, value, commitment: attachment.commitment }
    }
}

#[derive(Serialize)]
struct FingerprintVector {
    key: FingerprintKey,
    component: u8,
    value: &'static str,
    tag: FingerprintTag,
}

impl FingerprintVector {
    fn make() -> Self {
        let key = world::pack_body().fingerprint_key;
        let (component, value) = (1, "4c4c4544-0042-3510-8057-b7c04f4a4e32");
        Self { key, component, value, tag: fingerprint::tag(&key, component, value.as_bytes()) }
    }
}

/// Whole files, each with what `inspect` says of it.
fn files() -> Vec<Vector> {
    let bundle = bundle().encode();
    let grants = encode_answers(&answers());
    let pack = encode_pack(&world::pack());
    let said = |name: &str, bytes: &[u8]| {
        json(&format!("files/{name}.json"), &inspect::inspect(bytes).expect("just written"))
    };
    vec![
        said("bundle", &bundle),
        said("grants", &grants),
        said("pack", &pack),
        file("files/bundle.txt", armor::armor(FileKind::Bundle, &bundle).as_bytes()),
        file("files/bundle.cfbundle", &bundle),
        file("files/grants.cfgrant", &grants),
        file("files/pack.cfpack", &pack),
    ]
}

pub(crate) fn json(path: &str, value: &impl Serialize) -> Vector {
    let mut text = serde_json::to_string_pretty(value).expect("vectors have a JSON form");
    text.push('\n');
    file(path, text.as_bytes())
}

fn file(path: &str, bytes: &[u8]) -> Vector {
    Vector { path: path.to_owned(), bytes: bytes.to_vec() }
}

fn seed(key: &SecretKey) -> String {
    hex(key.seed().as_ref())
}
