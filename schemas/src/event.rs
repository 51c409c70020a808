//! Events: one immutable, signed fact each. An event's core is `[at, kind, body]`; its place is not in it.

pub mod authority;
pub mod catalog;
pub mod device;

use serde::Serialize;
use serde::ser::SerializeStruct as _;

use self::authority::{
    ActivationReleased, AttachmentErased, AuthorityRestored, ChainForked, CodeReceived, EntitlementChanged,
    LicenseIssued, LicenseStatusChanged, PeriodSealed, QuotaWrittenOff, UsageAdjusted,
};
use self::catalog::{
    CustomerDefined, IssuerCertified, IssuerRevoked, OperatorChanged, PackPublished, PolicyDefined,
    ProductDefined,
};
use self::device::{
    ActivationRequested, AgentStarted, BorrowOpened, BorrowReturned, ChainClosed, ChainOpened, ClockNoted,
    CodeIssued, FeatureConsumed, FeatureRefunded, FingerprintChanged, GrantApplied, GrantRefused,
    LeaseClosed, LeaseOpened, QuotaReturned, UsageHour, VariableSet,
};
use crate::canonical::{self, Cursor, DecodeError};
use crate::grant::GrantBody;
use crate::limits;
use crate::numbers::Micros;

/// A decoded event core.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// When it happened, by the writer's effective time.
    pub at: Micros,
    /// What happened.
    pub body: Body,
}

impl Event {
    /// The canonical core.
    pub fn encode(&self) -> Vec<u8> {
        let mut core = Vec::with_capacity(48);
        core.push(0x93);
        canonical::append(&mut core, &self.at);
        canonical::append(&mut core, &self.body.kind().0);
        self.body.append(&mut core);
        core
    }

    /// The kind of a core of which nothing else is looked at; nothing where it is no core.
    pub fn kind_of(core: &[u8]) -> Option<Kind> {
        let mut cursor = Cursor::new(core);
        cursor.array_of(3).ok()?;
        cursor.uint().ok()?;
        u16::try_from(cursor.uint().ok()?).ok().map(Kind)
    }

    /// Decodes a canonical core.
    ///
    /// # Errors
    /// The first rule that `core` breaks; [`DecodeError::UnknownKind`] for a kind below 128 that is not known.
    pub fn decode(core: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(core);
        cursor.array_of(3)?;
        let at = Micros::from_number(cursor.uint()?).ok_or(DecodeError::OutOfRange)?;
        let kind = u16::try_from(cursor.uint()?).map(Kind).map_err(|_| DecodeError::OutOfRange)?;
        let most =
            if kind.writer() == Some(Writer::Device) { limits::CORE_BYTES } else { limits::GRANT_BYTES };
        if core.len() > most {
            return Err(DecodeError::TooLong);
        }
        let body = match kind {
            Kind::FEATURE_CONSUMED => FeatureConsumed::read_plain(cursor.rest()).map(Body::FeatureConsumed),
            _ => None,
        };
        match body {
            Some(body) => Ok(Self { at, body }),
            None => Ok(Self { at, body: Body::decode(kind, cursor.rest())? }),
        }
    }
}

/// For people: `{"at", "kind", "body"}`, the kind by its name.
impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Event", 3)?;
        object.serialize_field("at", &self.at)?;
        object.serialize_field("kind", self.body.name())?;
        object.serialize_field("body", &self.body)?;
        object.end()
    }
}

/// The number of an event's kind. Below 128 it must be understood; from 128 on it may be passed over.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Kind(pub u16);

impl Kind {
    /// `grant.applied`.
    pub const GRANT_APPLIED: Self = Self(4);
    /// The kind of nearly every event there is.
    const FEATURE_CONSUMED: Self = Self(6);
    /// `quota.returned`.
    pub const QUOTA_RETURNED: Self = Self(8);
    /// `clock.noted`.
    pub const CLOCK_NOTED: Self = Self(10);
    /// `code.issued`.
    pub const CODE_ISSUED: Self = Self(12);
    /// `grant.issued`.
    pub const GRANT_ISSUED: Self = Self(38);

