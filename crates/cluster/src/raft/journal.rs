//! The journal as the rest of the server sees it: opened, proposed to, read, measured, shut down.

mod opening;

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use nacrite_store::StateReader;
use openraft::Raft;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::raft::fatal::Fatal;
use crate::raft::log_store::LogShared;
use crate::raft::log_writer::{Job, LogWriter};
use crate::raft::metrics::{JournalMetrics, StateCounters};
use crate::raft::proposer::{Committed, Proposals, ProposeError};
use crate::raft::state_machine::StateMachine;
use crate::raft::state_thread::StateHandle;
use crate::raft::types::TypeConfig;

/// A journal of commands and the state that follows from it. Cheap to clone; all clones are the same journal.
///
/// Must be shut down: a journal that is only dropped goes on until its runtime ends.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    node: u64,
    raft: Raft<TypeConfig, StateMachine>,
    proposals: Proposals,
    propose_timeout: Duration,
    shutdown_timeout: Duration,
    reader: StateReader,
    state: StateHandle,
    log: Arc<LogShared>,
    state_counters: Arc<StateCounters>,
    fatal: Arc<Fatal>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Held while it shuts down, so that a second caller waits for the first; empty afterwards.
    parts: tokio::sync::Mutex<Option<Parts>>,
}

/// What a shutdown takes apart.
struct Parts {
    log_writer: LogWriter,
    /// They hold the lock of the directory until they end.
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("node", &self.0.node).finish_non_exhaustive()
    }
}

impl Journal {
    /// Proposes a command. When this returns, it is on the disks of a majority, and readers of this node see what it
    /// did.
    ///
    /// # Errors
    /// [`ProposeError`]; all but [`ProposeError::Unknown`] mean that nothing happened.
    pub async fn propose(&self, command: Bytes) -> Result<Committed, ProposeError> {
        let answered = self.0.proposals.queue(command)?;
        match timeout(self.0.propose_timeout, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ProposeError::Unknown("the journal stopped meanwhile".to_owned())),
            Err(_) => Err(ProposeError::Unknown(format!("no answer within {:?}", self.0.propose_timeout))),
        }
    }

    /// Reads the state.
    #[must_use]
    pub fn reader(&self) -> StateReader {
        self.0.reader.clone()
    }

    /// Whether this node leads, so that it can take writes.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0.raft.is_leader()
    }

    /// Ends when there is a leader and this node has applied everything it ever acknowledged, or after `within`.
    /// Returns whether it is so.
    pub async fn wait_ready(&self, within: Duration) -> bool {
        let ready = async {
            let wait = self.0.raft.wait(None);
            let has_leader = wait.metrics(|metrics| metrics.current_leader.is_some(), "a leader").await.is_ok();
            has_leader && self.0.raft.wait_for_recovery(None).await.is_ok()
        };
        timeout(within, ready).await.unwrap_or(false)
    }

    /// How the journal is.
    #[must_use]
    pub fn metrics(&self) -> JournalMetrics {
        let inner = &*self.0;
        let mut metrics = {
            let raft = inner.raft.metrics();
            let raft = raft.borrow_watched();
            JournalMetrics {
                node: inner.node,
                term: raft.current_term,
                last_log: raft.last_log_index,
                committed: raft.cluster_committed.map(|log_id| log_id.index),
                snapshot: raft.snapshot.map(|log_id| log_id.index),
                purged: raft.purged.map(|log_id| log_id.index),
                queued: inner.proposals.len(),
                ..JournalMetrics::default()
            }
        };
        // openraft learns a little later than everybody who was answered.
        metrics.applied = inner.state.applied().log_id.map(|log_id| log_id.index);
        inner.log.counters.fill(&mut metrics);
        inner.state_counters.fill(&mut metrics);
        metrics
    }

    /// Has a snapshot made, and the log behind it purged. Does not wait for it; [`Self::metrics`] shows how far the newest
    /// one reaches.
    pub fn snapshot_soon(&self) {
        self.0.log.counters.ask_snapshot();
    }

    /// Why this node cannot go on, if so.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.fatal.reason().map(str::to_owned)
    }

    /// Proposes what waits, takes nothing more, writes everything down and closes the files. Returns when that is done,
    /// at the latest after [`crate::raft::RaftSettings::shutdown_timeout`]; a second call waits for the first.
    pub async fn shutdown(&self) {
        let mut parts = self.0.parts.lock().await;
        let Some(taken) = parts.take() else { return };
        if timeout(self.0.shutdown_timeout, self.0.end(taken)).await.is_err() {
            // What was acknowledged is on disk; only the tidy end is missing, and the next opening makes up for it.
            warn!(within = ?self.0.shutdown_timeout, "the journal did not end in time");
        }
    }
}

impl Inner {
    /// The log ends before the state, so that the state can be written down as far as it is applied.
    async fn end(&self, parts: Parts) {
        let Parts { log_writer, threads } = parts;
        self.stop.cancel();
        self.tasks.close();
        // What cannot be agreed on within half the time will not be: ending openraft answers it.
        if timeout(self.shutdown_timeout / 2, self.tasks.wait()).await.is_err() {
            warn!("writes that wait for agreement are given up");
        }
        if let Err(error) = self.raft.shutdown().await {
            warn!(%error, "openraft did not end properly");
        }
        self.tasks.wait().await;
        let log_closed = log_writer.run(Job::Close).await;
        let state_closed = self.state.close().await;
        for thread in threads {
            // It has answered, or it is gone: joining does not wait for anything but its last instructions.
            if thread.join().is_err() {
                warn!("a thread of the journal panicked");
            }
        }
        match (log_closed, state_closed) {
            (Ok(()), Ok(())) => info!("the journal is closed"),
            (Err(error), _) | (_, Err(error)) => warn!(%error, "the journal was not closed properly"),
        }
    }
}
