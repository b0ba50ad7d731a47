//! What clients without a connection must still be told, and what they were told but did not acknowledge.
//!
//! Such a client is an address that packets go to. As in an outbox, an entry only says *that* a service changed: one entry
//! per address and service, and the present is looked up when the packet is sent. A packet that is not acknowledged is
//! sent once more, then given up; the client polls, so it learns of the change all the same (`reference/http.md`, 5.4).
//! Every table here is bounded by the subscriptions of such clients ([`crate::limits::UDP_SUBSCRIPTIONS_MAX`]).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use nacrite_base::{ClientId, Host, Kind, ServiceKey, Timestamp};
use nacrite_env::SharedClock;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::debug;

use super::delayed::Delayed;
use super::settle::sleep_until;
use crate::metrics::Metrics;

/// How long a client may take to acknowledge a packet.
const ACK_WITHIN: Duration = Duration::from_secs(10);

/// How often a packet is sent before it is given up.
const SENDS_MAX: u32 = 2;

/// The system did not take a packet; it is tried again after this long.
const SEND_AGAIN_AFTER: Duration = Duration::from_secs(1);

type Fixed = foldhash::quality::FixedState;

/// Whom to tell of what.
type Target = (SocketAddr, ServiceKey);

/// The client that listens at an address, as the registry knows it.
#[must_use]
pub fn client_at(address: SocketAddr) -> ClientId {
    let host = Host::from_stored(&address.ip().to_string());
    ClientId::Address { host, port: address.port(), kind: Kind::Ephemeral }
}

/// Where a client without a connection listens; `None` for one with a connection.
fn address_of(client: &ClientId) -> Option<SocketAddr> {
    match client {
        ClientId::Connection(_) => None,
        ClientId::Address { host, port, .. } => Some(SocketAddr::new(host.as_str().parse().ok()?, *port)),
    }
}

/// A packet to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Where to.
    pub to: SocketAddr,
    /// The list of which service.
    pub service: ServiceKey,
    /// How often it was sent in vain.
    pub sends: u32,
}

/// A packet that was sent.
#[derive(Debug)]
struct Flight {
    mark: u64,
    changed_at: Timestamp,
    sent_at: Timestamp,
    sends: u32,
}

/// How far one client is with one service.
#[derive(Debug, Default)]
struct Fate {
    /// It waits to be sent; how often it was sent in vain.
    due: Option<u32>,
    /// It was sent.
    flight: Option<Flight>,
    /// The system did not take it; when to try again.
    again: Option<(Timestamp, u32)>,
    /// The one timer that counts; an older one that fires later is ignored.
    timer: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    /// Our end of the socket, while there is one.
    local: Option<SocketAddr>,
    due: VecDeque<Target>,
    fates: HashMap<Target, Fate, Fixed>,
    /// The service that an acknowledgement speaks of.
    by_mark: HashMap<(SocketAddr, u64), ServiceKey, Fixed>,
    timers: Delayed<Target>,
}

