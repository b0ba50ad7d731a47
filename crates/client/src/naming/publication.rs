//! The instances of one service that this client registers: one set, because a server keeps one entry per connection and
//! service, and a second registration would silently replace the first (`reference/client.md`, 2.2).
//!
//! Pure. A set of one is registered by itself, a larger one as a batch. A set that was a batch on this connection stays
//! one when it shrinks to a single instance: that is what the official clients do, servers count instances by it, and a
//! batch of one can be told from an old registration that was never taken back. On a new connection it begins by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nacrite_base::InstanceKey;
use tokio::sync::watch;
use tokio::time::Instant;

use super::instance::Instance;
use super::wish::{Outcome, Step, Ticket, Wish};
use crate::error::Error;
use crate::session::Generation;

/// What has become of a registration.
#[derive(Clone, Debug)]
pub enum RegistrationState {
    /// It is being asked for, or waits for its turn; nothing is known to be wrong.
    Pending,
    /// A server holds it since then, on the connection that stands.
    Registered {
        /// When the server confirmed it.
        since: std::time::Instant,
    },
    /// It did not work so far, and is tried again.
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
        /// What was registered before stands: it was a change, or the end of it, that was refused.
        kept: bool,
    },
    /// It is being taken back.
    Leaving,
    /// It is not registered, and nobody wants it to be.
    Gone,
}

impl RegistrationState {
    /// Whether a server holds it.
    #[must_use]
    pub const fn is_registered(&self) -> bool {
        matches!(self, Self::Registered { .. } | Self::Refused { kept: true, .. })
    }
}

/// The instances that a server is to hold together.
pub(crate) type Set = Arc<BTreeMap<InstanceKey, Instance>>;

/// In what request a set is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The one instance by itself.
    Single,
    /// All as a batch.
    Batch,
}

/// What to ask a server about one service.
#[derive(Clone, Debug)]
pub(crate) enum Publish {
    /// To hold this set.
    Put(Replace),
    /// To hold nothing; the set is what it held last.
    Take(Set),
}

/// A set that takes the place of another.
#[derive(Clone, Debug)]
pub(crate) struct Replace {
    /// What is to be held.
    pub(crate) set: Set,
    /// In what request it is sent.
    pub(crate) form: Form,
    /// What is held for sure.
    pub(crate) held: Option<Set>,
    /// What may be held, of what was asked for before on this connection.
    pub(crate) last: Set,
    /// What earlier connections left behind and nobody wants any more; see [`Publication`].
    pub(crate) left: Set,
}

impl Replace {
    /// Instances that may be held and are not wanted any more.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = &Instance> {
        self.last.iter().filter(|(key, _)| !self.set.contains_key(*key)).map(|(_, instance)| instance)
    }

    /// Instances that are not held for sure as they are wanted.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Instance> {
        let held = |key, instance| self.held.as_ref().is_some_and(|held| held.get(key) == Some(instance));
        self.set.iter().filter(move |(key, instance)| !held(*key, *instance)).map(|(_, instance)| instance)
    }
}

/// What is in either; the second wins.
fn united(one: &Set, other: &Set) -> Set {
    if one.is_empty() {
        return Arc::clone(other);
    }
    Arc::new(one.iter().chain(&**other).map(|(key, instance)| (key.clone(), instance.clone())).collect())
}

#[derive(Debug)]
struct Own {
    wanted: Instance,
    /// What a server took last.
    accepted: Option<Instance>,
    accepted_at: Option<std::time::Instant>,
    refused: Option<Arc<Error>>,
    state: watch::Sender<RegistrationState>,
}

impl Own {
    /// What is to be registered: what is wanted, or what stood before if that was refused.
    fn effective(&self) -> Option<&Instance> {
        if self.refused.is_none() { Some(&self.wanted) } else { self.accepted.as_ref() }
    }

