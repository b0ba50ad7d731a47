//! The registry, cut into shards by service key.
//!
//! Each shard is one struct behind one mutex that is held for a lookup or a step, never while anything waits. A view is
//! made under it by the first who asks after a change, and shared by everybody else.

mod watched;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use nacrite_base::{ClientId, ServiceKey, Timestamp};
use nacrite_env::SharedClock;
use nacrite_naming::registry::Counts;
use nacrite_naming::{Command, Effects, Lost, Refusal, Registry, Rules, ServiceView, Subscription, Verdict};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::connections::Connection;
use crate::guard::notes::{Changes, Publication};
use crate::limits::{SHARDS, UDP_SUBSCRIPTIONS_MAX};
use crate::push::fuzzy::News;

/// All shards.
#[derive(Debug)]
pub struct Shards {
    shards: Box<[Mutex<Registry>]>,
    hasher: foldhash::quality::FixedState,
    clock: SharedClock,
    /// The earliest time at which a shard has something to do, ms; `u64::MAX` for never.
    wake_at: AtomicU64,
    /// Told when `wake_at` became earlier.
    earlier: Notify,
    /// Services that came or went.
    news: News<ServiceKey>,
    /// Subscriptions of clients without a connection, in all shards.
    polled: AtomicUsize,
    /// What is to be noted for the next run.
    pub(crate) changes: Changes,
}

/// What became of things that were due.
#[derive(Debug, Default)]
pub struct Ticked {
    /// The services whose subscribers must be told.
    pub changed: Vec<ServiceKey>,
    /// Something waits until it is known what of silence may be believed.
    pub verdict_wanted: bool,
}

