//! What is in a snapshot file: a head, then one LZ4 frame with all records of all tables.
//!
//! ```text
//! head    "NACRSNAP"  format u32  applied_len u32  applied  crc32 u32 (of everything before it)
//! frame   records: table u8  key_len u32  record_len u32  key  record (framed as in the state file)
//!         end:     0 u8  count u64  crc32 u32 (of all bytes of the frame before it)
//! ```
//! Numbers are little-endian. A file without the end record is one that was cut off.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};

use crate::batch::place;
use crate::engine::Trouble;
use crate::error::{Part, StoreError};
use crate::frame;
use crate::snapshot::damage;
use crate::state::StateView;
use crate::table::Table;

const MAGIC: &[u8; 8] = b"NACRSNAP";
const FORMAT: u32 = 1;
/// Where the head says how long the mark in it is.
const HEAD_LEN: usize = 16;
/// Above any length that was ever written: a longer one is damage, not a reason to ask for that much memory.
const LEN_MAX: u32 = 1 << 30;
/// Bytes per call to the disk.
const BUFFER_LEN: usize = 256 * 1024;
/// Table number of the end record.
const END: u8 = 0;

/// Writes all of `view`.
pub(crate) fn write(view: &StateView, out: &mut File) -> Result<(), Trouble> {
    let applied = view.applied().map_err(into_trouble)?.unwrap_or_default();
    let mut head = Vec::with_capacity(HEAD_LEN + applied.len() + 4);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&FORMAT.to_le_bytes());
    head.extend_from_slice(&u32::try_from(applied.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend_from_slice(&applied);
    head.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    out.write_all(&head).map_err(io_trouble)?;

    // With checksums over the compressed blocks, no bit of the file can flip unnoticed, not even one without effect.
    let info = FrameInfo::new().block_checksums(true).content_checksum(true);
    let out = BufWriter::with_capacity(BUFFER_LEN, out);
    let mut body = Summed::new(FrameEncoder::with_frame_info(info, out));
    let mut count = 0_u64;
    for table in Table::ALL {
        view.each_record(table, |key, record| {
            let mut lens = [0; 9];
            lens[0] = table.number();
            lens[1..5].copy_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
            lens[5..].copy_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
            count += 1;
            [&lens[..], key, record].into_iter().try_for_each(|part| body.write_all(part)).map_err(io_trouble)
        })?;
    }
    body.write_all(&[END]).and_then(|()| body.write_all(&count.to_le_bytes())).map_err(io_trouble)?;
    let sum = body.sum().to_le_bytes();
    let mut frame = body.inner;
    frame.write_all(&sum).map_err(io_trouble)?;
    let mut buffered = frame.finish().map_err(|error| io_trouble(io::Error::other(error)))?;
    buffered.flush().map_err(io_trouble)
}

/// A table, a key of it and the framed record.
pub(crate) type TableRecord<'a> = (Table, &'a [u8], &'a [u8]);

/// The content of a snapshot, read from front to back. Nothing in it may be believed before the end was reached.
pub struct SnapshotContent {
    applied: Vec<u8>,
    body: Summed<FrameDecoder<BufReader<File>>>,
    count: u64,
    key: Vec<u8>,
    record: Vec<u8>,
}

impl std::fmt::Debug for SnapshotContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotContent").field("read", &self.count).finish_non_exhaustive()
    }
}

impl SnapshotContent {
    pub(crate) fn open(path: &Path) -> Result<Self, Trouble> {
        let cut_off = |error| read_trouble("its head", &error);
        let mut file = BufReader::with_capacity(BUFFER_LEN, File::open(path).map_err(io_trouble)?);
        let mut head = vec![0; HEAD_LEN];
        file.read_exact(&mut head).map_err(cut_off)?;
        let applied_len = u32_at(&head, 12);
        if !head.starts_with(MAGIC) || applied_len > LEN_MAX {
            return Err(damage("its head", "this is no snapshot").into());
        }
        read_more(&mut file, &mut head, applied_len as usize).map_err(cut_off)?;
        let mut sum = [0; 4];
        file.read_exact(&mut sum).map_err(cut_off)?;
        if crc32fast::hash(&head) != u32::from_le_bytes(sum) {
            return Err(damage("its head", "the checksum does not match").into());
        }
        let format = u32_at(&head, 8);
        if format > FORMAT {
            let seen = format!("format {format}, this binary knows up to {FORMAT}");
            return Err(damage("its head", seen).into());
        }
        let applied = head.split_off(HEAD_LEN);
        let body = Summed::new(FrameDecoder::new(file));
        Ok(Self { applied, body, count: 0, key: Vec::new(), record: Vec::new() })
    }

