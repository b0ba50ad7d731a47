//! The log: numbered records without holes, and a few marks beside them, in one redb file.
//!
//! One writer, one transaction per [`LogFile::write`]: all of a batch is on disk when it returns, or none of it ever
//! shows. Every record is checked when it is read; one that is damaged is an error that names its index, never a
//! missing or a different record. What records mean is not known here.

mod batch;
mod view;

use std::path::Path;
use std::sync::Arc;

use redb::{Database, StorageBackend, Table as RedbTable, TableDefinition, WriteTransaction};

use self::batch::{Change, Extent};
pub use self::batch::{LogBatch, Mark};
pub use self::view::{LogReader, LogView, Record};
use crate::engine::{self, Durability, NoBackend, Soundness, Source, Trouble};
use crate::error::{Damage, OpenError, Part, StoreError};
use crate::frame;

/// The file inside a data directory.
pub const FILE_NAME: &str = "log.redb";

/// The format of the file. Raised when an older binary would misread a newer file.
const FORMAT: u32 = 1;

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const MARKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("marks");

/// Bytes of records that [`LogFile::sweep`] removes at a time: 2 to 4 ms of work.
const SWEPT_BYTES: u64 = 2 * 1024 * 1024;
/// Records that it removes at a time: as much work, if they are small.
const SWEPT_LEN_MAX: u64 = 2048;

const FORMAT_MARK: &str = "format";
const PURGED_MARK: &str = "purged";
const EXTENT_MARK: &str = "extent";

/// The log, for its one writer.
#[derive(Debug)]
pub struct LogFile {
    db: Arc<Database>,
    extent: Extent,
    /// Records before this index are gone from the file; those up to the first are only no longer part of the log.
    swept: u64,
    recovered: bool,
    failed: bool,
}

impl LogFile {
    /// Opens `log.redb` in `dir`, or makes an empty one. `cache_bytes` bounds the memory for its pages.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged file is one.
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        Self::open_at(dir, FILE_NAME, cache_bytes)
    }

    pub(crate) fn open_at(dir: &Path, name: &str, cache_bytes: usize) -> Result<Self, OpenError> {
        Self::open_source::<NoBackend>(dir, Source::File(dir.join(name)), cache_bytes)
    }

    /// Opens a log on any disk: for tests that have a faulty one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(backend: impl StorageBackend, cache_bytes: usize) -> Result<Self, OpenError> {
        Self::open_source(Path::new("a disk in memory"), Source::Backend(backend), cache_bytes)
    }

    fn open_source<B: StorageBackend>(dir: &Path, source: Source<B>, cache_bytes: usize) -> Result<Self, OpenError> {
        let (db, soundness) = engine::open(Part::Log, source, cache_bytes)?;
        let db = Arc::new(db);
        let in_dir = |error| OpenError::store(dir, error);
        if soundness == Soundness::New {
            write_format(&db).map_err(in_dir)?;
        }
        let view = LogReader::of(&db).view().map_err(in_dir)?;
        let found = view.format().map_err(in_dir)?;
        if found > FORMAT {
            return Err(OpenError::NewerFormat { dir: dir.to_owned(), found, known: FORMAT });
        }
        let extent = view.extent().map_err(in_dir)?;
        if soundness == Soundness::Mended {
            view.verify().map_err(in_dir)?;
        }
        let swept = view.first_in_file().map_err(in_dir)?.map_or(extent.first, |first| first.min(extent.first));
        let recovered = matches!(soundness, Soundness::Recovered | Soundness::Mended);
        Ok(Self { db, extent, swept, recovered, failed: false })
    }

    /// Does everything in `batch`, in its order, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::OutOfOrder`] if the batch would leave a hole: nothing was written and the log goes on. After any
    /// other error it takes no more writes.
    pub fn write(&mut self, batch: &LogBatch, durability: Durability) -> Result<(), StoreError> {
        batch.check(self.extent)?;
        self.guarded(|log| {
            log.extent = engine::write(Part::Log, &log.db, durability, |transaction| {
                let mut writing = Writing::begin(transaction, log.extent)?;
                for change in batch.changes() {
                    writing.apply(batch, change)?;
                }
                writing.finish(log.extent)
            })?;
            Ok(())
        })
    }

    /// Removes some of the records that were purged from the file; answers whether there are more. A few milliseconds at
    /// a time, as a purge may be of hundreds of MiB and the next write waits. Durable with the next durable write; what a
    /// crash brings back is removed again.
    ///
    /// # Errors
    /// After one the log takes no more writes.
    pub fn sweep(&mut self) -> Result<bool, StoreError> {
        if self.swept >= self.extent.first {
            return Ok(false);
        }
        let end = self.extent.first.min(self.swept + self.sweep_len());
        self.guarded(|log| {
            log.extent = engine::write(Part::Log, &log.db, Durability::Deferred, |transaction| {
                let mut writing = Writing::begin(transaction, log.extent)?;
                writing.remove(..end)?;
                writing.finish(log.extent)
            })?;
            log.swept = end;
            Ok(())
        })?;
        Ok(self.swept < self.extent.first)
    }

    /// How many records are about [`SWEPT_BYTES`].
    fn sweep_len(&self) -> u64 {
        let count = self.extent.next.saturating_sub(self.swept).max(1);
        let average = (self.extent.len_bytes / count).max(1);
        (SWEPT_BYTES / average).clamp(1, SWEPT_LEN_MAX)
    }

    /// Makes deferred writes durable.
    ///
    /// # Errors
    /// After one the log takes no more writes.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.guarded(|log| engine::write(Part::Log, &log.db, Durability::Immediate, |_| Ok(())))
    }

    /// Makes everything durable and leaves the file so that the next opening needs no repair. For the end.
    ///
    /// # Errors
    /// After one the log takes no more writes.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.guarded(|log| engine::checkpoint(Part::Log, &log.db))
    }

    /// Reads, from any thread.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::of(&self.db)
    }

    /// The index of the first record, which is also [`Self::next`] if there is none.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.extent.first
    }

    /// The index that the next record gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.extent.next
    }

    /// Bytes of all records that are in the file, with those that wait for [`Self::sweep`].
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.extent.len_bytes
    }

    /// Whether the file was not closed properly, or was mended when it was opened.
    #[must_use]
    pub fn was_recovered(&self) -> bool {
        self.recovered
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Failed { part: Part::Log });
        }
        let done = work(self);
        self.failed = done.is_err();
        done
    }
}

