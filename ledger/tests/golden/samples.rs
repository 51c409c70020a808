//! An event of every kind, and of every form that a kind can take.

use counterfoil_ledger::chain;
use counterfoil_ledger::codes::request;
use counterfoil_ledger::license_key::KeySecret;
use counterfoil_ledger::trust;
use schemas::event::authority::{
    ActivationReleased, AttachmentErased, AuthorityRestored, ChainForked, CodeReceived, EntitlementChanged,
    LicenseStatusChanged, PeriodSealed, QuotaWrittenOff, ReleaseReason, Role, UsageAdjusted,
};
use schemas::event::catalog::{
    CustomerDefined, IssuerCertified, IssuerRevoked, OperatorChanged, PackPublished, PolicyDefined,
    ProductDefined,
};
use schemas::event::device::{
    ActivationRequested, AgentStarted, BorrowOpened, BorrowReturned, ChainClosed, Claim, ClockNoted,
    CloseReason, CodeIssued, FeatureConsumed, FeatureRefunded, FingerprintChanged, GrantRefused, LeaseClosed,
    LeaseEnd, LeaseOpened, QuotaReturned, SuccessorClaim, TrialClaim, UsageHour, UserAssertionClaim,
};
use schemas::event::{Body, Event, Kind};
use schemas::grant::{GrantBody, GrantStatus, ReturnRequest, Revocations, SeqRange, Typed};
use schemas::ids::{ChainId, Commitment, Digest, InstanceId, KeyReference, Link};
use schemas::numbers::{Epoch, FeatureNumber, Seconds, Seq};
use schemas::terms::{Entitlement, Floating, OnFork, Pool, Rules};
use schemas::typed::TypedCode;

use crate::world::{
    RENDER, amount, at, attachment, authority_events, certificate, consumption, customer, device,
    device_chain, device_events, entitlement, fingerprint, grant_body, issuer_certificate, month, pack,
    policy, product_features, rules, terms, text, total,
};

/// The name of a vector and its event. A kind with several forms has several vectors.
pub(crate) fn events() -> Vec<(String, Event)> {
    let mut bodies = from_runs();
    bodies.extend(device_bodies());
    bodies.extend(metering_bodies());
    bodies.extend(floating_bodies());
    bodies.extend(licence_bodies());
    bodies.extend(account_bodies());
    bodies.extend(catalog_bodies());
    let named = |(form, body): (&str, Body)| {
        let name = if form.is_empty() { body.name().to_owned() } else { format!("{}.{form}", body.name()) };
        (name, Event { at: at(60), body })
    };
    bodies.into_iter().map(named).collect()
}

