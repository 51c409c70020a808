//! What the store asks of a database: transactions, and the statements of the registry with values in and rows out.

use std::borrow::Cow;
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;
use std::vec::IntoIter;

use schemas::numbers::{Micros, Seq};
use schemas::text::Text;

use super::StoreError;
use super::statements::{Insert, Statement};
use crate::store::durable::Durable;
use crate::store::views::PlacedTable;

/// A value that goes into a statement or comes out of a row. All numbers are of 64 bits.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::store) enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
}

/// The values of one row that is written, in the order of its columns.
pub(in crate::store) type Values<'a> = Vec<Value<'a>>;

/// Whether a transaction writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::store) enum Access {
    /// It sees one moment of the database and changes nothing.
    Read,
    /// It writes, and is durable when it is committed.
    Write,
    /// It writes, and is durable when [`Database::durable`] says so: for many that follow each other.
    WriteSoon,
}

/// Takes a row.
pub(in crate::store) type TakeRow<'a> = dyn FnMut(Row) -> Result<(), StoreError> + 'a;

/// A database with at most one transaction at a time.
pub(in crate::store) trait Database: Debug + Send {
    /// The same database for another transaction at the same time, on whatever thread.
    fn another(&self) -> Result<Box<dyn Database>, StoreError>;

    /// How many transactions that write it is good for at the same time, in one process.
    fn writers_at_once(&self) -> usize {
        1
    }

    /// Begins a transaction.
    fn begin(&mut self, access: Access) -> Result<(), StoreError>;

    /// Ends the transaction. When it fails, nothing was written; when it succeeds, all of it is durable, or will be as
    /// [`Access`] says.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// When all that was committed is durable.
    fn durable(&mut self) -> Durable {
        Durable::now()
    }

