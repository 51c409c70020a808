//! Pages: each ends with a cursor from which the next one goes on, however the list changes meanwhile. To whoever gets one it
//! is opaque; it says after which key the next page begins, and for which filter.

use data_encoding::BASE64URL_NOPAD;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use sha2::{Digest as _, Sha256};

/// Bytes of the filter's digest.
const FILTER_BYTES: usize = 8;
/// Entries of a page where nothing is said, and at most.
pub(super) const PAGE: u64 = 50;
pub(super) const LARGEST_PAGE: u64 = 500;

/// The cursor after `key` of the list that `filter` stands for.
pub(super) fn after(key: &[u8], filter: &str) -> String {
    BASE64URL_NOPAD.encode(&[&digest(filter)[..], key].concat())
}

/// The key of a cursor.
///
/// # Errors
/// `cursor_invalid` for what is none, or one of another list.
pub(super) fn read<const N: usize>(cursor: &str, filter: &str) -> Result<[u8; N], Refusal> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| Code::CursorInvalid)?;
    match bytes.split_at_checked(FILTER_BYTES) {
        Some((of, key)) if of == digest(filter) => key.try_into().map_err(|_| Code::CursorInvalid.into()),
        _ => Err(Code::CursorInvalid.into()),
    }
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
}
