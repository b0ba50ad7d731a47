//! What one connection must still be told, and what it was told but did not acknowledge.
//!
//! A slow client costs one entry per service or config that it asked for, never a queue of old states: an entry only
//! says *that* something changed, and the present is looked up when the client can take it. A newer push of a service
//! replaces the older one that is under way; it is never held back by it.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use nacrite_base::{ConfigKey, Fault, ServiceKey, Timestamp};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::fuzzy::{FuzzyItem, FuzzyQueues};
use crate::limits::{CONTROL_QUEUE_MAX, IN_FLIGHT_MAX};
use crate::push::latencies::Latencies;
use crate::push::told::{Fate, Told, Waiting};

type Fixed = foldhash::quality::FixedState;

/// A message about the connection itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// The client is registered; what the server can do.
    SetupAck,
    /// Are you there?
    Detect,
    /// Go to another server, or to this one if named.
    Reset(Option<Redirect>),
    /// What do you know of this config?
    ClientMetrics(ConfigKey),
}

/// Where a client is told to go, as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Address.
    pub ip: String,
    /// Main port.
    pub port: String,
}

impl Redirect {
    /// Reads `ip:port`; `None` for a text without a colon, which Nacos takes for no redirect at all (recorded:
    /// `conn-reset-bad-redirect`). Neither part is checked: the client decides whether it knows the address.
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] if nothing follows the colon.
    pub fn parse(text: &str) -> Result<Option<Self>, Fault> {
        let Some((ip, rest)) = text.split_once(':') else {
            return Ok(None);
        };
        let port = rest.split(':').next().unwrap_or_default();
        if port.is_empty() {
            return Err(Fault::ParamInvalid { message: format!("no port in redirect address {text}") });
        }
        Ok(Some(Self { ip: ip.to_owned(), port: port.to_owned() }))
    }
}

/// What a client said to a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// It took the push.
    pub accepted: bool,
    /// More of what it said, in the words of the wire; only asked for by `ClientMetrics`.
    pub detail: Option<String>,
    /// Why it did not take it, in its own words.
    pub reason: Option<String>,
}

/// Something to send now.
#[derive(Debug)]
pub enum Due {
    /// A message about the connection, and who waits for the answer.
    Control(Control, Option<oneshot::Sender<Answer>>),
    /// The list of a service.
    Service(ServiceKey),
    /// Word that a config changed.
    Config(ConfigKey, Notice),
    /// Something of what the client watches by pattern.
    Fuzzy(FuzzyItem),
}

/// How a config notice is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether the notice names the namespace.
    pub with_tenant: bool,
    /// How often it was sent in vain.
    pub tries: u32,
}

/// A push that was sent.
#[derive(Debug)]
pub enum Sent {
    /// Somebody waits for the answer.
    Control(oneshot::Sender<Answer>),
    /// The list of a service.
    Service {
        /// Which.
        key: ServiceKey,
        /// Which state of it.
        revision: u64,
        /// When that state came to be.
        changed_at: Timestamp,
        /// When it was sent.
        sent_at: Timestamp,
    },
    /// Word that a config changed.
    Config {
        /// Which.
        key: ConfigKey,
        /// How it was told.
        notice: Notice,
        /// When it was sent.
        sent_at: Timestamp,
    },
    /// Something of what the client watches by pattern.
    Fuzzy {
        /// What. Boxed, so that it makes the pushes of those who do not watch no larger.
        item: Box<FuzzyItem>,
        /// When it was sent.
        sent_at: Timestamp,
    },
}

/// The outbox is closed, or full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client takes no more messages")]
pub struct Refused;

