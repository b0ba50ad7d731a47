//! When subscribers of a service are told.
//!
//! The first change after a quiet time is told at once. More changes within the settle window are told together at its
//! end. Windows begin short and double while changes keep coming: one change soon after another is hardly delayed, and a
//! storm costs few pushes, yet cannot hold one back for longer than the longest window. A client
//! that has just subscribed got the list in the answer; it is told once more after a moment, unless a change came
//! first, because some SDKs fire their first event only on a push (recorded: `naming-subscribe`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use nacrite_base::{ClientId, ServiceKey, Timestamp};
use nacrite_env::SharedClock;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::datagrams::Datagrams;
use super::delayed::Delayed;
use crate::connections::Connections;
use crate::owner::registry::Shards;
use crate::tasks::Tasks;

/// How changes reach subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushSettings {
    /// After a push that follows a quiet time, further changes of the service wait this long, in ms. Doubles with every
    /// window in which changes come, up to [`Self::settle_ms`]. 0 to 60,000.
    pub settle_first_ms: u64,
    /// Further changes wait this long at most, in ms, so that a storm becomes few pushes. 0 to 60,000.
    /// Nacos: `nacos.naming.push.pushTaskDelay`, which there also delays the first.
    pub settle_ms: u64,
    /// A client that has just subscribed is told after this long, in ms, if nothing changed before. 0 to 60,000.
    pub welcome_ms: u64,
    /// How long a client may take to acknowledge the list of a service, in ms. 100 to 60,000.
    /// Nacos: `nacos.naming.push.pushTaskTimeout`.
    pub ack_timeout_ms: u64,
    /// A list that was not acknowledged, or refused, is sent again after this long, in ms. 100 to 60,000.
    /// Nacos: `nacos.naming.push.pushTaskRetryDelay`.
    pub retry_ms: u64,
}

impl Default for PushSettings {
    fn default() -> Self {
        // 20 ms gather what one deployment step does at once; 100 ms keep a storm of reconnecting clients at ten pushes a
        // second. No caller notices either.
        Self { settle_first_ms: 20, settle_ms: 100, welcome_ms: 300, ack_timeout_ms: 5000, retry_ms: 1000 }
    }
}

/// What is pending for one service.
#[derive(Debug, Default)]
struct Pending {
    /// When everybody was last told.
    told_at: Option<Timestamp>,
    /// How long changes wait since then.
    window: Duration,
    /// Everybody is to be told at the end of the window.
    all_due: bool,
    /// These clients alone are to be told, each at its time.
    some: BTreeMap<ClientId, Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    /// Everybody who subscribes to these is to be told now.
    now: Vec<ServiceKey>,
    pending: HashMap<ServiceKey, Pending, foldhash::quality::FixedState>,
    timers: Delayed<ServiceKey>,
}

/// Decides when subscribers are told, and tells them.
#[derive(Debug)]
pub struct Settle {
    state: Mutex<State>,
    work: Notify,
    /// Nobody is told of anything for now.
    held: AtomicBool,
    settings: PushSettings,
    clock: SharedClock,
    shards: Arc<Shards>,
    connections: Arc<Connections>,
    datagrams: Arc<Datagrams>,
}

impl Settle {
    /// Nothing is pending.
    #[must_use]
    pub fn new(
        settings: PushSettings,
        clock: SharedClock,
        shards: Arc<Shards>,
        connections: Arc<Connections>,
        datagrams: Arc<Datagrams>,
    ) -> Self {
        Self {
            state: Mutex::default(),
            work: Notify::new(),
            held: AtomicBool::new(false),
            settings,
            clock,
            shards,
            connections,
            datagrams,
        }
    }

