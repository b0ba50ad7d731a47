//! When subscribers of a service are told.
//!
//! The first change after a quiet time is told at once. More changes within the settle window are told together at its
//! end, so that a burst costs one push per window and a stream of changes cannot hold a push back for ever. A client
//! that has just subscribed got the list in the answer; it is told once more after a moment, unless a change came
//! first, because some SDKs fire their first event only on a push (recorded: `naming-subscribe`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use nacrite_base::{ConnectionId, ServiceKey, Timestamp};
use nacrite_env::SharedClock;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::delayed::Delayed;
use crate::connections::Connections;
use crate::owner::registry::Shards;
use crate::tasks::Tasks;

/// How changes reach subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushSettings {
    /// After a push, further changes of the service wait this long, in ms, so that a burst becomes one push. 0 to
    /// 60,000. Nacos: `nacos.naming.push.pushTaskDelay`, which there also delays the first.
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
        // 100 ms keep a storm of reconnecting clients at ten pushes a second, and no caller notices them.
        Self { settle_ms: 100, welcome_ms: 300, ack_timeout_ms: 5000, retry_ms: 1000 }
    }
}

/// What is pending for one service.
#[derive(Debug, Default)]
struct Pending {
    /// When everybody was last told.
    told_at: Option<Timestamp>,
    /// Everybody is to be told at the end of the window.
    all_due: bool,
    /// These clients alone are to be told, each at its time.
    some: BTreeMap<ConnectionId, Timestamp>,
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
    settings: PushSettings,
    clock: SharedClock,
    shards: Arc<Shards>,
    connections: Arc<Connections>,
}

impl Settle {
    /// Nothing is pending.
    #[must_use]
    pub fn new(settings: PushSettings, clock: SharedClock, shards: Arc<Shards>, connections: Arc<Connections>) -> Self {
        Self { state: Mutex::default(), work: Notify::new(), settings, clock, shards, connections }
    }

    /// A service changed.
    pub fn changed(&self, key: &ServiceKey) {
        let now = self.clock.now();
        let window = Duration::from_millis(self.settings.settle_ms);
        let mut state = self.state.lock();
        let state = &mut *state;
        let pending = state.pending.entry_ref(key).or_default();
        if pending.all_due {
            return;
        }
        match pending.told_at.map(|told| told + window).filter(|end| *end > now) {
            None => {
                pending.told_at = Some(now);
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
    pub fn subscribed(&self, client: &ConnectionId, key: &ServiceKey) {
        self.tell_later(client, key, Duration::from_millis(self.settings.welcome_ms));
    }

    /// A client did not take the list of a service.
    pub fn refused(&self, client: &ConnectionId, key: &ServiceKey) {
        self.tell_later(client, key, Duration::from_millis(self.settings.retry_ms));
    }

    fn tell_later(&self, client: &ConnectionId, key: &ServiceKey, wait: Duration) {
        let due = self.clock.now() + wait;
        let mut state = self.state.lock();
        state.pending.entry_ref(key).or_default().some.insert(client.clone(), due);
        if state.timers.push(due, key.clone()) {
            self.work.notify_one();
        }
    }

    /// The task: tells whoever is to be told, until the server stops.
    pub async fn run(&self, tasks: &Tasks) {
        loop {
            self.tell_now();
            let next = self.state.lock().timers.next_due();
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
                if let Some(connection) = self.connections.get(&client) {
                    connection.outbox.service(&key);
                }
            }
        }
    }

    /// Looks at every service whose timer is due.
    fn collect_due(&self) {
        let now = self.clock.now();
        let window = Duration::from_millis(self.settings.settle_ms);
        let mut tell = Vec::new();
        let mut state = self.state.lock();
        let state = &mut *state;
        while let Some(key) = state.timers.pop_due(now) {
            let Some(pending) = state.pending.get_mut(&key) else {
                continue;
            };
            let window_is_over = pending.told_at.is_none_or(|told| told + window <= now);
            if pending.all_due && window_is_over {
                *pending = Pending { told_at: Some(now), ..Pending::default() };
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
            if let Some(connection) = self.connections.get(&client) {
                connection.outbox.service(&key);
            }
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
