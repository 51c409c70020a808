//! Codes of the small world that are refused though their groups are right, and what both ends hold them against.

use counterfoil_ledger::codes::unlock::{Expected, OtherPack, Purpose, UnlockError};
use counterfoil_ledger::codes::{self, request, returned, unlock};
use counterfoil_ledger::keys::SecretKey;
use schemas::codes::Code;
use schemas::ids::{Digest, KeyReference, PublicKey};
use schemas::run::DeviceOrigin;
use schemas::typed::{BitWriter, Kind, ReturnCode, TypedCode, UnlockFields};
use serde::Serialize;

use super::made::{
    METERED, OTHER_PACK, SEALING, SHOWN_BEFORE, asked, code_key, mac, origin, origin_of, other_code_key,
    other_device, other_license_key, pack, pack_digest, policy, quotas, return_fields, returning, sealing,
    unlock_fields, unlocking,
};
use crate::vectors::{self, Vector, hex};
use crate::world;

pub(super) fn vectors() -> Vec<Vector> {
    let vector = |(name, (code, refused)): (&str, (TypedCode, Code))| {
        let (kind, code, against) = (code.kind(), code.to_string(), Against::make());
        vectors::json(&format!("refused/{name}.json"), &RefusedVector { kind, code, refused, against })
    };
    all().into_iter().map(vector).collect()
}

#[derive(Serialize)]
struct RefusedVector {
    kind: Kind,
    code: String,
    refused: Code,
    against: Against,
}

/// What both sides of this world hold a code against.
#[derive(Serialize)]
pub(super) struct Against {
    license_key: String,
    device: PublicKey,
    reference: KeyReference,
    pack: Digest,
    code_key: PublicKey,
    /// The hard quotas of the pack's only policy, number 2.
    quotas: usize,
    /// The metered features of the same.
    metered: usize,
    /// The digest of the code that the device showed last.
    pub(super) shown: Digest,
    shown_before: Digest,
    other_pack: Digest,
    other_code_key: PublicKey,
    sealing_secret: String,
}

impl Against {
    pub(super) fn make() -> Self {
        let DeviceOrigin { signer, reference } = origin();
        Self {
            license_key: world::license_key().reveal(),
            device: signer,
            reference,
            pack: pack_digest(),
            code_key: code_key().public(),
            quotas: codes::hard(&policy()).count(),
            metered: codes::metered(&policy().features).count(),
            shown: codes::digest(&asked()),
            shown_before: SHOWN_BEFORE,
            other_pack: OTHER_PACK,
            other_code_key: other_code_key().public(),
            sealing_secret: hex(&SEALING),
        }
    }

    pub(super) fn unlock(&self, code: &TypedCode) -> Result<UnlockFields, UnlockError> {
        let (origin, pack) = (origin(), pack());
        let expected = Expected {
            origin: &origin,
            pack: &pack,
            digest: self.pack,
            shown: self.shown,
            shown_before: &[self.shown_before],
            other_packs: &[OtherPack { digest: self.other_pack, key: self.other_code_key }],
        };
        unlock::verify(code, &expected).map(|verified| verified.fields().clone())
    }

    /// The code that a message is refused with, if it is.
    pub(super) fn refuses(&self, code: &TypedCode) -> Option<Code> {
        match code.kind() {
            Kind::Request => {
                request::verify(code, &world::license_key()).err().map(request::RequestError::code)
            }
            Kind::Unlock => self.unlock(code).err().map(UnlockError::code),
            Kind::Return => returned::verify(code, &origin(), &sealing(), self.metered)
                .err()
                .map(returned::ReturnError::code),
        }
    }
}

/// Codes that must be refused, each with the code of the refusal; their groups are right.
pub(super) fn all() -> Vec<(&'static str, (TypedCode, Code))> {
    let device = world::device().public();
    let other_key = request::write(&device, 1, &[], &other_license_key()).expect("fits");
    let version_0 = {
        let mut writer = BitWriter::new(Kind::Request);
        writer.uint(0, 12);
        writer.bytes(device.as_bytes());
        writer.uint(0, 52);
        writer.checksum(25);
        writer.finish()
    };
    let mut requests = vec![
        ("request-with-another-licence-key", (other_key, Code::CodeOtherKey)),
        ("request-with-a-bit-flipped", (flipped(&asked(), 100), Code::CodeMismatch)),
        ("request-of-pack-version-0", (version_0, Code::CodeMismatch)),
    ];
    requests.extend(refused_unlocks());
    requests.extend(refused_returns());
    requests
}

