//! Tasks that shutdown waits for, and the signal that tells them to end.
//!
//! Every task of the server is started here, so that none outlives it. `docs/design/tasks.md` lists them.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// Starts tasks and ends them together.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task. It must end soon after [`Self::stopping`] does.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task);
    }

    /// Ends when the tasks are to stop.
    pub fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.stop.cancelled()
    }

    /// A signal that ends with this one, and can be ended before it.
    #[must_use]
    pub fn child_signal(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Whether the tasks are to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Tells every task to stop and waits for them, at most `within`. Returns whether all ended.
    pub async fn stop(&self, within: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }

    /// How many tasks run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether no task runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_for_every_task_but_not_for_ever() {
        let tasks = Tasks::new();
        let told = tasks.clone();
        tasks.spawn(async move { told.stopping().await });
        assert!(tasks.stop(Duration::from_secs(1)).await);

        let stuck = Tasks::new();
        stuck.spawn(std::future::pending());
        assert!(!stuck.stop(Duration::from_secs(1)).await);
    }
}
