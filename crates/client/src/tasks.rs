//! The tasks of one client: started here and nowhere else, so that closing ends and counts every one of them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::session::Generation;

/// Starts tasks on the caller's runtime and ends them together. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    /// Counts every task of the client.
    all: TaskTracker,
    /// Counts those of this part of it.
    own: TaskTracker,
    stop: CancellationToken,
    /// Numbers of connections; shared, so that they never repeat within a client.
    generations: Arc<AtomicU64>,
}

impl Tasks {
    /// No tasks yet. They will run on the runtime in which this is called.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside a Tokio runtime.
    pub(crate) fn new() -> Result<Self, Error> {
        let runtime = Handle::try_current();
        let runtime =
            runtime.map_err(|_| Error::Invalid("a client must be built inside a Tokio runtime".to_owned()))?;
        let (all, stop, generations) = (TaskTracker::new(), CancellationToken::new(), Arc::default());
        Ok(Self { runtime, all, own: TaskTracker::new(), stop, generations })
    }

    /// A part of these tasks: it can be stopped and waited for alone, and stops with the others.
    pub(crate) fn part(&self) -> Self {
        Self { own: TaskTracker::new(), stop: self.stop.child_token(), ..self.clone() }
    }

    /// Starts a task. It must end soon after [`Self::stopping`] does.
    pub(crate) fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.all.spawn_on(self.own.track_future(task), &self.runtime);
    }

    /// Ends when the tasks are to stop.
    pub(crate) fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.stop.cancelled()
    }

    /// Whether the tasks are to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// A signal that ends with this one, and can be ended before it.
    pub(crate) fn child_signal(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Tells every task of this part to stop, and waits for none.
    pub(crate) fn stop_now(&self) {
        self.stop.cancel();
    }

    /// Tells every task of this part to stop and waits for them, at most `within`. Returns whether all ended.
    pub(crate) async fn stop(&self, within: Duration) -> bool {
        self.stop_now();
        self.own.close();
        tokio::time::timeout(within, self.own.wait()).await.is_ok()
    }

    /// Tells every task of the client to stop and waits for them, at most `within`. Returns whether all ended.
    pub(crate) async fn stop_all(&self, within: Duration) -> bool {
        self.stop_now();
        self.all.close();
        tokio::time::timeout(within, self.all.wait()).await.is_ok()
    }

    /// How many tasks of the client run.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The number of the next connection.
    pub(crate) fn next_generation(&self) -> Generation {
        Generation::new(self.generations.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_is_stopped_alone_and_with_the_others() {
        let tasks = Tasks::new().expect("inside a runtime");
        let (first, second) = (tasks.part(), tasks.part());
        for part in [&first, &second] {
            let told = part.clone();
            part.spawn(async move { told.stopping().await });
        }
        assert!(first.stop(Duration::from_secs(1)).await);
        assert_eq!((tasks.count(), second.is_stopping()), (1, false));
        assert!(tasks.stop_all(Duration::from_secs(1)).await);
        assert!(second.is_stopping());
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_does_not_wait_for_ever() {
        let tasks = Tasks::new().expect("inside a runtime");
        tasks.spawn(std::future::pending());
        assert!(!tasks.stop_all(Duration::from_secs(1)).await);
    }

    #[test]
    fn without_a_runtime_there_are_no_tasks() {
        assert!(matches!(Tasks::new(), Err(Error::Invalid(_))));
    }
}
