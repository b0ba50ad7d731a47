//! Removes rows of the config history that are too old, a bounded number at a time.

use std::time::Duration;

use nacrite_env::SharedClock;
use tracing::warn;

use crate::history;
use crate::limits::HISTORY_TRIM_ROWS_MAX;
use crate::machine::DurableWrite;
use crate::owner::configs::Configs;
use crate::tasks::Tasks;
use crate::writes::Writes;

/// How often to look; as Nacos does.
const EVERY: Duration = Duration::from_secs(600);

/// Runs until the server stops. Rows older than `keep` go.
pub async fn run(configs: &Configs, writes: &Writes, keep: Duration, clock: &SharedClock, tasks: &Tasks) {
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        loop {
            let before = clock.now();
            let old = history::older_than(configs, before, keep, HISTORY_TRIM_ROWS_MAX);
            let rows = match old {
                Ok(rows) if !rows.is_empty() => rows,
                Ok(_) => break,
                Err(fault) => {
                    warn!(%fault, "the history cannot be read");
                    break;
                }
            };
            let is_full = rows.len() >= HISTORY_TRIM_ROWS_MAX;
            if let Err(fault) = writes.write(DurableWrite::DropHistory(rows)).await {
                warn!(%fault, "old rows of the history stay for now");
                break;
            }
            if !is_full || tasks.is_stopping() {
                break;
            }
        }
    }
}
