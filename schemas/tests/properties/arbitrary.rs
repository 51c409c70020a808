//! Any event of every kind, any value in every field.

use counterfoil_schemas::event::authority::{
    ActivationReleased, AttachmentErased, AuthorityRestored, ChainForked, CodeReceived, EntitlementChanged,
    LicenseIssued, LicenseStatusChanged, PeriodSealed, QuotaWrittenOff, ReleaseReason, Role, UsageAdjusted,
};
use counterfoil_schemas::event::catalog::{
    CustomerDefined, IssuerCertified, IssuerRevoked, OperatorChanged, PackPublished, PolicyDefined,
    ProductDefined,
};
use counterfoil_schemas::event::device::{
    ActivationRequested, AgentStarted, BorrowOpened, BorrowReturned, ChainClosed, ChainOpened, Claim,
    ClockNoted, CloseReason, CodeIssued, FeatureConsumed, FeatureRefunded, FingerprintChanged,
    FingerprintComponent, GrantApplied, GrantRefused, LeaseClosed, LeaseEnd, LeaseOpened, LicenseKeyClaim,
    QuotaReturned, SuccessorClaim, TrialClaim, UsageHour, UserAssertionClaim, VariableSet,
};
use counterfoil_schemas::event::{Body, Event, Kind};
use counterfoil_schemas::grant::{
    Ack, CheckIn, GrantBody, GrantStatus, QuotaLine, ReturnRequest, Revocations, SeqRange, TookIn, Typed,
};
use counterfoil_schemas::ids::{
    CertificateId, ChainId, Commitment, CustomerId, Digest, EventId, FingerprintTag, InstanceId, KeyProof,
    KeyReference, LicenseId, Link, Signature,
};
use counterfoil_schemas::limits;
use counterfoil_schemas::numbers::{Amount, Epoch, FeatureNumber, Micros, Revision, Seconds, Seq, Total};
use counterfoil_schemas::pack::ProductFeature;
use counterfoil_schemas::period::{Period, Reset};
use counterfoil_schemas::terms::{
    After, CustomField, Entitlement, FeatureGrant, FingerprintRule, Floating, LicenseType, Mode, OnFork,
    Policy, Pool, QuotaRule, Rules, SameDevice, Start, Terms, TransferLimit,
};
use counterfoil_schemas::text::BoundedText;
use counterfoil_schemas::typed::{BitWriter, Kind as TypedKind, TypedCode};
use proptest::array::{uniform5, uniform16, uniform32};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// An event of any kind.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    (micros(), body()).prop_map(|(at, body)| Event { at, body })
}

/// A body of any kind: each of [`Body::KINDS`], and one that is passed over.
pub(crate) fn body() -> BoxedStrategy<Body> {
    prop_oneof![device(), metering(), floating_server(), licence(), account(), catalog()].boxed()
}

fn device() -> BoxedStrategy<Body> {
    let opened = (text(), text(), text(), id32(Digest), components(), option::of(id32(Commitment)));
    prop_oneof![
        opened.prop_map(|(product, environment, agent, pack, fingerprint, host)| {
            let opened = ChainOpened { product, environment, agent, pack, fingerprint, host };
            Body::ChainOpened(Box::new(opened))
        }),
        claim().prop_map(|claim| Body::ActivationRequested(Box::new(ActivationRequested { claim }))),
        (id16(InstanceId), id16(InstanceId))
            .prop_map(|(instance, boot)| Body::AgentStarted(AgentStarted { instance, boot })),
        (epoch(), seq(), id32(EventId)).prop_map(|(epoch, seq, grant)| Body::GrantApplied(GrantApplied {
            epoch,
            seq,
            grant
        })),
        (epoch(), seq(), text()).prop_map(|(epoch, seq, code)| Body::GrantRefused(GrantRefused {
            epoch,
            seq,
            code
        })),
        (text(), id32(Commitment)).prop_map(|(name, value)| Body::VariableSet(VariableSet { name, value })),
        (micros(), micros()).prop_map(|(expected, wall)| Body::ClockNoted(ClockNoted { expected, wall })),
        (components(), any::<u8>()).prop_map(|(fingerprint, matched)| {
            Body::FingerprintChanged(FingerprintChanged { fingerprint, matched })
        }),
        (any::<u8>(), id32(Digest)).prop_map(|(code, digest)| Body::CodeIssued(CodeIssued { code, digest })),
        (choice(CloseReason::ALL), option::of(id32(ChainId)))
            .prop_map(|(reason, successor)| Body::ChainClosed(ChainClosed { reason, successor })),
        (128..=u16::MAX, canonical_value())
            .prop_map(|(kind, bytes)| Body::PassedOver(Kind(kind), bytes.into())),
    ]
    .boxed()
}

