//! Being told what becomes of a service: a stream of changes per subscriber, each with its own interest.
//!
//! There is no queue. Every subscriber compares the newest list with the one that it was told last: a slow one is told
//! less often and never late, and nothing grows behind it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use nacrite_base::ServiceKey;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, ReusableBoxFuture};

use super::desired::SubscriptionState;
use super::instances::{Change, Instances};
use super::selector::Selector;
use super::shared::{Followed, Shared};
use super::waiting;
use crate::error::Error;

type Receiver = watch::Receiver<Option<Instances>>;

/// Wants to be told of a service, until it is dropped.
#[derive(Debug)]
struct Lease {
    shared: Arc<Shared>,
    service: ServiceKey,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.unfollow(&self.service);
    }
}

/// A stream of what becomes of a service. The first [`Change`] is the list as it is, also if there is nobody in it. It ends
/// when the client is closed. Dropping it unsubscribes this one subscriber, the last one of a service also at the server.
///
/// ```no_run
/// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
/// use nacrite_client::naming::Selector;
/// let mut orders = naming.subscribe("orders", Selector::default().healthy())?;
/// while let Some(change) = orders.changed().await {
///     println!("{} instances, {} of them new", change.instances.len(), change.added.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    selector: Selector,
    followed: Followed,
    told: Option<Instances>,
    next: ReusableBoxFuture<'static, (Result<(), watch::error::RecvError>, Receiver)>,
    lease: Lease,
}

async fn next(mut receiver: Receiver) -> (Result<(), watch::error::RecvError>, Receiver) {
    let changed = receiver.changed().await;
    (changed, receiver)
}

impl Subscription {
    pub(super) fn new(shared: &Arc<Shared>, service: ServiceKey, followed: Followed, selector: Selector) -> Self {
        let mut receiver = followed.changes.clone();
        // What is there already is the first change.
        receiver.mark_changed();
        let lease = Lease { shared: Arc::clone(shared), service };
        Self { selector, followed, told: None, next: ReusableBoxFuture::new(next(receiver)), lease }
    }

    /// Which service.
    #[must_use]
    pub fn service(&self) -> &ServiceKey {
        &self.lease.service
    }

    /// Waits for the next change: the same as the stream. `None` when the client is closed. May be cancelled.
    pub async fn changed(&mut self) -> Option<Change> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The instances that this subscriber is interested in, as they are now; `None` while no server has answered, which is
    /// not the same as nobody being there. Cost: one pass over the instances.
    #[must_use]
    pub fn current(&self) -> Option<Instances> {
        self.followed.changes.borrow().as_ref().map(|list| list.filtered(|instance| self.selector.wants(instance)))
    }

    /// Waits until a server has answered, at most `within`.
    ///
    /// # Errors
    /// Why none has.
    pub async fn resolved(&self, within: Duration) -> Result<Instances, Error> {
        let list = waiting::resolved(self.followed.clone(), within).await?;
        Ok(list.filtered(|instance| self.selector.wants(instance)))
    }

    /// What has become of the subscription, to be watched.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SubscriptionState> {
        self.followed.state.clone()
    }

    /// The newest list, to be watched, with all instances: also those that this subscriber is not interested in.
    #[cfg(any(test, feature = "discover"))]
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Instances>> {
        self.followed.changes.clone()
    }

    /// What is different for this subscriber, if anything is.
    fn change_to(&mut self, list: &Instances) -> Option<Change> {
        let list = list.filtered(|instance| self.selector.wants(instance));
        let is_first = self.told.is_none();
        let change = Change::between(self.told.as_ref(), list.clone());
        self.told = Some(list);
        (is_first || !change.is_empty()).then_some(change)
    }
}

impl Stream for Subscription {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Change>> {
        loop {
            let (changed, mut receiver) = ready!(self.next.poll(context));
            let newest = receiver.borrow_and_update().clone();
            self.next.set(next(receiver));
            // What was shown last before the end is told all the same.
            if let Some(change) = newest.and_then(|list| self.change_to(&list)) {
                return Poll::Ready(Some(change));
            }
            if changed.is_err() {
                return Poll::Ready(None);
            }
        }
    }
}

/// Calls back until it is dropped. See [`Naming::subscribe_with`](super::Naming::subscribe_with).
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct Callback {
    stop: CancellationToken,
    state: watch::Receiver<SubscriptionState>,
}

impl Callback {
    /// Calls `call` with every change that `subscription` brings. A slow call delays nobody else.
    pub(super) fn begin(
        mut subscription: Subscription,
        stop: CancellationToken,
        mut call: impl FnMut(Change) + Send + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let callback = Self { stop: stop.clone(), state: subscription.state() };
        let task = async move {
            loop {
                let change = tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    change = subscription.changed() => change,
                };
                let Some(change) = change else { break };
                call(change);
            }
        };
        (callback, task)
    }

    /// What has become of the subscription, to be watched.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SubscriptionState> {
        self.state.clone()
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
