//! A vendor with two packs, two devices and their licence keys: what codes are made and believed, and which are not.

mod attacks;
mod mutations;
mod telling;

use std::num::NonZeroU16;

use schemas::codes::Code;
use schemas::event::device::FingerprintComponent;
use schemas::ids::{
    ChainId, Digest, FingerprintKey, FingerprintTag, KeyReference, Link, PublicKey, SealingKey, Signature,
};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Seconds, Seq, Total};
use schemas::pack::PackBody;
use schemas::period::Reset;
use schemas::run::DeviceOrigin;
use schemas::terms::{
    After, FeatureGrant, FingerprintRule, LicenseType, Mode, Policy, QuotaRule, Rules, SameDevice, Start,
};
use schemas::text::Text;
use schemas::typed::{
    BitWriter, ChainReference, CodeMac, CodeQuota, CodeUnits, Day, DeviceTag, GrantPlace, Kind, LinkStart,
    ReturnFields, TypedCode, UnlockFields, UnlockState,
};

use super::agreement::SealingSecret;
use super::unlock::{Expected, OtherPack, Purpose};
use super::{request, returned, unlock};
use crate::chain;
use crate::keys::SecretKey;
use crate::license_key::{KeySecret, LicenseKey};

fn device() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

fn other_device() -> SecretKey {
    SecretKey::from_seed(&[13; 32])
}

fn license_key() -> LicenseKey {
    KeySecret::new([4; 32]).license_key(KeyReference([1, 2, 3, 4, 5]))
}

fn other_license_key() -> LicenseKey {
    KeySecret::new([4; 32]).license_key(KeyReference([1, 2, 3, 4, 6]))
}

fn sealing() -> SealingSecret {
    SealingSecret::from_bytes(&[7; 32])
}

fn code_key() -> SecretKey {
    SecretKey::from_seed(&[8; 32])
}

/// The key of the pack before.
fn old_code_key() -> SecretKey {
    SecretKey::from_seed(&[9; 32])
}

fn origin() -> DeviceOrigin {
    origin_of(&device(), &license_key())
}

fn origin_of(device: &SecretKey, key: &LicenseKey) -> DeviceOrigin {
    DeviceOrigin { signer: device.public(), reference: key.reference() }
}

fn chain_of(origin: &DeviceOrigin) -> ChainId {
    chain::device_chain(&origin.signer, &origin.reference)
}

fn components() -> Vec<FingerprintComponent> {
    let component = |component| FingerprintComponent { component, tag: FingerprintTag([component; 16]) };
    (1..=5).map(component).collect()
}

fn text(text: &str) -> Text {
    Text::new(text).expect("short")
}

fn total(units: u64) -> Total {
    Total::new(units).expect("in range")
}

/// Two hard features, one counted, one unlimited, and one that is not metered.
fn policy(number: u16) -> Policy {
    let modes = [Mode::OnOff, Mode::Hard, Mode::Counted, Mode::Hard, Mode::Unlimited];
    let feature = |(number, mode)| FeatureGrant {
        number: FeatureNumber(number),
        name: text("feature"),
        mode,
        reset: if mode == Mode::OnOff { Reset::Never } else { Reset::Month },
        valid_for: None,
    };
    let quota = |feature| QuotaRule {
        feature: FeatureNumber(feature),
        limit: total(1_000),
        overage: Total::ZERO,
        share: None,
    };
    Policy {
        name: text("dark"),
        product: text("studio"),
        kind: LicenseType::Subscription,
        start: Start::Issue,
        valid_for: None,
        maintenance_for: None,
        features: (1..).zip(modes).map(feature).collect(),
        rules: Rules {
            max_activations: 2,
            transfers: None,
            same_device: SameDevice::Supersede,
            on_fork: schemas::terms::OnFork::Flag,
            quotas: vec![quota(2), quota(4)],
            sync_every: None,
            grace: Seconds::days(7),
            after: After::Limit,
            import_for: None,
            clock_tolerance: Seconds::days(1),
            fingerprint: FingerprintRule::default(),
            finalisation_days: 10,
            heals: None,
            compact: false,
            floating: None,
        },
        air_gapped: Some(number),
    }
}

