//! The state as openraft sees it: entries to apply, snapshots to make and to install.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use nacrite_env::threads::spawn_guarded;
use nacrite_store::{SnapshotFile, Snapshots, StoreError};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::raft::codec::{self, Applied};
use crate::raft::fatal::Fatal;
use crate::raft::state_thread::{Moment, StateHandle};
use crate::raft::types::{LogId, RaftSnapshot, SnapshotMeta, StoredMembership, TypeConfig};

/// Entries that are handed to the state thread together, by bytes: about what one of its transactions takes.
const READY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The newest snapshot, as everybody knows it.
type Newest = Arc<Mutex<Option<(SnapshotMeta, SnapshotFile)>>>;

/// The state, for openraft's worker.
#[derive(Clone)]
pub(crate) struct StateMachine {
    state: StateHandle,
    snapshots: Snapshots,
    newest: Newest,
    fatal: Arc<Fatal>,
}

impl StateMachine {
    /// Looks which snapshot is the newest.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn new(state: StateHandle, snapshots: Snapshots, fatal: Arc<Fatal>) -> io::Result<Self> {
        let mut newest = None;
        for file in snapshots.list()? {
            match meta_of(&file) {
                Ok(meta) => {
                    newest = Some((meta, file));
                    break;
                }
                // The one before serves as well: the log is kept as far back as the newest that was whole.
                Err(error) => warn!(path = %file.path().display(), %error, "a snapshot cannot be used"),
            }
        }
        Ok(Self { state, snapshots, newest: Arc::new(Mutex::new(newest)), fatal })
    }

    fn current(&self) -> Option<RaftSnapshot> {
        self.newest.lock().clone().map(|(meta, snapshot)| Snapshot { meta, snapshot })
    }
}

fn meta_of(file: &SnapshotFile) -> Result<SnapshotMeta, nacrite_base::BoxError> {
    let applied = Applied::read(file.content()?.applied().to_vec())?;
    Ok(SnapshotMeta { last_log_id: applied.log_id, last_membership: applied.membership })
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.state.applied();
        Ok((applied.log_id, applied.membership))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut ready = Vec::new();
        let mut ready_bytes = 0;
        while let Some(next) = entries.next().await {
            let (entry, responder) = next.inspect_err(|error| self.fatal.tell(error.to_string()))?;
            ready_bytes += codec::entry_len(&entry);
            ready.push((entry, responder));
            if ready_bytes >= READY_BYTES_MAX {
                ready_bytes = 0;
                self.state.apply(std::mem::take(&mut ready)).await?;
            }
        }
        if ready.is_empty() { Ok(()) } else { self.state.apply(ready).await }
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        // The moment is now; writing it down happens beside what is applied from here on.
        SnapshotBuilder { moment: Some(self.state.show().await), machine: self.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotFile) -> io::Result<()> {
        info!(index = snapshot.index, "a snapshot is installed");
        let snapshots = self.snapshots.clone();
        let adopted = on_thread(&self.fatal, move || snapshots.adopt(&snapshot));
        let adopted = adopted.await?;
        self.state.install(adopted.clone()).await?;
        *self.newest.lock() = Some((meta.clone(), adopted));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        Ok(self.current())
    }
}

/// Writes one moment of the state into a file.
pub(crate) struct SnapshotBuilder {
    /// Taken by the one call of `build_snapshot`.
    moment: Option<io::Result<Moment>>,
    machine: StateMachine,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        let moment = self.moment.take().unwrap_or_else(|| Err(io::Error::other("a snapshot is made once")));
        let (view, applied) = moment?;
        let meta = SnapshotMeta { last_log_id: applied.log_id, last_membership: applied.membership };
        let (term, index) = applied.log_id.map_or((0, 0), |log_id| (log_id.leader_id.term, log_id.index));
        let snapshots = self.machine.snapshots.clone();
        let snapshot = on_thread(&self.machine.fatal, move || snapshots.write(&view, term, index)).await?;
        info!(index, "a snapshot is made");
        *self.machine.newest.lock() = Some((meta.clone(), snapshot.clone()));
        Ok(Snapshot { meta, snapshot })
    }
}

/// Runs what takes long on a thread of its own. A failure is the end of the node: openraft cannot go on without the
/// snapshot that it asked for.
pub(crate) async fn on_thread<T: Send + 'static>(
    fatal: &Arc<Fatal>,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    let guard = Arc::clone(fatal);
    // Ends by itself; who waits for the result waits for the thread.
    let thread = spawn_guarded(
        "raft-snapshot",
        // Who asked may be gone when the node stops.
        move || drop(done.send(work())),
        move |said| guard.tell(format!("the thread that makes a snapshot panicked: {said}")),
    );
    drop(thread?);
    match result.await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            fatal.tell(error.to_string());
            Err(fatal.error())
        }
        Err(_) => Err(fatal.error()),
    }
}
