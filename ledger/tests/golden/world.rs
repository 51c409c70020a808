//! A small vendor with one device, the same each time: what the vectors are made from.

use counterfoil_ledger::chain::{self, Head};
use counterfoil_ledger::commitment;
use counterfoil_ledger::keys::SecretKey;
use counterfoil_ledger::license_key::{KeySecret, LicenseKey};
use counterfoil_ledger::run::RunBuilder;
use counterfoil_ledger::trust;
use schemas::bundle::Attachment;
use schemas::certificate::CertificateBody;
use schemas::codes::Code;
use schemas::event::authority::LicenseIssued;
use schemas::event::device::{
    ActivationRequested, ChainOpened, Claim, FeatureConsumed, FingerprintComponent, GrantApplied,
    LicenseKeyClaim, VariableSet,
};
use schemas::event::{Body, Event};
use schemas::grant::{Ack, CheckIn, Grant, GrantBody, GrantStatus, QuotaLine, Revocations, TookIn};
use schemas::ids::{
    ChainId, CustomerId, FingerprintKey, FingerprintTag, KeyReference, LicenseId, Salt, SealingKey,
};
use schemas::notice::Notice;
use schemas::numbers::{Amount, Epoch, FeatureNumber, Micros, Revision, Seconds, Seq, Total};
use schemas::pack::{Pack, PackBody, ProductFeature};
use schemas::period::{Period, Reset};
use schemas::run::{AuthorityOrigin, CatalogOrigin, DeviceOrigin, Origin};
use schemas::terms::{
    After, CustomField, Entitlement, FeatureGrant, FingerprintRule, LicenseType, Mode, OnFork, Policy,
    QuotaRule, Rules, SameDevice, Start, Terms, TransferLimit,
};
use schemas::text::BoundedText;

pub(crate) const RENDER: FeatureNumber = FeatureNumber(2);

pub(crate) fn root() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

pub(crate) fn issuer() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

pub(crate) fn device() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

pub(crate) fn license_key() -> LicenseKey {
    KeySecret::new([4; 32]).license_key(KeyReference([1, 2, 3, 4, 5]))
}

pub(crate) fn license() -> LicenseId {
    LicenseId::parse("01939f2e-7c00-7000-8000-000000000001").expect("a UUID")
}

pub(crate) fn customer() -> CustomerId {
    CustomerId([0xc1; 16])
}

/// `seconds` after the morning on which everything here happens.
pub(crate) fn at(seconds: u64) -> Micros {
    Micros::parse("2026-11-24T07:00:00Z").expect("RFC 3339") + Seconds(seconds)
}

pub(crate) fn month() -> Period {
    Period::of(Reset::Month, at(0))
}

pub(crate) fn text<const MAX: usize>(text: &str) -> BoundedText<MAX> {
    BoundedText::new(text).expect("short and printable")
}

pub(crate) fn amount(n: u64) -> Amount {
    Amount::new(n).expect("in range")
}

pub(crate) fn total(n: u64) -> Total {
    Total::new(n).expect("in range")
}

/// The value that is attached for `variable.set`, under a fixed salt.
pub(crate) fn attachment() -> Attachment {
    let salt = Salt([0x5a; 16]);
    let value = b"plant 7".to_vec();
    Attachment { commitment: commitment::commit(&salt, &value), salt, value }
}

pub(crate) fn fingerprint() -> Vec<FingerprintComponent> {
    (1..=5)
        .map(|component| FingerprintComponent { component, tag: FingerprintTag([component; 16]) })
        .collect()
}

pub(crate) fn product_features() -> Vec<ProductFeature> {
    let feature =
        |number, name, metered| ProductFeature { number: FeatureNumber(number), name: text(name), metered };
    vec![feature(1, "export", false), feature(2, "render", true)]
}

pub(crate) fn feature_grants() -> Vec<FeatureGrant> {
    let feature = |number, name, mode| FeatureGrant {
        number: FeatureNumber(number),
        name: text(name),
        mode,
        reset: if mode == Mode::OnOff { Reset::Never } else { Reset::Month },
        valid_for: (mode == Mode::OnOff).then(|| Seconds::days(90)),
    };
    vec![feature(1, "export", Mode::OnOff), feature(2, "render", Mode::Hard)]
}

