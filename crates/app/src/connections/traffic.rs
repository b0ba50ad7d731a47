//! What went over one connection: messages and bytes of gRPC, both ways. Counted where messages are read and written, and
//! never compared with anything; what the sockets carry besides is not in it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one connection.
#[derive(Debug, Default)]
pub struct Traffic {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_out: AtomicU64,
}

/// What the counters say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Messages of the client.
    pub messages_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages to the client.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

impl Traffic {
    /// The client sent a message.
    pub fn came(&self, len: usize) {
        self.messages_in.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(len as u64, Ordering::Relaxed);
    }

    /// A message is sent to the client.
    pub fn went(&self, len: usize) {
        self.messages_out.fetch_add(1, Ordering::Relaxed);
        self.bytes_out.fetch_add(len as u64, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn carried(&self) -> Carried {
        Carried {
            messages_in: self.messages_in.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            messages_out: self.messages_out.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }
}
