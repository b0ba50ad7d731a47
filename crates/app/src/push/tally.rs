//! How pushes of services fared, in the few numbers that Nacos tells of it. The metrics have more, and never go back; this
//! is what an operator sets to zero to see what comes.

use std::time::Duration;

use parking_lot::Mutex;

/// What was counted since the start, or since it was last set to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushCounts {
    /// Pushes that clients took.
    pub taken: u64,
    /// Pushes that they refused, or did not acknowledge in time.
    pub failed: u64,
    /// Time from the change to the acknowledgement, of all that were taken, ms.
    pub cost_sum_ms: u64,
    /// The longest of these times, ms.
    pub cost_max_ms: u64,
}

/// Counts pushes whose fate is known.
#[derive(Debug, Default)]
pub struct PushTally(Mutex<PushCounts>);

impl PushTally {
    /// A client took a push, so long after the change.
    pub fn taken(&self, after: Duration) {
        let cost_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let mut counts = self.0.lock();
        counts.taken += 1;
        counts.cost_sum_ms = counts.cost_sum_ms.saturating_add(cost_ms);
        counts.cost_max_ms = counts.cost_max_ms.max(cost_ms);
    }

    /// A client did not take a push.
    pub fn failed(&self) {
        self.0.lock().failed += 1;
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> PushCounts {
        *self.0.lock()
    }

    /// Sets everything to zero. Returns what was counted.
    pub fn reset(&self) -> PushCounts {
        std::mem::take(&mut *self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_once_more_by_a_reset() {
        let tally = PushTally::default();
        tally.taken(Duration::from_millis(3));
        tally.taken(Duration::from_millis(7));
        tally.failed();
        let counted = PushCounts { taken: 2, failed: 1, cost_sum_ms: 10, cost_max_ms: 7 };
        assert_eq!((tally.counts(), tally.reset()), (counted, counted));
        assert_eq!(tally.counts(), PushCounts::default());
    }
}
