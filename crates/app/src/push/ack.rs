//! Whether clients took what they were sent.
//!
//! Every push is acknowledged, refused, or given up after a time. What a client did not take is sent to it again, as
//! the present then has it: the list of a service after a second, without end while the client is there; a config
//! notice after 2 s times the tries, and after too many the connection counts as dead (`reference/semantics.md`, 2.6,
//! 4.7). Waits of one kind are all equally long, so the deadlines form a queue, not a heap.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use nacrite_base::{ConfigKey, ConnectionId, ServiceKey, Timestamp};
use nacrite_env::SharedClock;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::delayed::Delayed;
use super::fuzzy::{Failure, FuzzyItem, FuzzyQueues, Watchable};
use super::ledger::{Ledger, Mishap, Trouble};
use super::outbox::{Answer, Notice, Sent};
use super::settle::{PushSettings, Settle, sleep_until};
use crate::connections::{Connection, Connections};
use crate::limits::CONFIG_NOTICE_TRIES_MAX;
use crate::metrics::Metrics;
use crate::push::listeners::ConfigListeners;
use crate::tasks::Tasks;

/// How long a client may take to acknowledge a config notice.
const CONFIG_ACK_TIMEOUT: Duration = Duration::from_secs(3);

/// A config notice is sent again after this times the tries.
const CONFIG_RETRY_STEP: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Deadline {
    at: Timestamp,
    sent_at: Timestamp,
    connection: Weak<Connection>,
    request_id: u64,
}

#[derive(Debug, Default)]
struct State {
    services: VecDeque<Deadline>,
    configs: VecDeque<Deadline>,
    config_retries: Delayed<(ConnectionId, ConfigKey, Notice)>,
    /// Connections that refused something of what they watch; each at most once.
    fuzzy_retries: Delayed<ConnectionId>,
}

impl State {
    fn next_due(&self) -> Option<Timestamp> {
        let fronts = [self.services.front(), self.configs.front()];
        let deadlines = fronts.into_iter().flatten().map(|deadline| deadline.at);
        deadlines.chain(self.config_retries.next_due()).chain(self.fuzzy_retries.next_due()).min()
    }
}

/// Watches what was sent.
#[derive(Debug)]
pub struct Acks {
    state: Mutex<State>,
    work: Notify,
    settings: PushSettings,
    clock: SharedClock,
    settle: Arc<Settle>,
    listeners: Arc<ConfigListeners>,
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
    ledger: Ledger,
}