    fn refuse(&mut self, reason: &Arc<Error>) {
        // What was taken before and is refused now does not stand any more.
        if self.accepted.as_ref() == Some(&self.wanted) {
            self.accepted = None;
        }
        self.refused = Some(Arc::clone(reason));
        self.state
            .send_replace(RegistrationState::Refused { reason: Arc::clone(reason), kept: self.accepted.is_some() });
    }
}

/// See the head of this file.
///
/// A server that restarts may remember what it was told before, until its clients had time to come back. So what was given
/// up while there was no connection is taken back on the next one, where most servers know nothing of it.
#[derive(Debug)]
pub(crate) struct Publication {
    own: BTreeMap<InstanceKey, Own>,
    leaving: Vec<(InstanceKey, watch::Sender<RegistrationState>)>,
    wish: Wish<Set>,
    /// What the server may hold of what was asked on this connection.
    asked: Set,
    batched_in: Option<Generation>,
    /// What servers may remember of what was asked on connections that are lost.
    left: Set,
    session: Option<Generation>,
}

impl Publication {
    pub(crate) fn new() -> Self {
        Self {
            own: BTreeMap::new(),
            leaving: Vec::new(),
            wish: Wish::new(),
            asked: Set::default(),
            batched_in: None,
            left: Set::default(),
            session: None,
        }
    }

