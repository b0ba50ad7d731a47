//! A disk in memory that a test can crash, tear, flip and make fail.
//!
//! It keeps what is *durable* (written before the last sync) apart from what is *live* (what the program reads back),
//! and remembers every operation, so that a test can ask for the image of any crash: at any operation, with any of the
//! writes since the last sync kept, and the last of them torn at any byte.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

/// Something that was done to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bytes were written.
    Write {
        /// Where.
        offset: usize,
        /// Which.
        data: Vec<u8>,
    },
    /// The disk got another length.
    SetLen(usize),
    /// Everything before this is durable.
    Sync,
}

#[derive(Debug, Default)]
struct Content {
    live: Vec<u8>,
    history: Vec<Operation>,
    fails: Option<Failure>,
}

/// What the disk refuses, once it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Every sync.
    Sync,
    /// Every write, as a full disk does.
    Write,
    /// Every read.
    Read,
}

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<Content>>);

impl FaultyDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that holds `image`.
    #[must_use]
    pub fn holding(image: Vec<u8>) -> Self {
        let disk = Self::new();
        disk.0.lock().live = image;
        disk
    }

    /// What the program would read back.
    #[must_use]
    pub fn live(&self) -> Vec<u8> {
        self.0.lock().live.clone()
    }

    /// How many operations were done so far.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.0.lock().history.len()
    }

    /// Everything that was done so far, since the disk was made.
    #[must_use]
    pub fn history(&self) -> Vec<Operation> {
        self.0.lock().history.clone()
    }

    /// Turns over one bit of what is on the disk.
    pub fn flip(&self, offset: usize, bit: u8) {
        self.0.lock().live[offset] ^= 1 << (bit % 8);
    }

    /// From now on the disk refuses this.
    pub fn fail(&self, failure: Failure) {
        self.0.lock().fails = Some(failure);
    }

    fn refuse(&self, kind: Failure) -> io::Result<()> {
        if self.0.lock().fails == Some(kind) { Err(io::Error::other("the disk failed")) } else { Ok(()) }
    }

    fn run(&self, operation: Operation) {
        let mut content = self.0.lock();
        operation.apply(&mut content.live);
        content.history.push(operation);
    }
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.refuse(Failure::Read)?;
        let start = position(offset);
        let content = self.0.lock();
        let bytes = content.live.get(start..start.saturating_add(out.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.refuse(Failure::Write)?;
        self.run(Operation::SetLen(position(len)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.refuse(Failure::Sync)?;
        self.run(Operation::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.refuse(Failure::Write)?;
        self.run(Operation::Write { offset: position(offset), data: data.to_vec() });
        Ok(())
    }
}

fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

impl Operation {
    /// Does this to `image`.
    pub fn apply(&self, image: &mut Vec<u8>) {
        self.apply_torn(image, usize::MAX);
    }

    /// Does this to `image`, of a write only the first `kept` bytes.
    pub fn apply_torn(&self, image: &mut Vec<u8>, kept: usize) {
        match self {
            Self::Write { offset, data } => {
                let data = &data[..kept.min(data.len())];
                // The length of a file is changed by the same cache as its bytes: a write that is kept although the
                // growth before it was lost makes the file that long.
                let end = offset + data.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(data);
            }
            Self::SetLen(len) => image.resize(*len, 0),
            Self::Sync => {}
        }
    }
}
