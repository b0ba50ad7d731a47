//! Why a file could not be opened, read or written: one line per kind, each saying what to do.
//!
//! Damage is told apart from everything else, because it is the one thing that a retry or a permission cannot mend.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One of the three kinds of file of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `log.redb`: what was agreed on, in order. The only file whose loss loses an acknowledged write.
    Log,
    /// `state.redb`: what follows from the log. Can be made again from a snapshot and the log.
    State,
    /// `snap-*.nss`: the state at one moment.
    Snapshot,
}

impl Part {
    fn remedy(self) -> &'static str {
        match self {
            Self::Log => {
                "in a cluster, stop this node, remove its data directory and start it again, it copies everything from \
                 the others; in a group of one, restore a backup, or remove log.redb and state.redb and keep the \
                 snap-*.nss files, the newest of them is loaded and what was written after it is lost"
            }
            Self::State => {
                "it follows from the log: stop this node, move state.redb away and start it again, so that it is made \
                 again from the newest snapshot and the log"
            }
            Self::Snapshot => "remove this snap-*.nss file, the one before it is used",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log => "log",
            Self::State => "state",
            Self::Snapshot => "snapshot",
        })
    }
}

/// Bytes on disk that are not what was written there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node's {part} is damaged at {place}: {seen}; {}", part.remedy())]
pub struct Damage {
    /// The file.
    pub part: Part,
    /// Where in it: an index of the log, a key of a table, a page.
    pub place: String,
    /// What was found there.
    pub seen: String,
}

impl Damage {
    pub(crate) fn new(part: Part, place: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { part, place: place.into(), seen: seen.into() }
    }
}

/// Why a data directory could not be opened. Each is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the lock.
    #[error("data directory {} is in use by another process", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The files are of a format that this binary does not know.
    #[error(
        "data directory {} was written by a newer version (format {found}, this binary knows up to {known})",
        dir.display()
    )]
    NewerFormat {
        /// The directory.
        dir: PathBuf,
        /// The format of the files.
        found: u32,
        /// The newest format that this binary reads.
        known: u32,
    },
    /// The operating system refuses access.
    #[error("{} cannot be read and written: {cause}", path.display())]
    Denied {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The files are not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Anything else that the disk said.
    #[error("{} cannot be opened: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the disk said.
        cause: String,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { path: path.to_owned(), cause }
            }
            _ => Self::Io { path: path.to_owned(), cause: cause.to_string() },
        }
    }

    pub(crate) fn store(path: &Path, error: StoreError) -> Self {
        match error {
            StoreError::Damaged(damage) => Self::Damaged(damage),
            other => Self::Io { path: path.to_owned(), cause: other.to_string() },
        }
    }
}

/// Why an open file could not be read or written.
///
/// After an error of a write the file takes no more writes: what reached the disk is unknown, and only opening it again
/// can tell. An fsync is never tried twice, as the second one may report success for bytes that the first one lost.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The disk refused.
    #[error("the disk refused a write or a read of this node's {part}: {cause}")]
    Io {
        /// The file.
        part: Part,
        /// What the disk said.
        cause: String,
    },
    /// An earlier write failed.
    #[error("this node's {part} takes no more writes, because an earlier one failed")]
    Failed {
        /// The file.
        part: Part,
    },
    /// The file was closed.
    #[error("this node's {part} is closed")]
    Closed {
        /// The file.
        part: Part,
    },
    /// A write would leave a hole in the log, or reach behind its start. A mistake of the caller: nothing was written.
    #[error("the log goes on at index {expected}, not at {given}")]
    OutOfOrder {
        /// The index that fits.
        expected: u64,
        /// The index that was given.
        given: u64,
    },
}