fn claim() -> BoxedStrategy<Claim> {
    prop_oneof![
        id32(KeyProof).prop_map(|proof| Claim::LicenseKey(LicenseKeyClaim { proof })),
        Just(Claim::Trial(TrialClaim {})),
        blob().prop_map(|assertion| Claim::UserAssertion(UserAssertionClaim { assertion })),
        (id32(ChainId), signature())
            .prop_map(|(follows, signature)| Claim::Successor(SuccessorClaim { follows, signature })),
    ]
    .boxed()
}

fn metering() -> BoxedStrategy<Body> {
    let consumed = (feature(), period(), amount(), total(), option::of(micros()), option::of(text()));
    prop_oneof![
        consumed.prop_map(|(feature, period, n, total, used_at, reference)| {
            Body::FeatureConsumed(FeatureConsumed { feature, period, n, total, used_at, reference })
        }),
        (feature(), period(), amount(), seq()).prop_map(|(feature, period, n, consumption)| {
            Body::FeatureRefunded(FeatureRefunded { feature, period, n, consumption })
        }),
        (feature(), period(), amount(), total()).prop_map(|(feature, period, n, total)| {
            Body::QuotaReturned(QuotaReturned { feature, period, n, total })
        }),
    ]
    .boxed()
}

fn floating_server() -> BoxedStrategy<Body> {
    let lent = || (id16(InstanceId), feature(), amount(), micros(), id32(Commitment));
    prop_oneof![
        lent().prop_map(|(lease, pool, n, until, client)| {
            Body::LeaseOpened(Box::new(LeaseOpened { lease, pool, n, until, client }))
        }),
        (id16(InstanceId), choice(LeaseEnd::ALL))
            .prop_map(|(lease, end)| Body::LeaseClosed(LeaseClosed { lease, end })),
        lent().prop_map(|(borrow, pool, n, until, client)| {
            Body::BorrowOpened(Box::new(BorrowOpened { borrow, pool, n, until, client }))
        }),
        id16(InstanceId).prop_map(|borrow| Body::BorrowReturned(BorrowReturned { borrow })),
        (feature(), micros(), any::<u32>(), any::<u32>()).prop_map(|(pool, hour, peak, denials)| {
            Body::UsageHour(UsageHour { pool, hour, peak, denials })
        }),
    ]
    .boxed()
}

fn licence() -> BoxedStrategy<Body> {
    let reason = || option::of(id32(Commitment)).prop_map(|reason| LicenseStatusChanged { reason });
    prop_oneof![
        (uniform5(any::<u8>()), id16(CustomerId), text(), terms()).prop_map(
            |(key, customer, policy, terms)| {
                let key = KeyReference(key);
                Body::LicenseIssued(Box::new(LicenseIssued { key, customer, policy, terms }))
            }
        ),
        (terms(), option::of(id32(Commitment))).prop_map(|(terms, reason)| {
            Body::EntitlementChanged(Box::new(EntitlementChanged { terms, reason }))
        }),
        reason().prop_map(Body::LicenseSuspended),
        reason().prop_map(Body::LicenseResumed),
        reason().prop_map(Body::LicenseRevoked),
        grant().prop_map(|grant| Body::GrantIssued(Box::new(grant))),
    ]
    .boxed()
}

