//! The one task of a channel that owns its state: the list, the connections, the policy.
//!
//! It wakes for five things, works off what there is, and publishes a new [`View`] if anything is different. Calls never
//! wait for it but when there is nobody to send them to. It runs whether calls are made or not, so that a channel that was
//! silent for an hour is as fresh as one that is busy.

mod list;
mod rest;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use nacrite_balance::outlier::Outliers;
use nacrite_balance::subchannel::Event;
use nacrite_balance::{Connectivity, Wanted};
use rand::RngExt as _;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};

use super::Shared;
use super::outcome::Notes;
use super::rules::{Defaults, Keeper};
use super::settings::ChannelSettings;
use super::state::{ChannelState, EndpointState};
use super::view::{Choice, View};
use super::way::{AttemptId, Outcome, Watch, Way};
use crate::clock;
use crate::resolver::{Resolution, Updates};
use crate::transport::Connector;
use list::{List, Nowhere};
use rest::Rest;

pub(super) use list::Names;

/// What a driver is made of.
pub(super) struct Setup {
    pub(super) settings: ChannelSettings,
    pub(super) connector: Connector,
    pub(super) names: Names,
    pub(super) defaults: Defaults,
    pub(super) resolution: watch::Receiver<Resolution>,
    pub(super) updates: Updates,
    pub(super) resolver: BoxFuture<'static, ()>,
}

/// Whether connections are wanted at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Nobody has called yet, or not for long.
    Asleep,
    Awake,
}

/// The owner of everything that changes.
pub(super) struct Driver {
    shared: Arc<Shared>,
    connector: Connector,
    keeper: Keeper,
    outliers: Outliers,
    resolution: watch::Receiver<Resolution>,
    updates: Updates,
    /// Until the first call needs it.
    unstarted: Option<BoxFuture<'static, ()>>,
    /// Runs from then on, also while the channel sleeps.
    _resolver: Option<AbortOnDropHandle<()>>,
    mood: Mood,
    list: List,
    rest: Rest,
    watches: FuturesUnordered<Watch>,
    /// Something that calls or watchers can see is different.
    is_changed: bool,
}

/// However it ended: calls that wait would wait for ever.
impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.view.store(Arc::new(View::without_lanes(None, Choice::Shut)));
        self.shared.changed.notify_waiters();
        self.shared.state.send_modify(|state| {
            (state.connectivity, state.endpoints) = (Connectivity::Shutdown, Arc::default());
        });
    }
}

/// What woke the driver.
enum Woken {
    Ended(AttemptId, Outcome),
    Resolved,
    Nudged,
    Time,
    Stopped,
}

