//! What can be set about the journal, with the reasons for the defaults.

use std::time::Duration;

use nacrite_store::StoreSettings;
use openraft::{Config, SnapshotPolicy};

/// When a write counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Every write waits for its fsync, which it shares with the writes that wait at the same time.
    Always,
    /// One fsync per interval: a crash of the machine takes up to this much of what was acknowledged. For tests and
    /// scratch use.
    Interval(Duration),
}

/// How the journal agrees, keeps and forgets.
#[derive(Clone, Debug)]
pub struct RaftSettings {
    /// When a write is acknowledged.
    pub sync: SyncMode,
    /// A leader shows that it is alive this often. Long enough to cost nothing when idle, a seventh of the shortest
    /// election timeout.
    pub heartbeat: Duration,
    /// A follower that heard nothing for a time between these two asks for votes. Well above what an fsync and a round
    /// trip may take on a busy two-core machine: a shorter time would depose leaders that only wait for their disk.
    pub election_min: Duration,
    /// See [`Self::election_min`].
    pub election_max: Duration,
    /// A write that is not agreed on within this time is answered as unknown.
    pub propose_timeout: Duration,
    /// Commands that may wait to be proposed. More than the connections of a busy server have under way at once; what
    /// waits behind that would time out.
    pub queue_len_max: usize,
    /// Bytes of commands that may wait to be proposed. One command is always taken, however large.
    pub queue_bytes_max: usize,
    /// Commands that are merged into one entry of the log.
    pub entry_len_max: usize,
    /// Bytes of commands that are merged into one entry; a larger command gets an entry of its own.
    pub entry_bytes_max: usize,
    /// Bytes of the newest entries that are kept in memory, so that nothing that was just written is read from disk.
    pub tail_bytes_max: usize,
    /// Bytes that one read of the log returns: bounds the memory of a follower that catches up.
    pub read_bytes_max: usize,
    /// Bytes that wait to be written to the log before openraft is held back.
    pub unwritten_bytes_max: usize,
    /// The state is written down when it changed this long ago and nothing else is to be done. More often would cost
    /// two fsyncs each; seldom would let pages pile up that a restart has to replay.
    pub checkpoint_after: Duration,
    /// The state is written down after this much time even under load.
    pub checkpoint_within: Duration,
    /// As [`Self::checkpoint_after`], by bytes of the log.
    pub checkpoint_bytes: u64,
    /// As [`Self::checkpoint_within`], by bytes of the log. Bounds what a restart replays.
    pub checkpoint_bytes_max: u64,
    /// A snapshot is made after this many bytes of log; by bytes and not by entries, as an entry may hold one small
    /// command or 4 MiB.
    pub snapshot_bytes: u64,
    /// A snapshot is made after this time, if anything changed.
    pub snapshot_every: Duration,
    /// Entries that stay in the log behind a snapshot, for followers that are a little late.
    pub kept_entries: u64,
    /// Bytes of entries that stay in the log behind a snapshot: 5,000 entries of 4 MiB would fill the disk.
    pub kept_bytes: u64,
    /// How long installing a snapshot may take, from the first byte that is sent.
    pub install_timeout: Duration,
    /// How long a shutdown may take, with all that is still under way.
    pub shutdown_timeout: Duration,
    /// The files.
    pub store: StoreSettings,
}

impl Default for RaftSettings {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            sync: SyncMode::Always,
            heartbeat: Duration::from_millis(200),
            election_min: Duration::from_millis(1500),
            election_max: Duration::from_millis(3000),
            propose_timeout: Duration::from_secs(5),
            queue_len_max: 1024,
            queue_bytes_max: 64 * MIB,
            entry_len_max: 256,
            entry_bytes_max: 4 * MIB,
            tail_bytes_max: 8 * MIB,
            read_bytes_max: 4 * MIB,
            unwritten_bytes_max: 64 * MIB,
            checkpoint_after: Duration::from_secs(1),
            checkpoint_within: Duration::from_secs(5),
            checkpoint_bytes: 32 * MIB as u64,
            checkpoint_bytes_max: 64 * MIB as u64,
            snapshot_bytes: 256 * MIB as u64,
            snapshot_every: Duration::from_secs(30 * 60),
            kept_entries: 5000,
            kept_bytes: 64 * MIB as u64,
            install_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(10),
            store: StoreSettings::default(),
        }
    }
}

impl RaftSettings {
    /// The same for openraft.
    ///
    /// # Errors
    /// What openraft finds contradictory.
    pub(crate) fn to_openraft(&self) -> Result<Config, String> {
        let config = Config {
            cluster_name: "nacrite".to_owned(),
            heartbeat_interval: as_ms(self.heartbeat),
            election_timeout_min: as_ms(self.election_min),
            election_timeout_max: as_ms(self.election_max),
            // A node that was cut off must not depose a healthy leader when it comes back.
            enable_pre_vote: Some(true),
            // A restarted leader asks for votes like everyone else: its state is behind its log until it has replayed.
            enable_leader_restore: Some(false),
            // A follower whose log went back has lost acknowledged entries; that is never normal.
            allow_log_reversion: Some(false),
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: self.kept_entries,
            install_snapshot_timeout: as_ms(self.install_timeout),
            // Entries per message to a follower; bytes are bounded by what one read of the log returns.
            max_payload_entries: 300,
            ..Config::default()
        };
        config.validate().map_err(|error| error.to_string())
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