/// Everything that goes out over UDP.
#[derive(Debug)]
pub struct Datagrams {
    state: Mutex<State>,
    work: Notify,
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

impl Datagrams {
    /// Nothing is to be sent, and nobody could send it.
    #[must_use]
    pub fn new(clock: SharedClock, metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), work: Notify::new(), clock, metrics }
    }

    /// From now on packets can be sent, from a socket at `local`.
    pub fn open(&self, local: SocketAddr) {
        self.state.lock().local = Some(local);
    }

    /// No more packets can be sent. What waits is forgotten: the clients poll.
    pub fn close(&self) {
        *self.state.lock() = State::default();
    }

    /// Whether a client at that address can be told: there is a socket, its family reaches the address, and the address
    /// is that of one machine.
    #[must_use]
    pub fn reaches(&self, address: IpAddr) -> bool {
        let is_one_machine = match address {
            IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
            IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
        };
        // A socket of the newer family reaches both.
        is_one_machine && self.state.lock().local.is_some_and(|local| local.is_ipv6() || address.is_ipv4())
    }

    /// A service changed for a client. Costs nothing more if it must be told already.
    pub fn service(&self, client: &ClientId, service: &ServiceKey) {
        let Some(to) = address_of(client) else { return };
        let mut state = self.state.lock();
        if state.local.is_some() {
            state.queue((to, service.clone()), 0);
            self.work.notify_one();
        }
    }

    /// The next packet to send. Dropping the future loses nothing.
    pub async fn next(&self) -> Due {
        loop {
            let next = {
                let mut state = self.state.lock();
                self.fire(&mut state);
                if let Some(due) = state.take_due() {
                    return due;
                }
                state.timers.next_due()
            };
            tokio::select! {
                () = self.work.notified() => {}
                () = sleep_until(&self.clock, next) => {}
            }
        }
    }

    /// Whether a packet with that mark is on its way already, so that it need not be sent for a further reason.
    #[must_use]
    pub fn is_under_way(&self, due: &Due, mark: u64) -> bool {
        let state = self.state.lock();
        due.sends == 0 && state.by_mark.get(&(due.to, mark)) == Some(&due.service)
    }

    /// A packet was sent. `mark` is what its acknowledgement will name; an older packet about the service no longer counts.
    pub fn sent(&self, due: Due, mark: u64, changed_at: Timestamp) {
        let sent_at = self.clock.now();
        let Due { to, service, sends } = due;
        let mut state = self.state.lock();
        if state.local.is_none() {
            return;
        }
        self.metrics.udp.sent.inc();
        state.by_mark.insert((to, mark), service.clone());
        let target = (to, service);
        let flight = Flight { mark, changed_at, sent_at, sends: sends + 1 };
        let older = state.fates.entry_ref(&target).or_default().flight.replace(flight);
        if let Some(older) = older.filter(|older| older.mark != mark) {
            state.by_mark.remove(&(to, older.mark));
        }
        state.arm(target, sent_at + ACK_WITHIN);
    }

    /// The system did not take a packet.
    pub fn failed(&self, due: Due) {
        self.metrics.udp.failed.inc();
        let at = self.clock.now() + SEND_AGAIN_AFTER;
        let Due { to, service, sends } = due;
        let target = (to, service);
        let mut state = self.state.lock();
        if state.local.is_some() {
            state.fates.entry_ref(&target).or_default().again = Some((at, sends));
            state.arm(target, at);
        }
    }

    /// A client acknowledged a packet. Returns whether one was on its way to it: others are not believed.
    pub fn acknowledged(&self, from: SocketAddr, mark: u64) -> bool {
        let mut state = self.state.lock();
        let Some(service) = state.by_mark.remove(&(from, mark)) else {
            return false;
        };
        let Some(flight) = state.fates.get_mut(&(from, service)).and_then(|fate| fate.flight.take()) else {
            return false;
        };
        drop(state);
        let after = self.clock.now().since(flight.changed_at);
        self.metrics.udp.acknowledged.inc();
        self.metrics.push_seconds.observe(after.as_secs_f64());
        self.metrics.push_tally.taken(after);
        true
    }

    /// Does what is due by now.
    fn fire(&self, state: &mut State) {
        let now = self.clock.now();
        while let Some((at, target)) = state.timers.pop_due_at(now) {
            let Some(fate) = state.fates.get_mut(&target).filter(|fate| fate.timer == Some(at)) else {
                continue;
            };
            fate.timer = None;
            let again = fate.again.take_if(|(due, _)| *due <= now);
            let expired = fate.flight.take_if(|flight| flight.sent_at + ACK_WITHIN <= now);
            if let Some(flight) = &expired {
                self.metrics.push_tally.failed();
                state.by_mark.remove(&(target.0, flight.mark));
            }
            match (again, expired) {
                (Some((_, sends)), _) => state.queue(target, sends),
                (None, Some(flight)) if flight.sends < SENDS_MAX => {
                    self.metrics.udp.retried.inc();
                    state.queue(target, flight.sends);
                }
                (None, Some(_)) => {
                    self.metrics.udp.given_up.inc();
                    debug!(to = %target.0, service = %target.1, "packet never acknowledged");
                    state.rearm(target);
                }
                (None, None) => state.rearm(target),
            }
        }
    }

    /// Packets that wait or are on their way, and what else is remembered of their clients.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state.lock().fates.len()
    }
}

