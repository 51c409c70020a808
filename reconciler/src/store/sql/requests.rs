//! Requests that may come again: what each was, and what it was answered.

use schemas::ids::Digest;
use schemas::numbers::Micros;

use super::database::{Database, one};
use super::{StoreError, statements};
use crate::store::views::KeptRequest;

/// How often it is tried to note a request that others note and forget at the same time.
const TRIED: u32 = 10;

/// Notes a request, unless one with the same key came before: that one.
pub(super) fn begin(
    db: &mut dyn Database,
    key: &Digest,
    request: &Digest,
    now: Micros,
) -> Result<Option<KeptRequest>, StoreError> {
    let row = vec![key.as_bytes().into(), request.as_bytes().into(), now.into(), None::<&[u8]>.into()];
    for _ in 0..TRIED {
        if db.insert(&statements::NEW_REQUEST, std::slice::from_ref(&row))? > 0 {
            return Ok(None);
        }
        let kept = one(db, &statements::REQUEST, &[key.as_bytes().into()], |row| {
            Ok(KeptRequest { request: Digest(row.fixed()?), answer: row.optional_bytes()? })
        })?;
        if kept.is_some() {
            return Ok(kept);
        }
        // Another one forgot it in between.
    }
    Err(StoreError::Busy)
}

/// Keeps what a request was answered, or forgets it.
pub(super) fn finish(db: &mut dyn Database, key: &Digest, answer: Option<&[u8]>) -> Result<(), StoreError> {
    match answer {
        Some(answer) => db.execute(&statements::ANSWER_REQUEST, &[answer.into(), key.as_bytes().into()])?,
        None => db.execute(&statements::FORGET_REQUEST, &[key.as_bytes().into()])?,
    };
    Ok(())
}

/// Forgets those from before a time.
pub(super) fn forget(db: &mut dyn Database, before: Micros) -> Result<(), StoreError> {
    db.execute(&statements::FORGET_REQUESTS, &[before.into()])?;
    Ok(())
}