fn account() -> BoxedStrategy<Body> {
    let released =
        (id32(ChainId), choice(ReleaseReason::ALL), micros(), any::<bool>(), option::of(id32(Commitment)));
    let sealed = (feature(), period(), total(), id32(Digest), uniform4());
    prop_oneof![
        released.prop_map(|(chain, why, seat_free_at, overridden, reason)| {
            Body::ActivationReleased(ActivationReleased { chain, why, seat_free_at, overridden, reason })
        }),
        (id32(ChainId), feature(), period(), total(), any::<bool>()).prop_map(
            |(chain, feature, period, total, overridden)| {
                Body::QuotaWrittenOff(QuotaWrittenOff { chain, feature, period, total, overridden })
            }
        ),
        (id32(ChainId), seq(), blob()).prop_map(|(chain, seq, proof)| {
            Body::ChainForked(Box::new(ChainForked { chain, seq, proof }))
        }),
        (feature(), period(), total(), total(), option::of(id32(Commitment))).prop_map(
            |(feature, period, added, removed, reason)| {
                Body::UsageAdjusted(Box::new(UsageAdjusted { feature, period, added, removed, reason }))
            }
        ),
        sealed.prop_map(|(feature, period, used, evidence, [silent, gaps, forks, clocks])| {
            let sealed = PeriodSealed { feature, period, used, evidence, silent, gaps, forks, clocks };
            Body::PeriodSealed(Box::new(sealed))
        }),
        (epoch(), seq(), id32(Link)).prop_map(|(epoch, seq, link)| {
            Body::AuthorityRestored(Box::new(AuthorityRestored { epoch, seq, link }))
        }),
        vec(id32(Commitment), 0..4)
            .prop_map(|commitments| Body::AttachmentErased(AttachmentErased { commitments })),
        (id32(ChainId), typed_code())
            .prop_map(|(chain, code)| Body::CodeReceived(Box::new(CodeReceived { chain, code }))),
    ]
    .boxed()
}

/// Any code whose groups are right, whatever its fields say.
fn typed_code() -> impl Strategy<Value = TypedCode> {
    let kind = prop_oneof![Just(TypedKind::Request), Just(TypedKind::Unlock), Just(TypedKind::Return)];
    (kind, vec(any::<u8>(), 0..90)).prop_map(|(kind, bytes)| {
        let mut writer = BitWriter::new(kind);
        writer.bytes(&bytes);
        writer.finish()
    })
}

fn catalog() -> BoxedStrategy<Body> {
    let product_feature = (feature(), text(), any::<bool>())
        .prop_map(|(number, name, metered)| ProductFeature { number, name, metered });
    prop_oneof![
        (text(), vec(product_feature, 0..4)).prop_map(|(product, features)| {
            Body::ProductDefined(Box::new(ProductDefined { product, features }))
        }),
        policy().prop_map(|policy| Body::PolicyDefined(Box::new(PolicyDefined { policy }))),
        (text(), any::<u32>(), id32(Digest)).prop_map(|(product, version, digest)| {
            Body::PackPublished(Box::new(PackPublished { product, version, digest }))
        }),
        blob().prop_map(|certificate| Body::IssuerCertified(Box::new(IssuerCertified { certificate }))),
        (id32(CertificateId), option::of(id32(Commitment)))
            .prop_map(|(certificate, reason)| Body::IssuerRevoked(IssuerRevoked { certificate, reason })),
        (id32(Commitment), choice(Role::ALL), any::<bool>()).prop_map(|(operator, role, active)| {
            Body::OperatorChanged(OperatorChanged { operator, role, active })
        }),
        (id16(CustomerId), id32(Commitment))
            .prop_map(|(customer, name)| Body::CustomerDefined(CustomerDefined { customer, name })),
    ]
    .boxed()
}

fn grant() -> impl Strategy<Value = GrantBody> {
    let names = (id32(ChainId), id16(LicenseId), text(), text(), epoch());
    let status = (choice(GrantStatus::ALL), option::of(text()), option::of(entitlement()), check_in());
    let conditions = (option::of(micros()), seconds(), fingerprint_rule(), option::of(choice(OnFork::ALL)));
    let quotas = (vec(quota_line(), 0..3), vec(return_request(), 0..3), option::of(floating()));
    let typed = (any::<u16>(), any::<u16>(), id32(Digest)).prop_map(|(key, policy, answers)| Typed {
        key,
        policy,
        answers,
    });
    let known = (
        vec(took_in(), 0..3),
        ack(),
        vec(seq_range(), 0..3),
        option::of(seq()),
        revocations(),
        any::<bool>(),
        option::of(typed),
    );
    (names, status, conditions, quotas, known).prop_map(|(names, status, conditions, quotas, known)| {
        GrantBody {
            device: names.0,
            license: names.1,
            product: names.2,
            environment: names.3,
            epoch: names.4,
            status: status.0,
            reason: status.1,
            entitlement: status.2,
            check_in: status.3,
            import_until: conditions.0,
            clock_tolerance: conditions.1,
            fingerprint: conditions.2,
            forked: conditions.3,
            quotas: quotas.0,
            return_requests: quotas.1,
            floating: quotas.2,
            took_in: known.0,
            ack: known.1,
            missing: known.2,
            resend_from: known.3,
            revocations: known.4,
            compact: known.5,
            typed: known.6,
        }
    })
}