pub(crate) fn rules() -> Rules {
    Rules {
        max_activations: 2,
        transfers: Some(TransferLimit { count: 3, window: Seconds::days(365) }),
        same_device: SameDevice::Supersede,
        on_fork: OnFork::Flag,
        quotas: vec![QuotaRule { feature: RENDER, limit: total(1_000), overage: Total::ZERO, share: None }],
        sync_every: Some(Seconds::days(30)),
        grace: Seconds::days(7),
        after: After::Limit,
        import_for: None,
        clock_tolerance: Seconds::days(1),
        fingerprint: FingerprintRule::default(),
        finalisation_days: 10,
        heals: Some(TransferLimit { count: 2, window: Seconds::days(365) }),
        compact: false,
        floating: None,
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        name: text("standard"),
        product: text("studio"),
        kind: LicenseType::Subscription,
        start: Start::Issue,
        valid_for: Some(Seconds::days(365)),
        maintenance_for: None,
        features: feature_grants(),
        rules: rules(),
        air_gapped: Some(1),
    }
}

pub(crate) fn entitlement() -> Entitlement {
    Entitlement {
        revision: Revision(1),
        kind: LicenseType::Subscription,
        starts_at: at(0),
        valid_until: Some(at(0) + Seconds::days(365)),
        maintenance_until: None,
        features: feature_grants(),
        custom: vec![CustomField { name: text("site"), value: text("Łódź") }],
    }
}

pub(crate) fn terms() -> Terms {
    Terms { entitlement: entitlement(), valid_from_activation: None, rules: rules() }
}

pub(crate) fn certificate_body() -> CertificateBody {
    CertificateBody {
        root: root().public(),
        issuer: issuer().public(),
        environment: text("production"),
        products: vec![text("studio")],
        not_before: at(0),
        not_after: at(0) + Seconds::days(730),
    }
}

pub(crate) fn certificate() -> Vec<u8> {
    trust::sign_certificate(&certificate_body(), &root())
}

pub(crate) fn pack_body() -> PackBody {
    PackBody {
        product: text("studio"),
        environment: text("production"),
        version: 1,
        issued_at: at(0),
        root: root().public(),
        sealing: SealingKey([5; 32]),
        fingerprint_key: FingerprintKey([6; 32]),
        fingerprint: FingerprintRule::default(),
        features: product_features(),
        policies: vec![policy()],
        code_keys: vec![issuer().public()],
        portal: Some(text("https://licences.example")),
    }
}

pub(crate) fn pack() -> Pack {
    trust::sign_pack(&pack_body(), &root())
}

pub(crate) fn device_origin() -> Origin {
    Origin::Device(DeviceOrigin { signer: device().public(), reference: license_key().reference() })
}

pub(crate) fn authority_origin() -> Origin {
    Origin::Authority(AuthorityOrigin {
        signer: issuer_certificate().id,
        product: text("studio"),
        environment: text("production"),
        license: license(),
        epoch: Epoch(0),
    })
}

pub(crate) fn catalog_origin() -> Origin {
    let signer = issuer_certificate().id;
    Origin::Catalog(CatalogOrigin { signer, root: root().public(), environment: text("production") })
}

pub(crate) fn issuer_certificate() -> trust::TrustedIssuer {
    trust::verify_certificate(&certificate(), &root().public()).expect("just signed")
}

pub(crate) fn device_chain() -> ChainId {
    chain::chain_of(&device_origin())
}

pub(crate) fn authority_chain() -> ChainId {
    chain::chain_of(&authority_origin())
}

/// What the device does: it asks, applies the first grant, uses and tells.
pub(crate) fn device_events() -> Vec<Event> {
    let first = trust::verify_grant(&first_grant(), &root().public()).expect("just signed");
    let bodies = [
        Body::GrantApplied(GrantApplied { epoch: Epoch(0), seq: first.seq, grant: first.id }),
        Body::FeatureConsumed(consumption(5, 5)),
        Body::FeatureConsumed(FeatureConsumed { reference: Some(text("job-17")), ..consumption(7, 12) }),
        Body::VariableSet(VariableSet { name: text("site"), value: attachment().commitment }),
    ];
    let later = (3..).zip(bodies).map(|(n, body)| Event { at: at(10 * n), body });
    opening_events().into_iter().chain(later).collect()
}