impl Acks {
    /// Nothing was sent.
    #[must_use]
    pub fn new(
        settings: PushSettings,
        clock: SharedClock,
        settle: Arc<Settle>,
        listeners: Arc<ConfigListeners>,
        connections: Arc<Connections>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            state: Mutex::default(),
            work: Notify::new(),
            settings,
            clock,
            settle,
            listeners,
            connections,
            metrics,
            ledger: Ledger::default(),
        }
    }

    /// A push was sent.
    pub fn sent(&self, connection: &Arc<Connection>, request_id: u64, push: Sent) {
        let kind = match &push {
            Sent::Control(_) => None,
            Sent::Service { sent_at, .. } => Some((true, *sent_at)),
            Sent::Config { sent_at, .. } => Some((false, *sent_at)),
            Sent::Fuzzy { item, sent_at } => Some((matches!(**item, FuzzyItem::Service(_)), *sent_at)),
        };
        connection.outbox.sent(request_id, push);
        let Some((is_service, sent_at)) = kind else {
            return;
        };
        let timeout = if is_service { Duration::from_millis(self.settings.ack_timeout_ms) } else { CONFIG_ACK_TIMEOUT };
        self.metrics.pushes_sent.inc();
        let deadline = Deadline { at: sent_at + timeout, sent_at, connection: Arc::downgrade(connection), request_id };
        let mut state = self.state.lock();
        let queue = if is_service { &mut state.services } else { &mut state.configs };
        queue.push_back(deadline);
        if queue.len() == 1 {
            self.work.notify_one();
        }
    }

    /// A client answered a push.
    pub fn answered(&self, connection: &Connection, request_id: u64, answer: Answer) {
        let Some(sent) = connection.outbox.take_sent(request_id) else {
            return;
        };
        match sent {
            // Whoever asked may have stopped waiting; then the answer is of no use.
            Sent::Control(asked) => drop(asked.send(answer)),
            Sent::Service { key, revision, changed_at, .. } if answer.accepted => {
                let now = self.clock.now();
                self.metrics.push_tally.taken(now.since(changed_at));
                // A welcome is no news: its list is as old as it may be.
                if let Some(took) = connection.outbox.took(&key, revision, changed_at, now) {
                    self.metrics.push_seconds.observe(took.as_secs_f64());
                    self.ledger.arrived(&key, took, now);
                }
            }
            Sent::Config { .. } if answer.accepted => {}
            Sent::Fuzzy { item, .. } if answer.accepted => {
                connection.outbox.fuzzy(|queues| queues.taken(&item));
            }
            refused => {
                self.metrics.pushes_refused.inc();
                self.note(connection, &refused, Mishap::Refused, answer.reason);
                self.try_again(connection, refused, Failure::Refused);
            }
        }
    }

    /// A connection ended: its client did not take what was under way.
    pub fn gone(&self, connection: &Connection) {
        for key in connection.outbox.under_way() {
            self.trouble(connection, &key, Mishap::Gone, None);
        }
    }

    fn note(&self, connection: &Connection, sent: &Sent, mishap: Mishap, reason: Option<String>) {
        if let Sent::Service { key, .. } = sent {
            connection.outbox.failed(key, mishap.fate());
            self.trouble(connection, key, mishap, reason);
        }
    }

    fn trouble(&self, connection: &Connection, key: &ServiceKey, mishap: Mishap, reason: Option<String>) {
        let (client, at, reason) = (connection.id.clone(), self.clock.now(), reason.map(Into::into));
        self.ledger.failed(key, Trouble { client, at, mishap, reason });
    }

    /// What became of the pushes of each service.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn try_again(&self, connection: &Connection, sent: Sent, why: Failure) {
        match sent {
            Sent::Control(_) => {}
            Sent::Service { key, .. } => {
                self.metrics.push_tally.failed();
                self.settle.refused(&connection.client(), &key);
            }
            Sent::Config { key, notice, .. } => {
                let tries = notice.tries + 1;
                if tries >= CONFIG_NOTICE_TRIES_MAX {
                    warn!(connection = %connection.id, config = %key, tries, "config notice never acknowledged");
                    connection.close.cancel();
                    return;
                }
                let due = self.clock.now() + CONFIG_RETRY_STEP * tries;
                let retry = (connection.id.clone(), key, Notice { tries, ..notice });
                if self.state.lock().config_retries.push(due, retry) {
                    self.work.notify_one();
                }
            }
            Sent::Fuzzy { item, .. } => self.fuzzy_again(connection, &item, why),
        }
    }

    fn fuzzy_again(&self, connection: &Connection, item: &FuzzyItem, why: Failure) {
        let Some((tries, must_wake)) = connection.outbox.fuzzy(|queues| queues.failed(item, why)).flatten() else {
            return;
        };
        let tries_max = match item {
            FuzzyItem::Service(_) => ServiceKey::TRIES_MAX,
            FuzzyItem::Config(_) => ConfigKey::TRIES_MAX,
        };
        if tries_max.is_some_and(|max| tries >= max) {
            warn!(connection = %connection.id, tries, "what the client watches was never acknowledged");
            connection.close.cancel();
        } else if must_wake {
            let due = self.clock.now() + Duration::from_millis(self.settings.retry_ms);
            if self.state.lock().fuzzy_retries.push(due, connection.id.clone()) {
                self.work.notify_one();
            }
        }
    }

    /// The task: gives up what was not acknowledged in time, until the server stops.
    pub async fn run(&self, tasks: &Tasks) {
        loop {
            let next = self.state.lock().next_due();
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.work.notified() => {}
                () = sleep_until(&self.clock, next) => self.expire(),
            }
        }
    }

    fn expire(&self) {
        let now = self.clock.now();
        loop {
            let mut state = self.state.lock();
            let State { services, configs, config_retries, fuzzy_retries } = &mut *state;
            while let Some(client) = fuzzy_retries.pop_due(now) {
                if let Some(connection) = self.connections.get(&client) {
                    connection.outbox.fuzzy(FuzzyQueues::wake);
                }
            }
            let due = |deadline: &mut Deadline| deadline.at <= now;
            let expired = services.pop_front_if(due).or_else(|| configs.pop_front_if(due));
            let retry = if expired.is_none() { config_retries.pop_due(now) } else { None };
            drop(state);
            match (expired, retry) {
                (Some(deadline), _) => self.give_up(&deadline),
                (None, Some((client, key, notice))) => self.notify_again(&client, &key, notice),
                (None, None) => return,
            }
        }
    }

    fn give_up(&self, deadline: &Deadline) {
        let Some(connection) = deadline.connection.upgrade() else {
            return;
        };
        let Some(sent) = connection.outbox.take_expired(deadline.request_id, deadline.sent_at) else {
            return;
        };
        self.metrics.pushes_unacknowledged.inc();
        let waited_ms = deadline.at.since(deadline.sent_at).as_millis();
        debug!(connection = %connection.id, request_id = deadline.request_id, waited_ms, "push not acknowledged");
        self.note(&connection, &sent, Mishap::Unacknowledged, None);
        self.try_again(&connection, sent, Failure::Late);
    }

    fn notify_again(&self, client: &ConnectionId, key: &ConfigKey, notice: Notice) {
        if let Some(connection) = self.connections.get(client)
            && self.listeners.is_listening(client, key)
        {
            connection.outbox.config(key, notice);
        }
    }
}
