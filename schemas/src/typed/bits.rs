//! Fields as bits, the most significant first: written and read in the same order, and nothing is left over.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{GROUP_BITS, Kind, SYMBOL_BITS, TypedCode};
use crate::codes::Code;
use crate::limits;

/// The widest number that a field holds.
const WIDEST: usize = 64;

/// A string of bits; the rest of the last byte is zero.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends the `width` low bits of `value`.
    pub(super) fn push(&mut self, value: u64, width: usize) {
        for place in (0..width).rev() {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if value >> place & 1 == 1 {
                self.bytes[self.len / 8] |= 0x80 >> (self.len % 8);
            }
            self.len += 1;
        }
    }

    /// The number of `width` bits that begins at `at`, which lies inside.
    fn number(&self, at: usize, width: usize) -> u64 {
        (at..at + width).fold(0, |value, at| value << 1 | u64::from(self.bytes[at / 8] >> (7 - at % 8) & 1))
    }

    /// The values of the symbols that carry whole groups.
    pub(super) fn symbols(&self) -> Vec<u8> {
        let symbol = |at| u8::try_from(self.number(at, SYMBOL_BITS)).expect("5 bits fit into a byte");
        (0..self.len).step_by(SYMBOL_BITS).map(symbol).collect()
    }

    /// How many the first `len` bits are, as u16 big endian, then those bits.
    pub(super) fn first(&self, len: usize) -> Vec<u8> {
        let count = u16::try_from(len).expect("a code has fewer bits").to_be_bytes();
        let mut bytes = [&count[..], &self.bytes[..len.div_ceil(8)]].concat();
        if let (Some(last), used @ 1..) = (bytes.last_mut(), len % 8) {
            *last &= 0xff << (8 - used);
        }
        bytes
    }

    /// Reads what [`Self::first`] gives of all bits; nothing where it gives no such bytes.
    pub(super) fn from_first(first: &[u8]) -> Option<Self> {
        let (count, bytes) = first.split_first_chunk()?;
        let bits = Self { bytes: bytes.to_vec(), len: usize::from(u16::from_be_bytes(*count)) };
        let is_whole = bits.bytes.len() == bits.len.div_ceil(8) && bits.first(bits.len) == first;
        is_whole.then_some(bits)
    }

    /// The first `width` bits of a digest over the first `len` bits.
    fn checksum(&self, len: usize, width: usize) -> u64 {
        let digest = Sha256::new().chain_update(b"cf/code/1").chain_update(self.first(len)).finalize();
        let mut head = [0; 8];
        head.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(head) >> (WIDEST - width)
    }
}

/// Writes a code's fields one after the other.
#[derive(Clone, Debug)]
pub struct BitWriter {
    kind: Kind,
    bits: Bits,
}

impl BitWriter {
    /// Begins a code with its header.
    pub fn new(kind: Kind) -> Self {
        let mut bits = Bits::default();
        bits.push(u64::from(kind.header()), SYMBOL_BITS);
        Self { kind, bits }
    }

    /// The bits that were written, the header's included.
    pub(super) fn len(&self) -> usize {
        self.bits.len()
    }

    /// Writes a number as `width` bits.
    ///
    /// # Panics
    /// When `width` is not 1 to 64 or the number does not fit.
    pub fn uint(&mut self, value: u64, width: usize) {
        assert!((1..=WIDEST).contains(&width), "a field has 1 to 64 bits");
        assert!(value.checked_shr(width.try_into().expect("small")).is_none_or(|rest| rest == 0), "it fits");
        self.bits.push(value, width);
    }

    /// Writes bytes as they are; their number is not written.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.bits.push(u64::from(*byte), 8);
        }
    }

    /// Writes a checksum of `width` bits over all before it, for a code that nothing else proves as a whole.
    ///
    /// # Panics
    /// When `width` is not 1 to 64.
    pub fn checksum(&mut self, width: usize) {
        assert!((1..=WIDEST).contains(&width), "a checksum has 1 to 64 bits");
        self.bits.push(self.bits.checksum(self.bits.len, width), width);
    }

    /// What was written, for a signature or a MAC over it: the number of bits, the header's included, as u16 big endian,
    /// then the bits, the last byte filled with zeros.
    pub fn so_far(&self) -> Vec<u8> {
        self.bits.first(self.bits.len)
    }

    /// Fills the last group with zeros.
    ///
    /// # Panics
    /// When the code has more groups than a code may have.
    pub fn finish(mut self) -> TypedCode {
        let fill = self.bits.len.next_multiple_of(GROUP_BITS) - self.bits.len;
        self.bits.push(0, fill);
        assert!(self.bits.len / GROUP_BITS <= limits::CODE_GROUPS, "more groups than any code has");
        TypedCode { kind: self.kind, bits: self.bits }
    }
}