fn pack() -> PackBody {
    PackBody {
        product: text("studio"),
        environment: text("test"),
        version: 2,
        issued_at: Micros::default(),
        root: SecretKey::from_seed(&[1; 32]).public(),
        sealing: sealing().public(),
        fingerprint_key: FingerprintKey([6; 32]),
        fingerprint: FingerprintRule::default(),
        features: Vec::new(),
        policies: vec![policy(1), policy(63)],
        code_keys: vec![code_key().public()],
        portal: None,
    }
}

const PACK: Digest = Digest([0xaa; 32]);
const OLD_PACK: Digest = Digest([0xbb; 32]);

fn asked() -> TypedCode {
    request::write(&device().public(), 2, &components(), &license_key()).expect("fits")
}

fn purpose(origin: &DeviceOrigin) -> Purpose {
    Purpose::of(origin, PACK, super::digest(&asked()))
}

fn unlock_fields() -> UnlockFields {
    let quota = |units, following| CodeQuota { units: CodeUnits::at_most(total(units)), following };
    UnlockFields {
        place: GrantPlace { epoch: Epoch(1), seq: Seq(77) },
        state: UnlockState::Active,
        policy: 63,
        issued: Day::from_number(2_519).expect("in range"),
        since_start_days: 10,
        to_end_days: NonZeroU16::new(355),
        to_check_in_days: NonZeroU16::new(30),
        quotas: vec![quota(500, true), quota(3_000_000, false)],
    }
}

fn unlocking() -> TypedCode {
    unlock::write(&unlock_fields(), &purpose(&origin()), &code_key()).expect("fits")
}

fn return_fields(origin: &DeviceOrigin) -> ReturnFields {
    ReturnFields {
        closing: false,
        chain: ChainReference::of(&chain_of(origin)),
        seq: Seq(40),
        applied: Some(GrantPlace { epoch: Epoch(1), seq: Seq(77) }),
        day: Day::from_number(2_530).expect("in range"),
        link: LinkStart::of(&Link([0x33; 32])),
        used: [0, 31, 32, 9_007_199_254_740_991].map(total).to_vec(),
    }
}

fn returning() -> TypedCode {
    returned::write(&return_fields(&origin()), &origin(), &device(), &sealing().public()).expect("fits")
}

