//! What is done at intervals: the two comparisons of gRFC A50, and forgiving.

use std::sync::Arc;
use std::time::Instant;

use super::{Counts, FailurePercentage, Outliers, SuccessRate};

/// An endpoint by its address.
type Key = (Arc<str>, u16);

impl Outliers {
    /// Takes the counts of all endpoints, ejects by the rules, and shortens the next ejection of those that are well. Returns
    /// whether anybody was ejected.
    pub(super) fn sweep(&mut self, now: Instant, chance: &mut dyn FnMut() -> f64) -> bool {
        let counts: Vec<(Key, Counts)> =
            self.entries.iter().map(|(key, entry)| (key.clone(), entry.record.take())).collect();
        let mut has_changed = false;
        if let Some(rule) = self.settings.success_rate.clone() {
            let found = too_low(&rule, &counts);
            has_changed |= self.eject(now, found, rule.enforcement_percent, chance);
        }
        if let Some(rule) = self.settings.failure_percentage.clone() {
            let found = too_many(&rule, &counts);
            has_changed |= self.eject(now, found, rule.enforcement_percent, chance);
        }
        for (key, counts) in &counts {
            let Some(entry) = self.entries.get_mut(key) else { continue };
            entry.is_on_probation &= counts.successes == 0;
            // Who came back and was not called yet has not shown that it is well.
            if entry.ejected_at.is_none() && !entry.is_on_probation {
                entry.multiplier = entry.multiplier.saturating_sub(1);
            }
        }
        has_changed
    }

    /// Ejects those that were found, each by chance, as long as there is room.
    fn eject(&mut self, now: Instant, found: Vec<Key>, percent: u8, chance: &mut dyn FnMut() -> f64) -> bool {
        let mut room = self.room();
        let mut has_changed = false;
        for key in found {
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.ejected_at.is_none()) else { continue };
            if room == 0 {
                break;
            }
            if chance() * 100.0 < f64::from(percent) {
                entry.eject(now);
                room -= 1;
                has_changed = true;
            }
        }
        has_changed
    }
}

/// Those with enough calls; nobody if these are too few.
fn heard(counts: &[(Key, Counts)], calls_min: u32, hosts_min: u32) -> Vec<&(Key, Counts)> {
    // Without any call there is no rate, even if none is asked for.
    let enough = |counts: &Counts| counts.total() >= u64::from(calls_min).max(1);
    let heard: Vec<_> = counts.iter().filter(|(_, counts)| enough(counts)).collect();
    if heard.len() < hosts_min as usize { Vec::new() } else { heard }
}

/// Whose calls succeed far less often than those of the others.
fn too_low(rule: &SuccessRate, counts: &[(Key, Counts)]) -> Vec<Key> {
    let heard = heard(counts, rule.calls_min, rule.hosts_min);
    let rate = |counts: &Counts| counts.successes as f64 / counts.total() as f64;
    let count = heard.len().max(1) as f64;
    let mean = heard.iter().map(|(_, counts)| rate(counts)).sum::<f64>() / count;
    let variance = heard.iter().map(|(_, counts)| (rate(counts) - mean).powi(2)).sum::<f64>() / count;
    // Equal rates differ from their mean by what rounding makes of it: that is no difference.
    let least = mean - variance.sqrt() * (f64::from(rule.stdev_factor) / 1_000.0) - 1e-9;
    heard.into_iter().filter(|(_, counts)| rate(counts) < least).map(|(key, _)| key.clone()).collect()
}

/// Whose calls fail too often.
fn too_many(rule: &FailurePercentage, counts: &[(Key, Counts)]) -> Vec<Key> {
    let is_over = |counts: &Counts| counts.failures * 100 > counts.total() * u64::from(rule.threshold_percent);
    let heard = heard(counts, rule.calls_min, rule.hosts_min);
    heard.into_iter().filter(|(_, counts)| is_over(counts)).map(|(key, _)| key.clone()).collect()
}