/// Reads a code's fields one after the other.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bits: &'a Bits,
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Begins after the header.
    pub(super) fn new(bits: &'a Bits) -> Self {
        Self { bits, at: SYMBOL_BITS }
    }

    /// Reads a number of `width` bits.
    ///
    /// # Errors
    /// [`BitsError::Short`] when fewer are left.
    ///
    /// # Panics
    /// When `width` is not 1 to 64.
    pub fn uint(&mut self, width: usize) -> Result<u64, BitsError> {
        assert!((1..=WIDEST).contains(&width), "a field has 1 to 64 bits");
        let at = self.take(width)?;
        Ok(self.bits.number(at, width))
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// [`BitsError::Short`] when fewer are left.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], BitsError> {
        let at = self.take(N * 8)?;
        let byte =
            |index: usize| u8::try_from(self.bits.number(at + index * 8, 8)).expect("8 bits are a byte");
        Ok(std::array::from_fn(byte))
    }

    /// Reads a checksum of `width` bits and holds it against all that was read before it.
    ///
    /// # Errors
    /// [`BitsError::Checksum`] when it does not match, [`BitsError::Short`] when fewer bits are left.
    ///
    /// # Panics
    /// When `width` is not 1 to 64.
    pub fn checksum(&mut self, width: usize) -> Result<(), BitsError> {
        let before = self.at;
        let read = self.uint(width)?;
        if read == self.bits.checksum(before, width) { Ok(()) } else { Err(BitsError::Checksum) }
    }

    /// What was read, in the form of [`BitWriter::so_far`].
    pub fn so_far(&self) -> Vec<u8> {
        self.bits.first(self.at)
    }

    /// Bits that were not read yet, those that fill the last group included.
    pub fn left(&self) -> usize {
        self.bits.len - self.at
    }

    /// Ends reading: only what fills the last group is left, and it is zero.
    ///
    /// # Errors
    /// [`BitsError::Long`] when whole groups are left, [`BitsError::Padding`] when the rest is not zero.
    pub fn finish(self) -> Result<(), BitsError> {
        match self.left() {
            GROUP_BITS.. => Err(BitsError::Long { groups: self.left() / GROUP_BITS }),
            left if self.bits.number(self.at, left) == 0 => Ok(()),
            _ => Err(BitsError::Padding),
        }
    }

    fn take(&mut self, width: usize) -> Result<usize, BitsError> {
        let at = self.at;
        if width > self.left() {
            return Err(BitsError::Short);
        }
        self.at += width;
        Ok(at)
    }
}

/// Why a code whose groups are right does not hold the fields that it should.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BitsError {
    /// It ends before its last field does.
    #[error("groups are missing at its end")]
    Short,
    /// Groups follow its last field.
    #[error("{groups} groups at its end are too many")]
    Long {
        /// How many.
        groups: usize,
    },
    /// What fills the last group is not zero.
    #[error("what fills its last group is not zero")]
    Padding,
    /// Its checksum does not match.
    #[error("its checksum does not match")]
    Checksum,
}

