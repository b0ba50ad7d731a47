//! When nobody has called for so long that connections are not worth keeping.
//!
//! Calls pay nothing for it: they are counted anyway, and the count is looked at from time to time. A channel therefore falls
//! asleep up to a tenth later than it was told.

use std::time::Duration;

use tokio::time::Instant;

use crate::channel::metrics::Meter;

/// How often the count is looked at within the time without calls.
const LOOKS: u32 = 10;

/// The least time without calls that is believed (gRPC for Java has the same bound).
const IDLE_MIN: Duration = Duration::from_secs(1);

/// Watches for the time without calls.
#[derive(Debug)]
pub(super) struct Rest {
    /// Between two looks; `None` if connections are kept for ever.
    every: Option<Duration>,
    next: Instant,
    quiet: u32,
    calls: u64,
}

impl Rest {
    pub(super) fn new(after: Option<Duration>, now: Instant) -> Self {
        Self { every: after.map(|after| after.max(IDLE_MIN) / LOOKS), next: now, quiet: 0, calls: 0 }
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }

    /// Somebody called.
    pub(super) fn wake(&mut self, now: Instant, meter: &Meter) {
        self.quiet = 0;
        self.calls = meter.calls.get();
        self.plan(now);
    }

    /// Whether it is time to sleep.
    pub(super) fn is_due(&mut self, now: Instant, meter: &Meter) -> bool {
        if self.every.is_none() || now < self.next {
            return false;
        }
        self.plan(now);
        let calls = meter.calls.get();
        let is_quiet = calls == self.calls && meter.in_flight() == 0;
        self.calls = calls;
        self.quiet = if is_quiet { self.quiet + 1 } else { 0 };
        self.quiet >= LOOKS
    }

    fn plan(&mut self, now: Instant) {
        if let Some(every) = self.every {
            self.next = now.checked_add(every).unwrap_or(now);
        }
    }
}
