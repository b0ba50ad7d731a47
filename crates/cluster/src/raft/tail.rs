//! The newest entries of the log, in memory.
//!
//! openraft reads back what it just wrote: to replicate it, and to apply it. An entry is here from the moment it is
//! appended, before it is on disk, and stays until it is on disk and newer ones need the room.

use std::collections::VecDeque;
use std::ops::Range;

use openraft::entry::RaftEntry;

use crate::raft::types::Entry;

/// Consecutive entries up to the end of the log.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// With the bytes of each.
    entries: VecDeque<(Entry, usize)>,
    /// The index of the first entry here, or of the next one if there is none.
    first: u64,
    len_bytes: usize,
    /// Entries before this index are on disk. Later ones are only here.
    written: u64,
}

impl Tail {
    /// An empty tail of a log that goes on at `next`.
    pub(crate) fn at(next: u64) -> Self {
        Self { first: next, written: next, ..Self::default() }
    }

    /// The index of the first entry here; what is before is on disk only.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The index that the next entry gets.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Adds the next entry.
    pub(crate) fn push(&mut self, entry: Entry, len_bytes: usize) {
        debug_assert_eq!(entry.index(), self.next(), "the log has no holes");
        self.entries.push_back((entry, len_bytes));
        self.len_bytes += len_bytes;
    }

    /// Takes away all entries from `index` on.
    pub(crate) fn truncate_from(&mut self, index: u64) {
        while self.next() > index.max(self.first) {
            if let Some((_, len_bytes)) = self.entries.pop_back() {
                self.len_bytes -= len_bytes;
            }
        }
        self.first = self.first.min(index);
        self.written = self.written.min(index);
    }

    /// Takes away all entries before `index`.
    pub(crate) fn purge_before(&mut self, index: u64) {
        while self.first < index && self.pop_front() {}
        if self.entries.is_empty() {
            self.first = self.first.max(index);
        }
        self.written = self.written.max(self.first);
    }

    /// Entries before `index` are on disk now; those that need more room than `bytes_max` go.
    pub(crate) fn wrote_before(&mut self, index: u64, bytes_max: usize) {
        self.written = self.written.max(index.min(self.next()));
        while self.len_bytes > bytes_max && self.first < self.written && self.pop_front() {}
    }

    /// The entries of `range` that are here: as many as fit `bytes_max`, but at least one.
    pub(crate) fn read(&self, range: Range<u64>, bytes_max: usize) -> Vec<Entry> {
        let start = usize::try_from(range.start.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let count = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut len_bytes = 0_usize;
        let mut read = Vec::with_capacity(count.min(self.entries.len()));
        for (entry, entry_bytes) in self.entries.iter().skip(start).take(count) {
            len_bytes = len_bytes.saturating_add(*entry_bytes);
            if len_bytes > bytes_max && !read.is_empty() {
                break;
            }
            read.push(entry.clone());
        }
        read
    }

    fn pop_front(&mut self) -> bool {
        let Some((_, len_bytes)) = self.entries.pop_front() else {
            return false;
        };
        self.len_bytes -= len_bytes;
        self.first += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::types::{LeaderId, LogId};

    fn entry(index: u64) -> Entry {
        Entry::new_blank(LogId::new(LeaderId { term: 1, node_id: 1 }, index))
    }

    fn tail(range: Range<u64>) -> Tail {
        let mut tail = Tail::at(range.start);
        range.for_each(|index| tail.push(entry(index), 10));
        tail
    }

    fn indexes(tail: &Tail, range: Range<u64>, bytes_max: usize) -> Vec<u64> {
        tail.read(range, bytes_max).iter().map(RaftEntry::index).collect()
    }

    #[test]
    fn what_is_not_on_disk_stays() {
        let mut tail = tail(5..9);
        tail.wrote_before(7, 0);
        assert_eq!(indexes(&tail, 0..100, 1000), [7, 8]);
        tail.wrote_before(9, 15);
        assert_eq!(indexes(&tail, 0..100, 1000), [8]);
    }

    #[test]
    fn reading_stops_at_the_bound_but_not_before_the_first() {
        let tail = tail(5..9);
        assert_eq!(indexes(&tail, 5..9, 25), [5, 6]);
        assert_eq!(indexes(&tail, 6..9, 1), [6]);
        assert_eq!(indexes(&tail, 7..8, 1000), [7]);
        assert_eq!(indexes(&tail, 9..12, 1000), [0; 0]);
    }

    #[test]
    fn truncating_and_purging_keep_the_place() {
        let mut tail = tail(5..9);
        tail.wrote_before(9, 1000);
        tail.truncate_from(7);
        assert_eq!((tail.first(), tail.next()), (5, 7));
        tail.push(entry(7), 10);
        assert_eq!(indexes(&tail, 0..100, 1000), [5, 6, 7]);
        tail.purge_before(7);
        assert_eq!((tail.first(), tail.next()), (7, 8));
        tail.purge_before(20);
        assert_eq!((tail.first(), tail.next()), (20, 20));
        tail.truncate_from(12);
        assert_eq!((tail.first(), tail.next()), (12, 12));
    }
}
