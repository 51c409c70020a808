//! Pages: each ends with a cursor from which the next one goes on, however the list changes meanwhile. To whoever gets one it
//! is opaque; it says after which key the next page begins, and for which filter.

use data_encoding::BASE64URL_NOPAD;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

/// Bytes of the filter's digest.
const FILTER_BYTES: usize = 8;
/// Entries of a page where nothing is said, and at most.
pub(super) const PAGE: u64 = 50;
pub(super) const LARGEST_PAGE: u64 = 500;

/// The cursor after `key` of the list that `filter` stands for.
pub(in crate::service) fn after(key: &[u8], filter: &str) -> String {
    BASE64URL_NOPAD.encode(&[&digest(filter)[..], key].concat())
}

/// The key of a cursor.
///
/// # Errors
/// `cursor_invalid` for what is none, or one of another list.
pub(in crate::service) fn read<const N: usize>(cursor: &str, filter: &str) -> Result<[u8; N], Refusal> {
    key(cursor, filter)?.try_into().map_err(|_| Code::CursorInvalid.into())
}

fn key(cursor: &str, filter: &str) -> Result<Vec<u8>, Refusal> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| Code::CursorInvalid)?;
    match bytes.split_at_checked(FILTER_BYTES) {
        Some((of, key)) if of == digest(filter) => Ok(key.to_vec()),
        _ => Err(Code::CursorInvalid.into()),
    }
}

/// The part of a list that one page shows, and the cursor of the next, where there is one. `found` begins after the cursor's
/// key and holds one more than the page, if there is one.
pub(super) fn page<T>(
    mut found: Vec<T>,
    size: u64,
    filter: &str,
    key: impl Fn(&T) -> Vec<u8>,
) -> (Vec<T>, Option<String>) {
    let is_last = found.len() as u64 <= size;
    found.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| !is_last).map(|last| after(&key(last), filter));
    (found, next)
}

/// As [`page`], of a list that is there as a whole, in the order of its keys.
///
/// # Errors
/// `cursor_invalid`, `request_invalid`.
pub(super) fn page_of<T>(
    all: Vec<T>,
    asked: &Paging,
    filter: &str,
    key_of: impl Fn(&T) -> Vec<u8>,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let (size, after) = (size(asked.limit)?, asked.cursor.as_deref().map(|cursor| key(cursor, filter)));
    let after = after.transpose()?;
    let rest = all.into_iter().filter(|entry| after.as_ref().is_none_or(|after| key_of(entry) > *after));
    let found = rest.take(usize::try_from(size + 1).unwrap_or(usize::MAX)).collect();
    Ok(page(found, size, filter, key_of))
}

/// Which page of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::service) struct Paging {
    /// At most so many, up to 500; 50 where nothing is said.
    pub(super) limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    pub(super) cursor: Option<String>,
}

/// How many entries a page has for which `asked` were asked.
///
/// # Errors
/// `request_invalid` for none or too many.
pub(super) fn size(asked: Option<u64>) -> Result<u64, Refusal> {
    match asked.unwrap_or(PAGE) {
        size @ 1..=LARGEST_PAGE => Ok(size),
        size => {
            Err(Refusal::new(Code::RequestInvalid, format!("limit is from 1 to {LARGEST_PAGE}, not {size}")))
        }
    }
}

fn digest(filter: &str) -> [u8; FILTER_BYTES] {
    let digest = Sha256::digest(filter.as_bytes());
    digest[..FILTER_BYTES].try_into().expect("a SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_on_in_its_own_list_only() {
        let cursor = after(&[7; 16], "licenses product=studio");
        assert_eq!(read::<16>(&cursor, "licenses product=studio"), Ok([7; 16]));
        let refused =
            |cursor: &str, filter: &str| read::<16>(cursor, filter).map_err(|refusal| refusal.code());
        assert_eq!(refused(&cursor, "licenses product=other"), Err(Code::CursorInvalid));
        for cursor in ["", "AA", "ä", &cursor[1..], &after(&[7; 15], "licenses product=studio")] {
            assert_eq!(refused(cursor, "licenses product=studio"), Err(Code::CursorInvalid), "{cursor}");
        }
    }

    #[test]
    fn a_list_is_parted_into_pages_whatever_their_size() {
        let all: Vec<u8> = (0..7).collect();
        for limit in 1..=8 {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let asked = Paging { limit: Some(limit), cursor };
                let (page, next) = page_of(all.clone(), &asked, "all", |entry| vec![*entry]).expect("valid");
                assert!(!page.is_empty() && page.len() as u64 <= limit);
                seen.extend(page);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all, "{limit}");
        }
    }
}
