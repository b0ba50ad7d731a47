//! The health checks of persistent instances: which instances there are, when each is due, what the last check found.
//!
//! What a result means is decided in `nacrite_naming::probe`, the checks themselves stand in `check`, and the task
//! that makes them in `crate::reconcile::health`. Nothing here is kept on disk.

mod check;
mod http;
mod mysql;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;
use nacrite_base::{ClientId, ServiceKey, Timestamp};
use nacrite_env::{SharedClock, SharedRandom};
use nacrite_naming::probe::{FIRST_SPREAD_MS, Probe, ProbeRules, Verdict};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::push::delayed::Delayed;
pub(crate) use check::{Found, check};

/// Whether this node checks an instance. Where several nodes share the work, each has an answer of its own.
pub trait Responsible: fmt::Debug + Send + Sync + 'static {
    /// Whether the instances at `address` (`ip:port`) are this node's to check.
    fn is_mine(&self, address: &str) -> bool;
}

/// A node that checks everything.
#[derive(Debug)]
pub struct Alone;

impl Responsible for Alone {
    fn is_mine(&self, _address: &str) -> bool {
        true
    }
}

/// What the last check of an instance found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCheck {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in ms.
    pub took_ms: u64,
    /// How it was made: `TCP`, `HTTP`, `MYSQL`.
    pub checker: &'static str,
    /// Whether the instance is well by it.
    pub passed: bool,
    /// What happened, for people: `HTTP 503, expected 200`.
    pub detail: Arc<str>,
}

/// How an instance is checked, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckState {
    /// The period between checks, in ms.
    pub period_ms: u64,
    /// When the next one is due; `None` while one runs.
    pub due: Option<Timestamp>,
    /// The last one; `None` if there was none since the start, or nothing is checked.
    pub last: Option<LastCheck>,
}

/// An instance that is checked: where, and whose.
pub(crate) type CheckKey = (ServiceKey, ClientId);

#[derive(Debug)]
struct Check {
    probe: Probe,
    /// The timer that counts; an older one that fires later is ignored.
    due: Option<Timestamp>,
    last: Option<LastCheck>,
}

#[derive(Debug, Default)]
struct State {
    /// As many as there are persistent instances.
    checks: HashMap<ServiceKey, BTreeMap<ClientId, Check>, foldhash::quality::FixedState>,
    timers: Delayed<(Timestamp, CheckKey)>,
}

impl State {
    fn check(&mut self, (service, client): &CheckKey) -> Option<&mut Check> {
        self.checks.get_mut(service)?.get_mut(client)
    }

    fn set_due(&mut self, key: &CheckKey, due: Timestamp) -> bool {
        let Some(check) = self.check(key) else { return false };
        check.due = Some(due);
        self.timers.push(due, (due, key.clone()))
    }
}

/// All health checks of this node.
#[derive(Debug)]
pub struct HealthChecks {
    state: Mutex<State>,
    work: Notify,
    clock: SharedClock,
    random: SharedRandom,
}

impl HealthChecks {
    /// Nothing to check yet.
    #[must_use]
    pub fn new(clock: SharedClock, random: SharedRandom) -> Self {
        Self { state: Mutex::default(), work: Notify::new(), clock, random }
    }

    /// A persistent instance was registered: it is checked at once, or, if it was known, when it would have been anyway.
    pub(crate) fn watch(&self, service: &ServiceKey, client: ClientId) {
        let key = (service.clone(), client);
        let spread_ms = self.random.below(self.random.below(FIRST_SPREAD_MS + 1) + 1);
        let mut state = self.state.lock();
        if let Some(check) = state.check(&key) {
            check.probe.forget();
            return;
        }
        let check = Check { probe: Probe::new(spread_ms), due: None, last: None };
        state.checks.entry_ref(service).or_default().insert(key.1.clone(), check);
        if state.set_due(&key, self.clock.now()) {
            self.work.notify_one();
        }
    }

    /// A persistent instance is gone.
    pub(crate) fn forget(&self, service: &ServiceKey, client: &ClientId) {
        let mut state = self.state.lock();
        if let Some(checks) = state.checks.get_mut(service) {
            checks.remove(client);
            if checks.is_empty() {
                state.checks.remove(service);
            }
        }
    }

    /// Takes what is due, at most `max`. Each is to be ended by [`Self::skip`], [`Self::end`] or [`Self::forget`].
    pub(crate) fn take_due(&self, max: usize) -> Vec<CheckKey> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let mut due = Vec::new();
        while due.len() < max
            && let Some((at, key)) = state.timers.pop_due(now)
        {
            if let Some(check) = state.check(&key).filter(|check| check.due == Some(at)) {
                check.due = None;
                check.probe.begin(now);
                due.push(key);
            }
        }
        due
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.state.lock().timers.next_due()
    }

    /// Ends when something became due earlier than it was.
    pub(crate) async fn woken(&self) {
        self.work.notified().await;
    }

    /// The check really begins now; it had to wait for others.
    pub(crate) fn begin(&self, key: &CheckKey) {
        let now = self.clock.now();
        if let Some(check) = self.state.lock().check(key) {
            check.probe.begin(now);
        }
    }

    /// Nothing is to be checked there for now; what was found before says nothing any more.
    pub(crate) fn skip(&self, key: &CheckKey) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let Some(check) = state.check(key) else { return };
        check.probe.forget();
        check.last = None;
        let due = check.probe.skip(now);
        if state.set_due(key, due) {
            self.work.notify_one();
        }
    }

    /// A check of an instance that counts as `healthy` ended. Returns what the instance counts as from now on, if that
    /// changes.
    pub(crate) fn end(
        &self,
        key: &CheckKey,
        healthy: bool,
        rules: &ProbeRules,
        verdict: Verdict,
        last: LastCheck,
    ) -> Option<bool> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let check = state.check(key)?;
        let (flip, due) = check.probe.end(now, verdict, healthy, rules);
        check.last = Some(last);
        if state.set_due(key, due) {
            self.work.notify_one();
        }
        flip
    }

    /// How an instance is checked; `None` if it is not known.
    #[must_use]
    pub fn state_of(&self, service: &ServiceKey, client: &ClientId) -> Option<CheckState> {
        let state = self.state.lock();
        let check = state.checks.get(service)?.get(client)?;
        let period_ms = u64::try_from(check.probe.period().as_millis()).unwrap_or(u64::MAX);
        Some(CheckState { period_ms, due: check.due, last: check.last.clone() })
    }

    /// How many instances there are to check.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.lock().checks.values().map(BTreeMap::len).sum()
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