    /// Who writes events of this kind; none for one that is only passed over.
    pub fn writer(self) -> Option<Writer> {
        match self.0 {
            1..=31 => Some(Writer::Device),
            32..=63 => Some(Writer::Authority),
            64..=127 => Some(Writer::Catalog),
            _ => None,
        }
    }
}

/// Which of the three sorts of chain an event stands on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Writer {
    /// A device's chain: one activation.
    Device,
    /// The vendor's chain of one licence.
    Authority,
    /// The vendor's chain of products, policies, customers and keys.
    Catalog,
}

/// Defines [`Body`] from one table: number, name, variant, type.
macro_rules! bodies {
    ($($(#[$doc:meta])* $number:literal $name:literal $variant:ident($body:ty),)*) => {
        /// What an event says. Large bodies are boxed, so that a run of consumptions stays small in memory.
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub enum Body {
            $($(#[$doc])* $variant($body),)*
            /// A kind from 128 on that this version passes over: kept and linked, not interpreted.
            PassedOver(Kind, Box<[u8]>),
        }

        impl Body {
            /// The number of every kind that this version knows, with its name.
            pub const KINDS: &'static [(Kind, &'static str)] = &[$((Kind($number), $name)),*];

            /// The number of the kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$variant(_) => Kind($number),)*
                    Self::PassedOver(kind, _) => *kind,
                }
            }

            /// The name of the kind, such as `feature.consumed`.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                    Self::PassedOver(..) => "passed.over",
                }
            }

            fn append(&self, core: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(body) => canonical::append(core, body),)*
                    Self::PassedOver(_, bytes) => core.extend_from_slice(bytes),
                }
            }

            #[inline]
            fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, DecodeError> {
                match kind.0 {
                    $($number => canonical::from_bytes(bytes).map(Self::$variant),)*
                    128.. => {
                        let mut cursor = Cursor::new(bytes);
                        cursor.skip_value()?;
                        cursor.finish().map(|()| Self::PassedOver(kind, bytes.into()))
                    }
                    _ => Err(DecodeError::UnknownKind),
                }
            }
        }

        impl Serialize for Body {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(body) => body.serialize(serializer),)*
                    Self::PassedOver(kind, _) => {
                        #[derive(Serialize)]
                        struct Number { number: u16 }
                        Number { number: kind.0 }.serialize(serializer)
                    }
                }
            }
        }
    };
}