impl BitsError {
    /// The refusal code that stands for this error.
    pub fn code(self) -> Code {
        match self {
            Self::Short | Self::Long { .. } => Code::CodeLength,
            Self::Padding | Self::Checksum => Code::CodeMismatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A field: a number with its width, bytes, or a checksum.
    #[derive(Clone, Debug)]
    enum Field {
        Number(u64, usize),
        Bytes([u8; 3]),
        Checksum(usize),
    }

    fn field() -> impl Strategy<Value = Field> {
        prop_oneof![
            4 => (any::<u64>(), 1..=64_usize).prop_map(|(value, width)| Field::Number(value >> (64 - width), width)),
            1 => any::<[u8; 3]>().prop_map(Field::Bytes),
            1 => (1..=64_usize).prop_map(Field::Checksum),
        ]
    }

    proptest! {
        #[test]
        fn fields_come_back_as_they_were_and_nothing_is_left(fields in prop::collection::vec(field(), 0..40)) {
            let mut writer = BitWriter::new(Kind::Unlock);
            let mut so_far = Vec::new();
            for field in &fields {
                match field {
                    Field::Number(value, width) => writer.uint(*value, *width),
                    Field::Bytes(bytes) => writer.bytes(bytes),
                    Field::Checksum(width) => writer.checksum(*width),
                }
                so_far.push(writer.so_far());
            }
            let code = writer.finish();
            let mut reader = code.fields();
            for (field, so_far) in fields.iter().zip(so_far) {
                match field {
                    Field::Number(value, width) => prop_assert_eq!(reader.uint(*width), Ok(*value)),
                    Field::Bytes(bytes) => prop_assert_eq!(reader.bytes(), Ok(*bytes)),
                    Field::Checksum(width) => prop_assert_eq!(reader.checksum(*width), Ok(())),
                }
                prop_assert_eq!(reader.so_far(), so_far);
            }
            prop_assert!(reader.left() < GROUP_BITS);
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn numbers_stand_with_their_most_significant_bit_first() {
        let mut writer = BitWriter::new(Kind::Request);
        writer.uint(0b101, 3);
        writer.bytes(&[0x0f]);
        writer.uint(u64::MAX, 64);
        // 01000, 101, 00001111, then ones, and 80 bits are 0050.
        assert_eq!(writer.so_far(), [&[0, 80, 0b0100_0101, 0x0f][..], &[0xff; 8]].concat());
    }

    #[test]
    fn reading_beyond_the_end_and_ending_before_it_are_refused() {
        let mut writer = BitWriter::new(Kind::Return);
        writer.uint(1, 20);
        writer.uint(3, 25);
        let code = writer.finish();
        assert_eq!(code.groups(), 2);
        assert_eq!(code.fields().finish(), Err(BitsError::Long { groups: 1 }));
        let mut reader = code.fields();
        assert_eq!(reader.uint(45), Ok(1 << 25 | 3));
        assert_eq!(reader.clone().uint(1), Err(BitsError::Short));
        assert_eq!(reader.clone().bytes::<1>(), Err(BitsError::Short));
        assert_eq!(reader.checksum(1), Err(BitsError::Short));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_whole_group_of_zeros_is_one_too_many() {
        let mut writer = BitWriter::new(Kind::Return);
        writer.uint(0, 45);
        let code = writer.finish();
        for (read, left) in
            [(19, Err(BitsError::Long { groups: 1 })), (20, Err(BitsError::Long { groups: 1 })), (21, Ok(()))]
        {
            let mut reader = code.fields();
            assert_eq!(reader.uint(read), Ok(0));
            assert_eq!(reader.finish(), left, "{read}");
        }
    }

    #[test]
    fn what_fills_the_last_group_must_be_zero() {
        for width in 1..=20 {
            let mut writer = BitWriter::new(Kind::Return);
            writer.uint(1, 20);
            let code = writer.finish();
            let mut reader = code.fields();
            assert_eq!(reader.uint(20 - (width - 1)), Ok(u64::from(width == 1)));
            let expected = if width == 1 { Ok(()) } else { Err(BitsError::Padding) };
            assert_eq!(reader.finish(), expected, "{width}");
        }
    }

    #[test]
    fn a_checksum_sees_every_bit_before_it_and_where_it_stands() {
        let written = |value: u64, width: usize| {
            let mut writer = BitWriter::new(Kind::Request);
            writer.uint(value, width);
            writer.checksum(40);
            writer.so_far()[2..].to_vec()
        };
        let sums: std::collections::BTreeSet<_> = (0..64)
            .map(|bit| written(1 << bit, 64))
            .chain([written(0, 64)])
            .map(|bytes| bytes[8..].to_vec())
            .collect();
        assert_eq!(sums.len(), 65);
        let mut writer = BitWriter::new(Kind::Request);
        writer.uint(9, 7);
        let honest = writer.bits.checksum(writer.bits.len(), 13);
        writer.uint(honest ^ 1, 13);
        let code = writer.finish();
        let mut reader = code.fields();
        assert_eq!(reader.uint(7), Ok(9));
        assert_eq!(reader.checksum(13), Err(BitsError::Checksum));
        assert_eq!(BitsError::Checksum.code(), Code::CodeMismatch);
    }

    #[test]
    #[should_panic(expected = "it fits")]
    fn a_number_that_is_wider_than_its_field_is_not_written() {
        BitWriter::new(Kind::Request).uint(8, 3);
    }
}
