//! One file for every way in which bytes can break the format, with the code that they are refused by.

use std::io::Cursor;

use counterfoil_ledger::chain::Head;
use counterfoil_ledger::keys::SecretKey;
use counterfoil_ledger::{inspect, run, trust};
use data_encoding::HEXLOWER;
use schemas::armor;
use schemas::bundle::{Answer, Attachment, Bundle, encode_answers, encode_pack};
use schemas::canonical;
use schemas::certificate::CertificateBody;
use schemas::codes::Code;
use schemas::container::{FileKind, FrameWriter, Frames};
use schemas::event::Event;
use schemas::grant::{Grant, GrantBody};
use schemas::ids::{ChainId, Signature};
use schemas::limits;
use schemas::numbers::{Epoch, Seq};
use schemas::run::{RunHeader, append_pair, assemble};
use serde::Serialize;
use serde_json::Value;

use crate::vectors::{self, Vector};
use crate::world;

/// The codes of every `DecodeError`.
pub(crate) const DECODE_CODES: &[Code] = &[
    Code::Truncated,
    Code::TrailingBytes,
    Code::NotMinimal,
    Code::MapNotAllowed,
    Code::FloatNotAllowed,
    Code::NilNotAllowed,
    Code::BooleanNotAllowed,
    Code::ExtensionNotAllowed,
    Code::NegativeNotAllowed,
    Code::TextNotUtf8,
    Code::ValueTooLong,
    Code::NestingTooDeep,
    Code::WrongArity,
    Code::WrongType,
    Code::OutOfRange,
    Code::UnknownKind,
    Code::UnsupportedVersion,
];

/// The codes of files, chains and signatures that bytes alone can bring about.
pub(crate) const FILE_CODES: &[Code] = &[
    Code::UnknownFile,
    Code::WrongFile,
    Code::Damaged,
    Code::TooLarge,
    Code::ChainMismatch,
    Code::WrongWriter,
    Code::SignatureBad,
    Code::IssuerUnknown,
    Code::IssuerOutOfScope,
    Code::PackInvalid,
    Code::AttachmentMismatch,
];

/// The code by which `bytes` are refused when they are read as what `form` says.
pub(crate) fn refused(form: &str, bytes: &[u8]) -> Option<Code> {
    match form {
        "event" => Event::decode(bytes).err().map(schemas::canonical::DecodeError::code),
        "run" => run::verify_device(bytes).err().map(run::RunError::code),
        "bundle" => file_refused(FileKind::Bundle, bytes),
        "grant" => file_refused(FileKind::Grants, bytes),
        "pack" => file_refused(FileKind::Pack, bytes),
        _ => panic!("no vector is read as {form}"),
    }
}

fn file_refused(kind: FileKind, bytes: &[u8]) -> Option<Code> {
    let opened = armor::dearmor(bytes.to_vec()).and_then(|bytes| Frames::open(Cursor::new(bytes), kind));
    match opened {
        Err(error) => Some(error.code()),
        Ok(_) => inspect::verify(bytes, Some(&world::root().public())).err().map(|refusal| refusal.code()),
    }
}

/// The bytes that a vector's parts stand for: hexadecimal, or hexadecimal repeated.
pub(crate) fn assembled(parts: &Value) -> Vec<u8> {
    let unhex =
        |value: &Value| HEXLOWER.decode(value.as_str().expect("text").as_bytes()).expect("hexadecimal");
    let part = |part: &Value| match part["times"].as_u64() {
        Some(times) => unhex(&part["repeat"]).repeat(usize::try_from(times).expect("small")),
        None => unhex(part),
    };
    parts.as_array().expect("an array").iter().flat_map(part).collect()
}

/// Every corrupt vector.
pub(crate) fn all() -> Vec<Vector> {
    let mut cases = event_forms();
    cases.extend(event_values());
    cases.extend(event_limits());
    cases.extend(runs());
    cases.extend(linked_runs());
    cases.extend(files());
    cases.extend(bundles());
    cases.extend(grants());
    cases.extend(packs());
    cases.into_iter().map(Case::vector).collect()
}

#[derive(Serialize)]
struct Case {
    name: String,
    r#as: &'static str,
    code: Code,
    bytes: Vec<Part>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Part {
    Hex(String),
    Repeated { repeat: String, times: usize },
}

impl Case {
    fn new(name: &str, r#as: &'static str, code: Code, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), r#as, code, bytes: parts(bytes) }
    }

