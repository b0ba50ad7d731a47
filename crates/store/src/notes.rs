//! Notes: a file of records that are good to have, and that nobody was promised.
//!
//! Nothing is forced to disk. What a killed process wrote is there at the next start; what a power cut took is missed.
//! A record that is not whole ends the file: what stands before it is read, the rest is forgotten. Records are added at
//! the end; when they have become more than twice what is needed, the owner writes the file anew.
//!
//! One record: `len u32, version u8, crc32 u32, payload`, little-endian; the checksum covers the file's name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::frame;
use crate::snapshot::UNFINISHED_SUFFIX;

/// Below this many bytes a file is never written anew.
const SMALL: u64 = 1024 * 1024;

/// Records as they are written, one after the other.
#[derive(Debug)]
pub struct NoteBatch {
    name: &'static str,
    bytes: Vec<u8>,
}

impl NoteBatch {
    /// No records for the file of that name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, bytes: Vec::new() }
    }

    /// Adds a record. One of 4 GiB or more is left out: nobody was promised it.
    pub fn push(&mut self, payload: &[u8]) {
        let record = frame::framed(&[self.name.as_bytes()], payload);
        if let Ok(len) = u32::try_from(record.len()) {
            self.bytes.extend_from_slice(&len.to_le_bytes());
            self.bytes.extend_from_slice(&record);
        }
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// A file of notes that is written.
#[derive(Debug)]
pub struct NoteFile {
    dir: PathBuf,
    name: &'static str,
    file: File,
    /// Bytes that were needed when it was last written anew.
    needed: u64,
    len: u64,
}

impl NoteFile {
    /// The whole records of the file, and whether anything stood behind them. A file that is not there has none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(dir: &Path, name: &'static str) -> io::Result<(Vec<Vec<u8>>, bool)> {
        let bytes = match fs::read(dir.join(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), false)),
            Err(error) => return Err(error),
        };
        let (mut records, mut rest) = (Vec::new(), &bytes[..]);
        while let Some((payload, behind)) = first(rest, name) {
            records.push(payload.to_vec());
            rest = behind;
        }
        Ok((records, !rest.is_empty()))
    }

    /// Removes the file, so that nobody takes it for the present.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(dir: &Path, name: &str) -> io::Result<()> {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes the file anew, with these records alone. An old one is replaced in one step.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(dir: &Path, batch: &NoteBatch) -> io::Result<Self> {
        let unfinished = dir.join(format!("{}{UNFINISHED_SUFFIX}", batch.name));
        let mut file = File::create(&unfinished)?;
        file.write_all(&batch.bytes)?;
        fs::rename(&unfinished, dir.join(batch.name))?;
        let len = batch.bytes.len() as u64;
        Ok(Self { dir: dir.to_owned(), name: batch.name, file, needed: len, len })
    }

    /// Adds records at the end.
    ///
    /// # Errors
    /// They cannot be written. The file may end in a part of them, so it is to be written anew.
    pub fn append(&mut self, batch: &NoteBatch) -> io::Result<()> {
        self.file.write_all(&batch.bytes)?;
        self.len += batch.bytes.len() as u64;
        Ok(())
    }

    /// Writes the file anew, with these records alone.
    ///
    /// # Errors
    /// It cannot be written; what was there stays.
    pub fn replace(&mut self, batch: &NoteBatch) -> io::Result<()> {
        debug_assert_eq!(self.name, batch.name, "records belong to one file");
        let dir = std::mem::take(&mut self.dir);
        let made = Self::create(&dir, batch);
        self.dir = dir;
        *self = made?;
        Ok(())
    }

    /// Whether most of the file is out of date by now.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        self.len > SMALL.max(self.needed * 2)
    }
}

fn first<'a>(bytes: &'a [u8], name: &str) -> Option<(&'a [u8], &'a [u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (record, behind) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    Some((frame::open(&[name.as_bytes()], record).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: &[&str]) -> NoteBatch {
        let mut batch = NoteBatch::new("test.notes");
        records.iter().for_each(|record| batch.push(record.as_bytes()));
        batch
    }

    #[track_caller]
    fn check(dir: &Path, expected: &[&str], torn: bool) {
        let (records, rest) = NoteFile::read(dir, "test.notes").expect("readable");
        let texts: Vec<&str> = records.iter().map(|r| std::str::from_utf8(r).expect("text")).collect();
        assert_eq!((&texts[..], rest), (expected, torn));
    }

    #[test]
    fn what_was_noted_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        check(dir.path(), &[], false);
        let mut file = NoteFile::create(dir.path(), &batch(&["a"])).expect("written");
        file.append(&batch(&["b", ""])).expect("written");
        check(dir.path(), &["a", "b", ""], false);
        file.replace(&batch(&["c"])).expect("written");
        file.append(&batch(&["d"])).expect("written");
        check(dir.path(), &["c", "d"], false);
        NoteFile::remove(dir.path(), "test.notes").expect("removed");
        NoteFile::remove(dir.path(), "test.notes").expect("nothing to remove");
        check(dir.path(), &[], false);
    }

    #[test]
    fn a_torn_end_takes_nothing_with_it() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(NoteFile::create(dir.path(), &batch(&["first", "second"])).expect("written"));
        let path = dir.path().join("test.notes");
        let whole = std::fs::read(&path).expect("read");
        let second_at = 4 + frame::HEADER_LEN + "first".len();
        for len in second_at..whole.len() {
            std::fs::write(&path, &whole[..len]).expect("written");
            check(dir.path(), &["first"], len > second_at);
        }
        let mut flipped = whole;
        *flipped.last_mut().expect("bytes") ^= 1;
        std::fs::write(&path, &flipped).expect("written");
        check(dir.path(), &["first"], true);
    }

    #[test]
    fn a_file_is_worn_when_most_of_it_is_old() {
        let dir = tempfile::tempdir().expect("a directory");
        let large = "x".repeat(600 * 1024);
        let mut file = NoteFile::create(dir.path(), &batch(&[&large])).expect("written");
        file.append(&batch(&["small"])).expect("written");
        assert!(!file.is_worn());
        file.append(&batch(&[&large])).expect("written");
        assert!(file.is_worn());
    }
}
