//! The guard of this server: sees to it that nobody is sent a list that is short only because the server itself was
//! away, stood still, or was cut off (`docs/design/guard.md`).
//!
//! The rule is [`nacrite_naming::guard`]. Here it gets what it goes by: when the server began and with what
//! ([`notes`]), whether it stood still, and which clients it hears.

pub mod notes;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nacrite_base::{ClientId, ServiceKey, Timestamp};
use nacrite_env::SharedClock;
use nacrite_naming::guard::{Pause, Phase};
use nacrite_naming::{Census, Doubt, Guard, GuardRules, Lost, Verdict};
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::app::AppSettings;
use crate::connections::{Connection, Connections};
use crate::guard::notes::Notes;
use crate::limits::GUARD_SERVICES_SHOWN_MAX;
use crate::metrics::Metrics;
use crate::owner::registry::Shards;

/// How often the server notes that it runs.
pub(crate) const PULSE: Duration = Duration::from_millis(500);

/// A server that did not run for this long stood still: its clients have given up requests and connections meanwhile
/// (3 s, `reference/client.md`), so what it hears next says nothing of who is there.
pub(crate) const STALL: Duration = Duration::from_secs(3);

/// How long a verdict counts. Who is heard is counted again after that, if anybody has to know.
const VERDICT: Duration = Duration::from_secs(1);

/// When silence is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// Whether silence is ever doubted. Can be changed while the server runs.
    pub enabled: bool,
    /// How long a server that was started, or stood still, waits for the clients that it knew, in ms. 0 to 600,000; 0 for
    /// not at all.
    pub warm_up_ms: u64,
    /// How long silence of many is not believed, in ms; five times as long while fewer than a tenth are heard. 0 to
    /// 3,600,000.
    pub patience_ms: u64,
    /// More silent instances than this share of all, in percent, are many. 1 to 100.
    pub share_percent: u64,
}

impl Default for GuardSettings {
    fn default() -> Self {
        // 30 s is how long instances of a node that died are held (and Nacos's own limit of silence). A minute lets clients
        // try ten times to come back by another way.
        Self { enabled: true, warm_up_ms: 30_000, patience_ms: 60_000, share_percent: 50 }
    }
}

/// What the guard does, for who asks.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardReport {
    /// In which state it is.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// Instances whose clients are heard.
    pub heard: usize,
    /// Instances whose clients are not.
    pub late: usize,
    /// What is in doubt.
    pub doubt: Doubt,
    /// Services in which instances are held because their silence is in doubt, those with most first; at most
    /// [`GUARD_SERVICES_SHOWN_MAX`].
    pub held: Vec<Held>,
    /// What it goes by.
    pub settings: GuardSettings,
}

/// A service in which instances are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub service: ServiceKey,
    /// Instances that are heard.
    pub heard: usize,
    /// Instances that are held.
    pub held: usize,
}

#[derive(Debug)]
struct State {
    guard: Guard,
    doubt: Doubt,
}

/// The guard, with what it needs to know.
#[derive(Debug)]
pub struct Guarding {
    state: Mutex<State>,
    settings: GuardSettings,
    /// A connection that was not heard of for longer is late.
    late_after: Duration,
    /// When the server last noted that it runs, ms.
    ran_at: AtomicU64,
    /// When the last stall ended, ms; 0 if there was none.
    stalled_until: AtomicU64,
    shards: Arc<Shards>,
    connections: Arc<Connections>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

impl Guarding {
    /// A guard of these shards.
    #[must_use]
    pub fn new(
        settings: &AppSettings,
        clock: &SharedClock,
        shards: &Arc<Shards>,
        connections: &Arc<Connections>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let idle = Duration::from_millis(settings.connection.idle_ms);
        let settings = settings.guard;
        let now = clock.now();
        let rules = GuardRules {
            warm_up: Duration::from_millis(settings.warm_up_ms),
            patience: Duration::from_millis(settings.patience_ms),
            share_percent: settings.share_percent,
        };
        let mut guard = Guard::new(rules, now);
        guard.switch(settings.enabled, now);
        let guarding = Self {
            state: Mutex::new(State { guard, doubt: Doubt::Nothing }),
            settings,
            // Half of the limit, as for those who beat: clients give a sign every 5 s.
            late_after: idle / 2,
            ran_at: AtomicU64::new(now.as_ms()),
            stalled_until: AtomicU64::new(0),
            shards: Arc::clone(shards),
            connections: Arc::clone(connections),
            clock: Arc::clone(clock),
            metrics: Arc::clone(metrics),
        };
        guarding.publish(&Doubt::Nothing);
        guarding
    }