    /// A service changed.
    pub fn changed(&self, key: &ServiceKey) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let state = &mut *state;
        let pending = state.pending.entry_ref(key).or_default();
        if pending.all_due {
            return;
        }
        match pending.told_at.map(|told| told + pending.window).filter(|end| *end > now) {
            None => {
                let window = Duration::from_millis(self.settings.settle_first_ms.min(self.settings.settle_ms));
                pending.told_at = Some(now);
                pending.window = window;
                pending.some.clear();
                state.now.push(key.clone());
                // When the window closes with nothing in it, what is known of the service here can be forgotten.
                state.timers.push(now + window, key.clone());
                self.work.notify_one();
            }
            // The timer of the window is set already.
            Some(_) => pending.all_due = true,
        }
    }

    /// A client newly subscribed to a service.
    pub fn subscribed(&self, client: &ClientId, key: &ServiceKey) {
        self.tell_later(client, key, Duration::from_millis(self.settings.welcome_ms));
    }

    /// A client did not take the list of a service.
    pub fn refused(&self, client: &ClientId, key: &ServiceKey) {
        self.tell_later(client, key, Duration::from_millis(self.settings.retry_ms));
    }

    fn tell_later(&self, client: &ClientId, key: &ServiceKey, wait: Duration) {
        let due = self.clock.now() + wait;
        let mut state = self.state.lock();
        state.pending.entry_ref(key).or_default().some.insert(client.clone(), due);
        if state.timers.push(due, key.clone()) {
            self.work.notify_one();
        }
    }

    /// Lets everything wait, or go on. What changes meanwhile is told then, once.
    pub fn hold(&self, held: bool) {
        if self.held.swap(held, Ordering::SeqCst) != held {
            self.work.notify_one();
        }
    }

    /// The task: tells whoever is to be told, until the server stops.
    pub async fn run(&self, tasks: &Tasks) {
        loop {
            let held = self.held.load(Ordering::SeqCst);
            if !held {
                self.tell_now();
            }
            let next = self.state.lock().timers.next_due().filter(|_| !held);
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.work.notified() => {}
                () = sleep_until(&self.clock, next) => self.collect_due(),
            }
        }
    }

    fn tell_now(&self) {
        let services = std::mem::take(&mut self.state.lock().now);
        for key in services {
            for client in self.shards.subscribers(&key) {
                self.tell(&client, &key);
            }
        }
    }

    fn tell(&self, client: &ClientId, key: &ServiceKey) {
        match client {
            ClientId::Connection(id) => {
                if let Some(connection) = self.connections.get(id) {
                    connection.outbox.service(key);
                }
            }
            ClientId::Address { .. } => self.datagrams.service(client, key),
        }
    }

    /// Looks at every service whose timer is due.
    fn collect_due(&self) {
        let now = self.clock.now();
        let longest = Duration::from_millis(self.settings.settle_ms);
        let mut tell = Vec::new();
        let mut state = self.state.lock();
        let state = &mut *state;
        while let Some(key) = state.timers.pop_due(now) {
            let Some(pending) = state.pending.get_mut(&key) else {
                continue;
            };
            let window_is_over = pending.told_at.is_none_or(|told| told + pending.window <= now);
            if pending.all_due && window_is_over {
                let window = (pending.window * 2).min(longest);
                *pending = Pending { told_at: Some(now), window, ..Pending::default() };
                state.now.push(key.clone());
                state.timers.push(now + window, key);
                continue;
            }
            if window_is_over {
                pending.told_at = None;
            }
            pending.some.retain(|client, due| {
                let is_due = *due <= now;
                if is_due {
                    tell.push((client.clone(), key.clone()));
                }
                !is_due
            });
            if pending.told_at.is_none() && pending.some.is_empty() {
                state.pending.remove(&key);
            }
        }
        for (client, key) in tell {
            self.tell(&client, &key);
        }
    }

    /// Services that are pending in some way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state.lock().pending.len()
    }
}