    fn vector(self) -> Vector {
        vectors::json(&format!("corrupt/{}.{}.json", self.r#as, self.name), &self)
    }
}

/// Splits off the stretches of one byte, so that a vector of a limit stays a small file.
fn parts(bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    for stretch in bytes.chunk_by(|left, right| left == right) {
        match parts.last_mut() {
            _ if stretch.len() >= 64 => {
                let repeat = vectors::hex(&stretch[..1]);
                parts.push(Part::Repeated { repeat, times: stretch.len() });
            }
            Some(Part::Hex(hex)) => hex.push_str(&vectors::hex(stretch)),
            _ => parts.push(Part::Hex(vectors::hex(stretch))),
        }
    }
    parts
}

fn unhex(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.replace(' ', "").as_bytes()).expect("hexadecimal")
}

/// `[at, kind, body]` with the body given in hexadecimal.
fn core(kind: &str, body: &str) -> Vec<u8> {
    unhex(&format!("93 {AT} {kind} {body}"))
}

const AT: &str = "cf 0006 6100 4245 5c00";
const SALT_BYTES: &str = "cccc cccc cccc cccc cccc cccc cccc cccc";

/// Breaks of form in a `feature.consumed`, whose sound body is `96 02 cd0aaa 05 05 90 90`.
fn event_forms() -> Vec<Case> {
    let id = format!("c420 {SALT_BYTES} {SALT_BYTES}");
    let cases: &[(&str, Code, Vec<u8>)] = &[
        ("empty", Code::Truncated, Vec::new()),
        ("cut", Code::Truncated, core("06", "96 02 cd0aaa 05 05 90")),
        ("cut-in-an-integer", Code::Truncated, core("06", "96 02 cd0a")),
        ("trailing-bytes", Code::TrailingBytes, core("06", "96 02 cd0aaa 05 05 90 90 00")),
        ("integer-not-minimal", Code::NotMinimal, core("06", "96 02 cd0aaa cc05 05 90 90")),
        ("integer-not-minimal-16", Code::NotMinimal, core("06", "96 02 cd0aaa cd0005 05 90 90")),
        ("integer-not-minimal-32", Code::NotMinimal, core("06", "96 02 ce00000aaa 05 05 90 90")),
        ("integer-not-minimal-64", Code::NotMinimal, core("06", "96 02 cd0aaa 05 cf0000000000000005 90 90")),
        ("kind-not-minimal", Code::NotMinimal, core("cc06", "96 02 cd0aaa 05 05 90 90")),
        ("array-not-minimal", Code::NotMinimal, core("06", "dc0006 02 cd0aaa 05 05 90 90")),
        (
            "core-array-not-minimal",
            Code::NotMinimal,
            unhex(&format!("dc0003 {AT} 06 96 02 cd0aaa 05 05 90 90")),
        ),
        ("text-not-minimal", Code::NotMinimal, core("06", "96 02 cd0aaa 05 05 90 91d90161")),
        ("binary-not-minimal", Code::NotMinimal, core("11", &format!("91 c50010 {SALT_BYTES}"))),
        ("map-for-core", Code::MapNotAllowed, unhex(&format!("83 {AT} 06 96 02 cd0aaa 05 05 90 90"))),
        ("map-for-body", Code::MapNotAllowed, core("06", "86 00 02 01 cd0aaa 02 05 03 05 04 90 05 90")),
        ("map-for-optional", Code::MapNotAllowed, core("06", "96 02 cd0aaa 05 05 80 90")),
        ("float", Code::FloatNotAllowed, core("06", "96 02 cd0aaa ca40a00000 05 90 90")),
        ("double", Code::FloatNotAllowed, core("06", "96 02 cd0aaa cb4014000000000000 05 90 90")),
        ("nil", Code::NilNotAllowed, core("06", "96 02 cd0aaa 05 05 c0 90")),
        ("boolean", Code::BooleanNotAllowed, core("45", &format!("93 {id} 00 c3"))),
        ("extension", Code::ExtensionNotAllowed, core("06", "96 02 cd0aaa 05 05 90 d40000")),
        (
            "extension-timestamp",
            Code::ExtensionNotAllowed,
            unhex("93 d6ff00000000 06 96 02 cd0aaa 05 05 90 90"),
        ),
        ("reserved-byte", Code::ExtensionNotAllowed, core("06", "96 02 cd0aaa 05 05 90 c1")),
        ("negative", Code::NegativeNotAllowed, core("06", "96 02 cd0aaa ff 05 90 90")),
        ("signed-form", Code::NegativeNotAllowed, core("06", "96 02 cd0aaa d005 05 90 90")),
        ("not-utf8", Code::TextNotUtf8, core("06", "96 02 cd0aaa 05 05 90 91a2c328")),
        ("surrogate", Code::TextNotUtf8, core("06", "96 02 cd0aaa 05 05 90 91a3eda080")),
        ("core-too-short", Code::WrongArity, unhex(&format!("92 {AT} 06"))),
        ("core-too-long", Code::WrongArity, unhex(&format!("94 {AT} 06 96 02 cd0aaa 05 05 90 90 00"))),
        ("body-too-short", Code::WrongArity, core("06", "95 02 cd0aaa 05 05 90")),
        ("body-too-long", Code::WrongArity, core("06", "97 02 cd0aaa 05 05 90 90 00")),
        ("optional-of-two", Code::WrongArity, core("06", "96 02 cd0aaa 05 05 90 92a161a162")),
        ("claim-of-one", Code::WrongArity, core("02", "91 91 01")),
        ("claim-of-three", Code::WrongArity, core("02", "91 93 01 90 00")),
        ("body-is-no-array", Code::WrongType, core("06", "05")),
        ("text-for-integer", Code::WrongType, core("06", "96 02 cd0aaa a135 05 90 90")),
        ("binary-for-text", Code::WrongType, core("06", "96 02 cd0aaa 05 05 90 91c40161")),
        ("text-for-binary", Code::WrongType, core("11", "91 b0 61616161616161616161616161616161")),
        ("array-for-binary", Code::WrongType, core("11", "91 dc0010 00000000000000000000000000000000")),
        ("id-too-narrow", Code::WrongType, core("11", "91 c40f cccccccccccccccccccccccccccccc")),
        ("id-too-wide", Code::WrongType, core("11", &format!("91 c411 {SALT_BYTES} cc"))),
        ("integer-for-optional", Code::WrongType, core("06", "96 02 cd0aaa 05 05 90 00")),
        ("time-is-text", Code::WrongType, unhex("93 a130 06 96 02 cd0aaa 05 05 90 90")),
    ];
    cases.iter().map(|(name, code, bytes)| Case::new(name, "event", *code, bytes)).collect()
}

/// Values that have the right form and are not allowed at their place.
fn event_values() -> Vec<Case> {
    let id = format!("c420 {SALT_BYTES} {SALT_BYTES}");
    let cases: &[(&str, Code, Vec<u8>)] = &[
        ("time-after-9998", Code::OutOfRange, unhex("93 cf 0384 275e 405f 8000 06 96 02 cd0aaa 05 05 90 90")),
        ("amount-zero", Code::OutOfRange, core("06", "96 02 cd0aaa 00 05 90 90")),
        ("amount-too-large", Code::OutOfRange, core("06", "96 02 cd0aaa cf0000000100000000 05 90 90")),
        ("total-too-large", Code::OutOfRange, core("06", "96 02 cd0aaa 05 cf0020000000000000 90 90")),
        ("feature-too-large", Code::OutOfRange, core("06", "96 ce00010000 cd0aaa 05 05 90 90")),
        ("period-of-no-calendar", Code::OutOfRange, core("06", "96 02 04 05 05 90 90")),
        ("choice-unknown", Code::OutOfRange, core("0d", "92 02 90")),
        ("claim-unknown", Code::OutOfRange, core("02", "91 92 04 90")),
        ("flag-of-two", Code::OutOfRange, core("45", &format!("93 {id} 00 02"))),
        ("control-character", Code::OutOfRange, core("06", "96 02 cd0aaa 05 05 90 91a107")),
        ("kind-too-large", Code::OutOfRange, core("ce00010000", "90")),
        ("kind-0", Code::UnknownKind, core("00", "90")),
        ("kind-19", Code::UnknownKind, core("13", "90")),
        ("kind-63", Code::UnknownKind, core("3f", "90")),
        ("kind-127", Code::UnknownKind, core("7f", "90")),
        ("nil-in-a-passed-over-kind", Code::NilNotAllowed, core("ccc8", "91 c0")),
        (
            "too-deep-in-a-passed-over-kind",
            Code::NestingTooDeep,
            core("ccc8", &format!("{} 01", "91".repeat(17))),
        ),
        (
            "too-deep",
            Code::NestingTooDeep,
            core("06", &format!("96 02 cd0aaa 05 05 90 {} 01", "91".repeat(17))),
        ),
    ];
    cases.iter().map(|(name, code, bytes)| Case::new(name, "event", *code, bytes)).collect()
}

fn event_limits() -> Vec<Case> {
    let padded = |mut bytes: Vec<u8>, len: usize| {
        bytes.resize(len, 0);
        bytes
    };
    let long = |hex: &str, letters: usize, after: &str| {
        [core("06", "96 02 cd0aaa 05 05 90 91"), unhex(hex), vec![b'x'; letters], unhex(after)].concat()
    };
    let name = [core("09", "92 da0101"), vec![b'x'; 257], unhex(&format!("c420 {SALT_BYTES} {SALT_BYTES}"))]
        .concat();
    let erased = unhex(&format!("c420 {SALT_BYTES} {SALT_BYTES}")).repeat(1_025);
    let erased = [core("2c", "91 dc0401"), erased].concat();
    let device_core = padded(core("06", "96"), limits::CORE_BYTES + 1);
    let authority_core = padded(core("26", "dc0013"), limits::GRANT_BYTES + 1);
    [
        ("ref-too-long", long("d941", 65, "")),
        ("text-too-long", name),
        ("list-too-long", erased),
        ("device-core-too-long", device_core),
        ("authority-core-too-long", authority_core),
    ]
    .iter()
    .map(|(name, bytes)| Case::new(name, "event", Code::ValueTooLong, bytes))
    .collect()
}

fn header() -> RunHeader {
    RunHeader {
        version: 1,
        chain: world::device_chain(),
        origin: world::device_origin(),
        first_seq: Seq(1),
        prev: schemas::ids::Link::START,
    }
}

/// The shortest core there is: a kind that is passed over.
fn tiny_pairs(count: usize) -> Vec<u8> {
    let mut pairs = Vec::new();
    for _ in 0..count {
        append_pair(&mut pairs, &unhex("93 00 cc80 90"), &Signature([0; 64]));
    }
    pairs
}

fn runs() -> Vec<Case> {
    let run = |header: &RunHeader, count, pairs: &[u8]| assemble(header, count, pairs);
    let one = tiny_pairs(1);
    let mut odd = run(&header(), 1, &one);
    let array_at = odd.len() - one.len() - 1;
    odd[array_at] = 0x93;
    let mut arity = run(&header(), 1, &one);
    arity[0] = 0x93;
    let mut header_arity = run(&header(), 1, &one);
    header_arity[1] = 0x94;
    let mut short_signature = Vec::new();
    short_signature.extend(unhex("c405 9300cc8090 c43f"));
    short_signature.extend([0; 63]);
    let version = RunHeader { version: 2, ..header() };
    let zeroth = RunHeader { first_seq: Seq(0), ..header() };
    let last = RunHeader { first_seq: Seq(u64::MAX), ..header() };
    let foreign = RunHeader { chain: ChainId([9; 32]), ..header() };
    let cases: &[(&str, Code, Vec<u8>)] = &[
        ("empty", Code::Truncated, Vec::new()),
        ("unknown-version", Code::UnsupportedVersion, run(&version, 1, &one)),
        ("arity", Code::WrongArity, arity),
        ("header-arity", Code::WrongArity, header_arity),
        ("odd-values", Code::WrongArity, odd),
        ("no-events", Code::OutOfRange, run(&header(), 0, &[])),
        ("first-place-0", Code::OutOfRange, run(&zeroth, 1, &one)),
        ("first-place-too-large", Code::OutOfRange, run(&last, 1, &one)),
        ("fewer-events-than-counted", Code::Truncated, run(&header(), 2, &one)),
        ("more-events-than-counted", Code::TrailingBytes, run(&header(), 1, &tiny_pairs(2))),
        ("signature-too-short", Code::WrongType, run(&header(), 1, &short_signature)),
        ("too-many-events", Code::ValueTooLong, run(&header(), 4_097, &tiny_pairs(1))),
        ("too-many-bytes", Code::ValueTooLong, vec![0; limits::RUN_BYTES + 1]),
        ("name-of-another-chain", Code::ChainMismatch, run(&foreign, 1, &one)),
    ];
    cases.iter().map(|(name, code, bytes)| Case::new(name, "run", *code, bytes)).collect()
}

fn linked_runs() -> Vec<Case> {
    let sound = world::device_run();
    let mut flipped_signature = sound.clone();
    *flipped_signature.last_mut().expect("not empty") ^= 1;
    // The first event's signature covers nothing that the last one's does not: its link does.
    let mut flipped_inner = sound.clone();
    let pairs_start = sound.len() - schemas::run::RunBytes::parse(&sound).expect("sound").pairs.len();
    let first_core = usize::from(sound[pairs_start + 1]);
    flipped_inner[pairs_start + 2 + first_core + 2] ^= 1;
    let moved = world::sign_run(world::device_origin(), &world::opening_events(), &world::device());
    let moved = RunHeader { first_seq: Seq(2), ..header_of(&moved.finish()) };
    let (count, pairs) = pairs_of(&world::device_run());
    let foreign_signer = world::sign_run(world::device_origin(), &world::device_events(), &world::issuer());
    let wrong_writer = world::sign_run(world::device_origin(), &world::authority_events(), &world::device());
    let cases: &[(&str, Code, Vec<u8>)] = &[
        ("signature-flipped", Code::SignatureBad, flipped_signature),
        ("inner-signature-flipped", Code::SignatureBad, flipped_inner),
        ("moved-by-one-place", Code::SignatureBad, assemble(&moved, count, &pairs)),
        ("signed-by-another-key", Code::SignatureBad, foreign_signer.finish()),
        ("licence-events-on-a-device-chain", Code::WrongWriter, wrong_writer.finish()),
        ("authority-run-from-a-device", Code::WrongWriter, world::authority_run()),
    ];
    cases.iter().map(|(name, code, bytes)| Case::new(name, "run", *code, bytes)).collect()
}

fn header_of(run: &[u8]) -> RunHeader {
    schemas::run::RunBytes::parse(run).expect("just assembled").header
}

fn pairs_of(run: &[u8]) -> (u64, Vec<u8>) {
    let parsed = schemas::run::RunBytes::parse(run).expect("just assembled");
    (parsed.count, parsed.pairs.to_vec())
}

/// A file of `kind` with these frames and a digest that matches.
fn framed(kind: FileKind, frames: &[(u8, &[u8])]) -> Vec<u8> {
    let mut writer = FrameWriter::new(Vec::new(), kind).expect("a vector takes every write");
    for (tag, content) in frames {
        writer.frame(*tag, content).expect("a vector takes every write");
    }
    writer.finish().expect("a vector takes every write")
}

/// A file whose frames are these bytes, with a digest that matches.
fn raw(kind: FileKind, frames: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    let mut file = [&[0xcf, b'C', b'F', kind.number(), 1], frames].concat();
    let digest = sha2::Sha256::digest(&file);
    file.extend_from_slice(&digest);
    file
}

fn files() -> Vec<Case> {
    let sound = vectors::bundle().encode();
    let flipped = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x01;
        bytes
    };
    let mut newer = sound.clone();
    newer[4] = 2;
    let broken_armor = armor::armor(FileKind::Bundle, &sound).replace("-----END", "-----ENT");
    let mut frame_too_long = unhex("01 00110001");
    frame_too_long.extend([0; 64]);
    let cases: &[(&str, Code, Vec<u8>)] = &[
        ("empty", Code::UnknownFile, Vec::new()),
        ("foreign", Code::UnknownFile, b"PK\x03\x04 an archive of another program".to_vec()),
        ("magic-flipped", Code::UnknownFile, flipped(0)),
        ("kind-unknown", Code::UnknownFile, flipped(3)),
        ("magic-only", Code::Damaged, sound[..4].to_vec()),
        ("head-only", Code::Damaged, sound[..5].to_vec()),
        ("cut", Code::Damaged, sound[..sound.len() - 1].to_vec()),
        ("cut-in-half", Code::Damaged, sound[..sound.len() / 2].to_vec()),
        ("flipped", Code::Damaged, flipped(sound.len() / 2)),
        ("digest-flipped", Code::Damaged, flipped(sound.len() - 1)),
        ("something-appended", Code::Damaged, [&sound[..], b"\n"].concat()),
        ("newer", Code::UnsupportedVersion, newer),
        ("is-a-pack", Code::WrongFile, encode_pack(&world::pack())),
        ("is-a-grant", Code::WrongFile, encode_answers(&vectors::answers())),
        ("armor-broken", Code::Damaged, broken_armor.into_bytes()),
        ("frame-unknown", Code::UnknownKind, framed(FileKind::Bundle, &[(9, b"")])),
        ("frame-cut", Code::Truncated, raw(FileKind::Bundle, &unhex("01 00000010 00"))),
        ("frame-head-cut", Code::Truncated, raw(FileKind::Bundle, &unhex("01 0000"))),
        ("frame-too-long", Code::ValueTooLong, raw(FileKind::Bundle, &frame_too_long)),
    ];
    cases.iter().map(|(name, code, bytes)| Case::new(name, "bundle", *code, bytes)).collect()
}

fn bundles() -> Vec<Case> {
    let run = world::device_run();
    let mut broken_run = run.clone();
    *broken_run.last_mut().expect("not empty") ^= 1;
    let inner = inner_signature_bad();
    let mut other_value = world::attachment();
    other_value.value = b"plant 8".to_vec();
    let long_value = Attachment { value: vec![0; limits::ATTACHMENT_BYTES + 1], ..world::attachment() };
    let of = |bundle: Bundle| bundle.encode();
    let attached = |attachment| of(Bundle { attachments: vec![attachment], ..Bundle::default() });
    let bad_grant = Grant { signature: Signature([0; 64]), ..world::first_grant() };
    let cases: &[(&str, Code, Vec<u8>)] = &[
        (
            "run-signature-flipped",
            Code::SignatureBad,
            of(Bundle { runs: vec![broken_run], ..Bundle::default() }),
        ),
        (
            "inner-signature-bad-under-a-good-head",
            Code::SignatureBad,
            of(Bundle { runs: vec![inner], ..Bundle::default() }),
        ),
        ("value-changed", Code::AttachmentMismatch, attached(other_value)),
        ("value-too-long", Code::ValueTooLong, attached(long_value)),
        (
            "last-grant-forged",
            Code::SignatureBad,
            of(Bundle { last_grant: Some(bad_grant), ..Bundle::default() }),
        ),
        ("attachment-arity", Code::WrongArity, framed(FileKind::Bundle, &[(2, &[0x90])])),
    ];
    cases.iter().map(|(name, code, bytes)| Case::new(name, "bundle", *code, bytes)).collect()
}

/// A run whose first signature is another key's, which the last one's signer committed to all the same.
fn inner_signature_bad() -> Vec<u8> {
    let [opened, requested] = world::opening_events();
    let mut builder = world::sign_run(world::device_origin(), &[opened], &world::issuer());
    builder.push(&requested, &world::device());
    builder.finish()
}

fn grant(body: GrantBody, change: impl FnOnce(Grant) -> Grant) -> Vec<u8> {
    let event = Event { at: world::at(25), body: schemas::event::Body::GrantIssued(Box::new(body)) };
    grant_file(change(world::grant_of(&event, Head::START, world::certificate())))
}

fn grant_file(grant: Grant) -> Vec<u8> {
    encode_answers(&[Answer::Grant(Box::new(grant))])
}

fn certified(change: impl FnOnce(&mut CertificateBody), root: &SecretKey) -> Vec<u8> {
    let mut body = world::certificate_body();
    change(&mut body);
    trust::sign_certificate(&body, root)
}

fn grants() -> Vec<Case> {
    let body = world::grant_body;
    let with = |certificate: Vec<u8>| grant(body(), |grant| Grant { certificate, ..grant });
    let stranger = SecretKey::from_seed(&[0x66; 32]);
    let not_a_grant = world::grant_of(&world::authority_events()[0], Head::START, world::certificate());
    let mut notice = world::notice();
    notice.signature = Signature([0; 64]);
    let many = vec![Answer::Notice(world::notice()); limits::BUNDLE_CHAINS + 1];
    let long_certificate = vec![0; limits::CERTIFICATE_BYTES + 1];
    let other_product = certified(|body| body.products = vec![world::text("other")], &world::root());
    let other_environment = certified(|body| body.environment = world::text("staging"), &world::root());
    let past = certified(|body| body.not_after = world::at(1), &world::root());
    let future = certified(|body| body.not_before = world::at(1_000), &world::root());
    let forged_root = certified(|_| (), &stranger);
    let strange_root = certified(|body| body.root = stranger.public(), &stranger);
    let cases: &[(&str, Code, Vec<u8>)] = &[
        ("newer", Code::UnsupportedVersion, grant(body(), |grant| Grant { version: 2, ..grant })),
        ("place-0", Code::OutOfRange, grant(body(), |grant| Grant { seq: Seq(0), ..grant })),
        ("another-event", Code::UnknownKind, grant_file(not_a_grant)),
        (
            "chain-of-another-licence",
            Code::ChainMismatch,
            grant(GrantBody { epoch: Epoch(1), ..body() }, |grant| grant),
        ),
        (
            "moved-by-one-place",
            Code::SignatureBad,
            grant(body(), |grant| Grant { seq: grant.seq.next(), ..grant }),
        ),
        (
            "signature-forged",
            Code::SignatureBad,
            grant(body(), |grant| Grant { signature: Signature([0; 64]), ..grant }),
        ),
        ("certificate-of-a-stranger", Code::IssuerUnknown, with(strange_root)),
        ("certificate-forged", Code::IssuerUnknown, with(forged_root)),
        ("certificate-too-long", Code::ValueTooLong, with(long_certificate)),
        ("certificate-cut", Code::Truncated, with(world::certificate()[..40].to_vec())),
        ("certificate-for-another-product", Code::IssuerOutOfScope, with(other_product)),
        ("certificate-for-another-environment", Code::IssuerOutOfScope, with(other_environment)),
        ("certificate-past", Code::IssuerOutOfScope, with(past)),
        ("certificate-not-yet", Code::IssuerOutOfScope, with(future)),
        ("notice-forged", Code::SignatureBad, encode_answers(&[Answer::Notice(notice)])),
        ("too-many-answers", Code::ValueTooLong, encode_answers(&many)),
        ("too-long", Code::ValueTooLong, framed(FileKind::Grants, &[(4, &vec![0; limits::GRANT_BYTES + 1])])),
        ("frame-unknown", Code::UnknownKind, framed(FileKind::Grants, &[(1, b"")])),
        ("is-a-bundle", Code::WrongFile, vectors::bundle().encode()),
    ];
    cases.iter().map(|(name, code, bytes)| Case::new(name, "grant", *code, bytes)).collect()
}

fn packs() -> Vec<Case> {
    let sound = world::pack();
    let bytes = canonical::to_bytes(&sound);
    let mut forged = sound.clone();
    forged.signature = Signature([0; 64]);
    let stranger = SecretKey::from_seed(&[0x66; 32]);
    let mut strange = world::pack_body();
    strange.root = stranger.public();
    let strange = trust::sign_pack(&strange, &stranger);
    let mut huge = encode_pack(&sound)[..5].to_vec();
    huge.resize(limits::PACK_BYTES * 2 + 1, 0);
    let cases: &[(&str, Code, Vec<u8>)] = &[
        ("signature-forged", Code::PackInvalid, encode_pack(&forged)),
        ("root-of-a-stranger", Code::PackInvalid, encode_pack(&strange)),
        ("without-a-frame", Code::Truncated, framed(FileKind::Pack, &[])),
        ("two-frames", Code::TrailingBytes, framed(FileKind::Pack, &[(6, &bytes), (6, &bytes)])),
        ("frame-unknown", Code::UnknownKind, framed(FileKind::Pack, &[(4, &bytes)])),
        ("too-long", Code::ValueTooLong, framed(FileKind::Pack, &[(6, &vec![0; limits::PACK_BYTES + 1])])),
        ("too-large", Code::TooLarge, huge),
        ("is-a-bundle", Code::WrongFile, vectors::bundle().encode()),
    ];
    cases.iter().map(|(name, code, bytes)| Case::new(name, "pack", *code, bytes)).collect()
}