/// The tables of one running transaction.
struct Writing<'txn> {
    entries: RedbTable<'txn, u64, &'static [u8]>,
    marks: RedbTable<'txn, &'static str, &'static [u8]>,
    extent: Extent,
}

impl<'txn> Writing<'txn> {
    fn begin(transaction: &'txn WriteTransaction, extent: Extent) -> Result<Self, Trouble> {
        Ok(Self { entries: transaction.open_table(ENTRIES)?, marks: transaction.open_table(MARKS)?, extent })
    }

    fn apply(&mut self, batch: &LogBatch, change: &Change) -> Result<(), Trouble> {
        self.extent.follow(change);
        match change {
            Change::Mark(mark, at) => {
                self.marks.insert(mark.name(), batch.slice(at))?;
            }
            Change::Append(index, at) => {
                self.entries.insert(index, batch.slice(at))?;
            }
            Change::TruncateFrom(index) => self.remove(*index..)?,
            Change::PurgeTo(_, at) => {
                self.marks.insert(PURGED_MARK, batch.slice(at))?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, range: impl std::ops::RangeBounds<u64>) -> Result<(), Trouble> {
        let mut removed_bytes = 0;
        self.entries.retain_in(range, |_, record| {
            removed_bytes += record.len() as u64;
            false
        })?;
        self.extent.len_bytes = self.extent.len_bytes.saturating_sub(removed_bytes);
        Ok(())
    }

    /// Writes down which records there must be, so that a lost end of the log is found when it is opened.
    fn finish(mut self, before: Extent) -> Result<Extent, Trouble> {
        if self.extent != before {
            let record = frame::framed(&[EXTENT_MARK.as_bytes()], &self.extent.to_bytes());
            self.marks.insert(EXTENT_MARK, record.as_slice())?;
        }
        Ok(self.extent)
    }
}

fn write_format(db: &Database) -> Result<(), StoreError> {
    engine::write(Part::Log, db, Durability::Immediate, |transaction| {
        transaction.open_table(ENTRIES)?;
        let mut marks = transaction.open_table(MARKS)?;
        let format = frame::framed(&[FORMAT_MARK.as_bytes()], &FORMAT.to_le_bytes());
        marks.insert(FORMAT_MARK, format.as_slice())?;
        Ok(())
    })
}

/// Damage of the log at `place`.
fn damage(place: impl Into<String>, seen: impl Into<String>) -> Damage {
    Damage::new(Part::Log, place, seen)
}