/// Ends at a time; never, if there is none.
pub(crate) async fn sleep_until(clock: &SharedClock, at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(clock.now())).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::{Connection, Introduction, Listener};
    use crate::metrics::Metrics;
    use crate::push::outbox::Due;
    use nacrite_base::{ConnectionId, GroupName, NamespaceId, ServiceName};
    use nacrite_env::clock::SystemClock;
    use nacrite_naming::{ClusterFilter, Command, Rules, Subscription};

    /// Subscribers `a` and `b` of one service; what happens when, in ms; and when each was told.
    struct World {
        settle: Arc<Settle>,
        tasks: Tasks,
        clock: SharedClock,
        began: Timestamp,
        told: Arc<Mutex<Vec<(u64, &'static str)>>>,
    }

    fn service() -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored("orders"),
        }
    }

    fn client(name: &str) -> ClientId {
        ClientId::Connection(ConnectionId::new(name))
    }

    fn world() -> World {
        let clock: SharedClock = Arc::new(SystemClock::start());
        let rules = Rules { hold: Duration::ZERO, empty_service: Duration::from_secs(60) };
        let shards = Arc::new(Shards::new(rules, Arc::clone(&clock)));
        let connections = Arc::new(Connections::default());
        let (tasks, told, began) = (Tasks::new(), Arc::<Mutex<Vec<_>>>::default(), clock.now());
        for name in ["a", "b"] {
            let remote = std::net::SocketAddr::from(([127, 0, 0, 1], 2));
            let id = ConnectionId::new(name);
            let connection = Arc::new(Connection::new(id, remote, 9848, Listener::Clients, began));
            connections.register(&connection, Introduction::default());
            let subscription =
                Subscription { clusters: ClusterFilter::ALL, app: "".into(), agent: "".into(), address: "".into() };
            let client = ClientId::Connection(connection.id.clone());
            let subscribe = Command::Subscribe { client, service: service(), subscription };
            // Nobody is told of the effects: the tests do that themselves.
            drop(shards.apply_of(&connection, &service(), subscribe));
            let (told, clock, tasks_of) = (Arc::clone(&told), Arc::clone(&clock), tasks.clone());
            tasks.spawn(async move {
                loop {
                    let due = std::future::poll_fn(|cx| connection.outbox.poll_due(cx));
                    tokio::select! {
                        () = tasks_of.stopping() => return,
                        due = due => {
                            let Some(Due::Service(_)) = due else { return };
                            told.lock().push((clock.now().since(began).as_millis() as u64, name));
                        }
                    }
                }
            });
        }
        let settings = PushSettings::default();
        let datagrams = Arc::new(Datagrams::new(Arc::clone(&clock), Arc::new(Metrics::new())));
        let settle = Arc::new(Settle::new(settings, Arc::clone(&clock), shards, connections, datagrams));
        let (run, tasks_of) = (Arc::clone(&settle), tasks.clone());
        tasks.spawn(async move { run.run(&tasks_of).await });
        World { settle, tasks, clock, began, told }
    }

    impl World {
        async fn until(&self, ms: u64) {
            tokio::time::sleep((self.began + Duration::from_millis(ms)).since(self.clock.now())).await;
        }

        /// When `a` was told, in ms.
        async fn end(self) -> Vec<u64> {
            self.until(10_000).await;
            assert_eq!(self.settle.pending(), 0, "nothing is remembered of a quiet service");
            assert!(self.tasks.stop(Duration::from_secs(1)).await);
            self.told.lock().iter().filter(|(_, name)| *name == "a").map(|(at, _)| *at).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_after_a_quiet_time_is_told_at_once() {
        let world = world();
        for at in [5, 500, 600] {
            world.until(at).await;
            world.settle.changed(&service());
        }
        assert_eq!(world.end().await, [5, 500, 600]);
    }

    #[tokio::test(start_paused = true)]
    async fn windows_double_while_changes_keep_coming() {
        let world = world();
        for at in 0..400 {
            world.until(at).await;
            world.settle.changed(&service());
        }
        world.until(2000).await;
        world.settle.changed(&service());
        assert_eq!(world.end().await, [0, 20, 60, 140, 240, 340, 440, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_change_soon_after_another_waits_for_a_short_window_only() {
        let world = world();
        for at in [0, 5, 100, 110] {
            world.until(at).await;
            world.settle.changed(&service());
        }
        assert_eq!(world.end().await, [0, 20, 100, 120]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_subscriber_alone_is_welcomed_unless_a_change_came_first() {
        let world = world();
        world.settle.subscribed(&client("b"), &service());
        world.until(1000).await;
        assert_eq!(*world.told.lock(), [(300, "b")]);
        world.settle.subscribed(&client("b"), &service());
        world.until(1100).await;
        world.settle.changed(&service());
        world.until(2000).await;
        assert_eq!(world.told.lock().iter().filter(|(_, name)| *name == "b").count(), 2);
        assert_eq!(world.end().await, [1100]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_list_is_told_again_to_that_client_alone() {
        let world = world();
        world.settle.changed(&service());
        world.until(10).await;
        world.settle.refused(&client("b"), &service());
        world.until(3000).await;
        assert_eq!(
            world.told.lock().iter().filter(|(_, name)| *name == "b").map(|(at, _)| *at).collect::<Vec<_>>(),
            [0, 1010]
        );
        assert_eq!(world.end().await, [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_while_pushes_are_held_is_told_once_when_they_go_on() {
        let world = world();
        world.settle.hold(true);
        for at in [0, 5, 700] {
            world.until(at).await;
            world.settle.changed(&service());
        }
        world.settle.subscribed(&ClientId::Connection(ConnectionId::new("a")), &service());
        world.until(3000).await;
        assert!(world.told.lock().is_empty());
        world.settle.hold(false);
        world.until(3500).await;
        world.settle.changed(&service());
        let told = world.end().await;
        assert!(told.len() <= 3 && told[0] == 3000 && told.last() == Some(&3500), "{told:?}");
    }
}