fn check_in() -> impl Strategy<Value = CheckIn> {
    (option::of(micros()), seconds(), choice(After::ALL)).prop_map(|(sync_by, grace, after)| CheckIn {
        sync_by,
        grace,
        after,
    })
}

fn quota_line() -> impl Strategy<Value = QuotaLine> {
    (feature(), period(), period(), total(), total()).prop_map(
        |(feature, first, last, granted, written_off)| QuotaLine {
            feature,
            first,
            last,
            granted,
            written_off,
        },
    )
}

fn return_request() -> impl Strategy<Value = ReturnRequest> {
    (feature(), period(), total()).prop_map(|(feature, period, n)| ReturnRequest { feature, period, n })
}

fn took_in() -> impl Strategy<Value = TookIn> {
    (id32(ChainId), seq(), seq(), id32(Link)).prop_map(|(chain, first_seq, seq, link)| TookIn {
        chain,
        first_seq,
        seq,
        link,
    })
}

fn ack() -> impl Strategy<Value = Ack> {
    (seq(), id32(Link)).prop_map(|(seq, link)| Ack { seq, link })
}

fn seq_range() -> impl Strategy<Value = SeqRange> {
    (seq(), seq()).prop_map(|(first, last)| SeqRange { first, last })
}

fn revocations() -> impl Strategy<Value = Revocations> {
    (any::<u32>(), vec(id32(CertificateId), 0..3))
        .prop_map(|(version, certificates)| Revocations { version, certificates })
}

