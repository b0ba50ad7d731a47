//! Writes to the state that become visible together.
//!
//! Keys and framed values lie one behind the other in one buffer, so that a batch of many small writes costs no
//! allocation per write and the buffer is used again for the next batch.

use std::ops::Range;

use crate::frame;
use crate::table::Table;

/// Writes, in the order in which they were made. A later write of the same key wins.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    writes: Vec<Write>,
}

#[derive(Debug)]
struct Write {
    table: Table,
    key: Range<usize>,
    /// `None` removes the key.
    record: Option<Range<usize>>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        let key_at = self.push_key(key);
        let start = frame::begin(&mut self.bytes);
        self.bytes.extend_from_slice(value);
        frame::seal(&mut self.bytes[start..], &place(table, key));
        self.writes.push(Write { table, key: key_at, record: Some(start..self.bytes.len()) });
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        let key = self.push_key(key);
        self.writes.push(Write { table, key, record: None });
    }

    /// Forgets all writes and keeps the buffer, unless one huge batch made it larger than `keep_bytes`.
    pub fn clear(&mut self, keep_bytes: usize) {
        self.writes.clear();
        self.bytes.clear();
        self.bytes.shrink_to(keep_bytes);
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The writes: table, key, and the framed record or `None` for a removal.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.writes
            .iter()
            .map(|write| (write.table, &self.bytes[write.key.clone()], write.record.clone().map(|at| &self.bytes[at])))
    }

    fn push_key(&mut self, key: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        start..self.bytes.len()
    }
}

/// What the checksum of a value covers beside the value: a value under a wrong key is damage, too.
pub(crate) fn place(table: Table, key: &[u8]) -> [&[u8]; 3] {
    [table.name().as_bytes(), &[0], key]
}