#[derive(Debug, Default)]
struct State {
    control: VecDeque<(Control, Option<oneshot::Sender<Answer>>)>,
    services: VecDeque<ServiceKey>,
    services_queued: HashSet<ServiceKey, Fixed>,
    configs: VecDeque<ConfigKey>,
    configs_queued: HashMap<ConfigKey, Notice, Fixed>,
    /// Few clients watch by pattern; the others pay for one pointer.
    fuzzy: Option<Box<FuzzyQueues>>,
    in_flight: HashMap<u64, Sent, Fixed>,
    /// What the client knows of each service that it subscribes to.
    told: HashMap<ServiceKey, Told, Fixed>,
    /// How long news took to this client; made by the first.
    latencies: Option<Box<Latencies>>,
    closed: bool,
    waker: Option<Waker>,
}

/// What one connection must still be told.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<State>);

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues a message about the connection; `answer` is told what the client says to it.
    ///
    /// # Errors
    /// [`Refused`] if the client is gone or [`CONTROL_QUEUE_MAX`] messages wait already.
    pub fn control(&self, message: Control, answer: Option<oneshot::Sender<Answer>>) -> Result<(), Refused> {
        self.change(|state| {
            if state.closed || state.control.len() >= CONTROL_QUEUE_MAX {
                return Err(Refused);
            }
            state.control.push_back((message, answer));
            Ok(())
        })
    }

    /// The client must be told of a service. Costs nothing more if it must already.
    pub fn service(&self, key: &ServiceKey) {
        self.change(|state| {
            if !state.closed && !state.services_queued.contains(key) {
                state.services_queued.insert(key.clone());
                state.services.push_back(key.clone());
            }
        });
    }

    /// The client must be told that a config changed. Costs nothing more if it must already.
    pub fn config(&self, key: &ConfigKey, notice: Notice) {
        self.change(|state| {
            if !state.closed && state.configs_queued.insert(key.clone(), notice).is_none() {
                state.configs.push_back(key.clone());
            }
        });
    }

    /// Changes what the client must be told of what it watches by pattern; `None` if it is gone.
    pub fn fuzzy<T>(&self, with: impl FnOnce(&mut FuzzyQueues) -> T) -> Option<T> {
        self.change(|state| {
            if state.closed {
                return None;
            }
            // Stays until the end: late answers must not meet a queue that counts from the beginning again.
            Some(with(state.fuzzy.get_or_insert_default()))
        })
    }

    fn change<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock();
        let result = with(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// The next thing to send; `None` once the outbox is closed. Messages about the connection come first, and come even
    /// if too many pushes are unacknowledged.
    pub fn poll_due(&self, cx: &mut Context<'_>) -> Poll<Option<Due>> {
        let mut state = self.0.lock();
        if state.closed {
            return Poll::Ready(None);
        }
        if let Some((message, answer)) = state.control.pop_front() {
            if state.control.is_empty() {
                // Rare, and every connection has one message at its start: keep no room for more.
                state.control = VecDeque::new();
            }
            return Poll::Ready(Some(Due::Control(message, answer)));
        }
        if state.in_flight.len() < IN_FLIGHT_MAX {
            if let Some(key) = state.configs.pop_front() {
                let notice = state.configs_queued.remove(&key).unwrap_or(Notice { with_tenant: true, tries: 0 });
                return Poll::Ready(Some(Due::Config(key, notice)));
            }
            if let Some(key) = state.services.pop_front() {
                state.services_queued.remove(&key);
                return Poll::Ready(Some(Due::Service(key)));
            }
            if let Some(item) = state.fuzzy.as_mut().and_then(|queues| queues.next_ready()) {
                return Poll::Ready(Some(Due::Fuzzy(item)));
            }
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether the state of a service that is being sent, or was taken last, is already under way.
    #[must_use]
    pub fn is_under_way(&self, key: &ServiceKey, revision: u64) -> bool {
        let state = self.0.lock();
        let sent = state.told.get(key).and_then(|told| state.in_flight.get(&told.under_way?.get()));
        matches!(sent, Some(Sent::Service { revision: r, .. }) if *r == revision)
    }

    /// Notes that a push was sent; ids count from 1. An older push of the same service no longer counts.
    pub fn sent(&self, request_id: u64, push: Sent) {
        let mut state = self.0.lock();
        if let Sent::Service { key, .. } = &push
            && let newer = NonZeroU64::new(request_id)
            && let Some(older) = std::mem::replace(&mut state.told.entry_ref(key).or_default().under_way, newer)
            && older.get() != request_id
        {
            state.in_flight.remove(&older.get());
        }
        state.in_flight.insert(request_id, push);
    }

    // --- what the client knows ---

    /// The client was given a state of a service in the answer to its subscription.
    pub fn answered_with(&self, key: &ServiceKey, revision: u64) {
        let mut state = self.0.lock();
        if !state.closed {
            state.told.entry_ref(key).or_default().answered_with(revision);
        }
    }

    /// The client subscribes to a service no longer. What is under way to it no longer counts.
    pub fn forget(&self, key: &ServiceKey) {
        let mut state = self.0.lock();
        if let Some(id) = state.told.remove(key).and_then(|told| told.under_way) {
            state.in_flight.remove(&id.get());
        }
    }

    /// The client took a state of a service that came to be at `changed_at`. Returns how long it took if it was news.
    pub fn took(&self, key: &ServiceKey, revision: u64, changed_at: Timestamp, now: Timestamp) -> Option<Duration> {
        let mut state = self.0.lock();
        let took = state.told.get_mut(key)?.took(revision, now.since(changed_at));
        if let Some(took) = took {
            state.latencies.get_or_insert_default().note(took);
        }
        took
    }

    /// The client did not take the list of a service.
    pub fn failed(&self, key: &ServiceKey, how: Fate) {
        if let Some(told) = self.0.lock().told.get_mut(key) {
            told.failed(how);
        }
    }

    /// What the client knows of a service, and what it is waiting for.
    #[must_use]
    pub fn told(&self, key: &ServiceKey) -> (Told, Waiting) {
        let state = self.0.lock();
        let told = state.told.get(key).copied().unwrap_or_default();
        let waiting = match told.under_way.and_then(|id| state.in_flight.get(&id.get())) {
            _ if state.services_queued.contains(key) => Waiting::ToBeSent,
            Some(Sent::Service { sent_at, .. }) => Waiting::SentAt(*sent_at),
            _ => Waiting::ForNothing,
        };
        (told, waiting)
    }

    /// How long news took to this client.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        self.0.lock().latencies.as_deref().copied().unwrap_or_default()
    }

    /// The services of which a push is under way.
    #[must_use]
    pub fn under_way(&self) -> Vec<ServiceKey> {
        let state = self.0.lock();
        state.told.iter().filter(|(_, told)| told.under_way.is_some()).map(|(key, _)| key.clone()).collect()
    }

    // --- answers ---

    /// Takes a push that was acknowledged or refused; `None` if it no longer counts.
    pub fn take_sent(&self, request_id: u64) -> Option<Sent> {
        self.take_sent_if(request_id, |_| true)
    }

    /// Takes a push that has been under way since `sent_at`; `None` if it is not, or was sent again since.
    pub fn take_expired(&self, request_id: u64, since: Timestamp) -> Option<Sent> {
        self.take_sent_if(request_id, |sent| match sent {
            Sent::Service { sent_at, .. } | Sent::Config { sent_at, .. } | Sent::Fuzzy { sent_at, .. } => {
                *sent_at == since
            }
            Sent::Control(_) => false,
        })
    }

    fn take_sent_if(&self, request_id: u64, counts: impl FnOnce(&Sent) -> bool) -> Option<Sent> {
        self.change(|state| {
            if !counts(state.in_flight.get(&request_id)?) {
                return None;
            }
            let sent = state.in_flight.remove(&request_id)?;
            if let Sent::Service { key, .. } = &sent
                && let Some(told) = state.told.get_mut(key)
            {
                told.under_way = None;
            }
            Some(sent)
        })
    }

    /// Forgets everything; nothing more will be sent. Whoever waits for an answer is told that none will come.
    pub fn close(&self) {
        self.change(|state| *state = State { closed: true, waker: state.waker.take(), ..State::default() });
    }

    /// Pushes that wait and pushes that are under way.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let state = self.0.lock();
        let fuzzy = state.fuzzy.as_ref().map_or(0, |queues| queues.len());
        (state.control.len() + state.services.len() + state.configs.len() + fuzzy, state.in_flight.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{GroupName, NamespaceId, ServiceName};

    fn key(name: &str) -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored(name),
        }
    }

    fn next(outbox: &Outbox) -> Option<Due> {
        match outbox.poll_due(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(due) => due,
            Poll::Pending => None,
        }
    }

    fn push_of(name: &str, revision: u64) -> Sent {
        let at = Timestamp::default();
        Sent::Service { key: key(name), revision, changed_at: at, sent_at: at }
    }

    #[test]
    fn a_service_that_changes_often_waits_once() {
        let outbox = Outbox::new();
        for _ in 0..1000 {
            outbox.service(&key("a"));
        }
        outbox.service(&key("b"));
        assert!(matches!(next(&outbox), Some(Due::Service(k)) if k == key("a")));
        assert!(matches!(next(&outbox), Some(Due::Service(k)) if k == key("b")));
        assert!(next(&outbox).is_none());
    }

    #[test]
    fn a_newer_push_replaces_the_one_under_way() {
        let outbox = Outbox::new();
        outbox.sent(1, push_of("a", 1));
        outbox.sent(2, push_of("a", 2));
        assert!(outbox.is_under_way(&key("a"), 2) && !outbox.is_under_way(&key("a"), 1));
        assert!(outbox.take_sent(1).is_none(), "the older one no longer counts");
        assert!(matches!(outbox.take_sent(2), Some(Sent::Service { revision: 2, .. })));
        assert_eq!(outbox.load(), (0, 0));
    }

    #[test]
    fn a_client_that_acknowledges_nothing_is_told_only_about_its_connection() {
        let outbox = Outbox::new();
        for id in 1..=IN_FLIGHT_MAX as u64 {
            outbox.sent(id, push_of(&format!("s{id}"), 1));
        }
        outbox.service(&key("late"));
        assert!(next(&outbox).is_none());
        assert_eq!(outbox.control(Control::Detect, None), Ok(()));
        assert!(matches!(next(&outbox), Some(Due::Control(Control::Detect, None))));
        outbox.take_sent(7);
        assert!(matches!(next(&outbox), Some(Due::Service(k)) if k == key("late")));
    }

    #[test]
    fn a_closed_outbox_tells_who_waits() {
        let outbox = Outbox::new();
        let (tell, mut told) = oneshot::channel();
        outbox.sent(1, Sent::Control(tell));
        outbox.close();
        assert!(told.try_recv().is_err(), "the sender is gone");
        assert!(next(&outbox).is_none());
        assert_eq!(outbox.control(Control::Detect, None), Err(Refused));
    }

    #[test]
    fn a_redirect_address_is_read_as_nacos_reads_it() {
        let read = |text| Redirect::parse(text).ok().map(|r| r.map(|r| (r.ip, r.port)));
        let to = |ip: &str, port: &str| Some(Some((ip.to_owned(), port.to_owned())));
        assert_eq!(read("10.1.2.3:9999"), to("10.1.2.3", "9999"));
        assert_eq!(read(":9999"), to("", "9999"));
        assert_eq!(read("host.example:port"), to("host.example", "port"));
        assert_eq!(read("10.1.2.3:1:2"), to("10.1.2.3", "1"));
        assert_eq!(read("10.1.2.3"), Some(None));
        assert_eq!(read(""), Some(None));
        assert_eq!(read("10.1.2.3:"), None);
    }

    #[test]
    fn messages_about_the_connection_are_bounded() {
        let outbox = Outbox::new();
        for _ in 0..CONTROL_QUEUE_MAX {
            assert_eq!(outbox.control(Control::Detect, None), Ok(()));
        }
        assert_eq!(outbox.control(Control::Detect, None), Err(Refused));
    }
}
