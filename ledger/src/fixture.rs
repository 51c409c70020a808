//! Grants and devices for the tests of the device side.

use schemas::event::device::{ChainOpened, FingerprintComponent};
use schemas::grant::{Ack, CheckIn, Grant, GrantBody, GrantStatus, QuotaLine, Revocations};
use schemas::ids::{
    CertificateId, ChainId, Digest, EventId, FingerprintTag, InstanceId, KeyReference, LicenseId, Link,
    Signature,
};
use schemas::numbers::{Epoch, FeatureNumber, Micros, Revision, Seconds, Seq, Total};
use schemas::period::{Period, Reset};
use schemas::run::{DeviceOrigin, VERSION};
use schemas::terms::{After, Entitlement, FeatureGrant, FingerprintRule, LicenseType, Mode};
use schemas::text::Text;

use crate::check::Life;
use crate::clock::Reading;
use crate::device::{AppliedGrant, Device, Now, Parts, Saved};
use crate::keys::SecretKey;
use crate::trust::VerifiedGrant;

pub(crate) const EXPORT: FeatureNumber = FeatureNumber(1);
pub(crate) const RENDER: FeatureNumber = FeatureNumber(2);
pub(crate) const MILES: FeatureNumber = FeatureNumber(3);

/// When the grants of these tests are issued.
pub(crate) const ISSUED: &str = "2026-11-24T07:00:00Z";

pub(crate) fn at(text: &str) -> Micros {
    Micros::parse(text).expect("RFC 3339")
}

pub(crate) fn text(text: &str) -> Text {
    Text::new(text).expect("short")
}

pub(crate) fn key() -> SecretKey {
    SecretKey::from_seed(&[9; 32])
}

pub(crate) fn origin() -> DeviceOrigin {
    DeviceOrigin { signer: key().public(), reference: KeyReference([6; 5]) }
}

pub(crate) fn chain() -> ChainId {
    crate::chain::device_chain(&origin().signer, &origin().reference)
}

/// Five components; those whose value is 0 are missing.
pub(crate) fn fingerprint(values: [u8; 5]) -> Vec<FingerprintComponent> {
    (1..)
        .zip(values)
        .filter(|(_, value)| *value > 0)
        .map(|(component, value)| FingerprintComponent { component, tag: FingerprintTag([value; 16]) })
        .collect()
}

pub(crate) fn opened() -> ChainOpened {
    ChainOpened {
        product: text("studio"),
        environment: text("test"),
        agent: text("test"),
        pack: Digest([0; 32]),
        fingerprint: fingerprint([1, 2, 3, 4, 5]),
        host: None,
    }
}

/// A year's licence for `export`, `render` with 100 units a month, and `miles`, counted freely.
pub(crate) fn grant_body() -> GrantBody {
    let feature = |number, name: &str, mode| FeatureGrant {
        number,
        name: text(name),
        mode,
        reset: Reset::Month,
        valid_for: None,
    };
    let month = Period::of(Reset::Month, at(ISSUED));
    GrantBody {
        device: chain(),
        license: LicenseId([7; 16]),
        product: text("studio"),
        environment: text("test"),
        epoch: Epoch(0),
        status: GrantStatus::Active,
        reason: None,
        entitlement: Some(Entitlement {
            revision: Revision(1),
            kind: LicenseType::Subscription,
            starts_at: at("2026-11-01"),
            valid_until: Some(at("2027-11-01")),
            maintenance_until: Some(at("2027-02-01")),
            features: vec![
                feature(EXPORT, "export", Mode::OnOff),
                feature(RENDER, "render", Mode::Hard),
                feature(MILES, "miles", Mode::Counted),
            ],
            custom: Vec::new(),
        }),
        check_in: CheckIn {
            sync_by: Some(at("2026-12-24T07:00:00Z")),
            grace: Seconds::days(7),
            after: After::Limit,
        },
        import_until: None,
        clock_tolerance: Seconds::days(1),
        fingerprint: FingerprintRule::default(),
        forked: None,
        quotas: vec![QuotaLine {
            feature: RENDER,
            first: month,
            last: month.next(),
            granted: Total::new(100).expect("small"),
            written_off: Total::ZERO,
        }],
        return_requests: Vec::new(),
        floating: None,
        took_in: Vec::new(),
        ack: Ack::NONE,
        missing: Vec::new(),
        resend_from: None,
        revocations: Revocations::default(),
        compact: false,
        typed: None,
    }
}

/// The grant at place `seq` of the authority chain, as if its signature had been checked.
pub(crate) fn believed(seq: u64, change: impl FnOnce(&mut VerifiedGrant)) -> VerifiedGrant {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&seq.to_be_bytes());
    let mut grant = VerifiedGrant {
        body: grant_body(),
        issued_at: at(ISSUED),
        id: EventId(id),
        seq: Seq(seq),
        issuer: CertificateId([1; 32]),
    };
    change(&mut grant);
    grant
}

/// The same with bytes that say nothing.
pub(crate) fn offered(seq: u64, change: impl FnOnce(&mut VerifiedGrant)) -> AppliedGrant {
    let verified = believed(seq, change);
    let grant = Grant {
        version: VERSION,
        chain: ChainId([0; 32]),
        seq: verified.seq,
        prev: Link::START,
        core: Vec::new(),
        signature: Signature([0; 64]),
        certificate: Vec::new(),
    };
    AppliedGrant { grant, verified }
}

/// A device with an open chain of two events and no grant.
pub(crate) fn pending() -> Device {
    let mut saved = Saved::start(at(ISSUED));
    saved.head.seq = Seq(2);
    saved.head.link = Link([2; 32]);
    Device::from_parts(Parts {
        origin: origin(),
        opened: opened(),
        saved,
        fingerprint: opened().fingerprint,
        life: Life::Open,
        meters: std::collections::BTreeMap::new(),
        grant: None,
        revocations: Revocations::default(),
    })
}

pub(crate) fn reading(wall: Micros) -> Reading {
    Reading { wall, monotonic: 0 }
}

pub(crate) fn now(wall: Micros, fingerprint: &[FingerprintComponent]) -> Now<'_> {
    let (instance, boot) = (InstanceId([1; 16]), InstanceId([2; 16]));
    Now { reading: reading(wall), instance, boot, fingerprint }
}
