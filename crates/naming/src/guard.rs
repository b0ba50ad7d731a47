//! Whether silence says anything: decides when instances that nobody hears of may go.
//!
//! A deregistration, or a connection that its client closed, is evidence and always acts at once; neither is asked about
//! here. Silence is evidence only for a server that hears others. One that has just started, that stood still, or that
//! hears hardly anybody, doubts: what is merely silent stays as it was. Pure: the owner counts who is heard
//! ([`Census`]), says when it started or stood still, and hands the answer ([`Doubt`]) to the registry. Every doubt ends
//! by itself. States and reasons: `docs/design/guard.md`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nacrite_base::{ServiceKey, Timestamp};

use crate::HashMap;

/// Fewer silent instances than this are never in doubt: a machine that fails takes no more, and a small test does not
/// wait.
pub const SILENT_MIN: usize = 5;

/// A service whose silent instances are more than this share of all, in percent, is in doubt by itself: without them
/// there would be hardly anybody left to call, so keeping them costs nothing.
pub const SERVICE_SHARE: usize = 80;

/// Patience grows by this factor while fewer than a tenth of all are heard: that is how it looks to be cut off.
pub const CUT_OFF_FACTOR: u32 = 5;

/// A warm-up with nine of ten instances back ends when no further one has come back for this long. Clients try again
/// every 5 s at the latest, and redo what they had every 3 s (`reference/client.md`).
pub const QUIET: Duration = Duration::from_secs(10);

/// Servers that stand still again and again stop waiting after this many warm-ups without a break.
pub const WARM_UPS_MAX: u32 = 5;

/// What the guard goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardRules {
    /// How long a server that started, or stood still, waits for those whom it knew.
    pub warm_up: Duration,
    /// How long silence of many is not believed.
    pub patience: Duration,
    /// More silent instances than this share of all, in percent, are many.
    pub share_percent: u64,
}

impl Default for GuardRules {
    fn default() -> Self {
        Self { warm_up: Duration::from_secs(30), patience: Duration::from_secs(60), share_percent: 50 }
    }
}

/// Who is heard at one moment: shown instances whose clients owe signs of life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Instances whose clients are heard.
    pub heard: usize,
    /// Instances whose clients have been silent for more than half of what they may, or were not heard since the start.
    pub late: usize,
    /// Services of which nearly all instances are late.
    pub fading: BTreeSet<ServiceKey>,
}

impl Census {
    /// Adds the instances of one service.
    pub fn add(&mut self, service: &ServiceKey, heard: usize, late: usize) {
        self.heard += heard;
        self.late += late;
        if late >= SILENT_MIN && late * 100 > (heard + late) * SERVICE_SHARE {
            self.fading.insert(service.clone());
        }
    }

    fn all(&self) -> usize {
        self.heard + self.late
    }
}

/// For which services silence says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// For none: who is silent goes.
    #[default]
    Nothing,
    /// For these.
    Services(Arc<BTreeSet<ServiceKey>>),
    /// For all.
    Everything,
}

impl Doubt {
    /// Whether silence in `service` says nothing.
    #[must_use]
    pub fn covers(&self, service: &ServiceKey) -> bool {
        match self {
            Self::Nothing => false,
            Self::Services(services) => services.contains(service),
            Self::Everything => true,
        }
    }
}

/// What a registry may believe, and until when it need not ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// From then on it is to be asked for anew.
    pub until: Timestamp,
    /// What is in doubt.
    pub doubt: Doubt,
}

impl Verdict {
    /// Silence is always believed, and nobody need be asked.
    pub const BELIEVE: Self = Self { until: Timestamp::from_ms(u64::MAX), doubt: Doubt::Nothing };
}

/// In which state a guard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Switched off: silence is always believed.
    Off,
    /// Silence is believed.
    Open,
    /// The server began, or came back, a short time ago.
    Warming {
        /// After what.
        after: Pause,
        /// When it ends at the latest.
        until: Timestamp,
    },
    /// Many are silent at once.
    Braking,
}

/// After what a server warms up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// It was started.
    Start,
    /// It stood still.
    Stall,
}

/// Whether silence of many is a reason to doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belief {
    /// It is.
    Careful,
    /// It is not: the present many were doubted for long enough, or an operator knows better. Until they are few.
    Spent,
}

/// The guard of one server.
#[derive(Debug)]
pub struct Guard {
    rules: GuardRules,
    phase: Phase,
    since: Timestamp,
    /// Whether silence of many is doubted.
    belief: Belief,
    /// Since when everything is doubted because many are silent.
    many_since: Option<Timestamp>,
    /// When the warm-ups began that followed each other without a break.
    warming_since: Timestamp,
    /// Fewest late ones in this warm-up, and since when.
    fewest: (usize, Timestamp),
    /// Fading services, and how long each has been doubted.
    services: HashMap<ServiceKey, (Timestamp, Belief)>,
}

