//! What one write of the log holds, and the check that it leaves no hole.
//!
//! Records lie one behind the other in one buffer that is used again, so that appending costs no allocation.

use std::ops::Range;

use crate::error::StoreError;
use crate::frame;
use crate::log::PURGED_MARK;

/// A value that is kept beside the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Whom this node voted for.
    Vote,
    /// What it knew to be agreed on.
    Committed,
    /// Who this node is.
    Node,
}

impl Mark {
    /// All marks.
    pub const ALL: [Self; 3] = [Self::Vote, Self::Committed, Self::Node];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Vote => "vote",
            Self::Committed => "committed",
            Self::Node => "node",
        }
    }
}

/// Changes to the log, in order, that happen together.
#[derive(Debug, Default)]
pub struct LogBatch {
    bytes: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Debug)]
pub(crate) enum Change {
    Mark(Mark, Range<usize>),
    Append(u64, Range<usize>),
    TruncateFrom(u64),
    PurgeTo(u64, Range<usize>),
}

impl LogBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a mark.
    pub fn set(&mut self, mark: Mark, value: &[u8]) {
        let at = self.push(&[mark.name().as_bytes()], |out| out.extend_from_slice(value));
        self.changes.push(Change::Mark(mark, at));
    }

    /// Appends the record that `write` adds to the end of the buffer.
    pub fn append(&mut self, index: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.push(&[&index.to_be_bytes()], write);
        self.changes.push(Change::Append(index, at));
    }

    /// Removes all records from `index` on.
    pub fn truncate_from(&mut self, index: u64) {
        self.changes.push(Change::TruncateFrom(index));
    }

    /// Takes all records up to and including `index` out of the log; [`crate::LogFile::sweep`] removes them from the file.
    /// `label` is kept with the index.
    pub fn purge_to(&mut self, index: u64, label: &[u8]) {
        let at = self.push(&[PURGED_MARK.as_bytes()], |out| {
            out.extend_from_slice(&index.to_le_bytes());
            out.extend_from_slice(label);
        });
        self.changes.push(Change::PurgeTo(index, at));
    }

    /// Forgets all changes and keeps the buffer, unless one huge batch made it larger than `keep_bytes`.
    pub fn clear(&mut self, keep_bytes: usize) {
        self.changes.clear();
        self.bytes.clear();
        self.bytes.shrink_to(keep_bytes);
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of all records and marks.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub(crate) fn slice(&self, at: &Range<usize>) -> &[u8] {
        &self.bytes[at.clone()]
    }

    /// Whether this batch leaves no hole in a log that holds `extent`.
    pub(crate) fn check(&self, mut extent: Extent) -> Result<Extent, StoreError> {
        for change in &self.changes {
            match change {
                Change::Append(index, _) if *index != extent.next => {
                    return Err(StoreError::OutOfOrder { expected: extent.next, given: *index });
                }
                Change::TruncateFrom(index) if *index < extent.first => {
                    return Err(StoreError::OutOfOrder { expected: extent.first, given: *index });
                }
                fitting => extent.follow(fitting),
            }
        }
        Ok(extent)
    }

    fn push(&mut self, place: &[&[u8]], write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = frame::begin(&mut self.bytes);
        write(&mut self.bytes);
        frame::seal(&mut self.bytes[start..], place);
        start..self.bytes.len()
    }
}

/// What is in the log: the records `first..next`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: u64,
    pub(crate) next: u64,
    /// Bytes of all records. Only the writer, who sees what it removes, can take off what a removal frees.
    pub(crate) len_bytes: u64,
}

impl Extent {
    /// Follows a change that fits.
    pub(crate) fn follow(&mut self, change: &Change) {
        match change {
            Change::Mark(..) => {}
            Change::Append(index, at) => {
                self.next = index + 1;
                self.len_bytes += at.len() as u64;
            }
            Change::TruncateFrom(index) => self.next = self.next.min(*index),
            // A purge beyond the end is right: a snapshot took the place of records that never came.
            Change::PurgeTo(index, _) => {
                self.first = self.first.max(index.saturating_add(1));
                self.next = self.next.max(self.first);
            }
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.first.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.next.to_le_bytes());
        bytes[16..].copy_from_slice(&self.len_bytes.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let [first, next, len_bytes] = numbers else { return None };
        let [first, next, len_bytes] = [first, next, len_bytes].map(|number| u64::from_le_bytes(*number));
        (rest.is_empty() && first <= next).then_some(Self { first, next, len_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent_after(fill: impl FnOnce(&mut LogBatch)) -> Result<(u64, u64), StoreError> {
        let mut batch = LogBatch::new();
        fill(&mut batch);
        batch.check(Extent { first: 3, next: 6, len_bytes: 30 }).map(|after| (after.first, after.next))
    }

    #[test]
    fn a_batch_that_leaves_a_hole_is_refused() {
        let nothing = |_: &mut Vec<u8>| {};
        assert_eq!(extent_after(|b| b.append(6, nothing)).ok(), Some((3, 7)));
        assert!(extent_after(|b| b.append(7, nothing)).is_err());
        assert!(extent_after(|b| b.append(5, nothing)).is_err());
        assert!(extent_after(|b| b.truncate_from(2)).is_err());
        assert_eq!(extent_after(|b| b.truncate_from(9)).ok(), Some((3, 6)));
    }

    #[test]
    fn changes_count_in_their_order() {
        let nothing = |_: &mut Vec<u8>| {};
        let after = extent_after(|b| {
            b.truncate_from(4);
            b.append(4, nothing);
            b.purge_to(10, b"label");
            b.append(11, nothing);
        });
        assert_eq!(after.ok(), Some((11, 12)));
    }
}
