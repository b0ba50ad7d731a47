//! Which endpoints take no calls for a while because too many calls to them fail (gRFC A50, and failures in a row).
//!
//! Calls note how they ended, without a lock; the owner lets [`Outliers::evaluate`] look at the notes, at
//! [`Outliers::wakes_at`] and when a note says so. Connections of ejected endpoints stand. Reading settings and the rules of
//! A50 are `outlier/settings.rs` and `outlier/sweep.rs`.

mod settings;
mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;

pub use settings::{FailurePercentage, OutlierSettings, SuccessRate};

/// How calls to one endpoint ended. Shared by all that call it.
#[derive(Debug)]
pub struct Record {
    /// Since the last sweep: successes above, failures below, 32 bits each.
    counts: AtomicU64,
    /// Failures since the last success.
    in_a_row: AtomicU32,
    /// So many in a row call for a look.
    in_a_row_max: AtomicU32,
}

/// One success in [`Record::counts`].
const SUCCESS: u64 = 1 << 32;

/// Failures in a row that no endpoint ever has: they are not looked at.
const NEVER: u32 = u32::MAX;

impl Record {
    fn new(in_a_row_max: Option<u32>) -> Self {
        let in_a_row_max = AtomicU32::new(in_a_row_max.unwrap_or(NEVER));
        Self { counts: AtomicU64::new(0), in_a_row: AtomicU32::new(0), in_a_row_max }
    }

    /// A call succeeded.
    pub fn succeeded(&self) {
        self.counts.fetch_add(SUCCESS, Ordering::Relaxed);
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// A call failed, and the endpoint is to blame. Returns whether [`Outliers::evaluate`] is to be called at once; said once
    /// per row of failures.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.counts.fetch_add(1, Ordering::Relaxed);
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        in_a_row == self.in_a_row_max.load(Ordering::Relaxed)
    }

    fn is_in_a_row(&self) -> bool {
        self.in_a_row.load(Ordering::Relaxed) >= self.in_a_row_max.load(Ordering::Relaxed)
    }

    /// Takes the counts and begins new ones.
    fn take(&self) -> Counts {
        let counts = self.counts.swap(0, Ordering::Relaxed);
        Counts { successes: counts >> 32, failures: counts & (SUCCESS - 1) }
    }
}

/// Calls of one interval.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    successes: u64,
    failures: u64,
}

impl Counts {
    fn total(self) -> u64 {
        self.successes + self.failures
    }
}

/// What is known about one endpoint.
#[derive(Debug)]
struct Entry {
    record: Arc<Record>,
    ejected_at: Option<Instant>,
    /// By what an ejection is longer than the first.
    multiplier: u32,
    /// It came back, and nothing succeeded since.
    is_on_probation: bool,
}

impl Entry {
    /// When it comes back, if it is ejected.
    fn returns_at(&self, settings: &OutlierSettings) -> Option<Instant> {
        let longest = settings.ejection_max.max(settings.ejection_base);
        let length = settings.ejection_base.checked_mul(self.multiplier).unwrap_or(Duration::MAX).min(longest);
        self.ejected_at.map(|at| at.checked_add(length).unwrap_or(at))
    }

    fn eject(&mut self, now: Instant) {
        self.ejected_at = Some(now);
        self.multiplier = self.multiplier.saturating_add(1);
    }

    /// It takes calls again. The first that fails ejects it anew, and for longer, unless one succeeded before.
    fn restore(&mut self) {
        self.ejected_at = None;
        self.is_on_probation = true;
        let max = self.record.in_a_row_max.load(Ordering::Relaxed);
        if max != NEVER {
            self.record.in_a_row.store(max.saturating_sub(1), Ordering::Relaxed);
        }
    }
}

/// Who is ejected. One per list of endpoints.
#[derive(Debug)]
pub struct Outliers {
    settings: OutlierSettings,
    /// In the order of addresses: what an evaluation does is the same every time.
    entries: BTreeMap<(Arc<str>, u16), Entry>,
    swept_at: Instant,
}

impl Outliers {
    /// Nobody is known yet.
    #[must_use]
    pub fn new(settings: OutlierSettings, now: Instant) -> Self {
        Self { settings, entries: BTreeMap::new(), swept_at: now }
    }