impl Shards {
    /// Empty shards.
    #[must_use]
    pub fn new(rules: Rules, clock: SharedClock) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Registry::new(rules))).collect(),
            hasher: foldhash::quality::FixedState::with_seed(0x6e61_6372_6974_6521),
            clock,
            wake_at: AtomicU64::new(u64::MAX),
            earlier: Notify::new(),
            news: News::default(),
            changes: Changes::default(),
            polled: AtomicUsize::new(0),
        }
    }

    /// The shard of a service.
    #[must_use]
    pub fn shard_of(&self, key: &ServiceKey) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let hash = self.hasher.hash_one(key) as usize;
        hash % SHARDS
    }

    fn of(&self, key: &ServiceKey) -> MutexGuard<'_, Registry> {
        self.shards[self.shard_of(key)].lock()
    }

    /// Applies a command to the shard of `key`. Services in the effects that nobody subscribes to are left out.
    ///
    /// # Errors
    /// [`Refusal`] if the state does not allow it.
    pub fn apply(&self, key: &ServiceKey, command: Command) -> Result<Effects, Refusal> {
        let now = self.clock.now();
        let mut shard = self.of(key);
        let mut effects = shard.apply(now, command)?;
        self.changes.note(std::mem::take(&mut effects.published));
        effects.changed.retain(|key| shard.subscribers(key).next().is_some());
        drop(shard);
        effects.populated.iter().for_each(|key| self.news.note(key));
        self.note_wake(effects.wake_at);
        Ok(effects)
    }

    /// Applies a command of a connection, and notes in it which shard it touched.
    ///
    /// # Errors
    /// [`Refusal`] if the state does not allow it.
    pub fn apply_of(&self, connection: &Connection, key: &ServiceKey, command: Command) -> Result<Effects, Refusal> {
        connection.mark_shard(self.shard_of(key));
        self.apply(key, command)
    }

    /// The connection of a client broke: ends its subscriptions, holds its instances.
    pub fn connection_lost(&self, connection: &Connection, lost: Lost) {
        let now = self.clock.now();
        for at in connection.shards() {
            let command = Command::ConnectionLost { client: connection.client(), lost };
            // Losing a connection is never refused, and what follows from it follows when the hold ends.
            if let Ok(effects) = self.shards[at].lock().apply(now, command) {
                self.note_wake(effects.wake_at);
            }
        }
    }

    /// Shows what an earlier run knew. Returns how many instances that are.
    pub(crate) fn remember(&self, publications: Vec<Publication>) -> usize {
        let mut count = 0;
        for (client, service, instances) in publications {
            let key = service.clone();
            count += instances.len();
            let instances = instances.into_iter().map(Arc::unwrap_or_clone).collect();
            // What is of another kind by now is not shown; that is what a refusal means here.
            drop(self.apply(&key, Command::Remember { client, service, instances }));
        }
        count
    }

    /// A client without a connection asks for a service: applies its subscription, made of the one it has, and looks, in
    /// one step. Returns the service as it looks now, and the client if it is new. At [`UDP_SUBSCRIPTIONS_MAX`] new ones
    /// are not subscribed.
    pub fn poll(
        &self,
        key: &ServiceKey,
        client: ClientId,
        subscription: impl FnOnce(Option<&Subscription>) -> Subscription,
    ) -> (Arc<ServiceView>, Option<ClientId>) {
        let now = self.clock.now();
        let mut shard = self.of(key);
        let known = shard.subscription(&client, key);
        let mut welcome = None;
        if known.is_some() || self.polled.load(Ordering::Relaxed) < UDP_SUBSCRIPTIONS_MAX {
            let subscribe = Command::Subscribe { client, service: key.clone(), subscription: subscription(known) };
            // A subscription is never refused.
            if let Ok(effects) = shard.apply(now, subscribe) {
                self.note_wake(effects.wake_at);
                welcome = effects.welcome.map(|(client, _)| client);
            }
        }
        let known = shard.view(now, key);
        drop(shard);
        if welcome.is_some() {
            self.polled.fetch_add(1, Ordering::Relaxed);
        }
        (known.unwrap_or_else(|| Arc::new(ServiceView::unknown(key.clone(), now))), welcome)
    }

    /// Subscriptions of clients without a connection.
    #[must_use]
    pub fn polled(&self) -> usize {
        self.polled.load(Ordering::Relaxed)
    }

    /// Does what is due in every shard.
    pub fn tick(&self) -> Ticked {
        let now = self.clock.now();
        let mut ticked = Ticked::default();
        let mut next = u64::MAX;
        self.wake_at.store(u64::MAX, Ordering::SeqCst);
        for shard in &self.shards {
            let mut shard = shard.lock();
            if shard.wake_at().is_some_and(|at| at <= now)
                && let Ok(effects) = shard.apply(now, Command::Tick)
            {
                effects.populated.iter().for_each(|key| self.news.note(key));
                self.polled.fetch_sub(effects.lapsed, Ordering::Relaxed);
                self.changes.note(effects.published);
                ticked.verdict_wanted |= effects.verdict_wanted;
                let changed = effects.changed.into_iter();
                ticked.changed.extend(changed.filter(|key| shard.subscribers(key).next().is_some()));
            }
            next = next.min(shard.wake_at().map_or(u64::MAX, Timestamp::as_ms));
        }
        self.wake_at.fetch_min(next, Ordering::SeqCst);
        ticked
    }

    /// Tells every shard what of silence may be believed.
    pub fn judge(&self, verdict: &Verdict) {
        let now = self.clock.now();
        for shard in &self.shards {
            // A verdict is never refused, and by itself it changes nothing that anybody sees.
            drop(shard.lock().apply(now, Command::Judge(verdict.clone())));
        }
    }

    /// Tells of every service how many of its ephemeral instances are heard, and how many are late. `is_heard` knows it of
    /// clients that hold a connection. Cost: one pass over the instances.
    pub fn count_heard(&self, is_heard: impl Fn(&ClientId) -> bool, mut tell: impl FnMut(&ServiceKey, usize, usize)) {
        let now = self.clock.now();
        self.with_each(|shard| shard.count_heard(now, &is_heard, &mut tell));
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        Some(self.wake_at.load(Ordering::SeqCst)).filter(|ms| *ms < u64::MAX).map(Timestamp::from_ms)
    }

    /// Ends when [`Self::wake_at`] became earlier than it was.
    pub async fn woken_earlier(&self) {
        self.earlier.notified().await;
    }

    fn note_wake(&self, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        if at.as_ms() < self.wake_at.load(Ordering::Relaxed)
            && self.wake_at.fetch_min(at.as_ms(), Ordering::SeqCst) > at.as_ms()
        {
            self.earlier.notify_one();
        }
    }

    // --- questions ---

    /// The service as it looks now. An unknown one is empty.
    #[must_use]
    pub fn view(&self, key: &ServiceKey) -> Arc<ServiceView> {
        let now = self.clock.now();
        let known = self.of(key).view(now, key);
        known.unwrap_or_else(|| Arc::new(ServiceView::unknown(key.clone(), now)))
    }

    /// Asks the shard of a service.
    pub fn with<T>(&self, key: &ServiceKey, ask: impl FnOnce(&mut Registry) -> T) -> T {
        ask(&mut self.of(key))
    }

    /// Asks every shard, one after the other.
    pub fn with_each(&self, mut ask: impl FnMut(&Registry)) {
        for shard in &self.shards {
            ask(&shard.lock());
        }
    }

    /// The subscribers of a service.
    #[must_use]
    pub fn subscribers(&self, key: &ServiceKey) -> Vec<ClientId> {
        self.of(key).subscribers(key).map(|(client, _)| client.clone()).collect()
    }

    /// The service as it looks now, and what `client` asked to know of it; `None` if it asked for nothing.
    #[must_use]
    pub fn view_for(&self, client: &ClientId, key: &ServiceKey) -> Option<(Arc<ServiceView>, Subscription)> {
        let now = self.clock.now();
        let mut shard = self.of(key);
        let subscription = shard.subscription(client, key)?.clone();
        Some((shard.view(now, key)?, subscription))
    }

    /// How much there is in all shards.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        self.with_each(|shard| {
            let counts = shard.counts();
            all.services += counts.services;
            all.instances += counts.instances;
            all.subscriptions += counts.subscriptions;
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{ConnectionId, GroupName, NamespaceId, ServiceName};
    use nacrite_env::clock::ManualClock;
    use std::time::Duration;

    fn key(name: &str) -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored(name),
        }
    }

    fn connection() -> Connection {
        let remote = std::net::SocketAddr::from(([127, 0, 0, 1], 2));
        let listener = crate::connections::Listener::Clients;
        Connection::new(ConnectionId::new("c"), remote, 9848, listener, Timestamp::default())
    }

    #[test]
    fn a_lost_connection_is_released_in_every_shard_it_touched() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1000)));
        let shards = Shards::new(Rules::default(), clock.clone());
        let connection = connection();
        for n in 0..200 {
            let key = key(&format!("s{n}"));
            let register = Command::Register { client: connection.client(), service: key.clone(), instances: vec![] };
            assert!(shards.apply_of(&connection, &key, register).is_ok());
        }
        shards.connection_lost(&connection, Lost::Closed);
        assert_eq!(shards.wake_at(), Some(Timestamp::from_ms(1500)));
        clock.advance(Duration::from_millis(500));
        shards.tick();
        let mut clients = 0;
        shards.with_each(|shard| clients += shard.clients().count());
        assert_eq!(clients, 0);
    }

    /// Anybody who can ask for a list can subscribe, under any name: what that costs is bounded.
    #[test]
    fn at_the_bound_only_those_who_polled_before_are_subscribed() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(1000)));
        let shards = Shards::new(Rules::default(), clock.clone());
        let poll = |name: String| {
            let client = crate::push::datagrams::client_at(([10, 0, 0, 9], 55_123).into());
            let new = |app: &str| Subscription {
                clusters: nacrite_naming::ClusterFilter::ALL,
                app: app.into(),
                agent: "".into(),
                address: "".into(),
            };
            shards.poll(&key(&name), client, |known| known.cloned().unwrap_or_else(|| new(&name))).1
        };
        for n in 0..UDP_SUBSCRIPTIONS_MAX {
            assert!(poll(format!("s{n}")).is_some(), "{n} is new");
        }
        assert!(poll("one more".to_owned()).is_none() && poll("s7".to_owned()).is_none());
        assert_eq!(shards.subscribers(&key("one more")), []);
        assert_eq!((shards.subscribers(&key("s7")).len(), shards.polled()), (1, UDP_SUBSCRIPTIONS_MAX));
        clock.advance(Duration::from_millis(30_001));
        assert_eq!((shards.tick().changed, shards.polled()), (vec![], 0));
        assert!(poll("one more".to_owned()).is_some());
        let mut services = 0;
        shards.with_each(|shard| services += shard.counts().subscriptions);
        assert_eq!(services, 1);
    }

    #[test]
    fn nobody_is_told_of_a_service_without_subscribers() {
        let shards = Shards::new(Rules::default(), Arc::new(ManualClock::default()));
        let connection = connection();
        let register = Command::Register { client: connection.client(), service: key("a"), instances: vec![] };
        assert_eq!(shards.apply_of(&connection, &key("a"), register).map(|e| e.changed), Ok(Vec::new()));
    }
}
