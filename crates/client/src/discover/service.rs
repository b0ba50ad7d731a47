//! One service as its callers see it: whom to call next, and what became of the calls.
//!
//! What is picked from is a `View`, which a task of the service makes anew when the list changes or an instance is ejected
//! or comes back; picking loads it and draws a number. The last list stays while the registry is away.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use nacrite_balance::Policy;
use nacrite_balance::outlier::{OutlierSettings, Outliers};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;

use super::view::View;
use super::{Discovery, NoInstance};
use crate::clock;
use crate::error::Error;
use crate::metrics::Meter;
use crate::naming::{Instance, Instances, ServiceKey, Subscription, SubscriptionState};

/// A service that is followed. Clones share everything; while one is there the service is followed.
#[derive(Clone)]
pub struct DiscoveredService {
    watched: Arc<Watched>,
    /// On whose tasks the list hangs.
    _discovery: Discovery,
}

pub(super) struct Watched {
    /// Keeps the list up to date.
    subscription: Subscription,
    policy: Arc<dyn Policy>,
    view: ArcSwap<View>,
    /// Who failed too often. Held while a view is made, so that views follow each other as lists do; no caller waits for
    /// it, but the one whose call is the failure too many.
    outliers: Mutex<Outliers>,
    /// Rings when somebody was ejected: when to look again is another time then.
    ejected: Arc<Notify>,
    /// Whether somebody asked since this was looked at last.
    used: AtomicBool,
    meter: Arc<Meter>,
    /// Ends the task.
    _stop: DropGuard,
}

/// What became of a call, as far as the instance is to be judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instance did its work: also if it said that the caller was wrong.
    Success,
    /// It could not be reached, broke off, took too long, or said that it cannot work.
    Failure,
}

impl DiscoveredService {
    pub(super) fn new(watched: Arc<Watched>, discovery: Discovery) -> Self {
        Self { watched, _discovery: discovery }
    }

    /// Which service.
    #[must_use]
    pub fn key(&self) -> &ServiceKey {
        self.watched.subscription.service()
    }

    /// Waits until a server has said who is there, at most `within`. Returns at once if one has.
    ///
    /// # Errors
    /// Why none has.
    pub async fn ready(&self, within: Duration) -> Result<Instances, Error> {
        if let Some(list) = self.watched.view.load().list() {
            return Ok(list.clone());
        }
        let list = self.watched.subscription.resolved(within).await?;
        // The task may not have come to it yet.
        self.watched.renew();
        Ok(list)
    }

    /// Who is there, as far as it is known; `None` while no server has answered.
    #[must_use]
    pub fn instances(&self) -> Option<Instances> {
        self.watched.view.load().list().cloned()
    }

    /// What has become of the subscription, to be watched: whether the list is kept up to date, and why not.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SubscriptionState> {
        self.watched.subscription.state()
    }

    /// Whom to call next: by weight, of one's own cluster if that is preferred, past those that are ejected. Never waits.
    ///
    /// # Errors
    /// Why there is nobody.
    pub fn pick(&self) -> Result<Arc<Instance>, NoInstance> {
        self.watched.asked();
        let view = self.watched.view.load();
        let picked = view.pick().and_then(|place| view.callable().get(place));
        picked.cloned().ok_or_else(|| view.nobody(self.key(), 0))
    }

    /// Whom to call after a call to each of `tried` failed: by the same rules, as if those were not there.
    ///
    /// # Errors
    /// Why there is nobody else.
    pub fn pick_other(&self, tried: &[Arc<Instance>]) -> Result<Arc<Instance>, NoInstance> {
        if tried.is_empty() {
            return self.pick();
        }
        self.watched.asked();
        let view = self.watched.view.load();
        let picked = view.pick_other(&*self.watched.policy, tried).and_then(|place| view.callable().get(place));
        picked.cloned().ok_or_else(|| view.nobody(self.key(), tried.len()))
    }

    /// Notes what became of a call to an instance. Too many failures in a row eject it: for a while it takes no calls, unless
    /// nobody else is left; when it is back, its first failure ejects it again, and for longer. An instance that is not there
    /// any more is passed over.
    pub fn report(&self, instance: &Instance, outcome: Outcome) {
        let view = self.watched.view.load();
        let Some(record) = view.record(instance) else { return };
        match outcome {
            Outcome::Success => record.succeeded(),
            Outcome::Failure => {
                if record.failed() {
                    self.watched.renew();
                    self.watched.ejected.notify_one();
                }
            }
        }
    }

    /// Those that take no calls for a while, because they failed too often.
    #[must_use]
    pub fn ejected(&self) -> Vec<Arc<Instance>> {
        self.watched.view.load().ejected().cloned().collect()
    }
}

impl fmt::Debug for DiscoveredService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.instances().map(|list| list.len());
        f.debug_struct("DiscoveredService").field("service", self.key()).field("instances", &count).finish()
    }
}

impl Watched {
    /// A service that is followed from now on; what is returned besides is to run until it ends.
    pub(super) fn new(
        subscription: Subscription,
        policy: Arc<dyn Policy>,
        outliers: OutlierSettings,
        meter: Arc<Meter>,
        stop: CancellationToken,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + use<>) {
        let changes = subscription.changes();
        let watched = Arc::new(Self {
            subscription,
            policy,
            view: ArcSwap::from_pointee(View::unknown()),
            outliers: Mutex::new(Outliers::new(outliers, clock::now().into_std())),
            ejected: Arc::default(),
            used: AtomicBool::new(true),
            meter,
            _stop: stop.clone().drop_guard(),
        });
        let follow = follow(Arc::downgrade(&watched), Arc::clone(&watched.ejected), changes);
        (watched, async move {
            stop.run_until_cancelled(follow).await;
        })
    }

    /// Somebody asks whom to call.
    fn asked(&self) {
        self.mark_used();
        self.meter.picks.add_one();
    }

    /// Somebody asks for it. Written only if it is not written yet: all callers share the place.
    pub(super) fn mark_used(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody asked since [`Self::was_used`] was called last.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether somebody asked since this was called last.
    pub(super) fn was_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// Makes the view of the newest list, without those that failed too often. Returns when to do it again, if nothing
    /// happens before.
    fn renew(&self) -> Option<Instant> {
        let mut outliers = self.outliers.lock();
        let list = self.subscription.current()?;
        // How calls ended since the last view counts before those are forgotten that left.
        let has_changed = outliers.evaluate(clock::now().into_std(), rand::random);
        let view = View::new(list, &*self.policy, &mut outliers);
        if has_changed {
            let ejected: Vec<String> = view.ejected().map(ToString::to_string).collect();
            info!(service = %self.subscription.service(), ?ejected, "instances that take no calls for a while");
        }
        self.view.store(Arc::new(view));
        outliers.wakes_at().map(Instant::from_std)
    }
}

/// Renews the view with every change, while anybody holds the service.
async fn follow(watched: Weak<Watched>, ejected: Arc<Notify>, mut changes: watch::Receiver<Option<Instances>>) {
    loop {
        // Marked as seen before it is looked at: what changes meanwhile is a change again.
        changes.mark_unchanged();
        let Some(held) = watched.upgrade() else { return };
        let wake_at = held.renew();
        drop(held);
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(wake_at.unwrap_or_else(clock::now)), if wake_at.is_some() => {}
            () = ejected.notified() => {}
        }
    }
}
