//! The state: tables of bytes that follow from the log, in one redb file.
//!
//! Writes become visible to readers at once and durable at the next [`StateFile::checkpoint`]: what a crash takes, the
//! log gives again. Each write carries the mark of how far the log was applied, so that the two can never disagree.
//! Readers see one moment each, never wait for the writer and never hold it up.

mod view;

use std::path::Path;
use std::sync::Arc;

use redb::{Database, StorageBackend, TableDefinition, WriteTransaction};

pub use self::view::{Entry, Scan, StateReader, StateView};
use crate::batch::Batch;
use crate::engine::{self, Durability, NoBackend, Soundness, Source, Trouble};
use crate::error::{Damage, OpenError, Part, StoreError};
use crate::frame;
use crate::snapshot::SnapshotFile;
use crate::table::Table;

/// The file inside a data directory.
pub const FILE_NAME: &str = "state.redb";

/// The format of the file. Raised when an older binary would misread a newer file.
const FORMAT: u32 = 1;

/// What this crate itself keeps in the file. No [`Table`] has this name.
const MARKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("marks");

const FORMAT_MARK: &str = "format";
const APPLIED_MARK: &str = "applied";

/// The state, for its one writer.
#[derive(Debug)]
pub struct StateFile {
    db: Arc<Database>,
    failed: bool,
}

impl StateFile {
    /// Opens `state.redb` in `dir`, or makes an empty one. `cache_bytes` bounds the memory for its pages.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged file is one.
    pub fn open(dir: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        Self::open_at(dir, FILE_NAME, cache_bytes)
    }

    pub(crate) fn open_at(dir: &Path, name: &str, cache_bytes: usize) -> Result<Self, OpenError> {
        Self::open_source::<NoBackend>(dir, Source::File(dir.join(name)), cache_bytes)
    }

    /// Opens a state on any disk: for tests that have a faulty one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(backend: impl StorageBackend, cache_bytes: usize) -> Result<Self, OpenError> {
        Self::open_source(Path::new("a disk in memory"), Source::Backend(backend), cache_bytes)
    }

    fn open_source<B: StorageBackend>(dir: &Path, source: Source<B>, cache_bytes: usize) -> Result<Self, OpenError> {
        let (db, soundness) = engine::open(Part::State, source, cache_bytes)?;
        let state = Self { db: Arc::new(db), failed: false };
        let in_dir = |error| OpenError::store(dir, error);
        if soundness == Soundness::New {
            write_format(&state.db).map_err(in_dir)?;
        }
        let view = state.reader().view().map_err(in_dir)?;
        let found = view.format().map_err(in_dir)?;
        if found > FORMAT {
            return Err(OpenError::NewerFormat { dir: dir.to_owned(), found, known: FORMAT });
        }
        if soundness == Soundness::Mended {
            view.verify().map_err(in_dir)?;
        }
        Ok(state)
    }

    /// Makes the writes of `batch` visible, together with the mark of how far the log is applied with them. Durable at
    /// the next checkpoint.
    ///
    /// # Errors
    /// After one the state takes no more writes.
    pub fn apply(&mut self, batch: &Batch, applied: &[u8]) -> Result<(), StoreError> {
        self.guarded(|state| {
            engine::write(Part::State, &state.db, Durability::Deferred, |transaction| {
                let mut tables = Tables::new(transaction);
                for (table, key, record) in batch.writes() {
                    tables.write(table, key, record)?;
                }
                write_applied(transaction, applied)
            })
        })
    }

    /// Makes everything durable, with one fsync for the pages and one for the header, so that opening the file after a
    /// crash needs no repair.
    ///
    /// # Errors
    /// After one the state takes no more writes.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.guarded(|state| engine::checkpoint(Part::State, &state.db))
    }

    /// Replaces everything by what is in `snapshot`, durably. Readers see all of the old state or all of the new one.
    /// Answers the mark of how far the log is applied in it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the snapshot is not what was written: the state is as before, but takes no more
    /// writes.
    pub fn install(&mut self, snapshot: &SnapshotFile) -> Result<Vec<u8>, StoreError> {
        let mut applied = Vec::new();
        self.guarded(|state| {
            engine::write(Part::State, &state.db, Durability::Immediate, |transaction| {
                for table in Table::ALL {
                    transaction.delete_table(table.definition())?;
                }
                let mut tables = Tables::new(transaction);
                let mut content = snapshot.open()?;
                while let Some((table, key, record)) = content.next_record()? {
                    tables.write(table, key, Some(record))?;
                }
                applied = content.into_applied();
                write_applied(transaction, &applied)
            })?;
            engine::checkpoint(Part::State, &state.db)
        })?;
        Ok(applied)
    }

    /// Reads, from any thread.
    #[must_use]
    pub fn reader(&self) -> StateReader {
        StateReader::of(&self.db)
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::Failed { part: Part::State });
        }
        let done = work(self);
        self.failed = done.is_err();
        done
    }
}

/// The tables of one running transaction, each opened at its first write.
struct Tables<'txn> {
    transaction: &'txn WriteTransaction,
    open: [Option<redb::Table<'txn, &'static [u8], &'static [u8]>>; Table::ALL.len()],
}

impl<'txn> Tables<'txn> {
    fn new(transaction: &'txn WriteTransaction) -> Self {
        Self { transaction, open: [const { None }; Table::ALL.len()] }
    }

    fn write(&mut self, table: Table, key: &[u8], record: Option<&[u8]>) -> Result<(), Trouble> {
        let slot = &mut self.open[table.position()];
        let open = match slot {
            Some(open) => open,
            None => slot.insert(self.transaction.open_table(table.definition())?),
        };
        match record {
            Some(record) => open.insert(key, record)?,
            None => open.remove(key)?,
        };
        Ok(())
    }
}

fn write_format(db: &Database) -> Result<(), StoreError> {
    engine::write(Part::State, db, Durability::Immediate, |transaction| {
        let mut marks = transaction.open_table(MARKS)?;
        let format = frame::framed(&[FORMAT_MARK.as_bytes()], &FORMAT.to_le_bytes());
        marks.insert(FORMAT_MARK, format.as_slice())?;
        Ok(())
    })
}

fn write_applied(transaction: &WriteTransaction, applied: &[u8]) -> Result<(), Trouble> {
    let record = frame::framed(&[APPLIED_MARK.as_bytes()], applied);
    transaction.open_table(MARKS)?.insert(APPLIED_MARK, record.as_slice())?;
    Ok(())
}

/// Damage of the state at `place`.
fn damage(place: impl Into<String>, seen: impl Into<String>) -> Damage {
    Damage::new(Part::State, place, seen)
}
