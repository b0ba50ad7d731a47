//! Asks servers over HTTP for what the redo wants: for servers before 2.0, and for ways that let nothing else through.
//!
//! There is no connection that could be lost. Beats keep instances alive and register them again, and subscriptions are
//! polled; both look after themselves once they were asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nacrite_base::ServiceKey;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::desired::{Job, What};
use super::publication::Publish;
use super::shared::Shared;
use super::wish::Outcome;
use crate::error::Error;
use crate::http::naming::{HttpNaming, Subscription};
use crate::session::Generation;
use crate::tasks::Tasks;

/// Asks over HTTP. Clones share everything.
#[derive(Clone)]
pub(super) struct OverHttp(Arc<Inner>);

struct Inner {
    http: HttpNaming,
    tasks: Tasks,
    followed: Mutex<HashMap<ServiceKey, Following>>,
    /// Numbers the lists. Which of two is newer is decided before they come here, so each counts as from a later
    /// connection.
    lists: AtomicU64,
}

struct Following {
    subscription: Subscription,
    stop: CancellationToken,
}

impl OverHttp {
    pub(super) fn new(http: HttpNaming, tasks: Tasks) -> Self {
        Self(Arc::new(Inner { http, tasks, followed: Mutex::default(), lists: AtomicU64::new(1) }))
    }

    pub(super) fn http(&self) -> &HttpNaming {
        &self.0.http
    }

    pub(super) async fn ask(&self, shared: &Arc<Shared>, job: Job) -> (Job, Outcome) {
        let outcome = match &job.what {
            What::Publish(service, publish) => Outcome::of(self.publish(service, publish).await),
            What::Subscribe(service) => Outcome::of(self.subscribe(shared, service).await),
            What::Unsubscribe(service) => {
                self.unfollow(service);
                Outcome::Done
            }
            What::Watch(_) | What::CancelWatch(_) => {
                Outcome::of::<()>(Err(Error::Unsupported("watching services by pattern over HTTP".to_owned())))
            }
        };
        (job, outcome)
    }

    /// Instances are single here: what is missing is added, then what is not wanted any more is taken away.
    async fn publish(&self, service: &ServiceKey, publish: &Publish) -> Result<(), Error> {
        match publish {
            Publish::Put(replace) => {
                for instance in replace.missing() {
                    self.0.http.register(service, &instance.body()).await?;
                }
                for instance in replace.dropped().chain(replace.left.values()) {
                    self.0.http.deregister(service, &instance.body()).await?;
                }
            }
            Publish::Take(last) => {
                for instance in last.values() {
                    self.0.http.deregister(service, &instance.body()).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits for the first list. If that does not come, the polls go on all the same.
    async fn subscribe(&self, shared: &Arc<Shared>, service: &ServiceKey) -> Result<(), Error> {
        let mut listed = self.follow(shared, service).listed;
        let within = shared.settings.request_within;
        let first = listed.wait_for(|listed| listed.list.is_some() || listed.failure.is_some());
        match tokio::time::timeout(within, first).await {
            Err(_) => Err(Error::Deadline { within, last: None }),
            Ok(Err(_)) => Err(Error::Closed),
            Ok(Ok(listed)) => match (&listed.list, &listed.failure) {
                (None, Some(failure)) => Err(Error::Broken(failure.to_string())),
                _ => Ok(()),
            },
        }
    }

    fn follow(&self, shared: &Arc<Shared>, service: &ServiceKey) -> Subscription {
        let mut followed = self.0.followed.lock();
        if let Some(following) = followed.get(service) {
            return following.subscription.clone();
        }
        let subscription = self.0.http.subscribe(service);
        let stop = self.0.tasks.child_signal();
        followed.insert(service.clone(), Following { subscription: subscription.clone(), stop: stop.clone() });
        drop(followed);
        let (inner, shared, service) = (Arc::clone(&self.0), Arc::clone(shared), service.clone());
        let mut listed = subscription.listed.clone();
        self.0.tasks.spawn(async move {
            loop {
                let list = listed.borrow_and_update().list.clone();
                if let Some(list) = list {
                    let number = inner.lists.fetch_add(1, Ordering::Relaxed);
                    shared.learn(Generation::new(number), &service, list.as_ref().clone());
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = listed.changed() => if changed.is_err() { break },
                }
            }
        });
        subscription
    }

    fn unfollow(&self, service: &ServiceKey) {
        if let Some(following) = self.0.followed.lock().remove(service) {
            following.stop.cancel();
        }
    }

    pub(super) fn end(&self) {
        self.0.followed.lock().clear();
    }
}