    /// Waits until all that can be read is durable, whoever committed it.
    fn settle(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Ends the transaction without a trace.
    fn roll_back(&mut self);

    /// Hands every row of the answer to `take`.
    fn query(
        &mut self,
        statement: &'static Statement,
        values: &[Value<'_>],
        take: &mut TakeRow<'_>,
    ) -> Result<(), StoreError>;

    /// Asks the same for each of the sets of values, and hands on each row with the number of its set, in their order.
    fn query_each(
        &mut self,
        statement: &'static Statement,
        sets: &[Values<'_>],
        take: &mut dyn FnMut(usize, Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for (number, values) in sets.iter().enumerate() {
            self.query(statement, values, &mut |row| take(number, row))?;
        }
        Ok(())
    }

    /// Carries out a statement; the number of rows that it touched.
    fn execute(&mut self, statement: &'static Statement, values: &[Value<'_>]) -> Result<u64, StoreError>;

    /// Writes rows; the number of rows that it touched. No two of them have the same key, unless the first is kept.
    fn insert(&mut self, insert: &'static Insert, rows: &[Values<'_>]) -> Result<u64, StoreError>;

    /// Keeps everybody else from changing licences until the transaction ends, where several may write at once.
    fn lock_licenses(&mut self) -> Result<(), StoreError>;

    /// Lets some time pass before the same is tried again.
    fn wait(&mut self, pause: Duration);

    /// Copies the database, as it stands at one moment, into the new file `path`, if it is one that is a file; whether it
    /// is. `progress` hears of bytes.
    fn copy_file(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<bool, StoreError>;

    /// Spreads the tables over the machines of a cluster, those that are not yet. `progress` hears of each.
    fn distribute(&mut self, progress: &mut dyn FnMut()) -> Result<Vec<PlacedTable>, StoreError>;

    /// The version of the database.
    fn version(&mut self) -> Result<String, StoreError>;
}

/// What `read` makes of the only row of an answer that has at most one.
pub(super) fn one<T>(
    db: &mut dyn Database,
    statement: &'static Statement,
    values: &[Value<'_>],
    mut read: impl FnMut(&mut Row) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    Ok(all(db, statement, values, &mut read)?.pop())
}

/// What `read` makes of each row of the answer, in their order.
pub(super) fn all<T>(
    db: &mut dyn Database,
    statement: &'static Statement,
    values: &[Value<'_>],
    mut read: impl FnMut(&mut Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut rows = Vec::new();
    db.query(statement, values, &mut |mut row| {
        rows.push(read(&mut row)?);
        Ok(())
    })?;
    Ok(rows)
}

/// The values of a row that was read, taken one after the other in the order of the columns.
#[derive(Debug)]
pub(in crate::store) struct Row(IntoIter<Value<'static>>);

impl Row {
    /// A row of these values.
    pub(in crate::store) fn new(values: Vec<Value<'static>>) -> Self {
        Self(values.into_iter())
    }

    /// All values that were not taken.
    pub(super) fn rest(&mut self) -> Vec<Value<'static>> {
        self.0.by_ref().collect()
    }

    fn next(&mut self) -> Result<Value<'static>, StoreError> {
        self.0.next().ok_or(StoreError::Damaged("row"))
    }

    /// A whole number, or nothing.
    pub(super) fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(number)),
            _ => Err(StoreError::Damaged("number")),
        }
    }

    /// Text, or nothing.
    pub(super) fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.into_owned())),
            _ => Err(StoreError::Damaged("text")),
        }
    }

    /// Bytes, or nothing.
    pub(super) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes.into_owned())),
            _ => Err(StoreError::Damaged("bytes")),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn uint(&mut self) -> Result<u64, StoreError> {
        self.optional_uint()?.ok_or(StoreError::Damaged("number"))
    }

    /// A whole number that is not negative, or nothing.
    pub(super) fn optional_uint(&mut self) -> Result<Option<u64>, StoreError> {
        let number = self.optional_int()?;
        number.map(|number| u64::try_from(number).map_err(|_| StoreError::Damaged("number"))).transpose()
    }

    /// A small number.
    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, StoreError> {
        T::try_from(self.uint()?).map_err(|_| StoreError::Damaged("number"))
    }

    /// A place.
    pub(super) fn seq(&mut self) -> Result<Seq, StoreError> {
        self.uint().map(Seq)
    }

    /// A place, or nothing.
    pub(super) fn optional_seq(&mut self) -> Result<Option<Seq>, StoreError> {
        Ok(self.optional_uint()?.map(Seq))
    }

    /// An instant.
    pub(super) fn micros(&mut self) -> Result<Micros, StoreError> {
        self.uint().map(Micros::new)
    }

    /// An instant, or nothing.
    pub(super) fn optional_micros(&mut self) -> Result<Option<Micros>, StoreError> {
        Ok(self.optional_uint()?.map(Micros::new))
    }

    /// Text as it is.
    pub(super) fn string(&mut self) -> Result<String, StoreError> {
        self.optional_text()?.ok_or(StoreError::Damaged("text"))
    }

    /// Text that was within its limits when it was written.
    pub(super) fn text(&mut self) -> Result<Text, StoreError> {
        Text::new(&self.string()?).ok_or(StoreError::Damaged("text"))
    }

    /// Bytes.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.optional_bytes()?.ok_or(StoreError::Damaged("bytes"))
    }

    /// Bytes of a fixed number.
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.optional_fixed()?.ok_or(StoreError::Damaged("bytes"))
    }

    /// Bytes of a fixed number, or nothing.
    pub(super) fn optional_fixed<const N: usize>(&mut self) -> Result<Option<[u8; N]>, StoreError> {
        let bytes = self.optional_bytes()?;
        bytes.map(|bytes| bytes.try_into().map_err(|_| StoreError::Damaged("bytes"))).transpose()
    }
}

impl Value<'_> {
    /// The same without a borrow.
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// What is stored is far below 2⁶³; what is only looked for may be anything.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

macro_rules! from_small {
    ($($type:ty),*) => {$(
        impl From<$type> for Value<'_> {
            fn from(number: $type) -> Self {
                Self::Int(i64::from(number))
            }
        }
    )*};
}

from_small!(u8, u16, u32);

impl From<Micros> for Value<'_> {
    fn from(at: Micros) -> Self {
        at.get().into()
    }
}

impl From<Seq> for Value<'_> {
    fn from(seq: Seq) -> Self {
        seq.0.into()
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a Text> for Value<'a> {
    fn from(text: &'a Text) -> Self {
        text.as_str().into()
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
