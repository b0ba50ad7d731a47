//! The tasks of one channel: started here and nowhere else, so that shutting it down ends and counts every one of them.
//!
//! hyper starts tasks of its own for each call; it is given this as its executor, so that they are counted as well.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture, WaitForCancellationFutureOwned};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Starts tasks on one runtime and counts them. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    all: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet. They will run on the runtime in which this is called; `None` outside of one.
    pub(crate) fn new() -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        Some(Self { runtime, all: TaskTracker::new(), stop: CancellationToken::new() })
    }

    /// Starts a task. It must end soon after [`Self::stopping`] does.
    pub(crate) fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.all.spawn_on(task, &self.runtime);
    }

    /// Starts a task that belongs to who holds the handle: it ends when that is dropped.
    pub(crate) fn spawn_held<F>(&self, task: F) -> AbortOnDropHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        AbortOnDropHandle::new(self.all.spawn_on(task, &self.runtime))
    }

    /// Starts a task that goes on when the handle is dropped.
    pub(crate) fn spawn_awaited<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.all.spawn_on(task, &self.runtime)
    }

    /// Ends when the tasks are to stop; for those that hold it themselves.
    pub(crate) fn stop_signal(&self) -> WaitForCancellationFutureOwned {
        self.stop.clone().cancelled_owned()
    }

    /// Ends when the tasks are to stop.
    pub(crate) fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.stop.cancelled()
    }

    /// Tells every task to stop, and waits for none.
    pub(crate) fn stop_now(&self) {
        self.stop.cancel();
    }

    /// Waits until every task has ended, at most `within`. Returns whether they have.
    pub(crate) async fn ended(&self, within: Duration) -> bool {
        self.all.close();
        tokio::time::timeout(within, self.all.wait()).await.is_ok()
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}
