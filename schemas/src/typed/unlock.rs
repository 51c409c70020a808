//! The unlock code: the vendor answers a request or a return.
//!
//! ```text
//! header 5, epoch 3, place of the grant 20, state 3, policy 6, day issued 15, days since the start 12,
//! days to the end 14, days to the check-in 9, quotas follow 1,
//! for each quota: units 20 + 4, for the periods that follow too 1,
//! signature 512: 600 bits and 25 for each quota, 24 groups and one for each quota
//! ```
//!
//! Whose signature it is and what else it covers is not said here.

use std::num::NonZeroU16;

use serde::Serialize;

use super::fields::{Day, GrantPlace, MessageError, Unfit};
use super::{BitReader, BitWriter, BitsError, Kind, TypedCode};
use crate::ids::Signature;
use crate::limits;
use crate::numbers::{Micros, Seconds, Total};
use crate::wire::choices;

const STATE_BITS: usize = 3;
const POLICY_BITS: usize = 6;
const SINCE_START_BITS: usize = 12;
const TO_END_BITS: usize = 14;
const TO_CHECK_IN_BITS: usize = 9;
const MANTISSA_BITS: usize = 20;
const EXPONENT_BITS: usize = 4;
const SIGNATURE_BITS: usize = 512;

choices! {
    /// What an unlock code tells of the activation.
    UnlockState {
        /// It stands.
        Active = 0 "active",
        /// It stands, and reserved quota is not spent any more.
        Frozen = 1 "frozen",
        /// The licence is suspended.
        Suspended = 2 "suspended",
        /// The licence is revoked.
        Revoked = 3 "revoked",
        /// The seat was given back.
        Released = 4 "released",
    }
}

/// A number of units that a code can tell: below 2²⁰, shifted left by at most 15.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct CodeUnits(u64);

impl CodeUnits {
    /// The greatest number.
    pub const MAX: Self = Self(((1 << MANTISSA_BITS) - 1) << ((1 << EXPONENT_BITS) - 1));

    /// The greatest number that is not above `units`: 20 significant bits are kept.
    pub fn at_most(units: Total) -> Self {
        let units = units.get().min(Self::MAX.0);
        let dropped = exponent(units);
        Self(units >> dropped << dropped)
    }

    /// The number of units, unless it cannot be told.
    pub fn exact(units: Total) -> Option<Self> {
        Some(Self::at_most(units)).filter(|told| told.0 == units.get())
    }

    /// The number of units.
    pub fn total(self) -> Total {
        Total::new(self.0).expect("the greatest is below the largest total")
    }

    fn write(self, writer: &mut BitWriter) {
        let exponent = exponent(self.0);
        writer.uint(self.0 >> exponent, MANTISSA_BITS);
        writer.uint(exponent.into(), EXPONENT_BITS);
    }

    fn read(reader: &mut BitReader<'_>) -> Result<Self, MessageError> {
        let mantissa = reader.uint(MANTISSA_BITS)?;
        let shift = reader.uint(EXPONENT_BITS)?;
        let units = mantissa << shift;
        // One number has one form: that of the least exponent.
        if u64::from(exponent(units)) == shift {
            Ok(Self(units))
        } else {
            Err(MessageError::Field("number of units"))
        }
    }
}

/// The least exponent with which 20 bits hold the first bits of `units`.
fn exponent(units: u64) -> u32 {
    (u64::BITS - units.leading_zeros()).saturating_sub(20)
}

/// The units of one hard quota that a code grants.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct CodeQuota {
    /// Units for the period that holds the day of issue.
    pub units: CodeUnits,
    /// Whether the policy's share is granted for each period that follows, up to the check-in deadline.
    pub following: bool,
}

/// What an unlock code says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct UnlockFields {
    /// The place of the grant that it stands for.
    pub place: GrantPlace,
    /// What it tells of the activation.
    pub state: UnlockState,
    /// The number of the pack's policy: 1 to 63.
    pub policy: u16,
    /// The day on which it was issued.
    pub issued: Day,
    /// Days from the start of validity to the day of issue: at most 4,095.
    pub since_start_days: u16,
    /// Days from the day of issue to the end of validity: at most 16,383; absent: without end.
    pub to_end_days: Option<NonZeroU16>,
    /// Days from the day of issue to the check-in deadline: at most 511; absent: there is none.
    pub to_check_in_days: Option<NonZeroU16>,
    /// The policy's hard quotas in the order of their features; none: nothing is said of quotas.
    pub quotas: Vec<CodeQuota>,
}

impl UnlockFields {
    /// The number of groups of an unlock code without quotas; each quota is one group more.
    pub const GROUPS: usize = 24;

    /// The most days from the day of issue to the check-in deadline.
    pub const CHECK_IN_DAYS: u16 = (1 << TO_CHECK_IN_BITS) - 1;

    /// The first instant of validity.
    pub fn starts_at(&self) -> Micros {
        self.issued.start() - Seconds::days(self.since_start_days.into())
    }

    /// The first instant after validity; none: without end.
    pub fn valid_until(&self) -> Option<Micros> {
        self.to_end_days.map(|days| self.issued.start() + Seconds::days(days.get().into()))
    }

