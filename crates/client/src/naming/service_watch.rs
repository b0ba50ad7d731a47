//! Being told which services there are: a stream per watcher, without a queue, as for the instances of one service.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use nacrite_base::ServiceKey;
use tokio::sync::watch;
use tokio_util::sync::ReusableBoxFuture;

use super::desired::SubscriptionState;
use super::fuzzy::{Matching, Pattern};
use super::shared::Shared;
use super::waiting;
use crate::error::Error;

/// Which services have come and gone since the watcher was told last.
#[derive(Clone, Debug)]
pub struct ServicesChange {
    /// All services that match, as far as the server tells.
    pub services: Arc<BTreeSet<ServiceKey>>,
    /// Those that were not there before.
    pub appeared: Vec<ServiceKey>,
    /// Those that are gone.
    pub vanished: Vec<ServiceKey>,
    /// There are more than the server tells; services that go may then not be told either.
    pub limited: bool,
}

type Changed = (Result<(), watch::error::RecvError>, watch::Receiver<Matching>);

/// A stream of the services that match a pattern. The first item is all of them, also if there is none. It ends when the
/// client is closed; dropping it ends this watcher alone.
#[derive(Debug)]
pub struct ServiceWatch {
    shared: Arc<Shared>,
    pattern: Pattern,
    state: watch::Receiver<SubscriptionState>,
    told: Option<Matching>,
    next: ReusableBoxFuture<'static, Changed>,
}

async fn next(mut receiver: watch::Receiver<Matching>) -> Changed {
    let changed = receiver.changed().await;
    (changed, receiver)
}

impl ServiceWatch {
    pub(super) fn open(shared: &Arc<Shared>, pattern: Pattern) -> Result<Self, Error> {
        let (mut receiver, state) = shared.watch(&pattern)?;
        receiver.mark_changed();
        Ok(Self {
            shared: Arc::clone(shared),
            pattern,
            state,
            told: None,
            next: ReusableBoxFuture::new(next(receiver)),
        })
    }

    /// Waits for the next change: the same as the stream. `None` when the client is closed. May be cancelled.
    pub async fn changed(&mut self) -> Option<ServicesChange> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// What has become of the watch, to be observed.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SubscriptionState> {
        self.state.clone()
    }

    /// Waits until the server has confirmed the watch, at most `within`.
    ///
    /// # Errors
    /// Why it has not; [`Error::Unsupported`] if the server cannot do it.
    pub async fn active(&self, within: Duration) -> Result<(), Error> {
        waiting::active(self.state.clone(), within).await
    }

    /// What is different, if anything is. Nothing is told before the first batches are through: a part would look like
    /// the whole.
    fn change_to(&mut self, now: &Matching) -> Option<ServicesChange> {
        if !now.complete {
            return None;
        }
        let before = self.told.replace(now.clone());
        let empty = Arc::default();
        let known = before.as_ref().map_or(&empty, |before| &before.services);
        let change = ServicesChange {
            appeared: now.services.difference(known).cloned().collect(),
            vanished: known.difference(&now.services).cloned().collect(),
            services: Arc::clone(&now.services),
            limited: now.limited,
        };
        let same = before.is_some_and(|before| before.limited == now.limited);
        (!same || !change.appeared.is_empty() || !change.vanished.is_empty()).then_some(change)
    }
}

impl Stream for ServiceWatch {
    type Item = ServicesChange;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ServicesChange>> {
        loop {
            let (changed, mut receiver) = ready!(self.next.poll(context));
            let newest = receiver.borrow_and_update().clone();
            self.next.set(next(receiver));
            if let Some(change) = self.change_to(&newest) {
                return Poll::Ready(Some(change));
            }
            if changed.is_err() {
                return Poll::Ready(None);
            }
        }
    }
}

impl Drop for ServiceWatch {
    fn drop(&mut self) {
        self.shared.unwatch(&self.pattern);
    }
}