pub(crate) fn consumption(n: u64, so_far: u64) -> FeatureConsumed {
    FeatureConsumed {
        feature: RENDER,
        period: month(),
        n: amount(n),
        total: total(so_far),
        used_at: None,
        reference: None,
    }
}

pub(crate) fn sign_run(origin: Origin, events: &[Event], key: &SecretKey) -> RunBuilder {
    let mut builder = RunBuilder::new(origin, Head::START);
    for event in events {
        builder.push(event, key);
    }
    builder
}

pub(crate) fn device_run() -> Vec<u8> {
    sign_run(device_origin(), &device_events(), &device()).finish()
}

/// The grant that the activation request is answered with.
pub(crate) fn grant_body() -> GrantBody {
    let request = request_head();
    GrantBody {
        device: device_chain(),
        license: license(),
        product: text("studio"),
        environment: text("production"),
        epoch: Epoch(0),
        status: GrantStatus::Active,
        reason: None,
        entitlement: Some(entitlement()),
        check_in: CheckIn {
            sync_by: Some(at(0) + Seconds::days(30)),
            grace: Seconds::days(7),
            after: After::Limit,
        },
        import_until: None,
        clock_tolerance: Seconds::days(1),
        fingerprint: FingerprintRule::default(),
        forked: None,
        quotas: vec![QuotaLine {
            feature: RENDER,
            first: month(),
            last: month().next(),
            granted: total(500),
            written_off: Total::ZERO,
        }],
        return_requests: Vec::new(),
        floating: None,
        took_in: vec![TookIn {
            chain: device_chain(),
            first_seq: Seq(1),
            seq: request.seq,
            link: request.link,
        }],
        ack: Ack::from(request),
        missing: Vec::new(),
        resend_from: None,
        revocations: Revocations::default(),
        compact: false,
        typed: None,
    }
}

pub(crate) fn authority_events() -> Vec<Event> {
    let issued = LicenseIssued {
        key: license_key().reference(),
        customer: customer(),
        policy: text("standard"),
        terms: terms(),
    };
    vec![
        Event { at: at(1), body: Body::LicenseIssued(Box::new(issued)) },
        Event { at: at(25), body: Body::GrantIssued(Box::new(grant_body())) },
    ]
}

pub(crate) fn authority_run() -> Vec<u8> {
    sign_run(authority_origin(), &authority_events(), &issuer()).finish()
}

pub(crate) fn first_grant() -> Grant {
    let [issued, granted] = authority_events().try_into().expect("two events");
    let head = sign_run(authority_origin(), &[issued], &issuer()).head();
    grant_of(&granted, head, certificate())
}

/// `event` as the grant after `head` of the authority chain.
pub(crate) fn grant_of(event: &Event, head: Head, certificate: Vec<u8>) -> Grant {
    let core = event.encode();
    let signature = head.append(&authority_chain(), &core, &issuer()).signature;
    trust::detach(authority_chain(), (head.seq.next(), head.link), core, signature, certificate)
}

pub(crate) fn notice() -> Notice {
    trust::sign_notice(ChainId([7; 32]), Code::LicenseUnknown, at(26), &issuer(), &certificate())
}

/// The activation request.
pub(crate) fn opening_events() -> [Event; 2] {
    let opened = ChainOpened {
        product: text("studio"),
        environment: text("production"),
        agent: text("counterfoil-agent 0.1.0"),
        pack: trust::pack_digest(&pack()),
        fingerprint: fingerprint(),
        host: None,
    };
    let claim = Claim::LicenseKey(LicenseKeyClaim { proof: license_key().proof(&device_chain()) });
    [
        Event { at: at(10), body: Body::ChainOpened(Box::new(opened)) },
        Event { at: at(20), body: Body::ActivationRequested(Box::new(ActivationRequested { claim })) },
    ]
}

fn request_head() -> Head {
    sign_run(device_origin(), &opening_events(), &device()).head()
}