    /// Whether the server does not hold the set as it is wanted, and may yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.wish.is_waiting()
    }

    /// Adds an instance to the set, or changes the one of the same address, port and cluster.
    pub(crate) fn register(&mut self, instance: Instance) -> watch::Receiver<RegistrationState> {
        let key = instance.key().clone();
        // Who was leaving has left, for whoever waits for it: what is there from now on is another registration.
        for (_, state) in self.leaving.extract_if(.., |(leaving, _)| *leaving == key) {
            state.send_replace(RegistrationState::Gone);
        }
        let own = self.own.entry(key).or_insert_with(|| Own {
            wanted: instance.clone(),
            accepted: None,
            accepted_at: None,
            refused: None,
            state: watch::Sender::new(RegistrationState::Pending),
        });
        own.wanted = instance;
        own.refused = None;
        own.state.send_replace(RegistrationState::Pending);
        let state = own.state.subscribe();
        self.settle();
        state
    }

    /// Takes an instance out of the set; `None` if it is not in it.
    pub(crate) fn deregister(&mut self, key: &InstanceKey) -> Option<watch::Receiver<RegistrationState>> {
        let own = self.own.remove(key)?;
        own.state.send_replace(RegistrationState::Leaving);
        let state = own.state.subscribe();
        self.leaving.push((key.clone(), own.state));
        self.settle();
        Some(state)
    }

    /// Gives up the last change of an instance, which did not come through: back to what stood before, or out of the set.
    pub(crate) fn abandon(&mut self, key: &InstanceKey) {
        match self.own.get_mut(key) {
            Some(own) if own.accepted.as_ref().is_some_and(|accepted| *accepted != own.wanted) => {
                if let Some(accepted) = own.accepted.clone() {
                    own.wanted = accepted;
                }
                own.refused = None;
                own.state.send_replace(RegistrationState::Pending);
                self.settle();
            }
            _ => drop(self.deregister(key)),
        }
    }

    /// The keys of all instances that somebody wants.
    pub(crate) fn keys(&self) -> Vec<InstanceKey> {
        self.own.keys().cloned().collect()
    }

    /// What is wanted of an instance.
    pub(crate) fn wanted(&self, key: &InstanceKey) -> Option<&Instance> {
        self.own.get(key).map(|own| &own.wanted)
    }

    /// Another connection stands, or none.
    pub(crate) fn session(&mut self, current: Option<Generation>) {
        self.session = current;
        self.wish.session(current);
        if self.wish.holds_nothing() && !self.asked.is_empty() {
            self.left = united(&self.left, &std::mem::take(&mut self.asked));
        }
        self.take_back_left();
        for own in self.own.values().filter(|own| own.refused.is_none()) {
            let reason = || Arc::new(Error::NotConnected(None));
            own.state.send_if_modified(|state| match (&state, current) {
                (RegistrationState::Registered { .. }, Some(_)) if self.wish.is_granted() => false,
                (RegistrationState::Registered { .. } | RegistrationState::Retrying { .. }, Some(_)) => {
                    *state = RegistrationState::Pending;
                    true
                }
                (RegistrationState::Registered { .. }, None) => {
                    *state = RegistrationState::Retrying { reason: reason(), attempts: 0 };
                    true
                }
                _ => false,
            });
        }
        self.settle_leaving();
    }

    /// Says why there is no connection to ask on.
    pub(crate) fn explain(&self, why: &Arc<Error>) {
        for own in self.own.values() {
            own.state.send_if_modified(|state| {
                let is_news = match state {
                    RegistrationState::Pending => true,
                    RegistrationState::Retrying { reason, .. } => !Arc::ptr_eq(reason, why),
                    _ => false,
                };
                if is_news {
                    *state = RegistrationState::Retrying { reason: Arc::clone(why), attempts: 0 };
                }
                is_news
            });
        }
    }

    /// What there is to ask.
    pub(crate) fn begin(&mut self, now: Instant, ticket: Ticket, generation: Generation) -> Option<Publish> {
        let step = self.wish.next(now)?;
        let held = self.wish.held().cloned();
        self.wish.begin(ticket, generation, &step);
        Some(match step {
            Step::Put(set) => {
                let form =
                    if set.len() > 1 || self.batched_in == Some(generation) { Form::Batch } else { Form::Single };
                if form == Form::Batch {
                    self.batched_in = Some(generation);
                }
                let last = Arc::clone(&self.asked);
                // Until it is confirmed, what was asked before may be held as well.
                self.asked = united(&last, &set);
                let unwanted = self.left.iter().filter(|(key, _)| !set.contains_key(*key));
                let left = Arc::new(unwanted.map(|(key, instance)| (key.clone(), instance.clone())).collect());
                Publish::Put(Replace { set, form, held, last, left })
            }
            Step::Take => {
                self.batched_in = None;
                Publish::Take(united(&self.left, &self.asked))
            }
        })
    }

    /// What was asked has ended.
    pub(crate) fn end(&mut self, now: Instant, ticket: Ticket, outcome: &Outcome, pause: Duration) {
        let Some(asked) = self.wish.end(now, ticket, outcome, pause) else {
            return;
        };
        if matches!(outcome, Outcome::Done) {
            self.left = Set::default();
        }
        match (outcome, asked) {
            (Outcome::Done, Some(set)) => {
                self.accept(&set, now);
                self.asked = set;
            }
            (Outcome::Failed(reason), Some(set)) => self.postpone(&set, reason),
            (Outcome::Refused(reason), Some(set)) => {
                // What was refused is held nowhere.
                self.asked = self.wish.held().cloned().unwrap_or_else(|| Arc::clone(&self.asked));
                if self.wish.holds_nothing() {
                    self.asked = Set::default();
                }
                self.refuse(&set, reason);
            }
            (Outcome::Refused(reason), None) => {
                // Nothing more can be done: it goes with the connection.
                self.wish = Wish::new();
                self.left = Set::default();
                for (_, state) in self.leaving.drain(..) {
                    state.send_replace(RegistrationState::Refused { reason: Arc::clone(reason), kept: true });
                }
                self.settle();
            }
            (Outcome::Done | Outcome::Failed(_), None) => {}
        }
        self.settle_leaving();
    }

    fn accept(&mut self, set: &Set, now: Instant) {
        for (key, taken) in &**set {
            let Some(own) = self.own.get_mut(key).filter(|own| own.effective() == Some(taken)) else {
                continue;
            };
            own.accepted = Some(taken.clone());
            own.accepted_at = Some(now.into_std());
            if own.refused.is_none() {
                own.state.send_if_modified(|state| {
                    let is_new = !matches!(state, RegistrationState::Registered { .. });
                    if is_new {
                        *state = RegistrationState::Registered { since: now.into_std() };
                    }
                    is_new
                });
            }
        }
    }

    fn postpone(&self, set: &Set, reason: &Arc<Error>) {
        let attempts = self.wish.failures();
        for own in set.keys().filter_map(|key| self.own.get(key)).filter(|own| own.refused.is_none()) {
            own.state.send_if_modified(|state| {
                // One that was held before this attempt most likely still is.
                let is_waiting = !matches!(state, RegistrationState::Registered { .. });
                if is_waiting {
                    *state = RegistrationState::Retrying { reason: Arc::clone(reason), attempts };
                }
                is_waiting
            });
        }
    }

    /// A refused set says not who is to blame: those that no server ever took as they are. If there is none, all are.
    fn refuse(&mut self, set: &Set, reason: &Arc<Error>) {
        let asked = |own: &&mut Own| set.get(own.wanted.key()) == own.effective() && own.refused.is_none();
        let mut blamed = 0;
        for own in self.own.values_mut().filter(asked).filter(|own| own.accepted.as_ref() != Some(&own.wanted)) {
            own.refuse(reason);
            blamed += 1;
        }
        if blamed == 0 {
            for own in self.own.values_mut().filter(|own| set.contains_key(own.wanted.key())) {
                own.accepted = None;
                own.refuse(reason);
            }
        }
        self.settle();
    }

    /// Works out what is wanted now.
    fn settle(&mut self) {
        let effective = self.own.iter().filter_map(|(key, own)| Some((key.clone(), own.effective()?.clone())));
        let set: BTreeMap<_, _> = effective.collect();
        self.wish.want(if set.is_empty() { None } else { Some(Arc::new(set)) });
        self.take_back_left();
        self.settle_leaving();
        self.settle_kept();
    }

    /// Where nothing is wanted, what was left behind is all that there is to ask about.
    fn take_back_left(&mut self) {
        if let Some(current) = self.session
            && !self.left.is_empty()
            && self.wish.wanted().is_none()
        {
            self.wish.suspect(current);
        }
    }

    /// Where the wish is granted already, as after taking back a change, nothing will be asked that could say so.
    fn settle_kept(&mut self) {
        if !self.wish.is_granted() {
            return;
        }
        for own in self.own.values().filter(|own| own.refused.is_none()) {
            own.state.send_if_modified(|state| {
                let since = own.accepted_at.filter(|_| matches!(state, RegistrationState::Pending));
                if let Some(since) = since {
                    *state = RegistrationState::Registered { since };
                }
                since.is_some()
            });
        }
    }

    /// Who leaves is gone once nothing is held, or what is held has him not.
    fn settle_leaving(&mut self) {
        if self.wish.is_asking() {
            return;
        }
        let over = self.wish.is_over();
        let held = self.wish.held().cloned();
        // Nothing held, on no connection: an instance that waits for its first connection was never anywhere.
        let nowhere = self.wish.holds_nothing();
        self.leaving.retain(|(key, state)| {
            let stays = !over && !nowhere && held.as_ref().is_none_or(|held| held.contains_key(key));
            if !stays {
                state.send_replace(RegistrationState::Gone);
            }
            stays
        });
    }

    /// Whether there is nothing left to do and nothing to be seen.
    pub(crate) fn is_over(&self) -> bool {
        self.left.is_empty() && self.is_withdrawn()
    }

    /// Whether nobody wants anything of it, and no server holds anything, but what one may remember.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.own.is_empty() && self.leaving.is_empty() && self.wish.is_over()
    }

    /// When there may be something to ask.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.wish.wake_at()
    }
}
