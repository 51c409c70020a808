//! Reads canonical values one by one, for the places where a type alone does not say what comes next: a run's
//! events, an event's kind, a value that is only passed over.

use super::DecodeError;
use crate::limits;

/// A position in canonical bytes. Every read checks the form of what it takes; none allocates.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that were not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads an array's header and returns its number of elements.
    #[inline]
    pub fn array(&mut self) -> Result<u64, DecodeError> {
        match self.item()? {
            Item::Array(len) => Ok(len),
            _ => Err(DecodeError::WrongType),
        }
    }

    /// Reads an array's header that must announce `len` elements.
    #[inline]
    pub fn array_of(&mut self, len: u64) -> Result<(), DecodeError> {
        if self.array()? == len { Ok(()) } else { Err(DecodeError::WrongArity) }
    }

    /// Reads an unsigned integer.
    #[inline]
    pub fn uint(&mut self) -> Result<u64, DecodeError> {
        match self.item()? {
            Item::Uint(value) => Ok(value),
            _ => Err(DecodeError::WrongType),
        }
    }

    /// Reads a binary value.
    #[inline]
    pub fn bin(&mut self) -> Result<&'a [u8], DecodeError> {
        // The form that a run's events take, read without the general path.
        if let [0xc4, len, rest @ ..] = self.rest
            && let Some((value, rest)) = rest.split_at_checked(usize::from(*len))
        {
            self.rest = rest;
            return Ok(value);
        }
        match self.item()? {
            Item::Bin(value) => Ok(value),
            _ => Err(DecodeError::WrongType),
        }
    }

    /// Passes over one value of any shape, checking its form all the way down.
    pub fn skip_value(&mut self) -> Result<(), DecodeError> {
        let mut open = [0_u64; limits::NESTING];
        let mut depth = 0;
        loop {
            if let Item::Array(len) = self.item()?
                && len > 0
            {
                *open.get_mut(depth).ok_or(DecodeError::TooDeep)? = len;
                depth += 1;
                continue;
            }
            loop {
                let Some(level) = depth.checked_sub(1) else { return Ok(()) };
                open[level] -= 1;
                if open[level] > 0 {
                    break;
                }
                depth = level;
            }
        }
    }

    /// Succeeds when everything was read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }

    fn item(&mut self) -> Result<Item<'a>, DecodeError> {
        let marker = self.take(1)?[0];
        match marker {
            0x00..=0x7f => Ok(Item::Uint(u64::from(marker))),
            0x80..=0x8f | 0xde | 0xdf => Err(DecodeError::Map),
            0x90..=0x9f => Ok(Item::Array(u64::from(marker & 0x0f))),
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f)),
            0xc0 => Err(DecodeError::Nil),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => Err(DecodeError::Extension),
            0xc2 | 0xc3 => Err(DecodeError::Boolean),
            0xc4 => self.sized(1, 0).and_then(|len| self.take(len).map(Item::Bin)),
            0xc5 => self.sized(2, 0x100).and_then(|len| self.take(len).map(Item::Bin)),
            0xc6 => self.sized(4, 0x1_0000).and_then(|len| self.take(len).map(Item::Bin)),
            0xca | 0xcb => Err(DecodeError::Float),
            0xcc => self.number(1, 0x80).map(Item::Uint),
            0xcd => self.number(2, 0x100).map(Item::Uint),
            0xce => self.number(4, 0x1_0000).map(Item::Uint),
            0xcf => self.number(8, 0x1_0000_0000).map(Item::Uint),
            0xd0..=0xd3 | 0xe0..=0xff => Err(DecodeError::Negative),
            0xd9 => self.sized(1, 0x20).and_then(|len| self.text(len)),
            0xda => self.sized(2, 0x100).and_then(|len| self.text(len)),
            0xdb => self.sized(4, 0x1_0000).and_then(|len| self.text(len)),
            0xdc => self.number(2, 0x10).map(Item::Array),
            0xdd => self.number(4, 0x1_0000).map(Item::Array),
        }
    }

    fn text(&mut self, len: usize) -> Result<Item<'a>, DecodeError> {
        std::str::from_utf8(self.take(len)?).map(|_| Item::Text).map_err(|_| DecodeError::NotUtf8)
    }

    fn sized(&mut self, width: usize, least: u64) -> Result<usize, DecodeError> {
        usize::try_from(self.number(width, least)?).map_err(|_| DecodeError::Truncated)
    }

    /// Reads a big-endian number of `width` bytes that a shorter form could not hold.
    fn number(&mut self, width: usize, least: u64) -> Result<u64, DecodeError> {
        let value = self.take(width)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        if value < least { Err(DecodeError::NotMinimal) } else { Ok(value) }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (value, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(value)
    }
}

enum Item<'a> {
    Uint(u64),
    Array(u64),
    Bin(&'a [u8]),
    Text,
}