fn refused_unlocks() -> Vec<(&'static str, (TypedCode, Code))> {
    let (ours, others) = (origin(), origin_of(&other_device()));
    let sound = Purpose::of(&ours, pack_digest(), codes::digest(&asked()));
    let fields = unlock_fields(quotas());
    let made = |purpose: Purpose, key: &SecretKey| unlocking(&fields, &purpose, key);
    let genuine = made(sound, &code_key());
    let earlier = made(Purpose { answers: SHOWN_BEFORE, ..sound }, &code_key());
    let other_pack = made(Purpose { pack: OTHER_PACK, ..sound }, &other_code_key());
    let other_device = made(Purpose::of(&others, sound.pack, sound.answers), &code_key());
    // Of the first quota, 250 << 1 in place of 500.
    let doubled = resigned(&genuine, &sound, |bits| {
        bits.splice(83..107, (0..24).rev().map(|at| (250_u32 << 4 | 1) >> at & 1 == 1));
    });
    let state_5 = resigned(&genuine, &sound, |bits| drop(bits.splice(23..26, [true, false, true])));
    let silent = resigned(&genuine, &sound, |bits| bits[82] = false);
    let bits = bits(&genuine);
    let cut = of_bits(Kind::Unlock, &bits[..bits.len() - 25]);
    vec![
        ("unlock-that-answers-an-earlier-code", (earlier, Code::CodeAnsweredEarlier)),
        ("unlock-for-another-pack", (other_pack, Code::CodeOtherPack)),
        ("unlock-for-another-device", (other_device, Code::CodeMismatch)),
        ("unlock-with-a-bit-flipped", (flipped(&genuine, 30), Code::CodeMismatch)),
        ("unlock-with-units-in-another-form", (doubled, Code::CodeMismatch)),
        ("unlock-with-state-5", (state_5, Code::CodeMismatch)),
        ("unlock-with-quotas-that-do-not-follow", (silent, Code::CodeLength)),
        ("unlock-without-its-last-group", (cut, Code::CodeLength)),
    ]
}

fn refused_returns() -> Vec<(&'static str, (TypedCode, Code))> {
    let (genuine, fields) = returning(false);
    let other = other_device();
    let of_other = return_fields(&other, false);
    let of_other = returned::write(&of_other, &origin_of(&other), &other, &sealing().public()).expect("fits");
    let mac_of_other = ReturnCode::read(&of_other, METERED).expect("just written").mac;
    let forged = fields.write(|_| mac_of_other).expect("fits");
    let (closing, closed) = returning(true);
    // The first feature's count of digits is 1, and the digit is 0.
    let zero_first = {
        let bits = bits(&closing);
        let mut writer = BitWriter::new(Kind::Return);
        for bit in &bits[..235] {
            writer.uint((*bit).into(), 1);
        }
        writer.uint(1, 4);
        writer.uint(0, 5);
        writer.uint(0, 8);
        writer.bytes(mac(&writer.so_far()).as_bytes());
        writer.finish()
    };
    let filled = {
        let mut bits = bits(&closing);
        *bits.last_mut().expect("not empty") = true;
        of_bits(Kind::Return, &bits)
    };
    assert_eq!(closed.used, [world::total(0); METERED]);
    vec![
        ("return-of-another-device", (of_other, Code::CodeOtherDevice)),
        ("return-with-the-mac-of-another-device", (forged, Code::CodeMismatch)),
        ("return-with-a-bit-flipped", (flipped(&genuine, 200), Code::CodeMismatch)),
        ("return-with-a-zero-before-a-number", (zero_first, Code::CodeMismatch)),
        ("return-whose-filling-is-not-zero", (filled, Code::CodeMismatch)),
    ]
}

/// The bits of a code after its header.
fn bits(code: &TypedCode) -> Vec<bool> {
    let content = &code.content()[2..];
    (5..code.groups() * schemas::typed::GROUP_BITS)
        .map(|at| content[at / 8] >> (7 - at % 8) & 1 == 1)
        .collect()
}

fn of_bits(kind: Kind, bits: &[bool]) -> TypedCode {
    let mut writer = BitWriter::new(kind);
    for bit in bits {
        writer.uint((*bit).into(), 1);
    }
    writer.finish()
}

fn flipped(code: &TypedCode, at: usize) -> TypedCode {
    let mut bits = bits(code);
    bits[at] ^= true;
    of_bits(code.kind(), &bits)
}

/// The unlock code with other bits before its signature, signed for `purpose` as they are then.
fn resigned(code: &TypedCode, purpose: &Purpose, edit: impl FnOnce(&mut Vec<bool>)) -> TypedCode {
    let mut bits = bits(code);
    bits.truncate(bits.len() - 512);
    edit(&mut bits);
    let mut writer = BitWriter::new(Kind::Unlock);
    for bit in &bits {
        writer.uint((*bit).into(), 1);
    }
    writer.bytes(code_key().sign(&purpose.signed(&writer.so_far())).as_bytes());
    writer.finish()
}
