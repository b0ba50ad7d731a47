//! What time it is.
//!
//! The real clock reads the wall once, at its start, and the monotonic clock from then on: a step of the wall clock
//! while the server runs moves nothing, so nothing expires early and `lastRefTime` never goes back. It follows Tokio's
//! time, so that a test with a paused clock owns it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nacrite_base::Timestamp;

/// A source of time that never goes backwards.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present.
    fn now(&self) -> Timestamp;
}

/// The clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The real clock.
#[derive(Debug)]
pub struct SystemClock {
    started_at: Timestamp,
    started: tokio::time::Instant,
}

impl SystemClock {
    /// Reads the wall clock once; from then on time only passes.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clocks")]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { started_at: Timestamp::from_ms(0) + since_epoch, started: tokio::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.started_at + self.started.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(AtomicU64::new(at.as_ms()))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_real_clock_follows_the_paused_one_of_a_test() {
        let clock = SystemClock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(clock.now().since(before), Duration::from_secs(40));
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::from_ms(5));
        clock.advance(Duration::from_millis(7));
        assert_eq!(clock.now(), Timestamp::from_ms(12));
    }
}
