//! What the caller wants a server to hold: his instances, his subscriptions, his watches. And what of it is held on the
//! connection that stands.
//!
//! Pure: calls and answers come in with the moment, jobs go out. Everything is written down here before it is asked for,
//! so that a new connection gets it all again at once and nobody else has to remember anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nacrite_base::{InstanceKey, ServiceKey};
use tokio::sync::watch;
use tokio::time::Instant;

use super::fuzzy::Pattern;
use super::instance::Instance;
use super::publication::{Publication, Publish, RegistrationState};
use super::wish::{Outcome, Step, Ticket, Wish};
use crate::error::Error;
use crate::failure::ConnectFailure;
use crate::session::Generation;

/// Requests under way at once. Enough to bring back thousands of services in a moment, little enough to leave a server
/// that has just restarted some air.
const IN_FLIGHT_MAX: usize = 64;

/// What has become of a subscription or a watch.
#[derive(Clone, Debug)]
pub enum SubscriptionState {
    /// It is being asked for, or waits for its turn.
    Pending,
    /// A server tells of changes since then, on the connection that stands.
    Active {
        /// When the server confirmed it.
        since: std::time::Instant,
    },
    /// It did not work so far, and is tried again. What was known before is shown meanwhile.
    Retrying {
        /// Why it did not work the last time.
        reason: Arc<Error>,
        /// How often it was tried on this connection.
        attempts: u32,
    },
    /// The server refuses it for good; it is not tried again until it is asked for anew.
    Refused {
        /// The server's reason.
        reason: Arc<Error>,
    },
}

/// How patient the redo is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    /// After a failure.
    pub(crate) retry: Duration,
    /// Between two questions for a list that is pushed anyway; `None` is never.
    pub(crate) resubscribe: Option<Duration>,
    /// Between two comparisons of which services there are.
    pub(crate) rewatch: Duration,
}

/// One thing to ask, on one connection only.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    pub(crate) generation: Generation,
    pub(crate) what: What,
}

/// What to ask.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Publish(ServiceKey, Publish),
    Subscribe(ServiceKey),
    Unsubscribe(ServiceKey),
    Watch(Pattern),
    CancelWatch(Pattern),
}

/// A wish to be told of something.
#[derive(Debug)]
struct Told {
    wish: Wish<()>,
    state: watch::Sender<SubscriptionState>,
}

impl Told {
    fn new() -> Self {
        Self { wish: Wish::new(), state: watch::Sender::new(SubscriptionState::Pending) }
    }

    /// Wants it, and tries at once what was refused or postponed.
    fn want(&mut self) -> watch::Receiver<SubscriptionState> {
        if self.wish.wanted().is_none() || !self.wish.is_granted() {
            // If the server does not know yet that nobody wanted it for a moment: what it told before is forgotten by now.
            if self.wish.wanted().is_none() {
                self.wish.ask_anew();
            }
            self.wish.want(Some(()));
            self.state.send_replace(SubscriptionState::Pending);
        }
        self.state.subscribe()
    }

    fn session(&mut self, current: Option<Generation>) {
        self.wish.session(current);
        if self.wish.refused().is_some() || self.wish.is_granted() {
            return;
        }
        self.state.send_replace(match current {
            Some(_) => SubscriptionState::Pending,
            None => SubscriptionState::Retrying { reason: Arc::new(Error::NotConnected(None)), attempts: 0 },
        });
    }

    fn explain(&self, why: &Arc<Error>) {
        self.state.send_if_modified(|state| {
            let is_news = match state {
                SubscriptionState::Pending => true,
                SubscriptionState::Retrying { reason, .. } => !Arc::ptr_eq(reason, why),
                SubscriptionState::Active { .. } | SubscriptionState::Refused { .. } => false,
            };
            if is_news {
                *state = SubscriptionState::Retrying { reason: Arc::clone(why), attempts: 0 };
            }
            is_news
        });
    }