    /// The check-in deadline: the first instant of its day.
    pub fn sync_by(&self) -> Option<Micros> {
        self.to_check_in_days.map(|days| self.issued.start() + Seconds::days(days.get().into()))
    }

    /// Whether all of it fits into a code.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn check(&self) -> Result<(), Unfit> {
        self.write(|_| Signature([0; 64])).map(drop)
    }

    /// Writes the code; `sign` is given what stands before the signature ([`BitWriter::so_far`]).
    ///
    /// # Errors
    /// When a field is out of range, or there are more quotas than groups are left for.
    pub fn write(&self, sign: impl FnOnce(&[u8]) -> Signature) -> Result<TypedCode, Unfit> {
        let mut writer = BitWriter::new(Kind::Unlock);
        GrantPlace::write(Some(self.place), &mut writer)?;
        writer.uint(self.state.number().into(), STATE_BITS);
        if !(1..=limits::AIR_GAPPED_POLICIES).contains(&self.policy) {
            return Err(Unfit(POLICY));
        }
        writer.uint(self.policy.into(), POLICY_BITS);
        self.issued.write(&mut writer);
        let days = |days: Option<NonZeroU16>| days.map_or(0, NonZeroU16::get).into();
        writer.fitting("time since the start of validity", self.since_start_days.into(), SINCE_START_BITS)?;
        writer.fitting("time to the end of validity", days(self.to_end_days), TO_END_BITS)?;
        writer.fitting("time to the check-in", days(self.to_check_in_days), TO_CHECK_IN_BITS)?;
        writer.uint((!self.quotas.is_empty()).into(), 1);
        for quota in &self.quotas {
            writer.within_limit("number of quotas", SIGNATURE_BITS)?;
            quota.units.write(&mut writer);
            writer.uint(quota.following.into(), 1);
        }
        writer.within_limit("number of quotas", SIGNATURE_BITS)?;
        let signature = sign(&writer.so_far());
        writer.bytes(signature.as_bytes());
        Ok(writer.finish())
    }
}

/// An unlock code as it was read. That its signature holds is not known yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnlockCode {
    /// What it says.
    pub fields: UnlockFields,
    /// What stands before the signature, in the form of [`BitWriter::so_far`].
    pub signed: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

impl UnlockCode {
    /// Reads a code of a policy that has `quotas` hard quotas; it tells of all or of none.
    ///
    /// # Errors
    /// When it is of another kind or length, or a field holds what no writer writes.
    pub fn read(code: &TypedCode, quotas: usize) -> Result<Self, MessageError> {
        Self::read_with(code, |follow| if follow { quotas } else { 0 })
    }

    /// Reads a code of a policy that is not known: how many quotas it tells of follows from its length.
    ///
    /// # Errors
    /// When it is of another kind or too short, or a field holds what no writer writes.
    pub fn read_by_length(code: &TypedCode) -> Result<Self, MessageError> {
        let more = code.groups().saturating_sub(UnlockFields::GROUPS);
        Self::read_with(code, |follow| if follow { more } else { 0 })
    }

    fn read_with(code: &TypedCode, quotas: impl FnOnce(bool) -> usize) -> Result<Self, MessageError> {
        let mut reader = code.fields_of(Kind::Unlock)?;
        let place = GrantPlace::read(&mut reader)?.ok_or(MessageError::Field("place of the grant"))?;
        let state = UnlockState::from_number(reader.uint(STATE_BITS)?).ok_or(MessageError::Field("state"))?;
        let policy = number(&mut reader, POLICY_BITS)?;
        if policy == 0 {
            return Err(MessageError::Field(POLICY));
        }
        let issued = Day::read(&mut reader)?;
        let since_start_days = number(&mut reader, SINCE_START_BITS)?;
        let to_end_days = NonZeroU16::new(number(&mut reader, TO_END_BITS)?);
        let to_check_in_days = NonZeroU16::new(number(&mut reader, TO_CHECK_IN_BITS)?);
        let follow = reader.uint(1)? == 1;
        let number_of_quotas = quotas(follow);
        let quotas = read_quotas(&mut reader, number_of_quotas)?;
        let signed = reader.so_far();
        let signature = Signature(reader.bytes()?);
        reader.finish()?;
        if follow && quotas.is_empty() {
            return Err(BitsError::Short.into());
        }
        let fields = UnlockFields {
            place,
            state,
            policy,
            issued,
            since_start_days,
            to_end_days,
            to_check_in_days,
            quotas,
        };
        Ok(Self { fields, signed, signature })
    }
}

fn read_quotas(reader: &mut BitReader<'_>, number: usize) -> Result<Vec<CodeQuota>, MessageError> {
    let quota = |_| {
        let units = CodeUnits::read(reader)?;
        Ok(CodeQuota { units, following: reader.uint(1)? == 1 })
    };
    (0..number).map(quota).collect()
}

fn number(reader: &mut BitReader<'_>, width: usize) -> Result<u16, MessageError> {
    Ok(u16::try_from(reader.uint(width)?).expect("the fields have fewer than 16 bits"))
}

const POLICY: &str = "policy";
