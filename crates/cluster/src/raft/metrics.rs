//! What the journal counts.

use std::sync::atomic::{AtomicU64, Ordering};

use nacrite_base::Timestamp;
use tokio::sync::Notify;

/// How the journal is, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalMetrics {
    /// This node.
    pub node: u64,
    /// The term of the leader that this node knows of.
    pub term: u64,
    /// The index of the last entry of the log.
    pub last_log: Option<u64>,
    /// The index up to which the group agreed.
    pub committed: Option<u64>,
    /// The index up to which readers see the log.
    pub applied: Option<u64>,
    /// The index of the last entry in the newest snapshot.
    pub snapshot: Option<u64>,
    /// The index up to which the log was purged.
    pub purged: Option<u64>,
    /// Bytes of all entries in the log.
    pub log_bytes: u64,
    /// Transactions of the log that waited for the disk, since the start.
    pub log_syncs: u64,
    /// Entries that were written to the log, since the start.
    pub log_entries: u64,
    /// Commands that were applied, since the start. Divided by [`Self::log_syncs`], how many share an fsync.
    pub commands: u64,
    /// Commands that wait to be proposed.
    pub queued: usize,
    /// When the state was last written down.
    pub checkpointed_at: Option<Timestamp>,
}

/// Counted by the writer of the log.
#[derive(Debug)]
pub(crate) struct LogCounters {
    syncs: AtomicU64,
    entries: AtomicU64,
    len_bytes: AtomicU64,
    /// Entries before this index survive a crash.
    durable_next: AtomicU64,
    since_snapshot_bytes: AtomicU64,
    snapshot_bytes: u64,
    /// Told when the log has grown by `snapshot_bytes`.
    pub(crate) grown: Notify,
}

impl LogCounters {
    pub(crate) fn new(next: u64, len_bytes: u64, snapshot_bytes: u64) -> Self {
        Self {
            syncs: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            len_bytes: AtomicU64::new(len_bytes),
            durable_next: AtomicU64::new(next),
            // What is in the log may be behind a snapshot already; one snapshot too early does no harm.
            since_snapshot_bytes: AtomicU64::new(len_bytes),
            snapshot_bytes,
            grown: Notify::new(),
        }
    }

    /// The log holds this many bytes now.
    pub(crate) fn holds(&self, len_bytes: u64) {
        self.len_bytes.store(len_bytes, Ordering::Relaxed);
    }

    pub(crate) fn wrote(&self, entries: u64, batch_bytes: u64) {
        self.entries.fetch_add(entries, Ordering::Relaxed);
        let before = self.since_snapshot_bytes.fetch_add(batch_bytes, Ordering::Relaxed);
        if before < self.snapshot_bytes && self.has_grown() {
            self.grown.notify_one();
        }
    }

    pub(crate) fn synced(&self, next: u64) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.durable_next.store(next, Ordering::Release);
    }

    /// Entries before this index survive a crash.
    pub(crate) fn durable_next(&self) -> u64 {
        self.durable_next.load(Ordering::Acquire)
    }

    /// Whether the log has grown by as much as makes a snapshot.
    pub(crate) fn has_grown(&self) -> bool {
        self.since_snapshot_bytes.load(Ordering::Relaxed) >= self.snapshot_bytes
    }

    /// Somebody wants a snapshot, however little the log has grown.
    pub(crate) fn ask_snapshot(&self) {
        self.since_snapshot_bytes.fetch_max(self.snapshot_bytes, Ordering::Relaxed);
        self.grown.notify_one();
    }

    /// A snapshot is being made: what comes from now on counts for the next one. Answers what came since the last one.
    pub(crate) fn begin_snapshot(&self) -> u64 {
        self.since_snapshot_bytes.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn fill(&self, metrics: &mut JournalMetrics) {
        metrics.log_syncs = self.syncs.load(Ordering::Relaxed);
        metrics.log_entries = self.entries.load(Ordering::Relaxed);
        metrics.log_bytes = self.len_bytes.load(Ordering::Relaxed);
    }
}

/// Counted by the thread of the state.
#[derive(Debug, Default)]
pub(crate) struct StateCounters {
    pub(crate) commands: AtomicU64,
    /// Milliseconds of a [`Timestamp`]; 0 for never.
    checkpointed_at: AtomicU64,
}

impl StateCounters {
    pub(crate) fn checkpointed(&self, at: Timestamp) {
        self.checkpointed_at.store(at.as_ms(), Ordering::Relaxed);
    }

    pub(crate) fn fill(&self, metrics: &mut JournalMetrics) {
        metrics.commands = self.commands.load(Ordering::Relaxed);
        let at = self.checkpointed_at.load(Ordering::Relaxed);
        metrics.checkpointed_at = (at > 0).then(|| Timestamp::from_ms(at));
    }
}
