//! The return code: a device tells what was used, or that its activation ended.
//!
//! ```text
//! header 5, closing 1, chain 40, place of the head 28, epoch 3, place of the grant 20, day 15, link of the head 128,
//! for each metered feature: number of digits 4, digits of 5 bits,
//! MAC 80, zeros up to the end of the group
//! ```
//!
//! Without use these are 320 bits and 4 for each feature. How many features there are is not written. Whose MAC it is and
//! what else it covers is not said here.

use serde::Serialize;

use super::fields::{Day, GrantPlace, MessageError, Unfit};
use super::{BitReader, BitWriter, BitsError, Kind, TypedCode};
use crate::ids::{ChainId, Link};
use crate::numbers::{Seq, Total};
use crate::wire::byte_ids;

const SEQ_BITS: usize = 28;
const DIGITS_BITS: usize = 4;
const DIGIT_BITS: usize = 5;
/// The most digits that a total has.
const DIGITS: u64 = 11;
const MAC_BITS: usize = CodeMac::LEN * 8;

byte_ids! {
    /// The first bytes of a chain's name.
    ChainReference[5];
    /// The first bytes of a link.
    LinkStart[16];
    /// The first 80 bits of a MAC.
    CodeMac[10];
}

impl ChainReference {
    /// The reference of `chain`.
    pub fn of(chain: &ChainId) -> Self {
        let mut start = [0; Self::LEN];
        start.copy_from_slice(&chain.0[..Self::LEN]);
        Self(start)
    }
}

impl LinkStart {
    /// The start of `link`.
    pub fn of(link: &Link) -> Self {
        let mut start = [0; Self::LEN];
        start.copy_from_slice(&link.0[..Self::LEN]);
        Self(start)
    }
}

/// What a return code says.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ReturnFields {
    /// Whether the chain is closed.
    pub closing: bool,
    /// Names the chain.
    pub chain: ChainReference,
    /// The place of its head: 1 to 2²⁸−1.
    pub seq: Seq,
    /// The grant that was applied last, if any was.
    pub applied: Option<GrantPlace>,
    /// The day on which it was written.
    pub day: Day,
    /// The start of the head's link.
    pub link: LinkStart,
    /// Units used in the period that holds the day, net of refunds, for each metered feature of the policy in the order of
    /// the features.
    pub used: Vec<Total>,
}

impl ReturnFields {
    /// The least number of groups of a return code.
    pub const GROUPS: usize = 13;

    /// Writes the code; `mac` is given what stands before the MAC ([`BitWriter::so_far`]).
    ///
    /// # Errors
    /// When a field is out of range, or more was used than groups are left for.
    pub fn write(&self, mac: impl FnOnce(&[u8]) -> CodeMac) -> Result<TypedCode, Unfit> {
        let mut writer = BitWriter::new(Kind::Return);
        writer.uint(self.closing.into(), 1);
        writer.bytes(self.chain.as_bytes());
        if self.seq == Seq(0) {
            return Err(Unfit(SEQ));
        }
        writer.fitting(SEQ, self.seq.0, SEQ_BITS)?;
        GrantPlace::write(self.applied, &mut writer)?;
        self.day.write(&mut writer);
        writer.bytes(self.link.as_bytes());
        for used in &self.used {
            write_total(*used, &mut writer);
            writer.within_limit("number of metered features", MAC_BITS)?;
        }
        let mac = mac(&writer.so_far());
        writer.bytes(mac.as_bytes());
        Ok(writer.finish())
    }
}

/// What a return code says before it tells of use: that is read without the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReturnStart {
    /// Whether the chain is closed.
    pub closing: bool,
    /// Names the chain.
    pub chain: ChainReference,
    /// The place of its head.
    pub seq: Seq,
    /// The grant that was applied last, if any was.
    pub applied: Option<GrantPlace>,
    /// The day on which it was written.
    pub day: Day,
    /// The start of the head's link.
    pub link: LinkStart,
}

impl ReturnStart {
    /// Reads the start of a code. That the rest of it can be read is not known yet.
    ///
    /// # Errors
    /// When it is of another kind or shorter than any return code, or a field holds what no writer writes.
    pub fn read(code: &TypedCode) -> Result<Self, MessageError> {
        let mut reader = code.fields_of(Kind::Return)?;
        if code.groups() < ReturnFields::GROUPS {
            return Err(BitsError::Short.into());
        }
        Self::read_from(&mut reader)
    }

    fn read_from(reader: &mut BitReader<'_>) -> Result<Self, MessageError> {
        let closing = reader.uint(1)? == 1;
        let chain = ChainReference(reader.bytes()?);
        let seq = Seq(reader.uint(SEQ_BITS)?);
        if seq == Seq(0) {
            return Err(MessageError::Field(SEQ));
        }
        let applied = GrantPlace::read(reader)?;
        let day = Day::read(reader)?;
        let link = LinkStart(reader.bytes()?);
        Ok(Self { closing, chain, seq, applied, day, link })
    }
}

/// A return code as it was read. That its MAC holds is not known yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReturnCode {
    /// What it says.
    pub fields: ReturnFields,
    /// What stands before the MAC, in the form of [`BitWriter::so_far`].
    pub authenticated: Vec<u8>,
    /// The MAC.
    pub mac: CodeMac,
}

impl ReturnCode {
    /// Reads a code of a policy that has `metered` metered features.
    ///
    /// # Errors
    /// When it is of another kind or length, or a field holds what no writer writes.
    pub fn read(code: &TypedCode, metered: usize) -> Result<Self, MessageError> {
        let mut reader = code.fields_of(Kind::Return)?;
        let ReturnStart { closing, chain, seq, applied, day, link } = ReturnStart::read_from(&mut reader)?;
        let used = (0..metered).map(|_| read_total(&mut reader)).collect::<Result<_, _>>()?;
        let authenticated = reader.so_far();
        let mac = CodeMac(reader.bytes()?);
        reader.finish()?;
        let fields = ReturnFields { closing, chain, seq, applied, day, link, used };
        Ok(Self { fields, authenticated, mac })
    }
}

fn write_total(total: Total, writer: &mut BitWriter) {
    let bits = u64::BITS - total.get().leading_zeros();
    let digits = usize::try_from(bits).expect("at most 64").div_ceil(DIGIT_BITS);
    writer.uint(digits as u64, DIGITS_BITS);
    if digits > 0 {
        writer.uint(total.get(), digits * DIGIT_BITS);
    }
}

fn read_total(reader: &mut BitReader<'_>) -> Result<Total, MessageError> {
    let digits = reader.uint(DIGITS_BITS)?;
    if digits > DIGITS {
        return Err(MessageError::Field(USED));
    }
    let (mut total, mut first) = (0, true);
    for _ in 0..digits {
        let digit = reader.uint(DIGIT_BITS)?;
        // One number has one form: that without zeros before it.
        if first && digit == 0 {
            return Err(MessageError::Field(USED));
        }
        (total, first) = (total << DIGIT_BITS | digit, false);
    }
    Total::new(total).ok_or(MessageError::Field(USED))
}

const SEQ: &str = "place of the head";
const USED: &str = "number of units used";
