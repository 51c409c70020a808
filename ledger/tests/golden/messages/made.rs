//! What the messages of the vectors are made from: a device of the small world asks, is unlocked, and tells of its use.

use std::num::NonZeroU16;

use counterfoil_ledger::codes::agreement::SealingSecret;
use counterfoil_ledger::codes::unlock::Purpose;
use counterfoil_ledger::codes::{self, request, returned, unlock};
use counterfoil_ledger::keys::SecretKey;
use counterfoil_ledger::license_key::{KeySecret, LicenseKey};
use counterfoil_ledger::{chain, trust};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemas::event::device::FingerprintComponent;
use schemas::ids::{ChainId, Digest, KeyReference, Link, PublicKey, SealingKey, Signature};
use schemas::numbers::{Epoch, FeatureNumber, Seq};
use schemas::pack::PackBody;
use schemas::run::DeviceOrigin;
use schemas::terms::{FeatureGrant, Mode, Policy};
use schemas::typed::{
    ChainReference, CodeMac, CodeQuota, CodeUnits, Day, GrantPlace, LinkStart, RequestFields, ReturnCode,
    ReturnFields, TypedCode, UnlockCode, UnlockFields, UnlockState,
};
use serde::Serialize;
use sha2::Sha256;

use super::refused;
use crate::vectors::{self, Vector, hex};
use crate::world;

/// How many metered features the policy of all these codes has.
pub(super) const METERED: usize = 3;
pub(super) const SEALING: [u8; 32] = [7; 32];

pub(super) fn all() -> Vec<Vector> {
    let mut vectors = vec![
        vectors::json("request.json", &RequestVector::make()),
        vectors::json("unlock.json", &UnlockVector::make(&unlock_fields(vec![]), codes::digest(&asked()))),
        vectors::json(
            "unlock-with-quotas.json",
            &UnlockVector::make(&unlock_fields(quotas()), codes::digest(&returning(false).0)),
        ),
        vectors::json("return.json", &ReturnVector::make(false)),
        vectors::json("return-closing.json", &ReturnVector::make(true)),
    ];
    vectors.extend(refused::vectors());
    vectors
}

pub(super) fn code_key() -> SecretKey {
    SecretKey::from_seed(&[8; 32])
}

pub(super) fn other_code_key() -> SecretKey {
    SecretKey::from_seed(&[9; 32])
}

pub(super) fn other_device() -> SecretKey {
    SecretKey::from_seed(&[13; 32])
}

pub(super) fn other_license_key() -> LicenseKey {
    KeySecret::new([4; 32]).license_key(KeyReference([1, 2, 3, 4, 6]))
}

pub(super) fn sealing() -> SealingSecret {
    SealingSecret::from_bytes(&SEALING)
}

pub(super) fn origin() -> DeviceOrigin {
    origin_of(&world::device())
}

pub(super) fn origin_of(device: &SecretKey) -> DeviceOrigin {
    DeviceOrigin { signer: device.public(), reference: world::license_key().reference() }
}

/// A policy with two hard features and a counted one.
pub(super) fn policy() -> Policy {
    let mut policy = world::policy();
    let feature =
        |number, mode| FeatureGrant { number: FeatureNumber(number), mode, ..policy.features[1].clone() };
    let further = [feature(3, Mode::Counted), feature(4, Mode::Hard)];
    policy.features.extend(further);
    policy.air_gapped = Some(2);
    policy
}

pub(super) fn pack() -> PackBody {
    PackBody {
        sealing: sealing().public(),
        policies: vec![policy()],
        code_keys: vec![code_key().public()],
        ..world::pack_body()
    }
}

pub(super) fn pack_digest() -> Digest {
    trust::pack_digest(&trust::sign_pack(&pack(), &world::root()))
}

pub(super) const OTHER_PACK: Digest = Digest([0xbb; 32]);
pub(super) const SHOWN_BEFORE: Digest = Digest([0xcc; 32]);

pub(super) fn asked() -> TypedCode {
    request::write(&world::device().public(), 1, &world::fingerprint(), &world::license_key()).expect("fits")
}

pub(super) fn unlock_fields(quotas: Vec<CodeQuota>) -> UnlockFields {
    UnlockFields {
        place: GrantPlace { epoch: Epoch(0), seq: Seq(2) },
        state: UnlockState::Active,
        policy: 2,
        issued: Day::of(world::at(0)).expect("after 2020"),
        since_start_days: 12,
        to_end_days: NonZeroU16::new(353),
        to_check_in_days: NonZeroU16::new(60),
        quotas,
    }
}

pub(super) fn quotas() -> Vec<CodeQuota> {
    let quota = |units, following| {
        let units = CodeUnits::exact(world::total(units)).expect("can be told");
        CodeQuota { units, following }
    };
    vec![quota(500, true), quota(3_000_000, false)]
}