type Form = (&'static str, Body);

/// The kinds that the device's and the licence's run show in their usual form.
fn from_runs() -> Vec<Form> {
    let [opened, requested, applied, consumed, referred, set] =
        bodies_of(device_events()).try_into().expect("the device's six events");
    let [issued, granted] = bodies_of(authority_events()).try_into().expect("the licence's two events");
    vec![
        ("", opened),
        ("", requested),
        ("", applied),
        ("", consumed),
        ("with-ref", referred),
        ("", set),
        ("", issued),
        ("", granted),
    ]
}

fn bodies_of(events: Vec<Event>) -> Vec<Body> {
    events.into_iter().map(|event| event.body).collect()
}

fn device_bodies() -> Vec<Form> {
    let next = ChainId([9; 32]);
    let follows = SuccessorClaim {
        follows: device_chain(),
        signature: chain::sign_successor(&device(), &device_chain(), &next),
    };
    let claim = |claim| Body::ActivationRequested(Box::new(ActivationRequested { claim }));
    let code = text("superseded");
    vec![
        ("trial", claim(Claim::Trial(TrialClaim {}))),
        ("user-assertion", claim(Claim::UserAssertion(UserAssertionClaim { assertion: vec![0xa5; 40] }))),
        ("successor", claim(Claim::Successor(follows))),
        ("", Body::AgentStarted(AgentStarted { instance: InstanceId([1; 16]), boot: InstanceId([2; 16]) })),
        ("", Body::GrantRefused(GrantRefused { epoch: Epoch(0), seq: Seq(2), code })),
        ("", Body::ClockNoted(ClockNoted { expected: at(60), wall: at(60) + Seconds::days(400) })),
        ("", Body::FingerprintChanged(FingerprintChanged { fingerprint: fingerprint(), matched: 4 })),
        ("", Body::CodeIssued(CodeIssued { code: 2, digest: Digest([8; 32]) })),
        ("", Body::ChainClosed(ChainClosed { reason: CloseReason::Deactivated, successor: None })),
        (
            "succeeded",
            Body::ChainClosed(ChainClosed { reason: CloseReason::Succeeded, successor: Some(next) }),
        ),
    ]
}

fn metering_bodies() -> Vec<Form> {
    let (feature, period) = (RENDER, month());
    vec![
        (
            "with-used-at",
            Body::FeatureConsumed(FeatureConsumed { used_at: Some(at(7)), ..consumption(300, 70_000) }),
        ),
        ("", Body::FeatureRefunded(FeatureRefunded { feature, period, n: amount(2), consumption: Seq(4) })),
        ("", Body::QuotaReturned(QuotaReturned { feature, period, n: amount(100), total: total(100) })),
    ]
}

fn floating_bodies() -> Vec<Form> {
    let (lease, borrow, client) = (InstanceId([3; 16]), InstanceId([4; 16]), Commitment([0xcc; 32]));
    let pool = FeatureNumber(1);
    let n = amount(1);
    vec![
        ("", Body::LeaseOpened(Box::new(LeaseOpened { lease, pool, n, until: at(360), client }))),
        ("", Body::LeaseClosed(LeaseClosed { lease, end: LeaseEnd::Expired })),
        ("", Body::BorrowOpened(Box::new(BorrowOpened { borrow, pool, n, until: at(86_400), client }))),
        ("", Body::BorrowReturned(BorrowReturned { borrow })),
        ("", Body::UsageHour(UsageHour { pool, hour: at(0), peak: 17, denials: 3 })),
    ]
}

fn licence_bodies() -> Vec<Form> {
    let reason = Some(Commitment([0xee; 32]));
    let changed = EntitlementChanged { terms: terms(), reason };
    vec![
        ("", Body::EntitlementChanged(Box::new(changed))),
        ("", Body::LicenseSuspended(LicenseStatusChanged { reason })),
        ("", Body::LicenseResumed(LicenseStatusChanged { reason: None })),
        ("", Body::LicenseRevoked(LicenseStatusChanged { reason })),
        ("denied", Body::GrantIssued(Box::new(denied()))),
        ("every-field", Body::GrantIssued(Box::new(every_field()))),
    ]
}

fn denied() -> GrantBody {
    GrantBody {
        status: GrantStatus::Denied,
        reason: Some(text("no_seat_free")),
        entitlement: None,
        quotas: Vec::new(),
        ..grant_body()
    }
}

/// A grant with no field left out.
fn every_field() -> GrantBody {
    let floating = floating();
    GrantBody {
        entitlement: Some(Entitlement { maintenance_until: Some(at(9)), ..entitlement() }),
        import_until: Some(at(86_400)),
        forked: Some(OnFork::Stop),
        return_requests: vec![ReturnRequest { feature: RENDER, period: month(), n: total(50) }],
        floating: Some(floating),
        missing: vec![SeqRange { first: Seq(3), last: Seq(7) }],
        resend_from: Some(Seq(3)),
        revocations: Revocations { version: 1, certificates: vec![issuer_certificate().id] },
        compact: true,
        typed: Some(Typed { key: 0, policy: 1, answers: Digest([0xdd; 32]) }),
        ..grant_body()
    }
}

fn floating() -> Floating {
    let pools = vec![Pool { feature: FeatureNumber(1), seats: 25 }];
    Floating { pools, longest_lease: Seconds(3_600), longest_borrow: Seconds::days(14) }
}

fn account_bodies() -> Vec<Form> {
    let (feature, period, chain) = (RENDER, month(), device_chain());
    let why = ReleaseReason::Silent;
    let released = ActivationReleased {
        chain,
        why,
        seat_free_at: at(0) + Seconds::days(37),
        overridden: true,
        reason: Some(Commitment([0xee; 32])),
    };
    let adjusted = UsageAdjusted { feature, period, added: total(4), removed: total(0), reason: None };
    let sealed = PeriodSealed {
        feature,
        period,
        used: total(12),
        evidence: Digest([0xdd; 32]),
        silent: 1,
        gaps: 0,
        forks: 0,
        clocks: 2,
    };
    let written_off = QuotaWrittenOff { chain, feature, period, total: total(488), overridden: false };
    let forked = ChainForked { chain, seq: Seq(4), proof: vec![0xf0; 300] };
    let restored = AuthorityRestored { epoch: Epoch(0), seq: Seq(2), link: Link([0xab; 32]) };
    vec![
        ("", Body::ActivationReleased(released)),
        ("", Body::QuotaWrittenOff(written_off)),
        ("", Body::ChainForked(Box::new(forked))),
        ("", Body::UsageAdjusted(Box::new(adjusted))),
        ("", Body::PeriodSealed(Box::new(sealed))),
        ("", Body::AuthorityRestored(Box::new(restored))),
        ("", Body::AttachmentErased(AttachmentErased { commitments: vec![attachment().commitment] })),
        ("", Body::CodeReceived(Box::new(CodeReceived { chain, code: request_code() }))),
    ]
}

/// The device's request code for the licence key of the home with the secret `[4; 32]`.
fn request_code() -> TypedCode {
    let origin = device().public();
    let key = KeySecret::new([4; 32]).license_key(KeyReference([1, 2, 3, 4, 5]));
    request::write(&origin, 1, &fingerprint(), &key).expect("it fits")
}

fn catalog_bodies() -> Vec<Form> {
    let product = ProductDefined { product: text("studio"), features: product_features() };
    let mut floating_policy = policy();
    floating_policy.rules = Rules { floating: Some(floating()), ..rules() };
    let published =
        PackPublished { product: text("studio"), version: 1, digest: trust::pack_digest(&pack()) };
    let revoked = IssuerRevoked { certificate: issuer_certificate().id, reason: None };
    let operator = OperatorChanged { operator: Commitment([0x0b; 32]), role: Role::Auditor, active: true };
    let defined = CustomerDefined { customer: customer(), name: Commitment([0x0c; 32]) };
    vec![
        ("", Body::ProductDefined(Box::new(product))),
        ("", Body::PolicyDefined(Box::new(PolicyDefined { policy: policy() }))),
        ("floating", Body::PolicyDefined(Box::new(PolicyDefined { policy: floating_policy }))),
        ("", Body::PackPublished(Box::new(published))),
        ("", Body::IssuerCertified(Box::new(IssuerCertified { certificate: certificate() }))),
        ("", Body::IssuerRevoked(revoked)),
        ("", Body::OperatorChanged(operator)),
        ("", Body::CustomerDefined(defined)),
        ("", Body::PassedOver(Kind(200), vec![0x92, 0x01, 0xa1, b'x'].into())),
    ]
}

/// The catalog's run: what a home says in its first minute.
pub(crate) fn catalog_events() -> Vec<Event> {
    let first =
        ["issuer.certified", "product.defined", "policy.defined", "pack.published", "customer.defined"];
    let bodies: Vec<_> = catalog_bodies().into_iter().filter(|(form, _)| form.is_empty()).collect();
    let body_of =
        |name: &&str| bodies.iter().find(|(_, body)| body.name() == *name).map(|(_, body)| body.clone());
    (1..).zip(first.iter().filter_map(body_of)).map(|(second, body)| Event { at: at(second), body }).collect()
}