impl State {
    fn queue(&mut self, target: Target, sends: u32) {
        let fate = self.fates.entry_ref(&target).or_default();
        // What waits because of a failure is replaced by the newer reason, which is told at once.
        fate.again = None;
        match &mut fate.due {
            Some(waiting) => *waiting = sends.min(*waiting),
            None => {
                fate.due = Some(sends);
                self.due.push_back(target);
            }
        }
    }

    fn take_due(&mut self) -> Option<Due> {
        let target = self.due.pop_front()?;
        let sends = self.fates.get_mut(&target).and_then(|fate| fate.due.take()).unwrap_or_default();
        self.forget_if_idle(&target);
        let (to, service) = target;
        Some(Due { to, service, sends })
    }

    /// Sets the timer of a target, unless an earlier one stands, which will look again.
    fn arm(&mut self, target: Target, at: Timestamp) {
        let Some(fate) = self.fates.get_mut(&target) else { return };
        if fate.timer.is_none_or(|earlier| at < earlier) {
            fate.timer = Some(at);
            self.timers.push(at, target);
        }
    }

    /// Sets the timer for what a target still waits for; forgets it if that is nothing.
    fn rearm(&mut self, target: Target) {
        let Some(fate) = self.fates.get(&target) else { return };
        let times = [fate.again.map(|(at, _)| at), fate.flight.as_ref().map(|flight| flight.sent_at + ACK_WITHIN)];
        match times.into_iter().flatten().min() {
            Some(at) => self.arm(target, at),
            None => self.forget_if_idle(&target),
        }
    }

