//! Decides when a snapshot is made and how much of the log stays behind it.
//!
//! By bytes of log, or by time if anything changed: openraft's own rule counts entries, and an entry may be small or
//! large. Sleeps until one of the two is due.

use std::sync::Arc;

use openraft::Raft;
use openraft::async_runtime::watch::WatchReceiver;
use tracing::{info, warn};

use crate::raft::fatal::Fatal;
use crate::raft::log_store::LogShared;
use crate::raft::settings::RaftSettings;
use crate::raft::state_machine::{StateMachine, on_thread};
use crate::raft::types::TypeConfig;

/// Makes snapshots until `stop`.
pub(crate) async fn run(
    raft: Raft<TypeConfig, StateMachine>,
    log: Arc<LogShared>,
    settings: RaftSettings,
    fatal: Arc<Fatal>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    loop {
        let is_due = async {
            if !log.counters.has_grown() {
                tokio::select! {
                    () = log.counters.grown.notified() => {}
                    () = tokio::time::sleep(settings.snapshot_every) => {}
                }
            }
        };
        tokio::select! {
            () = &mut stop => return,
            () = is_due => {}
        }
        if log.counters.begin_snapshot() == 0 {
            continue; // Time went by and nothing changed.
        }
        tokio::select! {
            () = &mut stop => return,
            compacted = compact(&raft, &log, &settings, &fatal) => if let Err(error) = compacted {
                warn!(error, "no snapshot was made");
                if raft.metrics().borrow_watched().running_state.is_err() {
                    return; // The node failed or was stopped; why was told elsewhere.
                }
            }
        }
    }
}

/// Makes a snapshot of what is applied now and purges the log behind it.
async fn compact(
    raft: &Raft<TypeConfig, StateMachine>,
    log: &Arc<LogShared>,
    settings: &RaftSettings,
    fatal: &Arc<Fatal>,
) -> Result<(), String> {
    let Some(target) = raft.metrics().borrow_watched().last_applied else {
        return Ok(());
    };
    raft.trigger().snapshot().await.map_err(|error| error.to_string())?;
    let is_made = |metrics: &openraft::RaftMetrics<TypeConfig>| metrics.snapshot >= Some(target);
    // While openraft makes one for a follower it ignores the wish for another; then the next turn makes up for it.
    let wait = raft.wait(Some(settings.snapshot_every));
    wait.metrics(is_made, "the snapshot is made").await.map_err(|error| error.to_string())?;

    let (reader, entries, bytes) = (Arc::clone(log), settings.kept_entries, settings.kept_bytes);
    let first_kept = on_thread(fatal, move || reader.first_within(entries, bytes));
    let first_kept = first_kept.await.map_err(|error| error.to_string())?;
    if let Some(last_purged) = first_kept.checked_sub(1) {
        info!(index = last_purged, "the log is purged");
        raft.trigger().purge_log(last_purged).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