/// Runs `judge` with what the device of this world expects, and other packs and codes in sight.
fn expecting<T>(judge: impl FnOnce(&Expected<'_>) -> T) -> T {
    let (origin, pack) = (origin(), pack());
    judge(&Expected {
        origin: &origin,
        pack: &pack,
        digest: PACK,
        shown: super::digest(&asked()),
        shown_before: &[Digest([1; 32]), Digest([2; 32])],
        other_packs: &[
            OtherPack { digest: Digest([0xcc; 32]), key: SecretKey::from_seed(&[10; 32]).public() },
            OtherPack { digest: OLD_PACK, key: old_code_key().public() },
        ],
    })
}

fn judged(code: &TypedCode) -> Result<UnlockFields, Code> {
    expecting(|expected| {
        unlock::verify(code, expected).map(|it| it.fields().clone()).map_err(unlock::UnlockError::code)
    })
}

fn believed(code: &TypedCode) -> Result<ReturnFields, Code> {
    let verified = returned::verify(code, &origin(), &sealing(), 4);
    verified.map(|it| it.fields().clone()).map_err(returned::ReturnError::code)
}

/// The bits of a code after its header.
fn bits(code: &TypedCode) -> Vec<u8> {
    let content = &code.content()[2..];
    (5..code.groups() * schemas::typed::GROUP_BITS).map(|at| content[at / 8] >> (7 - at % 8) & 1).collect()
}

/// The code of these bits, its groups made right.
fn of_bits(kind: Kind, bits: &[u8]) -> TypedCode {
    let mut writer = BitWriter::new(kind);
    for bit in bits {
        writer.uint((*bit).into(), 1);
    }
    writer.finish()
}

/// Each of the codes that differ from `code` in one bit.
fn one_bit_off(code: &TypedCode) -> impl Iterator<Item = TypedCode> {
    let (kind, bits) = (code.kind(), bits(code));
    (0..bits.len()).map(move |at| {
        let mut flipped = bits.clone();
        flipped[at] ^= 1;
        of_bits(kind, &flipped)
    })
}

#[test]
fn a_request_is_believed_with_the_licence_key_that_was_typed() {
    let verified = request::verify(&asked(), &license_key()).expect("as it was written");
    assert_eq!((verified.origin(), verified.chain()), (&origin(), chain_of(&origin())));
    assert_eq!(verified.fields().pack_version, 2);
    assert_eq!(verified.fields().tag, request::device_tag(&components()));
    assert_eq!(verified.digest(), super::digest(&asked()));
    assert_eq!(asked().groups(), 14);
}

#[test]
fn a_device_tag_tells_of_every_component_and_its_place() {
    let tag = request::device_tag(&components());
    let mut others = vec![components(), components(), components()];
    others[0].pop();
    others[1][0].tag = FingerprintTag([9; 16]);
    others[2][0].component = 6;
    for other in others {
        assert_ne!(request::device_tag(&other), tag);
    }
    assert_eq!(request::device_tag(&[]), DeviceTag([0; 5]));
}

#[test]
fn an_unlock_code_is_believed_and_tells_of_its_features() {
    assert_eq!(unlocking().groups(), 26);
    expecting(|expected| {
        let verified = unlock::verify(&unlocking(), expected).expect("as it was written");
        assert_eq!(verified.fields(), &unlock_fields());
        assert_eq!(verified.policy().air_gapped, Some(63));
        assert_eq!(verified.digest(), super::digest(&unlocking()));
        let told: Vec<_> =
            verified.quotas().map(|(feature, quota)| (feature.number.0, quota.units)).collect();
        let [first, second] =
            [500, 3_000_000].map(|units| CodeUnits::exact(total(units)).expect("can be told"));
        assert_eq!(told, [(2, first), (4, second)]);
    });
    let silent = UnlockFields { quotas: Vec::new(), state: UnlockState::Suspended, ..unlock_fields() };
    let code = unlock::write(&silent, &purpose(&origin()), &code_key()).expect("fits");
    assert_eq!(judged(&code), Ok(silent), "a code may say nothing of quotas");
}

#[test]
fn a_return_code_is_believed_by_the_vendor() {
    let verified = returned::verify(&returning(), &origin(), &sealing(), 4).expect("as it was written");
    assert_eq!(verified.fields(), &return_fields(&origin()));
    assert_eq!(verified.digest(), super::digest(&returning()));
    assert_eq!(super::metered(&policy(1).features).count(), 4);
    let closing = ReturnFields { closing: true, ..return_fields(&origin()) };
    let code = returned::write(&closing, &origin(), &device(), &sealing().public()).expect("fits");
    assert_eq!(believed(&code), Ok(closing));
}

#[test]
fn what_does_not_fit_is_refused_at_the_side_that_writes() {
    let mut fields = unlock_fields();
    fields.place.seq = Seq(1 << 20);
    let refused = unlock::write(&fields, &purpose(&origin()), &code_key());
    assert_eq!(refused.map_err(schemas::typed::Unfit::code), Err(Code::CodeUnfit));
    let mut fields = return_fields(&origin());
    fields.seq = Seq(1 << 28);
    let refused = returned::write(&fields, &origin(), &device(), &sealing().public());
    assert_eq!(refused.map_err(returned::WriteError::code), Err(Code::CodeUnfit));
    let refused = returned::write(&return_fields(&origin()), &origin(), &device(), &SealingKey([0; 32]));
    assert_eq!(refused.map_err(returned::WriteError::code), Err(Code::PackInvalid));
}