bodies! {
    /// A device opened its chain.
    1 "chain.opened" ChainOpened(Box<ChainOpened>),
    /// The device asks for an activation.
    2 "activation.requested" ActivationRequested(Box<ActivationRequested>),
    /// The agent started; stands only before another event.
    3 "agent.started" AgentStarted(AgentStarted),
    /// A grant was applied.
    4 "grant.applied" GrantApplied(GrantApplied),
    /// A grant was not applied.
    5 "grant.refused" GrantRefused(GrantRefused),
    /// Units of a metered feature were used.
    6 "feature.consumed" FeatureConsumed(FeatureConsumed),
    /// Units were given back to the meter.
    7 "feature.refunded" FeatureRefunded(FeatureRefunded),
    /// Reserved quota was given back to the vendor.
    8 "quota.returned" QuotaReturned(QuotaReturned),
    /// A device variable was set.
    9 "variable.set" VariableSet(VariableSet),
    /// The clock moved beyond its tolerance.
    10 "clock.noted" ClockNoted(ClockNoted),
    /// The device's fingerprint changed.
    11 "fingerprint.changed" FingerprintChanged(FingerprintChanged),
    /// A code was shown to be typed elsewhere.
    12 "code.issued" CodeIssued(CodeIssued),
    /// The chain ended.
    13 "chain.closed" ChainClosed(ChainClosed),
    /// A floating server lent seats.
    14 "lease.opened" LeaseOpened(Box<LeaseOpened>),
    /// Lent seats came back.
    15 "lease.closed" LeaseClosed(LeaseClosed),
    /// A floating server lent seats to be taken offline.
    16 "borrow.opened" BorrowOpened(Box<BorrowOpened>),
    /// Borrowed seats came back.
    17 "borrow.returned" BorrowReturned(BorrowReturned),
    /// One hour of a floating server's pool.
    18 "usage.hour" UsageHour(UsageHour),
    /// A licence was issued.
    32 "license.issued" LicenseIssued(Box<LicenseIssued>),
    /// What a licence grants was changed.
    33 "entitlement.changed" EntitlementChanged(Box<EntitlementChanged>),
    /// A licence was suspended.
    34 "license.suspended" LicenseSuspended(LicenseStatusChanged),
    /// A suspended licence was resumed.
    35 "license.resumed" LicenseResumed(LicenseStatusChanged),
    /// A licence was revoked for good.
    36 "license.revoked" LicenseRevoked(LicenseStatusChanged),
    /// An activation ended.
    37 "activation.released" ActivationReleased(ActivationReleased),
    /// A grant was issued.
    38 "grant.issued" GrantIssued(Box<GrantBody>),
    /// Quota that a silent device holds was written off.
    39 "quota.written_off" QuotaWrittenOff(QuotaWrittenOff),
    /// A fork of a device chain is proved.
    40 "chain.forked" ChainForked(Box<ChainForked>),
    /// A sealed period's usage was adjusted.
    41 "usage.adjusted" UsageAdjusted(Box<UsageAdjusted>),
    /// A period's usage was sealed.
    42 "period.sealed" PeriodSealed(Box<PeriodSealed>),
    /// The authority chain goes on after a backup was restored.
    43 "authority.restored" AuthorityRestored(Box<AuthorityRestored>),
    /// Personal data was erased.
    44 "attachment.erased" AttachmentErased(AttachmentErased),
    /// A code was typed for a device.
    45 "code.received" CodeReceived(Box<CodeReceived>),
    /// A product was defined or changed.
    64 "product.defined" ProductDefined(Box<ProductDefined>),
    /// A policy was defined or changed.
    65 "policy.defined" PolicyDefined(Box<PolicyDefined>),
    /// A pack was published.
    66 "pack.published" PackPublished(Box<PackPublished>),
    /// An issuer key was certified.
    67 "issuer.certified" IssuerCertified(Box<IssuerCertified>),
    /// An issuer key was revoked.
    68 "issuer.revoked" IssuerRevoked(IssuerRevoked),
    /// An operator was added, changed or removed.
    69 "operator.changed" OperatorChanged(OperatorChanged),
    /// A customer was defined or renamed.
    70 "customer.defined" CustomerDefined(CustomerDefined),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::{Amount, FeatureNumber, Total};
    use crate::period::{Period, Reset};

    fn consumption() -> Event {
        let at = Micros::parse("2026-11-24T07:00:00Z").expect("RFC 3339");
        let body = FeatureConsumed {
            feature: FeatureNumber(2),
            period: Period::of(Reset::Month, at),
            n: Amount::new(5).expect("not zero"),
            total: Total::new(12).expect("small"),
            used_at: None,
            reference: None,
        };
        Event { at, body: Body::FeatureConsumed(body) }
    }

    #[test]
    fn a_consumption_is_small_on_the_wire_and_in_memory() {
        assert_eq!(consumption().encode().len(), 20);
        assert_eq!(Event::kind_of(&consumption().encode()), Some(consumption().body.kind()));
        assert!(size_of::<Event>() <= 88, "{}", size_of::<Event>());
    }

    #[test]
    fn unknown_kinds_are_refused_below_128_and_passed_over_above() {
        assert_eq!(Event::decode(&[0x93, 0, 31, 0x90]), Err(DecodeError::UnknownKind));
        let passed = Event::decode(&[0x93, 0, 0xcc, 200, 0x91, 0x01]).map(|event| event.body);
        assert_eq!(passed, Ok(Body::PassedOver(Kind(200), [0x91, 0x01].into())));
        assert_eq!(Event::decode(&[0x93, 0, 0xcc, 200, 0x91, 0xc0]), Err(DecodeError::Nil));
    }

    #[test]
    fn a_device_event_beyond_its_limit_is_refused() {
        let mut core = vec![0x93, 0, 9];
        core.resize(limits::CORE_BYTES + 1, 0);
        assert_eq!(Event::decode(&core), Err(DecodeError::TooLong));
    }
}
