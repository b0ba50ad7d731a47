//! Opening a data directory: what is done, in which order, and what is refused.
//!
//! 1. The directory is made if it is not there, and locked.
//! 2. Files that were never finished (`*.tmp`) are removed; they have no finished content.
//! 3. The log. If it was not closed properly, redb goes back to its last whole commit: every acknowledged write is in
//!    it, and a write that was under way is either whole or absent. Damage is refused, as nothing else has this data.
//!    A log that is missing beside a state is refused as well.
//! 4. The state. What its last checkpoint lacks comes again from the log. If it is missing or damaged, an empty one
//!    takes its place, the damaged one is set aside, and a snapshot and the log fill it again; but only if they reach
//!    back far enough, else it is refused.
//!
//! New files are made under another name and renamed, so that a crash in between leaves nothing half-made behind.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Damage, OpenError, Part};
use crate::log::{self, LogFile};
use crate::snapshot::{Snapshots, UNFINISHED_SUFFIX, sync_dir};
use crate::state::{self, StateFile};

/// Held by the process that has the directory open.
const LOCK_NAME: &str = "lock";
/// Added to the name of a file that is damaged and was replaced.
const DAMAGED_SUFFIX: &str = "damaged";

/// How files are opened.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Memory for pages of the log.
    pub log_cache_bytes: usize,
    /// Memory for pages of the state, read and not yet written ones.
    pub state_cache_bytes: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            // The log is written at its end and hardly ever read: a few branch pages and what one transaction changes.
            log_cache_bytes: 16 * 1024 * 1024,
            // What changes between two checkpoints (64 MiB of log at most) should not have to be written early.
            state_cache_bytes: 64 * 1024 * 1024,
        }
    }
}

/// A data directory that this process owns. The lock ends with it.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What opening found and did, for the log of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The log was not closed properly; it is whole again.
    LogRecovered,
    /// There was a log but no state; it is filled again.
    StateMissing,
    /// The state was damaged; it is filled again.
    StateSetAside(Damage),
    /// A snapshot was damaged; the one before it is used.
    SnapshotSetAside(Damage),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogRecovered => write!(f, "the log was not closed properly and was recovered"),
            Self::StateMissing => {
                write!(f, "there is a log but no state, it is made again from a snapshot and the log")
            }
            Self::StateSetAside(damage) => {
                write!(f, "the state is set aside and made again from a snapshot and the log, because {damage}")
            }
            Self::SnapshotSetAside(damage) => write!(f, "a snapshot is set aside, because {damage}"),
        }
    }
}

/// An open data directory.
#[derive(Debug)]
pub struct Opened {
    /// The directory with its lock.
    pub dir: DataDir,
    /// The log.
    pub log: LogFile,
    /// The state.
    pub state: StateFile,
    /// The snapshots.
    pub snapshots: Snapshots,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Opens the data directory at `path`, or makes it.
///
/// # Errors
/// [`OpenError`], with one line for the operator.
pub fn open(path: &Path, settings: &StoreSettings) -> Result<Opened, OpenError> {
    let dir = lock(path)?;
    remove_unfinished(path).map_err(|cause| OpenError::io(path, cause))?;
    let snapshots = Snapshots::in_dir(path);
    let mut findings = Vec::new();

    let state_path = path.join(state::FILE_NAME);
    let had_log = path.join(log::FILE_NAME).exists();
    if !had_log && state_path.exists() {
        let seen = format!("{} is not there, although {} is", log::FILE_NAME, state::FILE_NAME);
        return Err(Damage::new(Part::Log, "its start", seen).into());
    }
    let log = open_or_make(path, log::FILE_NAME, |name| LogFile::open_at(path, name, settings.log_cache_bytes))?;
    if log.was_recovered() {
        findings.push(Finding::LogRecovered);
    }

    let open_state =
        || open_or_make(path, state::FILE_NAME, |name| StateFile::open_at(path, name, settings.state_cache_bytes));
    if had_log && !state_path.exists() {
        check_refillable(&log, &snapshots, &mut findings)?;
        findings.push(Finding::StateMissing);
    }
    let state = match open_state() {
        Err(OpenError::Damaged(damage)) => {
            check_refillable(&log, &snapshots, &mut findings)?;
            set_aside(&state_path)?;
            findings.push(Finding::StateSetAside(damage));
            open_state()?
        }
        opened => opened?,
    };
    Ok(Opened { dir, log, state, snapshots, findings })
}

fn lock(path: &Path) -> Result<DataDir, OpenError> {
    let io_error = |cause| OpenError::io(path, cause);
    if !path.exists() {
        fs::create_dir_all(path).map_err(io_error)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent).map_err(io_error)?;
        }
    }
    let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK_NAME)).map_err(io_error)?;
    match lock.try_lock() {
        Ok(()) => Ok(DataDir { path: path.to_owned(), _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: path.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(io_error(cause)),
    }
}

fn remove_unfinished(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(UNFINISHED_SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens the file `name`, or makes it under another name first.
fn open_or_make<T>(path: &Path, name: &str, open: impl Fn(&str) -> Result<T, OpenError>) -> Result<T, OpenError> {
    if path.join(name).exists() {
        return open(name);
    }
    let unfinished = format!("{name}{UNFINISHED_SUFFIX}");
    let opened = open(&unfinished)?;
    fs::rename(path.join(&unfinished), path.join(name))
        .and_then(|()| sync_dir(path))
        .map_err(|cause| OpenError::io(path, cause))?;
    Ok(opened)
}

/// Whether an empty state can be filled again: the log holds everything since its beginning, or since a whole snapshot.
fn check_refillable(log: &LogFile, snapshots: &Snapshots, findings: &mut Vec<Finding>) -> Result<(), OpenError> {
    let listed = snapshots.list().map_err(|cause| OpenError::Io {
        path: log::FILE_NAME.into(),
        cause: format!("the snapshots cannot be listed: {cause}"),
    })?;
    for snapshot in listed {
        match snapshot.verify() {
            Ok(()) if snapshot.index + 1 >= log.first() => return Ok(()),
            Ok(()) => break,
            Err(error) => {
                let damage = Damage::new(Part::Snapshot, snapshot.path().display().to_string(), error.to_string());
                set_aside(snapshot.path())?;
                findings.push(Finding::SnapshotSetAside(damage));
            }
        }
    }
    if log.first() == 0 {
        return Ok(());
    }
    let seen = format!("it cannot be made again, the log begins at {} and no whole snapshot reaches it", log.first());
    Err(Damage::new(Part::State, "its start", seen).into())
}

fn set_aside(path: &Path) -> Result<(), OpenError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".");
    aside.push(DAMAGED_SUFFIX);
    fs::rename(path, PathBuf::from(aside)).map_err(|cause| OpenError::io(path, cause))
}
