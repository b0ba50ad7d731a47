//! Reading the state: one moment per view, every value checked.

use std::ops::Bound;
use std::sync::{Arc, Weak};

use redb::{Database, OwnedRange, ReadTransaction, ReadableDatabase, TableError};

use crate::batch::place;
use crate::engine::{self, Trouble};
use crate::error::{Damage, Part, StoreError};
use crate::frame;
use crate::state::{APPLIED_MARK, FORMAT_MARK, MARKS, damage};
use crate::table::Table;

type Bytes = &'static [u8];

/// Reads the state from any thread. Cheap to clone. Does not keep the file open: once its owner closed it, every call
/// says so.
#[derive(Clone, Debug)]
pub struct StateReader(Weak<Database>);

impl StateReader {
    pub(crate) fn of(db: &Arc<Database>) -> Self {
        Self(Arc::downgrade(db))
    }

    /// The state as it is now. Later writes do not show in it; space that they free is kept until the view is gone, so
    /// it must not be held for long.
    ///
    /// # Errors
    /// The file is closed, or the disk refused.
    pub fn view(&self) -> Result<StateView, StoreError> {
        engine::fenced(Part::State, || {
            let db = self.0.upgrade().ok_or(Trouble::Closed)?;
            Ok(StateView(db.begin_read()?))
        })
    }

    /// The newest value of one key.
    ///
    /// # Errors
    /// As [`StateView::get`].
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.view()?.get(table, key)
    }
}

/// The state at one moment.
pub struct StateView(ReadTransaction);

impl std::fmt::Debug for StateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StateView")
    }
}

impl StateView {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is not what was written.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        engine::fenced(Part::State, || {
            let Some(open) = self.table(table)? else {
                return Ok(None);
            };
            let Some(record) = open.get(key)? else { return Ok(None) };
            Ok(Some(payload(table, key, record.value())?.to_vec()))
        })
    }

    /// The entries with keys within `bounds`, in the order of the keys. `rev` and `take` of the iterator read backwards
    /// and a part. Reads as it goes.
    ///
    /// # Errors
    /// The disk refused. What is damaged is an error of the iterator, its last item.
    pub fn scan(&self, table: Table, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Scan, StoreError> {
        let range = engine::fenced(Part::State, || {
            let Some(open) = self.table(table)? else {
                return Ok(None);
            };
            Ok(Some(open.range_owned::<&[u8]>(bounds)?))
        })?;
        Ok(Scan { table, range })
    }

    /// The entries whose keys begin with `prefix`, as [`Self::scan`].
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn scan_prefix(&self, table: Table, prefix: &[u8]) -> Result<Scan, StoreError> {
        match behind_prefix(prefix) {
            Some(end) => self.scan(table, (Bound::Included(prefix), Bound::Excluded(&end))),
            None => self.scan(table, (Bound::Included(prefix), Bound::Unbounded)),
        }
    }

    /// The mark of how far the log is applied; `None` in a new file.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is not what was written.
    pub fn applied(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.mark(APPLIED_MARK)
    }

    /// Reads everything.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first value that is not what was written.
    pub fn verify(&self) -> Result<(), StoreError> {
        self.applied()?;
        for table in Table::ALL {
            for entry in self.scan(table, (Bound::Unbounded, Bound::Unbounded))? {
                entry?;
            }
        }
        Ok(())
    }

    pub(crate) fn format(&self) -> Result<u32, StoreError> {
        let bytes = self.mark(FORMAT_MARK)?.ok_or_else(|| damage("the mark `format`", "it is not there"))?;
        let bytes = bytes.try_into().map_err(|_| damage("the mark `format`", "it is no number"))?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Shows every key and record of `table` to `visit`, after a check; the record as it lies on disk.
    pub(crate) fn each_record(
        &self,
        table: Table,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let Some(open) = self.table(table)? else { return Ok(()) };
        for entry in open.range::<&[u8]>(..)? {
            let (key, record) = entry?;
            payload(table, key.value(), record.value())?;
            visit(key.value(), record.value())?;
        }
        Ok(())
    }

    fn mark(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        engine::fenced(Part::State, || {
            let marks = match self.0.open_table(MARKS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                opened => opened?,
            };
            let Some(record) = marks.get(name)? else {
                return Ok(None);
            };
            let payload = frame::open(&[name.as_bytes()], record.value())
                .map_err(|seen| damage(format!("the mark `{name}`"), seen))?;
            Ok(Some(payload.to_vec()))
        })
    }

    /// A table that was never written to does not exist yet.
    fn table(&self, table: Table) -> Result<Option<redb::ReadOnlyTable<Bytes, Bytes>>, Trouble> {
        match self.0.open_table(table.definition()) {
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }
}

/// Entries of one table, from both ends. After an error it is at its end.
pub struct Scan {
    table: Table,
    range: Option<OwnedRange<Bytes, Bytes>>,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("table", &self.table).finish_non_exhaustive()
    }
}

/// A key of a table with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

type Found = Option<redb::Result<(redb::OwnedAccessGuard<Bytes>, redb::OwnedAccessGuard<Bytes>)>>;

impl Scan {
    fn step(&mut self, next: impl FnOnce(&mut OwnedRange<Bytes, Bytes>) -> Found) -> Option<Result<Entry, StoreError>> {
        let table = self.table;
        let range = self.range.as_mut()?;
        let entry = engine::fenced(Part::State, || {
            let Some(entry) = next(range) else { return Ok(None) };
            let (key, record) = entry?;
            let value = payload(table, key.value(), record.value())?.to_vec();
            Ok(Some(Entry { key: key.value().to_vec(), value }))
        });
        if !matches!(entry, Ok(Some(_))) {
            self.range = None;
        }
        entry.transpose()
    }
}

impl Iterator for Scan {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Iterator::next)
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(DoubleEndedIterator::next_back)
    }
}

fn payload<'a>(table: Table, key: &[u8], record: &'a [u8]) -> Result<&'a [u8], Damage> {
    frame::open(&place(table, key), record)
        .map_err(|seen| damage(format!("key {} of table {}", key.escape_ascii(), table.name()), seen))
}

/// The first key behind all keys that begin with `prefix`; `None` if there is none.
fn behind_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key_that_lacks_it() {
        assert_eq!(behind_prefix(b"a"), Some(b"b".to_vec()));
        assert_eq!(behind_prefix(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(behind_prefix(b"\xff\xff"), None);
        assert_eq!(behind_prefix(b""), None);
    }
}