impl Guard {
    /// A guard that believes silence.
    #[must_use]
    pub fn new(rules: GuardRules, now: Timestamp) -> Self {
        Self {
            rules,
            phase: Phase::Open,
            since: now,
            belief: Belief::Careful,
            many_since: None,
            warming_since: now,
            fewest: (usize::MAX, now),
            services: HashMap::default(),
        }
    }

    /// In which state it is, and since when.
    #[must_use]
    pub fn phase(&self) -> (Phase, Timestamp) {
        (self.phase, self.since)
    }

    /// Whether time alone may change what it says.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        !matches!(self.phase, Phase::Off | Phase::Open) || self.belief == Belief::Spent || !self.services.is_empty()
    }

    /// The services that are doubted by themselves.
    pub fn doubted_services(&self) -> impl Iterator<Item = &ServiceKey> {
        self.services.iter().filter(|(_, (_, belief))| *belief == Belief::Careful).map(|(key, _)| key)
    }

    /// The server began with what it knew before, or came back after it had stood still.
    pub fn paused(&mut self, now: Timestamp, after: Pause) {
        if self.phase == Phase::Off || self.rules.warm_up.is_zero() {
            return;
        }
        if !matches!(self.phase, Phase::Warming { .. }) {
            self.warming_since = now;
            self.since = now;
        }
        let last = self.warming_since + self.rules.warm_up * WARM_UPS_MAX;
        self.phase = Phase::Warming { after, until: (now + self.rules.warm_up).min(last) };
        self.fewest = (usize::MAX, now);
    }

    /// Switches the guard on or off.
    pub fn switch(&mut self, on: bool, now: Timestamp) {
        if on == (self.phase == Phase::Off) {
            self.services.clear();
            self.belief = Belief::Careful;
            self.many_since = None;
            self.enter(if on { Phase::Open } else { Phase::Off }, now);
        }
    }

    /// An operator believes that those who are silent now are gone.
    pub fn let_go(&mut self, now: Timestamp) {
        if self.phase == Phase::Off {
            return;
        }
        self.believe();
        self.enter(Phase::Open, now);
    }

    /// What is in doubt at `now`, by who is heard. Cost: O(fading services).
    pub fn judge(&mut self, now: Timestamp, census: &Census) -> Doubt {
        if self.phase == Phase::Off {
            return Doubt::Nothing;
        }
        if let Phase::Warming { until, .. } = self.phase {
            if !self.is_warm(now, until, census) {
                return Doubt::Everything;
            }
            // Who did not come back in that time was waited for: no brake begins where the warm-up ended.
            self.belief = Belief::Spent;
        }
        self.judge_services(now, census);
        let all = self.doubts_all(now, census);
        let doubted: BTreeSet<ServiceKey> = self.doubted_services().cloned().collect();
        let doubt = if all {
            Doubt::Everything
        } else if doubted.is_empty() {
            Doubt::Nothing
        } else {
            Doubt::Services(Arc::new(doubted))
        };
        self.enter(if doubt == Doubt::Nothing { Phase::Open } else { Phase::Braking }, now);
        doubt
    }

    fn is_warm(&mut self, now: Timestamp, until: Timestamp, census: &Census) -> bool {
        if census.late < self.fewest.0 {
            self.fewest = (census.late, now);
        }
        let nearly_all = census.late * 10 <= census.all();
        census.late == 0 || now >= until || (nearly_all && now.since(self.fewest.1) >= QUIET)
    }

    fn doubts_all(&mut self, now: Timestamp, census: &Census) -> bool {
        let share = usize::try_from(self.rules.share_percent).unwrap_or(usize::MAX);
        if census.late < SILENT_MIN || census.late * 100 <= census.all().saturating_mul(share) {
            self.belief = Belief::Careful;
            self.many_since = None;
            return false;
        }
        if self.belief == Belief::Spent {
            return false;
        }
        let since = *self.many_since.get_or_insert(now);
        let is_cut_off = census.heard * 10 < census.all();
        let patience = self.rules.patience * if is_cut_off { CUT_OFF_FACTOR } else { 1 };
        if now.since(since) >= patience {
            self.believe();
        }
        self.belief == Belief::Careful
    }

    fn judge_services(&mut self, now: Timestamp, census: &Census) {
        self.services.retain(|key, _| census.fading.contains(key));
        let belief = self.belief;
        for key in &census.fading {
            let (since, belief) = self.services.entry_ref(key).or_insert((now, belief));
            if now.since(*since) >= self.rules.patience {
                *belief = Belief::Spent;
            }
        }
    }

    /// From now on those who are silent are gone.
    fn believe(&mut self) {
        self.belief = Belief::Spent;
        self.many_since = None;
        self.services.values_mut().for_each(|(_, belief)| *belief = Belief::Spent);
    }

    fn enter(&mut self, phase: Phase, now: Timestamp) {
        if self.phase != phase {
            self.phase = phase;
            self.since = now;
        }
    }
}