    fn end(&mut self, now: Instant, ticket: Ticket, outcome: &Outcome, pause: Duration, repeat: Option<Duration>) {
        let Some(asked) = self.wish.end(now, ticket, outcome, pause) else {
            return;
        };
        match (outcome, asked) {
            (Outcome::Done, Some(())) => {
                if let Some(repeat) = repeat {
                    self.wish.repeat_at(now + repeat);
                }
                self.state.send_if_modified(|state| {
                    let is_new = !matches!(state, SubscriptionState::Active { .. });
                    if is_new {
                        *state = SubscriptionState::Active { since: now.into_std() };
                    }
                    is_new
                });
            }
            (Outcome::Failed(reason), Some(())) => {
                let (reason, attempts) = (Arc::clone(reason), self.wish.failures());
                self.state.send_replace(SubscriptionState::Retrying { reason, attempts });
            }
            (Outcome::Refused(reason), Some(())) => {
                self.state.send_replace(SubscriptionState::Refused { reason: Arc::clone(reason) });
            }
            // A server that will not be unsubscribed from may go on talking: nobody listens.
            (Outcome::Refused(_), None) => self.wish = Wish::new(),
            (Outcome::Done | Outcome::Failed(_), None) => {}
        }
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Desired {
    pauses: Pauses,
    session: Option<Generation>,
    /// Why there is no connection.
    apart: Option<Arc<Error>>,
    publications: BTreeMap<ServiceKey, Publication>,
    subscriptions: BTreeMap<ServiceKey, Told>,
    watches: BTreeMap<Pattern, Told>,
    tickets: u64,
    in_flight: usize,
}

impl Desired {
    pub(crate) fn new(pauses: Pauses) -> Self {
        Self {
            pauses,
            session: None,
            apart: None,
            publications: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            watches: BTreeMap::new(),
            tickets: 0,
            in_flight: 0,
        }
    }

    /// Adds an instance to the caller's own of a service, or changes the one of the same address, port and cluster.
    pub(crate) fn register(&mut self, service: &ServiceKey, instance: Instance) -> watch::Receiver<RegistrationState> {
        self.publications.entry(service.clone()).or_insert_with(Publication::new).register(instance)
    }

    /// Takes one of the caller's own back; `None` if there is no such.
    pub(crate) fn deregister(
        &mut self,
        service: &ServiceKey,
        key: &InstanceKey,
    ) -> Option<watch::Receiver<RegistrationState>> {
        let state = self.publications.get_mut(service)?.deregister(key);
        self.forget_publication(service);
        state
    }

    /// Gives up a registration or a change that did not come through in time.
    pub(crate) fn abandon(&mut self, service: &ServiceKey, key: &InstanceKey) {
        if let Some(publication) = self.publications.get_mut(service) {
            publication.abandon(key);
        }
        self.forget_publication(service);
    }

    /// What the caller wants of one of his instances.
    pub(crate) fn own(&self, service: &ServiceKey, key: &InstanceKey) -> Option<&Instance> {
        self.publications.get(service)?.wanted(key)
    }

    /// The keys of the caller's own instances of a service.
    pub(crate) fn own_keys(&self, service: &ServiceKey) -> Vec<InstanceKey> {
        self.publications.get(service).map(Publication::keys).unwrap_or_default()
    }

    /// Wants to be told of a service. What was refused before is tried again.
    pub(crate) fn subscribe(&mut self, service: &ServiceKey) -> watch::Receiver<SubscriptionState> {
        self.subscriptions.entry(service.clone()).or_insert_with(Told::new).want()
    }

    /// Wants to be told of a service no longer.
    pub(crate) fn unsubscribe(&mut self, service: &ServiceKey) {
        if let Some(told) = self.subscriptions.get_mut(service) {
            told.wish.want(None);
        }
        forget_told(&mut self.subscriptions, service);
    }

    /// Wants to be told which services match a pattern.
    pub(crate) fn watch(&mut self, pattern: &Pattern) -> watch::Receiver<SubscriptionState> {
        self.watches.entry(pattern.clone()).or_insert_with(Told::new).want()
    }

    /// Wants to be told no longer.
    pub(crate) fn unwatch(&mut self, pattern: &Pattern) {
        if let Some(told) = self.watches.get_mut(pattern) {
            told.wish.want(None);
        }
        forget_told(&mut self.watches, pattern);
    }

    /// Wants nothing any more.
    pub(crate) fn withdraw_all(&mut self) {
        for publication in self.publications.values_mut() {
            for key in publication.keys() {
                publication.deregister(&key);
            }
        }
        for told in self.subscriptions.values_mut().chain(self.watches.values_mut()) {
            told.wish.want(None);
        }
        self.forget_over();
    }

    /// Another connection stands, or none.
    pub(crate) fn session(&mut self, current: Option<Generation>) {
        if self.session == current {
            return;
        }
        self.session = current;
        // What is still open on the connection before is answered soon, or never: it takes no place any more.
        self.in_flight = 0;
        for publication in self.publications.values_mut() {
            publication.session(current);
        }
        for told in self.subscriptions.values_mut().chain(self.watches.values_mut()) {
            told.session(current);
        }
        self.forget_over();
    }

    /// Says why there is no connection, where there is none, in the state of everything that waits for one.
    pub(crate) fn explain(&mut self, failure: Option<&ConnectFailure>) {
        let (None, Some(failure)) = (self.session, failure) else {
            self.apart = None;
            return;
        };
        let known = self.apart.take().filter(|known| is_of(known, failure));
        let reason = known.unwrap_or_else(|| Arc::new(Error::NotConnected(Some(failure.clone()))));
        self.publications.values().for_each(|publication| publication.explain(&reason));
        for told in self.subscriptions.values().chain(self.watches.values()) {
            told.explain(&reason);
        }
        self.apart = Some(reason);
    }

    /// What there is to ask now: instances first, because others wait for them; not more than may be under way at once.
    /// Cost: one pass over everything that is wanted.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<Job> {
        let Some(generation) = self.session else {
            return Vec::new();
        };
        let mut jobs = Vec::new();
        let (tickets, in_flight) = (&mut self.tickets, &mut self.in_flight);
        let mut begin = |attempt: &mut dyn FnMut(Ticket) -> Option<What>| {
            if *in_flight >= IN_FLIGHT_MAX {
                return;
            }
            let ticket = Ticket(*tickets + 1);
            if let Some(what) = attempt(ticket) {
                *tickets += 1;
                *in_flight += 1;
                jobs.push(Job { ticket, generation, what });
            }
        };
        for (service, publication) in &mut self.publications {
            begin(&mut |ticket| {
                let publish = publication.begin(now, ticket, generation)?;
                Some(What::Publish(service.clone(), publish))
            });
        }
        for (service, told) in &mut self.subscriptions {
            begin(&mut |ticket| {
                let step = told.wish.next(now)?;
                told.wish.begin(ticket, generation, &step);
                let service = service.clone();
                Some(if step == Step::Take { What::Unsubscribe(service) } else { What::Subscribe(service) })
            });
        }
        for (pattern, told) in &mut self.watches {
            begin(&mut |ticket| {
                let step = told.wish.next(now)?;
                told.wish.begin(ticket, generation, &step);
                let pattern = pattern.clone();
                Some(if step == Step::Take { What::CancelWatch(pattern) } else { What::Watch(pattern) })
            });
        }
        jobs
    }

    /// A job has ended.
    pub(crate) fn end(&mut self, now: Instant, job: &Job, outcome: &Outcome) {
        if self.session == Some(job.generation) {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        let pause = self.pauses.retry;
        match &job.what {
            What::Publish(service, _) => {
                if let Some(publication) = self.publications.get_mut(service) {
                    publication.end(now, job.ticket, outcome, pause);
                }
                self.forget_publication(service);
            }
            What::Subscribe(service) | What::Unsubscribe(service) => {
                if let Some(told) = self.subscriptions.get_mut(service) {
                    told.end(now, job.ticket, outcome, pause, self.pauses.resubscribe);
                }
                forget_told(&mut self.subscriptions, service);
            }
            What::Watch(pattern) | What::CancelWatch(pattern) => {
                if let Some(told) = self.watches.get_mut(pattern) {
                    told.end(now, job.ticket, outcome, pause, Some(self.pauses.rewatch));
                }
                forget_told(&mut self.watches, pattern);
            }
        }
    }

    /// When there may be something to ask without anything else happening.
    /// Services of own instances, and subscriptions, that the server does not hold as they are wanted. What it refused for
    /// good is not among them. Cost: a pass over everything.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let registrations = self.publications.values().filter(|publication| publication.is_waiting()).count();
        (registrations, self.subscriptions.values().filter(|told| told.wish.is_waiting()).count())
    }

    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let told = self.subscriptions.values().chain(self.watches.values()).filter_map(|told| told.wish.wake_at());
        self.session.and_then(|_| self.publications.values().filter_map(Publication::wake_at).chain(told).min())
    }

    /// Whether nothing is wanted and nothing is held. Without a connection nothing can be.
    pub(crate) fn is_over(&self) -> bool {
        let is_over =
            |publication: &Publication| publication.is_over() || self.session.is_none() && publication.is_withdrawn();
        self.publications.values().all(is_over) && self.subscriptions.is_empty() && self.watches.is_empty()
    }

    fn forget_publication(&mut self, service: &ServiceKey) {
        if self.publications.get(service).is_some_and(Publication::is_over) {
            self.publications.remove(service);
        }
    }

    fn forget_over(&mut self) {
        self.publications.retain(|_, publication| !publication.is_over());
        self.subscriptions.retain(|_, told| !told.wish.is_over());
        self.watches.retain(|_, told| !told.wish.is_over());
    }
}

fn is_of(error: &Error, failure: &ConnectFailure) -> bool {
    matches!(error, Error::NotConnected(Some(known)) if known == failure)
}

/// Of what is over nothing is kept.
fn forget_told<K: Ord>(all: &mut BTreeMap<K, Told>, key: &K) {
    if all.get(key).is_some_and(|told| told.wish.is_over()) {
        all.remove(key);
    }
}

#[cfg(test)]
mod tests;
