//! Lists on pages, which are bounded.

/// Most rows of a list on a page.
pub(in crate::service) const ROWS: usize = 100;

/// The first rows of a list, and how many more there are.
#[derive(Debug)]
pub(in crate::service) struct List<T> {
    /// The rows that are shown.
    pub(in crate::service) rows: Vec<T>,
    /// How many are not.
    pub(in crate::service) more: usize,
}

impl<T> List<T> {
    /// The first rows of `all`.
    pub(in crate::service) fn of(all: impl ExactSizeIterator<Item = T>) -> Self {
        let more = all.len().saturating_sub(ROWS);
        Self { rows: all.take(ROWS).collect(), more }
    }
}