    /// The rules in force.
    #[must_use]
    pub fn settings(&self) -> &OutlierSettings {
        &self.settings
    }

    /// Other rules. Without any, nobody is ejected any more.
    pub fn set_settings(&mut self, settings: OutlierSettings) {
        self.settings = settings;
        let max = self.settings.failures_in_a_row.unwrap_or(NEVER);
        for entry in self.entries.values_mut() {
            entry.record.in_a_row_max.store(max, Ordering::Relaxed);
            if !self.settings.ejects() {
                entry.ejected_at = None;
                entry.multiplier = 0;
                entry.is_on_probation = false;
            }
        }
    }

    /// Another list of endpoints. What is known about those that stay, stays.
    pub fn set_endpoints<'a>(&mut self, endpoints: impl IntoIterator<Item = &'a Endpoint>) {
        let mut known = std::mem::take(&mut self.entries);
        for endpoint in endpoints {
            let key = key(endpoint);
            let entry = known.remove(&key).unwrap_or_else(|| Entry {
                record: Arc::new(Record::new(self.settings.failures_in_a_row)),
                ejected_at: None,
                multiplier: 0,
                is_on_probation: false,
            });
            self.entries.insert(key, entry);
        }
    }

    /// Where calls to an endpoint note how they ended; `None` if it is not on the list.
    #[must_use]
    pub fn record(&self, endpoint: &Endpoint) -> Option<&Arc<Record>> {
        self.entries.get(&key(endpoint)).map(|entry| &entry.record)
    }

    /// Whether an endpoint takes no calls.
    #[must_use]
    pub fn is_ejected(&self, endpoint: &Endpoint) -> bool {
        self.entries.get(&key(endpoint)).is_some_and(|entry| entry.ejected_at.is_some())
    }

    /// When to evaluate next, at the latest; `None` if there is nothing to look at.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        let returns = self.entries.values().filter_map(|entry| entry.returns_at(&self.settings)).min();
        let forgets = self.entries.values().any(|entry| entry.multiplier > 0);
        let sweeps = (self.settings.sweeps() || forgets) && !self.entries.is_empty();
        let sweep = self.swept_at.checked_add(self.settings.interval).filter(|_| sweeps);
        returns.into_iter().chain(sweep).min()
    }

    /// Ejects who fails too often, and takes back whose time is over. `chance` draws from 0 to less than 1. Returns whether
    /// anything changed.
    #[must_use]
    pub fn evaluate(&mut self, now: Instant, mut chance: impl FnMut() -> f64) -> bool {
        if !self.settings.ejects() {
            return false;
        }
        let mut has_changed = self.eject_rows(now);
        if now.saturating_duration_since(self.swept_at) >= self.settings.interval {
            self.swept_at = now;
            has_changed |= self.sweep(now, &mut chance);
        }
        for entry in self.entries.values_mut() {
            if entry.returns_at(&self.settings).is_some_and(|at| at <= now) {
                entry.restore();
                has_changed = true;
            }
        }
        has_changed
    }

    /// Ejects those that failed too often in a row.
    fn eject_rows(&mut self, now: Instant) -> bool {
        let mut room = self.room();
        let mut has_changed = false;
        for entry in self.entries.values_mut().filter(|entry| entry.ejected_at.is_none()) {
            if room == 0 {
                break;
            }
            if entry.record.is_in_a_row() {
                entry.eject(now);
                room -= 1;
                has_changed = true;
            }
        }
        has_changed
    }

    /// How many more may be ejected: as long as less than the bound are, one more may be, so that the bound may be passed by
    /// a part of one (gRFC A50).
    fn room(&self) -> usize {
        let ejected = self.entries.values().filter(|entry| entry.ejected_at.is_some()).count();
        let most = (self.entries.len() * usize::from(self.settings.ejected_percent_max)).div_ceil(100);
        most.saturating_sub(ejected)
    }
}

fn key(endpoint: &Endpoint) -> (Arc<str>, u16) {
    (Arc::clone(&endpoint.host), endpoint.port)
}

#[cfg(test)]
mod tests;
