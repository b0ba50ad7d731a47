//! redb, as far as this crate uses it: opening with a check, errors and panics turned into our own, the closing commit.
//!
//! The only file that knows what redb calls its errors. redb checks itself, but some checks on damaged pages are
//! panics; they are caught here and answered as damage, because a damaged disk must not take the process down without
//! a word of what to do.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use redb::{Builder, Database, StorageBackend, WriteTransaction};

use crate::error::{Damage, OpenError, Part, StoreError};

/// Up to this size a file that was closed properly is read through when it is opened, which takes some 5 ms. A larger one
/// is trusted until a record is read, as every record carries its own checksum. One that was not closed properly is read
/// through by redb itself, however large it is.
const CHECKED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// One fsync before the call returns.
    Immediate,
    /// The next immediate commit makes this one durable, too; until then a crash of the machine or the process undoes
    /// it as a whole.
    Deferred,
}

impl Durability {
    fn of_redb(self) -> redb::Durability {
        match self {
            Self::Immediate => redb::Durability::Immediate,
            Self::Deferred => redb::Durability::None,
        }
    }
}

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum Source<B> {
    /// A file, made if it is not there.
    File(std::path::PathBuf),
    /// Anything else, for tests.
    Backend(B),
}

/// What stands in for a backend type where there is none.
pub(crate) type NoBackend = redb::backends::InMemoryBackend;

/// How sound an opened file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Soundness {
    /// There was nothing; the file was made.
    New,
    /// It was checked, or is too large to be checked.
    Sound,
    /// It was not closed properly. redb went back to the last commit that is whole, which is the last acknowledged one.
    Recovered,
    /// The check found a fault and mended it. What is in the file has to be looked at.
    Mended,
}

/// Opens a file or makes a new one.
pub(crate) fn open<B: StorageBackend>(
    part: Part,
    source: Source<B>,
    cache_bytes: usize,
) -> Result<(Database, Soundness), OpenError> {
    let (path, len_bytes) = match &source {
        Source::File(path) => (path.clone(), std::fs::metadata(path).map_or(0, |metadata| metadata.len())),
        Source::Backend(backend) => ("a disk in memory".into(), backend.len().unwrap_or(0)),
    };
    let repaired = Rc::new(Cell::new(false));
    let opened = catch(part, || {
        let mut builder = Builder::new();
        let saw_repair = Rc::clone(&repaired);
        builder.set_cache_size(cache_bytes).set_repair_callback(move |_| saw_repair.set(true));
        let mut db = match source {
            Source::File(path) => builder.create(path)?,
            Source::Backend(backend) => builder.create_with_backend(backend)?,
        };
        let soundness = if len_bytes == 0 {
            Soundness::New
        } else if repaired.get() {
            Soundness::Recovered
        } else if len_bytes > CHECKED_BYTES_MAX || db.check_integrity()? {
            Soundness::Sound
        } else {
            Soundness::Mended
        };
        Ok((db, soundness))
    });
    opened.map_err(|trouble| trouble.into_open_error(part, &path))
}

/// Runs `work` and turns its errors and panics into ours.
pub(crate) fn fenced<T>(part: Part, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, StoreError> {
    catch(part, work).map_err(|trouble| trouble.into_store_error(part))
}

fn catch<T>(part: Part, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    // Sound to go on after a panic: redb refuses further writes by itself, and readers hold nothing half-changed.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let said = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("panic without a message");
        Err(Trouble::Damage(Damage::new(part, "some page", format!("the engine gave up ({said})"))))
    })
}

/// One transaction: everything `work` does, or nothing.
pub(crate) fn write<T>(
    part: Part,
    db: &Database,
    durability: Durability,
    work: impl FnOnce(&WriteTransaction) -> Result<T, Trouble>,
) -> Result<T, StoreError> {
    fenced(part, || {
        let mut transaction = db.begin_write()?;
        transaction.set_durability(durability.of_redb())?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    })
}

/// Makes everything durable and leaves the file so that the next opening needs no repair, however the process ends.
pub(crate) fn checkpoint(part: Part, db: &Database) -> Result<(), StoreError> {
    fenced(part, || {
        let mut transaction = db.begin_write()?;
        transaction.set_quick_repair(true);
        transaction.commit()?;
        Ok(())
    })
}

/// What can go wrong inside [`fenced`].
#[derive(Debug)]
pub(crate) enum Trouble {
    Engine(Box<redb::Error>),
    Damage(Damage),
    /// The disk refused something beside redb.
    Io(String),
    /// Whoever owns the file closed it.
    Closed,
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

macro_rules! trouble_from {
    ($($error:ident),+) => {$(
        impl From<redb::$error> for Trouble {
            fn from(error: redb::$error) -> Self {
                Self::Engine(Box::new(error.into()))
            }
        }
    )+};
}
trouble_from!(StorageError, TableError, TransactionError, CommitError, DatabaseError, SetDurabilityError);

impl Trouble {
    fn into_store_error(self, part: Part) -> StoreError {
        match self {
            Self::Damage(damage) => StoreError::Damaged(damage),
            Self::Closed => StoreError::Closed { part },
            Self::Io(cause) => StoreError::Io { part, cause },
            Self::Engine(error) => match *error {
                redb::Error::DatabaseClosed => StoreError::Closed { part },
                redb::Error::PreviousIo => StoreError::Failed { part },
                redb::Error::Io(cause) => StoreError::Io { part, cause: cause.to_string() },
                other => StoreError::Damaged(Damage::new(part, "some page", other.to_string())),
            },
        }
    }

    fn into_open_error(self, part: Part, path: &Path) -> OpenError {
        let dir = || path.parent().unwrap_or(path).to_owned();
        match self {
            Self::Engine(error) => match *error {
                redb::Error::DatabaseAlreadyOpen => OpenError::InUse { dir: dir() },
                // Not a redb file any more, or one that ends too early.
                redb::Error::Io(cause)
                    if matches!(cause.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof) =>
                {
                    OpenError::Damaged(Damage::new(part, "its start", cause.to_string()))
                }
                redb::Error::Io(cause) => OpenError::io(path, cause),
                other => OpenError::Damaged(Damage::new(part, "some page", other.to_string())),
            },
            other => OpenError::store(path, other.into_store_error(part)),
        }
    }
}