    /// The mark of how far the log is applied.
    #[must_use]
    pub fn applied(&self) -> &[u8] {
        &self.applied
    }

    pub(crate) fn into_applied(self) -> Vec<u8> {
        self.applied
    }

    /// The next key and framed record; `None` at the end, after everything was checked.
    pub(crate) fn next_record(&mut self) -> Result<Option<TableRecord<'_>>, Trouble> {
        let at = format!("record {}", self.count);
        let cut_off = |error| read_trouble(&at, &error);
        let mut number = [0];
        self.body.read_exact(&mut number).map_err(cut_off)?;
        if number[0] == END {
            self.check_end().map_err(|error| read_trouble("its end", &error))?;
            return Ok(None);
        }
        let table = Table::from_number(number[0])
            .ok_or_else(|| damage(&at, format!("table {}, which this binary does not know", number[0])))?;
        let mut lens = [0; 8];
        self.body.read_exact(&mut lens).map_err(cut_off)?;
        let (key_len, record_len) = (u32_at(&lens, 0), u32_at(&lens, 4));
        if key_len > LEN_MAX || record_len > LEN_MAX {
            return Err(damage(&at, "it claims to be longer than any record").into());
        }
        for (part, len) in [(&mut self.key, key_len), (&mut self.record, record_len)] {
            part.clear();
            read_more(&mut self.body, part, len as usize).map_err(cut_off)?;
        }
        frame::open(&place(table, &self.key), &self.record).map_err(|seen| damage(&at, seen))?;
        self.count += 1;
        Ok(Some((table, &self.key, &self.record)))
    }

    fn check_end(&mut self) -> io::Result<()> {
        let mut count = [0; 8];
        self.body.read_exact(&mut count)?;
        let expected = self.body.sum();
        let mut sum = [0; 4];
        self.body.inner.read_exact(&mut sum)?;
        // Reading to the very end lets the LZ4 frame compare its own checksums.
        let is_at_end = self.body.inner.read(&mut [0])? == 0;
        let is_whole = u64::from_le_bytes(count) == self.count && u32::from_le_bytes(sum) == expected && is_at_end;
        if is_whole { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum does not match")) }
    }
}

/// Appends `len` bytes of `from` to `out`, growing as they come: a false length must not reserve memory.
fn read_more(from: &mut impl Read, out: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let read = from.take(len as u64).read_to_end(out)?;
    if read == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// Sums up what is read or written.
struct Summed<T> {
    inner: T,
    hasher: crc32fast::Hasher,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: crc32fast::Hasher::new() }
    }

    fn sum(&self) -> u32 {
        self.hasher.clone().finalize()
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.hasher.update(&out[..read]);
        Ok(read)
    }
}

/// What cannot be read is damage, unless it was the disk that refused.
fn read_trouble(place: &str, error: &io::Error) -> Trouble {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error.kind() {
        UnexpectedEof => damage(place, "the file ends there").into(),
        InvalidData | InvalidInput | Other => damage(place, error.to_string()).into(),
        _ => Trouble::Io(error.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err asks for")]
fn io_trouble(error: io::Error) -> Trouble {
    Trouble::Io(error.to_string())
}

fn into_trouble(error: StoreError) -> Trouble {
    match error {
        StoreError::Damaged(damage) => Trouble::Damage(damage),
        StoreError::Closed { .. } => Trouble::Closed,
        other => Trouble::Io(format!("{}: {other}", Part::State)),
    }
}
