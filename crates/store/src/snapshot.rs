//! Snapshots: the whole state in one file, to start from and to send to others.
//!
//! A file appears under its name only when all of it is on disk: it is written under another name, fsynced, renamed,
//! and the directory is fsynced. The two newest are kept, so that there is one when the newest turns out to be damaged.

mod content;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use self::content::SnapshotContent;
use crate::engine::{self, Trouble};
use crate::error::{Damage, Part, StoreError};
use crate::state::StateView;

/// Ending of a snapshot's name.
const SUFFIX: &str = ".nss";
/// Ending of a file that is not finished; removed when the directory is opened.
pub(crate) const UNFINISHED_SUFFIX: &str = ".tmp";

/// Snapshots that are kept.
const KEPT: usize = 2;

/// A finished snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotFile {
    /// The term of the last log entry in it.
    pub term: u64,
    /// The index of the last log entry in it.
    pub index: u64,
    path: PathBuf,
}

impl SnapshotFile {
    /// A file that came from elsewhere and was not looked at yet. [`Snapshots::adopt`] checks it and takes it over.
    #[must_use]
    pub fn received(path: PathBuf, term: u64, index: u64) -> Self {
        Self { term, index, path }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file and checks its head.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the head is not what was written.
    pub fn content(&self) -> Result<SnapshotContent, StoreError> {
        engine::fenced(Part::Snapshot, || self.open())
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if anything in it is not what was written.
    pub fn verify(&self) -> Result<(), StoreError> {
        engine::fenced(Part::Snapshot, || {
            let mut content = self.open()?;
            while content.next_record()?.is_some() {}
            Ok(())
        })
    }

    pub(crate) fn open(&self) -> Result<SnapshotContent, Trouble> {
        SnapshotContent::open(&self.path)
    }

    fn parse(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (term, index) = name.strip_prefix("snap-")?.strip_suffix(SUFFIX)?.split_once('-')?;
        Some(Self { term: term.parse().ok()?, index: index.parse().ok()?, path })
    }
}

/// The snapshots of a data directory.
#[derive(Clone, Debug)]
pub struct Snapshots {
    dir: PathBuf,
}

impl Snapshots {
    /// The snapshots in `dir`.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// All finished snapshots, the newest first.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<SnapshotFile>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            found.extend(SnapshotFile::parse(entry?.path()));
        }
        found.sort_by_key(|file| std::cmp::Reverse((file.term, file.index)));
        Ok(found)
    }

    /// Writes the state that `view` shows, and removes what is older than the two newest. `term` and `index` name its
    /// last log entry. Takes as long as the state is large; runs beside writers.
    ///
    /// # Errors
    /// The disk refused, or the state is damaged. No snapshot has appeared.
    pub fn write(&self, view: &StateView, term: u64, index: u64) -> Result<SnapshotFile, StoreError> {
        self.place(term, index, |out| engine::fenced(Part::State, || content::write(view, out)))
    }

    /// Takes over a snapshot that may have come from elsewhere. It is checked first; its file gets another name.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is not a whole snapshot.
    pub fn adopt(&self, received: &SnapshotFile) -> Result<SnapshotFile, StoreError> {
        received.verify()?;
        let path = self.path_of(received.term, received.index);
        if path != received.path {
            File::open(&received.path)
                .and_then(|file| file.sync_all())
                .and_then(|()| fs::rename(&received.path, &path))
                .and_then(|()| sync_dir(&self.dir))
                .map_err(refused)?;
        }
        self.remove_old();
        Ok(SnapshotFile::received(path, received.term, received.index))
    }

    /// Where a snapshot that comes in parts may be collected. Removed when the directory is opened again.
    #[must_use]
    pub fn unfinished_path(&self, term: u64, index: u64) -> PathBuf {
        self.dir.join(format!("incoming-{term}-{index}{UNFINISHED_SUFFIX}"))
    }

    fn place(
        &self,
        term: u64,
        index: u64,
        write: impl FnOnce(&mut File) -> Result<(), StoreError>,
    ) -> Result<SnapshotFile, StoreError> {
        let path = self.path_of(term, index);
        let unfinished = self.dir.join(format!("snap-{term}-{index}{UNFINISHED_SUFFIX}"));
        let mut file = File::create(&unfinished).map_err(refused)?;
        let written = write(&mut file).and_then(|()| {
            file.flush().and_then(|()| file.sync_all()).map_err(refused)?;
            fs::rename(&unfinished, &path).and_then(|()| sync_dir(&self.dir)).map_err(refused)
        });
        if let Err(error) = written {
            // The unfinished file would only wait for the next opening; a failure to remove it changes nothing.
            drop(fs::remove_file(&unfinished));
            return Err(error);
        }
        self.remove_old();
        Ok(SnapshotFile { term, index, path })
    }

    fn path_of(&self, term: u64, index: u64) -> PathBuf {
        self.dir.join(format!("snap-{term}-{index}{SUFFIX}"))
    }

    /// Removes all but the newest. A failure costs space and is tried again with the next snapshot.
    fn remove_old(&self) {
        for old in self.list().unwrap_or_default().iter().skip(KEPT) {
            drop(fs::remove_file(&old.path));
        }
    }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err asks for")]
fn refused(cause: io::Error) -> StoreError {
    StoreError::Io { part: Part::Snapshot, cause: cause.to_string() }
}

/// Damage of a snapshot at `place`.
fn damage(place: impl Into<String>, seen: impl Into<String>) -> Damage {
    Damage::new(Part::Snapshot, place, seen)
}