    fn forget_if_idle(&mut self, target: &Target) {
        let is_idle = |fate: &Fate| fate.due.is_none() && fate.flight.is_none() && fate.again.is_none();
        if self.fates.get(target).is_some_and(|fate| is_idle(fate) && fate.timer.is_none()) {
            self.fates.remove(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{GroupName, NamespaceId, ServiceName};
    use nacrite_env::clock::SystemClock;

    const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 9], 55_123);

    fn service(name: &str) -> ServiceKey {
        let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
        ServiceKey { namespace, group, name: ServiceName::from_stored(name) }
    }

    fn datagrams() -> Datagrams {
        let datagrams = Datagrams::new(Arc::new(SystemClock::start()), Arc::new(Metrics::new()));
        datagrams.open(([127, 0, 0, 1], 1).into());
        datagrams
    }

    /// Tells the client of a service and sends what is due, as the edge does.
    async fn send(datagrams: &Datagrams, name: &str, mark: u64) {
        datagrams.service(&client_at(CLIENT.into()), &service(name));
        let due = datagrams.next().await;
        assert_eq!(due, Due { to: CLIENT.into(), service: service(name), sends: 0 });
        datagrams.sent(due, mark, Timestamp::default());
    }

    /// What is due within `ms`.
    async fn due_within(datagrams: &Datagrams, ms: u64) -> Option<Due> {
        tokio::time::timeout(Duration::from_millis(ms), datagrams.next()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_packet_that_nobody_acknowledges_is_sent_once_more_and_given_up() {
        let datagrams = datagrams();
        send(&datagrams, "a", 7).await;
        assert_eq!(due_within(&datagrams, 9_900).await, None);
        let again = due_within(&datagrams, 200).await.expect("once more");
        assert_eq!((again.to, again.sends), (CLIENT.into(), 1));
        assert!(!datagrams.is_under_way(&again, 7), "the second time goes out though nothing changed");
        datagrams.sent(again, 7, Timestamp::default());
        assert_eq!(due_within(&datagrams, 60_000).await, None);
        assert_eq!(datagrams.pending(), 0, "nothing is remembered of it");
        let metrics = &datagrams.metrics.udp;
        assert_eq!((metrics.sent.get(), metrics.retried.get(), metrics.given_up.get()), (2, 1, 1));
        assert_eq!(datagrams.metrics.push_tally.counts().failed, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_acknowledgement_ends_it_if_it_comes_from_the_client_with_the_mark() {
        let datagrams = datagrams();
        send(&datagrams, "a", 7).await;
        for (from, mark) in [(([10, 0, 0, 9], 55_124), 7), (([10, 0, 0, 8], 55_123), 7), (CLIENT, 8)] {
            assert!(!datagrams.acknowledged(from.into(), mark), "{from:?} {mark}");
        }
        assert!(datagrams.acknowledged(CLIENT.into(), 7));
        assert!(!datagrams.acknowledged(CLIENT.into(), 7), "once is enough");
        assert_eq!(due_within(&datagrams, 60_000).await, None);
        assert_eq!((datagrams.pending(), datagrams.metrics.udp.acknowledged.get()), (0, 1));
        assert_eq!(datagrams.metrics.push_tally.counts().taken, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_changes_often_waits_once() {
        let datagrams = datagrams();
        for _ in 0..1000 {
            datagrams.service(&client_at(CLIENT.into()), &service("a"));
        }
        datagrams.service(&client_at(CLIENT.into()), &service("b"));
        assert_eq!(datagrams.next().await.service, service("a"));
        assert_eq!(datagrams.next().await.service, service("b"));
        assert_eq!(due_within(&datagrams, 1).await, None);
        assert_eq!(datagrams.pending(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_packet_replaces_the_one_on_its_way() {
        let datagrams = datagrams();
        send(&datagrams, "a", 7).await;
        tokio::time::advance(Duration::from_secs(6)).await;
        send(&datagrams, "a", 8).await;
        assert!(!datagrams.acknowledged(CLIENT.into(), 7), "the older one no longer counts");
        assert_eq!(due_within(&datagrams, 9_900).await, None, "the newer one has its own 10 s");
        assert_eq!(due_within(&datagrams, 200).await.map(|due| due.sends), Some(1));
    }

    /// Every packet that was acknowledged left a timer behind: a service that changes all the time grew without bound.
    #[tokio::test(start_paused = true)]
    async fn packets_that_are_acknowledged_leave_one_timer() {
        let datagrams = datagrams();
        for mark in 0..1000 {
            send(&datagrams, "a", mark).await;
            assert!(datagrams.acknowledged(CLIENT.into(), mark));
        }
        let mut timers = 0;
        while datagrams.state.lock().timers.pop_due(Timestamp::from_ms(u64::MAX)).is_some() {
            timers += 1;
        }
        assert_eq!(timers, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_system_does_not_take_is_tried_again() {
        let datagrams = datagrams();
        for _ in 0..3 {
            datagrams.service(&client_at(CLIENT.into()), &service("a"));
            let due = datagrams.next().await;
            datagrams.failed(due);
            assert_eq!(due_within(&datagrams, 900).await, None);
            let again = due_within(&datagrams, 200).await;
            assert_eq!(again.map(|due| due.sends), Some(0), "it was not sent, so it counts as new");
        }
        assert_eq!(datagrams.pending(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_without_a_socket_tells_nobody() {
        let datagrams = datagrams();
        let local: IpAddr = [127, 0, 0, 1].into();
        assert!(datagrams.reaches(local));
        for nobody in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::"] {
            assert!(!datagrams.reaches(nobody.parse().expect("an address")), "{nobody}");
        }
        datagrams.service(&client_at(CLIENT.into()), &service("a"));
        datagrams.close();
        assert!(!datagrams.reaches(local));
        datagrams.service(&client_at(CLIENT.into()), &service("a"));
        assert_eq!((due_within(&datagrams, 60_000).await, datagrams.pending()), (None, 0));
        datagrams.open("[::]:1".parse().expect("an address"));
        assert!(datagrams.reaches(local) && datagrams.reaches("::1".parse().expect("an address")));
    }
}
