//! Reading the log. Every record is checked; a hole or a wrong checksum is damage.

use std::ops::Range;
use std::sync::{Arc, Weak};

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};

use crate::engine::{self, Trouble};
use crate::error::{Part, StoreError};
use crate::frame;
use crate::log::batch::{Extent, Mark};
use crate::log::{ENTRIES, EXTENT_MARK, FORMAT_MARK, MARKS, PURGED_MARK, damage};

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its index.
    pub index: u64,
    /// What was appended.
    pub payload: Vec<u8>,
}

/// Reads the log from any thread. Does not keep the file open: once its owner closed it, every call says so.
#[derive(Clone, Debug)]
pub struct LogReader(Weak<Database>);

impl LogReader {
    pub(crate) fn of(db: &Arc<Database>) -> Self {
        Self(Arc::downgrade(db))
    }

    /// The log as it is now. Later writes do not show in it.
    ///
    /// # Errors
    /// The file is closed, or the disk refused.
    pub fn view(&self) -> Result<LogView, StoreError> {
        engine::fenced(Part::Log, || {
            let db = self.0.upgrade().ok_or(Trouble::Closed)?;
            Ok(LogView(db.begin_read()?))
        })
    }
}

/// The log at one moment.
pub struct LogView(ReadTransaction);

impl std::fmt::Debug for LogView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogView")
    }
}

impl LogView {
    /// The records of `range`, from its start: as many as fit `bytes_max`, but at least one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a record is not what was written, or is not there.
    pub fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        let mut len_bytes = 0;
        self.walk(range, |index, payload| {
            if !records.is_empty() && len_bytes + payload.len() > bytes_max {
                return false;
            }
            len_bytes += payload.len();
            records.push(Record { index, payload: payload.to_vec() });
            true
        })?;
        Ok(records)
    }

    /// The first index of the newest records that are at most `count_max`, and at most `bytes_max` bytes together.
    /// Reads those records, without checking them.
    ///
    /// # Errors
    /// The disk refused.
    pub fn first_within(&self, count_max: u64, bytes_max: u64) -> Result<u64, StoreError> {
        let extent = self.extent()?;
        let start = extent.first.max(extent.next.saturating_sub(count_max));
        engine::fenced(Part::Log, || {
            let entries = self.0.open_table(ENTRIES)?;
            let mut len_bytes = 0;
            for entry in entries.range(start..)?.rev() {
                let (index, record) = entry?;
                len_bytes += record.value().len() as u64;
                if len_bytes > bytes_max {
                    return Ok(index.value() + 1);
                }
            }
            Ok(start)
        })
    }

    /// What a mark was set to.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is not what was written.
    pub fn mark(&self, mark: Mark) -> Result<Option<Vec<u8>>, StoreError> {
        engine::fenced(Part::Log, || self.raw_mark(mark.name()))
    }

    /// The index up to which records were purged, and its label.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is not what was written.
    pub fn purged(&self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        engine::fenced(Part::Log, || {
            let Some(value) = self.raw_mark(PURGED_MARK)? else {
                return Ok(None);
            };
            let (index, label) =
                value.split_first_chunk().ok_or_else(|| damage("the purge mark", "it is too short"))?;
            Ok(Some((u64::from_le_bytes(*index), label.to_vec())))
        })
    }

    /// Reads all records and marks.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first that is not what was written.
    pub fn verify(&self) -> Result<(), StoreError> {
        let extent = self.extent()?;
        for mark in Mark::ALL {
            self.mark(mark)?;
        }
        self.walk(extent.first..extent.next, |_, _| true)
    }

    /// Which records there must be; the first and the last of them are.
    pub(crate) fn extent(&self) -> Result<Extent, StoreError> {
        engine::fenced(Part::Log, || {
            let extent = match self.raw_mark(EXTENT_MARK)? {
                Some(bytes) => Extent::from_bytes(&bytes)
                    .ok_or_else(|| damage("the mark `extent`", "it holds no range of indexes"))?,
                None => Extent::default(),
            };
            // What was purged may still be in the file; what is in the log must be.
            let entries = self.0.open_table(ENTRIES)?;
            let first = entries.range(extent.first..)?.next().transpose()?;
            let first = first.map_or(extent.next, |(index, _)| index.value());
            let last = entries.range(extent.first..)?.next_back().transpose()?;
            let next = last.map_or(extent.next, |(index, _)| index.value().saturating_add(1));
            if (first, next) != (extent.first, extent.next) {
                let seen = format!("it holds {first} to before {next}");
                return Err(damage(format!("the indexes {} to before {}", extent.first, extent.next), seen).into());
            }
            Ok(extent)
        })
    }

    /// The index of the first record in the file, which may be one that was purged.
    pub(crate) fn first_in_file(&self) -> Result<Option<u64>, StoreError> {
        engine::fenced(Part::Log, || Ok(self.0.open_table(ENTRIES)?.first()?.map(|(index, _)| index.value())))
    }

    /// The format of the file.
    pub(crate) fn format(&self) -> Result<u32, StoreError> {
        engine::fenced(Part::Log, || {
            let bytes = self.raw_mark(FORMAT_MARK)?.ok_or_else(|| damage("the mark `format`", "it is not there"))?;
            let bytes = bytes.try_into().map_err(|_| damage("the mark `format`", "it is no number"))?;
            Ok(u32::from_le_bytes(bytes))
        })
    }

    /// Shows the records of `range` to `visit`, until it answers `false`.
    fn walk(&self, range: Range<u64>, mut visit: impl FnMut(u64, &[u8]) -> bool) -> Result<(), StoreError> {
        engine::fenced(Part::Log, || {
            let entries = self.0.open_table(ENTRIES)?;
            let mut expected = range.start;
            for entry in entries.range(range.clone())? {
                let (index, record) = entry?;
                if index.value() != expected {
                    break;
                }
                let payload = frame::open(&[&expected.to_be_bytes()], record.value())
                    .map_err(|seen| damage(format!("index {expected}"), seen))?;
                if !visit(expected, payload) {
                    return Ok(());
                }
                expected += 1;
            }
            if expected < range.end {
                return Err(damage(format!("index {expected}"), "the record is not there").into());
            }
            Ok(())
        })
    }

    fn raw_mark(&self, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        let marks = self.0.open_table(MARKS)?;
        let Some(record) = marks.get(name)? else {
            return Ok(None);
        };
        let payload = frame::open(&[name.as_bytes()], record.value())
            .map_err(|seen| damage(format!("the mark `{name}`"), seen))?;
        Ok(Some(payload.to_vec()))
    }
}