pub(super) fn unlocking(fields: &UnlockFields, purpose: &Purpose, key: &SecretKey) -> TypedCode {
    unlock::write(fields, purpose, key).expect("fits")
}

pub(super) fn return_fields(device: &SecretKey, closing: bool) -> ReturnFields {
    let origin = origin_of(device);
    ReturnFields {
        closing,
        chain: ChainReference::of(&chain::device_chain(&origin.signer, &origin.reference)),
        seq: Seq(40),
        applied: (!closing).then_some(GrantPlace { epoch: Epoch(0), seq: Seq(2) }),
        day: Day::of(world::at(864_000)).expect("after 2020"),
        link: LinkStart::of(&Link([0x33; 32])),
        used: [0, 31, 9_007_199_254_740_991]
            .map(|used| world::total(if closing { 0 } else { used }))
            .to_vec(),
    }
}

pub(super) fn returning(closing: bool) -> (TypedCode, ReturnFields) {
    let fields = return_fields(&world::device(), closing);
    let code = returned::write(&fields, &origin(), &world::device(), &sealing().public());
    (code.expect("fits"), fields)
}

#[derive(Serialize)]
struct RequestVector {
    license_key: String,
    reference: KeyReference,
    chain: ChainId,
    fingerprint: Vec<FingerprintComponent>,
    fields: RequestFields,
    content: String,
    digest: Digest,
    code: String,
}

impl RequestVector {
    fn make() -> Self {
        let (key, code) = (world::license_key(), asked());
        Self {
            license_key: key.reveal(),
            reference: key.reference(),
            chain: world::device_chain(),
            fingerprint: world::fingerprint(),
            fields: RequestFields::read(&code).expect("just written"),
            content: hex(&code.content()),
            digest: codes::digest(&code),
            code: code.to_string(),
        }
    }
}

#[derive(Serialize)]
struct UnlockVector {
    code_key_seed: String,
    code_key: PublicKey,
    chain: ChainId,
    reference: KeyReference,
    pack: Digest,
    answers: Digest,
    fields: UnlockFields,
    signed: String,
    signature: Signature,
    content: String,
    digest: Digest,
    code: String,
}

impl UnlockVector {
    fn make(fields: &UnlockFields, answers: Digest) -> Self {
        let origin = origin();
        let purpose = Purpose::of(&origin, pack_digest(), answers);
        let code = unlocking(fields, &purpose, &code_key());
        let read = UnlockCode::read_by_length(&code).expect("just written");
        Self {
            code_key_seed: hex(code_key().seed().as_ref()),
            code_key: code_key().public(),
            chain: world::device_chain(),
            reference: origin.reference,
            pack: pack_digest(),
            answers,
            signed: hex(&purpose.signed(&read.signed)),
            fields: read.fields,
            signature: read.signature,
            content: hex(&code.content()),
            digest: codes::digest(&code),
            code: code.to_string(),
        }
    }
}

#[derive(Serialize)]
struct ReturnVector {
    device_seed: String,
    device: PublicKey,
    device_x25519: String,
    sealing_secret: String,
    sealing: SealingKey,
    shared: String,
    key: String,
    chain: ChainId,
    reference: KeyReference,
    fields: ReturnFields,
    so_far: String,
    mac: CodeMac,
    content: String,
    digest: Digest,
    code: String,
}

impl ReturnVector {
    fn make(closing: bool) -> Self {
        let (code, fields) = returning(closing);
        let read = ReturnCode::read(&code, METERED).expect("just written");
        Self {
            device_seed: hex(world::device().seed().as_ref()),
            device: world::device().public(),
            device_x25519: hex(&SigningKey::from_bytes(&world::device().seed())
                .verifying_key()
                .to_montgomery()
                .0),
            sealing_secret: hex(&SEALING),
            sealing: sealing().public(),
            shared: hex(&shared()),
            key: hex(&return_key()),
            chain: world::device_chain(),
            reference: origin().reference,
            fields,
            so_far: hex(&read.authenticated),
            mac: read.mac,
            content: hex(&code.content()),
            digest: codes::digest(&code),
            code: code.to_string(),
        }
    }
}

fn shared() -> [u8; 32] {
    let secret = SigningKey::from_bytes(&world::device().seed()).to_scalar_bytes();
    x25519_dalek::x25519(secret, sealing().public().0)
}

fn return_key() -> [u8; 32] {
    let device = world::device().public();
    hmac_sha256(&shared(), &[b"cf/returnkey/1", device.as_bytes(), sealing().public().as_bytes()])
}

/// The MAC of a return of this world's device.
pub(super) fn mac(so_far: &[u8]) -> CodeMac {
    let (chain, reference) = (world::device_chain(), origin().reference);
    let mac = hmac_sha256(&return_key(), &[b"cf/return/1", chain.as_bytes(), reference.as_bytes(), so_far]);
    CodeMac::from_slice(&mac[..10]).expect("10 bytes")
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