    /// The server begins: shows what the last run noted in `dir`, and begins to note for the next. With the guard
    /// switched off by a setting nothing is shown and nothing noted.
    #[must_use]
    pub fn begin(&self, dir: &Path) -> Notes {
        let instances = if self.settings.enabled { self.shards.remember(notes::read(dir)) } else { 0 };
        if instances > 0 {
            self.state.lock().guard.paused(self.clock.now(), Pause::Start);
            info!(instances, "instances of the last run are shown until their clients are back");
            self.judge();
        }
        Notes::start(dir, Arc::clone(&self.shards), self.settings.enabled)
    }

    /// Notes that the server runs, and whether it stood still before.
    pub fn pulse(&self) {
        let now = self.clock.now();
        let ran_at = Timestamp::from_ms(self.ran_at.swap(now.as_ms(), Ordering::SeqCst));
        let stood_still = now.since(ran_at);
        if stood_still < STALL {
            return;
        }
        warn!(
            stood_still_ms = stood_still.as_millis(),
            "the server stood still; silence of clients says nothing for now"
        );
        self.metrics.guard_stalls.inc();
        self.stalled_until.store(now.as_ms(), Ordering::SeqCst);
        self.state.lock().guard.paused(now, Pause::Stall);
    }

    /// Whether the guard must be asked again even if nobody wants to know.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.state.lock().guard.is_at_work()
    }

    /// Counts who is heard, and tells the registry what of silence may be believed. Cost: one pass over the instances.
    pub fn judge(&self) {
        self.pulse();
        let mut census = Census::default();
        self.count(|key, heard, late| census.add(key, heard, late));
        let doubt = {
            let mut state = self.state.lock();
            let (before, _) = state.guard.phase();
            state.doubt = state.guard.judge(self.clock.now(), &census);
            let (after, _) = state.guard.phase();
            if before != after {
                info!(?before, ?after, heard = census.heard, silent = census.late, "guard");
                if after == Phase::Braking {
                    self.metrics.guard_brakes.inc();
                }
            }
            state.doubt.clone()
        };
        self.publish(&doubt);
    }

    fn count(&self, tell: impl FnMut(&ServiceKey, usize, usize)) {
        let now = self.clock.now();
        let is_heard = |client: &ClientId| match client {
            ClientId::Connection(id) => {
                self.connections.get(id).is_some_and(|c| now.since(c.active_at()) <= self.late_after)
            }
            ClientId::Address { .. } => false,
        };
        self.shards.count_heard(is_heard, tell);
    }

    fn publish(&self, doubt: &Doubt) {
        let is_off = self.state.lock().guard.phase().0 == Phase::Off;
        let until = self.clock.now() + VERDICT;
        let verdict = if is_off { Verdict::BELIEVE } else { Verdict { until, doubt: doubt.clone() } };
        self.shards.judge(&verdict);
    }

    /// What the end of a connection says. One that stood before the server did is no word of its client: that had to
    /// believe the server gone.
    #[must_use]
    pub fn end_of(&self, connection: &Connection) -> Lost {
        self.pulse();
        let stood_before = connection.opened_at.as_ms() < self.stalled_until.load(Ordering::SeqCst);
        let is_warming = || matches!(self.state.lock().guard.phase().0, Phase::Warming { .. });
        if connection.is_silent() || (stood_before && is_warming()) { Lost::Silent } else { Lost::Closed }
    }

    // --- operators ---

    /// Switches the guard on or off, until the next start.
    pub fn switch(&self, on: bool) {
        info!(on, "guard switched");
        self.state.lock().guard.switch(on, self.clock.now());
        self.judge();
    }

    /// Believes at once that those who are silent now are gone.
    pub fn let_go(&self) {
        info!("guard lets go");
        self.state.lock().guard.let_go(self.clock.now());
        self.judge();
    }

    /// What the guard does. Cost: one pass over the instances.
    #[must_use]
    pub fn report(&self) -> GuardReport {
        let mut census = Census::default();
        let mut all = Vec::new();
        self.count(|service, heard, late| {
            census.add(service, heard, late);
            if late > 0 {
                all.push(Held { service: service.clone(), heard, held: late });
            }
        });
        let state = self.state.lock();
        let (phase, since) = state.guard.phase();
        let doubt = state.doubt.clone();
        drop(state);
        all.retain(|held| doubt.covers(&held.service));
        all.sort_by(|a, b| b.held.cmp(&a.held).then_with(|| a.service.cmp(&b.service)));
        all.truncate(GUARD_SERVICES_SHOWN_MAX);
        GuardReport { phase, since, heard: census.heard, late: census.late, doubt, held: all, settings: self.settings }
    }

    /// Instances that are held because their silence is in doubt. Cost: one pass over the instances, if any can be.
    #[must_use]
    pub fn held(&self) -> usize {
        let doubt = self.state.lock().doubt.clone();
        let mut held = 0;
        if doubt != Doubt::Nothing {
            self.count(|service, _, late| held += if doubt.covers(service) { late } else { 0 });
        }
        held
    }

    /// In which state the guard is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state.lock().guard.phase().0
    }
}

#[cfg(test)]
mod tests;
