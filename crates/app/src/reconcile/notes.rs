//! Notes for the next run what clients publish, a moment after it changed.

use std::time::Duration;

use crate::guard::notes::Notes;
use crate::owner::registry::Shards;
use crate::tasks::Tasks;

/// Changes are gathered this long. A server that is killed knows nothing of the last of them at its next start.
const GATHER: Duration = Duration::from_millis(100);

/// Runs until the server stops.
pub async fn run(shards: &Shards, notes: &Notes, tasks: &Tasks) {
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = shards.changes.noted() => {}
        }
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = tokio::time::sleep(GATHER) => notes.write().await,
        }
    }
}
