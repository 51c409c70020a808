//! What is to happen, in the order of virtual time: the world jumps from one entry to the next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One second of virtual time: time is counted in microseconds since 1970.
pub const SECOND: u64 = 1_000_000;
/// One minute.
pub const MINUTE: u64 = 60 * SECOND;
/// One hour.
pub const HOUR: u64 = 60 * MINUTE;
/// One day.
pub const DAY: u64 = 24 * HOUR;

/// Entries by their time; those of one instant in the order in which they were written down.
#[derive(Debug)]
pub struct Agenda<T> {
    entries: BinaryHeap<Reverse<Entry<T>>>,
    count: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: u64,
    number: u64,
    what: T,
}

impl<T> Agenda<T> {
    /// Lets `what` happen at `at`.
    pub fn add(&mut self, at: u64, what: T) {
        self.count += 1;
        self.entries.push(Reverse(Entry { at, number: self.count, what }));
    }

    /// Takes the next entry and its time.
    pub fn take(&mut self) -> Option<(u64, T)> {
        self.entries.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { entries: BinaryHeap::new(), count: 0 }
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_the_order_of_time_and_of_writing() {
        let mut agenda = Agenda::default();
        for (at, what) in [(7, 'c'), (3, 'a'), (7, 'd'), (5, 'b')] {
            agenda.add(at, what);
        }
        let order: Vec<(u64, char)> = std::iter::from_fn(|| agenda.take()).collect();
        assert_eq!(order, [(3, 'a'), (5, 'b'), (7, 'c'), (7, 'd')]);
    }
}