fn policy() -> impl Strategy<Value = Policy> {
    let names = (text(), text(), choice(LicenseType::ALL), choice(Start::ALL));
    let spans = (option::of(seconds()), option::of(seconds()));
    let parts = (names, spans, vec(feature_grant(), 0..4), rules(), option::of(any::<u16>()));
    parts.prop_map(|(names, spans, features, rules, air_gapped)| Policy {
        name: names.0,
        product: names.1,
        kind: names.2,
        start: names.3,
        valid_for: spans.0,
        maintenance_for: spans.1,
        features,
        rules,
        air_gapped,
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    (entitlement(), option::of(seconds()), rules()).prop_map(|(entitlement, valid_from_activation, rules)| {
        Terms { entitlement, valid_from_activation, rules }
    })
}

fn entitlement() -> impl Strategy<Value = Entitlement> {
    let dates = (micros(), option::of(micros()), option::of(micros()));
    let custom = (text(), text()).prop_map(|(name, value)| CustomField { name, value });
    (any::<u32>(), choice(LicenseType::ALL), dates, vec(feature_grant(), 0..4), vec(custom, 0..3)).prop_map(
        |(revision, kind, dates, features, custom)| Entitlement {
            revision: Revision(revision),
            kind,
            starts_at: dates.0,
            valid_until: dates.1,
            maintenance_until: dates.2,
            features,
            custom,
        },
    )
}

fn feature_grant() -> impl Strategy<Value = FeatureGrant> {
    let grants = (feature(), text(), choice(Mode::ALL), choice(Reset::ALL), option::of(seconds()));
    grants.prop_map(|(number, name, mode, reset, valid_for)| FeatureGrant {
        number,
        name,
        mode,
        reset,
        valid_for,
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let transfers = || (any::<u32>(), seconds()).prop_map(|(count, window)| TransferLimit { count, window });
    let seats = (any::<u32>(), option::of(transfers()), choice(SameDevice::ALL), choice(OnFork::ALL));
    let check_in = (option::of(seconds()), seconds(), choice(After::ALL));
    let limits = (option::of(seconds()), seconds(), fingerprint_rule(), any::<u16>(), option::of(floating()));
    let history = (option::of(transfers()), any::<bool>());
    (seats, vec(quota_rule(), 0..3), check_in, limits, history).prop_map(
        |(seats, quotas, check_in, limits, history)| Rules {
            max_activations: seats.0,
            transfers: seats.1,
            same_device: seats.2,
            on_fork: seats.3,
            quotas,
            sync_every: check_in.0,
            grace: check_in.1,
            after: check_in.2,
            import_for: limits.0,
            clock_tolerance: limits.1,
            fingerprint: limits.2,
            finalisation_days: limits.3,
            heals: history.0,
            compact: history.1,
            floating: limits.4,
        },
    )
}

fn quota_rule() -> impl Strategy<Value = QuotaRule> {
    (feature(), total(), total(), option::of(total()))
        .prop_map(|(feature, limit, overage, share)| QuotaRule { feature, limit, overage, share })
}

fn fingerprint_rule() -> impl Strategy<Value = FingerprintRule> {
    (any::<u8>(), any::<u8>(), seconds()).prop_map(|(required, of, grace)| FingerprintRule {
        required,
        of,
        grace,
    })
}

fn floating() -> impl Strategy<Value = Floating> {
    let pool = (feature(), any::<u32>()).prop_map(|(feature, seats)| Pool { feature, seats });
    (vec(pool, 0..3), seconds(), seconds()).prop_map(|(pools, longest_lease, longest_borrow)| Floating {
        pools,
        longest_lease,
        longest_borrow,
    })
}

fn components() -> impl Strategy<Value = Vec<FingerprintComponent>> {
    let component = (any::<u8>(), id16(FingerprintTag))
        .prop_map(|(component, tag)| FingerprintComponent { component, tag });
    vec(component, 0..6)
}

/// Bytes of one canonical value of any shape.
pub(crate) fn canonical_value() -> BoxedStrategy<Vec<u8>> {
    use counterfoil_schemas::canonical::append;
    let leaf = prop_oneof![
        number().prop_map(|n| counterfoil_schemas::canonical::to_bytes(&n)),
        "\\PC{0,40}".prop_map(|text| counterfoil_schemas::canonical::to_bytes(&text)),
        id32(Digest).prop_map(|id| counterfoil_schemas::canonical::to_bytes(&id)),
    ];
    leaf.prop_recursive(4, 32, 20, |inner| {
        vec(inner, 0..20).prop_map(|values| {
            let mut bytes = Vec::new();
            append(&mut bytes, &vec![0_u8; values.len()]);
            // The header of an array of so many elements; the elements themselves follow.
            bytes.truncate(bytes.len() - values.len());
            bytes.extend(values.concat());
            bytes
        })
    })
    .boxed()
}

/// Numbers of every width: those about the powers of two are as likely as all others.
pub(crate) fn number() -> BoxedStrategy<u64> {
    let edge =
        (0..64_u32, 0..3_u64).prop_map(|(power, step)| (1_u64 << power).wrapping_sub(1).wrapping_add(step));
    prop_oneof![0..200_u64, edge, any::<u64>()].boxed()
}

fn text<const MAX: usize>() -> BoxedStrategy<BoundedText<MAX>> {
    prop_oneof!["\\PC{0,12}", "[a-z]{30,70}"]
        .prop_filter_map("text of a field", |text| BoundedText::new(&text))
        .boxed()
}

fn choice<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn id32<T: std::fmt::Debug>(make: fn([u8; 32]) -> T) -> impl Strategy<Value = T> {
    uniform32(any::<u8>()).prop_map(make)
}

fn id16<T: std::fmt::Debug>(make: fn([u8; 16]) -> T) -> impl Strategy<Value = T> {
    uniform16(any::<u8>()).prop_map(make)
}

fn signature() -> impl Strategy<Value = Signature> {
    (uniform32(any::<u8>()), uniform32(any::<u8>())).prop_map(|(left, right)| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&left);
        bytes[32..].copy_from_slice(&right);
        Signature(bytes)
    })
}

fn uniform4() -> impl Strategy<Value = [u32; 4]> {
    proptest::array::uniform4(any::<u32>())
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..300)
}

fn micros() -> impl Strategy<Value = Micros> {
    number().prop_map(Micros::new)
}

fn seconds() -> impl Strategy<Value = Seconds> {
    number().prop_map(Seconds)
}

fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(Seq)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u32>().prop_map(Epoch)
}

fn feature() -> impl Strategy<Value = FeatureNumber> {
    any::<u16>().prop_map(FeatureNumber)
}

fn period() -> impl Strategy<Value = Period> {
    (choice(Reset::ALL), micros()).prop_map(|(reset, at)| Period::of(reset, at))
}

fn amount() -> impl Strategy<Value = Amount> {
    number().prop_filter_map("an amount", |n| Amount::new(n % (1 << 32)))
}

fn total() -> impl Strategy<Value = Total> {
    number().prop_filter_map("a total", |n| Total::new(n % (limits::TOTAL_MAX + 1)))
}
