//! Codes that are typed, at the device's terminal: how they are shown, and how a person types them. What they say is read
//! by the library.

pub(crate) mod qr;
pub(crate) mod shown;
pub(crate) mod typing;

/// A code of so many groups, for tests.
#[cfg(test)]
fn sample(kind: schemas::typed::Kind, groups: usize) -> schemas::typed::TypedCode {
    let mut writer = schemas::typed::BitWriter::new(kind);
    writer.uint(0x9_1a2b, 20);
    (1..groups).for_each(|group| writer.uint(group as u64 * 199_999, 25));
    writer.finish()
}