/// Ends at this time, or never.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, setup: Setup) -> Self {
        let Setup { settings, connector, names, defaults, resolution, updates, resolver } = setup;
        Self {
            rest: Rest::new(settings.idle_after, clock::now()),
            list: List::new(names, &settings),
            shared,
            connector,
            outliers: Outliers::new(defaults.outlier.clone(), clock::now().into_std()),
            keeper: Keeper::new(defaults),
            resolution,
            updates,
            unstarted: Some(resolver),
            _resolver: None,
            mood: Mood::Asleep,
            watches: FuturesUnordered::new(),
            is_changed: false,
        }
    }

    /// Runs until the channel is shut down.
    pub(super) async fn run(mut self) {
        loop {
            let woken = self.wait().await;
            let now = clock::now();
            match woken {
                Woken::Stopped => break,
                Woken::Ended(id, outcome) => {
                    self.ended(now, id, outcome);
                    // Many connections are made at once when a list comes; one view tells of all of them.
                    while let Some(Some((id, outcome))) = self.watches.next().now_or_never() {
                        self.ended(now, id, outcome);
                    }
                }
                Woken::Resolved => self.resolved(now),
                Woken::Nudged => self.nudged(now),
                Woken::Time => {}
            }
            self.tick(now);
            self.settle(now);
        }
    }

    /// Follows the target until the channel is done. A resolver that ends is done; one that told nothing has failed, and who
    /// waits for it shall know.
    fn resolve(&self, resolver: BoxFuture<'static, ()>) -> AbortOnDropHandle<()> {
        // One clone here, one with the driver: whoever else holds one may still tell.
        let updates = self.updates.clone();
        self.shared.tasks.spawn_held(async move {
            let is_alive = AssertUnwindSafe(resolver).catch_unwind().await.is_ok();
            if !is_alive {
                updates.failed("the resolver panicked");
            } else if updates.is_mute(2) {
                updates.failed("the resolver ended without a word");
            }
        })
    }

    async fn wait(&mut self) -> Woken {
        let wakes_at = self.wakes_at();
        let is_awake = self.mood == Mood::Awake;
        tokio::select! {
            biased;
            () = self.shared.tasks.stopping() => Woken::Stopped,
            () = self.shared.over.cancelled() => Woken::Stopped,
            Some((id, outcome)) = self.watches.next() => Woken::Ended(id, outcome),
            () = self.shared.nudge.notified() => Woken::Nudged,
            // While it sleeps the newest list waits where it is.
            Ok(()) = self.resolution.changed(), if is_awake => Woken::Resolved,
            () = until(wakes_at) => Woken::Time,
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        if self.mood == Mood::Asleep {
            return None;
        }
        let outliers = self.outliers.wakes_at().map(Instant::from_std);
        self.list.wakes_at().into_iter().chain(self.rest.wakes_at()).chain(outliers).min()
    }

    /// A connection was made, was not, or is over.
    fn ended(&mut self, now: Instant, id: AttemptId, outcome: Outcome) {
        let meter = &self.shared.meter;
        let Some(way) = self.list.way_mut(id) else { return };
        if matches!(outcome, Outcome::Made(_)) {
            meter.connects.add_one();
        }
        match &outcome {
            Outcome::Health | Outcome::HealthIsFinal => debug!(endpoint = %way.address(), "its health has changed"),
            Outcome::Made(Ok(_)) => debug!(endpoint = %way.address(), "connected"),
            Outcome::Made(Err(reason)) => {
                meter.connects_failed.add_one();
                debug!(endpoint = %way.address(), reason, "not connected");
                self.updates.want_refresh();
            }
            Outcome::Closed(reason) => {
                meter.connections_lost.add_one();
                debug!(endpoint = %way.address(), reason, "connection lost");
                self.updates.want_refresh();
            }
        }
        self.is_changed = true;
        self.watches.extend(way.ended(now.into_std(), outcome, &self.connector));
    }

    fn resolved(&mut self, now: Instant) {
        let newest = self.resolution.borrow_and_update().clone();
        // Rules come with lists: a failure says nothing of them.
        if newest.endpoints.is_some() {
            self.keeper.take(newest.service_config.as_ref());
            if self.outliers.settings() != self.keeper.outlier() {
                self.outliers.set_settings(self.keeper.outlier().clone());
            }
        }
        if self.list.take(now, &newest, &mut self.watches, &self.connector) {
            self.shared.meter.lists.add_one();
        }
        self.is_changed = true;
    }

    /// A call waits for a connection, or somebody asked for one, or many calls in a row failed.
    fn nudged(&mut self, now: Instant) {
        if self.mood == Mood::Asleep {
            self.mood = Mood::Awake;
            self.rest.wake(now, &self.shared.meter);
            if let Some(resolver) = self.unstarted.take() {
                self._resolver = Some(self.resolve(resolver));
            }
            self.is_changed = true;
            self.resolved(now);
        }
        for way in self.list.ways_mut() {
            if way.take_asked()
                && let Some(watch) = way.apply(now.into_std(), Event::Asked, &self.connector)
            {
                self.watches.push(watch);
                self.is_changed = true;
            }
        }
    }

    /// Times that have come.
    fn tick(&mut self, now: Instant) {
        if self.mood == Mood::Asleep {
            return;
        }
        for way in self.list.ways_mut().filter(|way| way.wakes_at().is_some_and(|at| at <= now.into_std())) {
            if let Some(watch) = way.apply(now.into_std(), Event::Tick, &self.connector) {
                self.watches.push(watch);
            }
            self.is_changed = true;
        }
        self.is_changed |= self.list.tick(now, &self.connector);
        self.is_changed |= self.outliers.evaluate(now.into_std(), || rand::rng().random());
        if self.rest.is_due(now, &self.shared.meter) {
            info!(target = %self.shared.authority, "no calls for a while: connections are closed until the next");
            self.mood = Mood::Asleep;
            self.list.sleep();
            self.is_changed = true;
        }
    }

    /// Connects whom the policy wants connected, and shows how things stand, if they stand otherwise than before.
    fn settle(&mut self, now: Instant) {
        if !self.is_changed {
            return;
        }
        self.is_changed = false;
        if self.mood == Mood::Awake {
            self.judge();
            self.check();
            self.connect(now);
        }
        let view = self.view();
        self.shared.view.store(Arc::new(view));
        self.shared.changed.notify_waiters();
        self.tell();
    }

    /// Lets calls note how they ended, and keeps them from endpoints where too many failed.
    fn judge(&mut self) {
        if !self.outliers.settings().ejects() {
            return self.list.ways_mut().for_each(|way| way.judge(None, false));
        }
        self.outliers.set_endpoints(self.list.ways().map(|way| &**way.endpoint()));
        for way in self.list.ways_mut() {
            let is_ejected = self.outliers.is_ejected(way.endpoint());
            if is_ejected && !way.is_ejected() {
                self.shared.meter.ejections.add_one();
                info!(endpoint = %way.address(), "too many calls fail: it takes none for a while");
            }
            let record = self.outliers.record(way.endpoint()).cloned();
            let nudge = &self.shared.nudge;
            way.judge(record.map(|record| Notes { record, nudge: Arc::clone(nudge) }), is_ejected);
        }
    }

    /// Asks endpoints that are connected whether they serve, if the service config says so.
    fn check(&mut self) {
        let service = self.keeper.health_service();
        for way in self.list.ways_mut() {
            self.watches.extend(way.check(service, &self.shared.authority, &self.shared.tasks));
        }
    }

    fn connect(&mut self, now: Instant) {
        let wanted = self.keeper.policy().wanted(&self.list.members());
        let events = |at: usize| match &wanted {
            Wanted::All => Event::Wanted,
            Wanted::Only(places) if places.contains(&at) => Event::Wanted,
            Wanted::Only(places) if places.len() == 1 => Event::Closed,
            Wanted::Only(_) | Wanted::OnDemand => Event::Released,
        };
        for (at, way) in self.list.ways_mut().enumerate() {
            if let Some(watch) = way.apply(now.into_std(), events(at), &self.connector) {
                self.watches.push(watch);
            }
        }
    }

    fn view(&mut self) -> View {
        let rules = self.keeper.rules().cloned();
        if self.mood == Mood::Asleep {
            return View::without_lanes(rules, Choice::Asleep);
        }
        match self.nowhere() {
            Some(Nowhere::Resolving) => View::without_lanes(rules, Choice::Resolving),
            Some(Nowhere::Known(reason)) => View::without_lanes(rules, Choice::Failing(reason)),
            None => View {
                rules,
                choice: Choice::Picking(self.keeper.policy().picker(&self.list.members())),
                lanes: self.list.ways_mut().map(Way::lane).collect(),
            },
        }
    }

    /// Why calls cannot be sent to anybody at all.
    fn nowhere(&self) -> Option<Nowhere> {
        match (self.keeper.rules(), self.keeper.trouble()) {
            (None, Some(trouble)) => Some(Nowhere::Known(Arc::clone(trouble))),
            _ => self.list.nowhere(),
        }
    }

    fn tell(&self) {
        let members = self.list.members();
        let connectivity = match (self.mood, self.nowhere()) {
            (Mood::Asleep, _) => Connectivity::Idle,
            (Mood::Awake, Some(Nowhere::Resolving)) => Connectivity::Connecting,
            (Mood::Awake, Some(Nowhere::Known(_))) => Connectivity::TransientFailure,
            (Mood::Awake, None) => self.keeper.policy().connectivity(&members),
        };
        let endpoints = members.into_iter().map(|member| EndpointState {
            endpoint: member.endpoint,
            connectivity: member.state,
            reason: member.reason,
            is_ejected: member.ejected,
        });
        let state = ChannelState {
            connectivity,
            endpoints: endpoints.collect(),
            policy: self.keeper.policy().name().into(),
            resolver_trouble: self.list.trouble().cloned(),
            config_trouble: self.keeper.trouble().cloned(),
        };
        self.shared.state.send_if_modified(|known| {
            let is_new = *known != state;
            *known = state;
            is_new
        });
    }
}
