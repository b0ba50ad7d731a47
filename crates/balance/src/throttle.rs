//! Whether calls may be sent again at all: a bucket of tokens per channel, from which failures take and into which successes
//! put (gRFC A6). It keeps clients from drowning a service that is failing.
//!
//! Counted in thousandths of a token, so that the sums are exact. Shared by all calls; nobody waits for anybody.

use std::sync::atomic::{AtomicU32, Ordering};

/// A token.
const TOKEN: u32 = 1_000;

/// The size of a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ThrottleSettings {
    /// Tokens at the beginning, and at most: 1 to 1,000.
    pub tokens_max: u32,
    /// What a success puts in, in thousandths of a token: at least 1.
    pub per_success_thousandths: u32,
}

/// A bucket of tokens.
#[derive(Debug)]
pub struct Throttle {
    settings: ThrottleSettings,
    thousandths: AtomicU32,
}

impl Throttle {
    /// A full bucket.
    #[must_use]
    pub fn new(settings: ThrottleSettings) -> Self {
        Self { settings, thousandths: AtomicU32::new(most(settings)) }
    }

    /// A bucket of another size that is as full as this one: a new service config is no reason to believe that the service
    /// is well again.
    #[must_use]
    pub fn resized(&self, settings: ThrottleSettings) -> Self {
        let left = u64::from(self.thousandths.load(Ordering::Relaxed));
        let left = left * u64::from(most(settings)) / u64::from(most(self.settings)).max(1);
        Self { settings, thousandths: AtomicU32::new(u32::try_from(left).unwrap_or(most(settings))) }
    }

    /// What it was made of.
    #[must_use]
    pub fn settings(&self) -> ThrottleSettings {
        self.settings
    }

    /// A call succeeded.
    pub fn succeeded(&self) {
        let more = self.settings.per_success_thousandths;
        self.change(|left| left.saturating_add(more).min(most(self.settings)));
    }

    /// A call failed in a way that speaks against the service.
    pub fn failed(&self) {
        self.change(|left| left.saturating_sub(TOKEN));
    }

    /// Whether calls may be sent again: more than half of the tokens are left.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.thousandths.load(Ordering::Relaxed) > most(self.settings) / 2
    }

    fn change(&self, to: impl Fn(u32) -> u32) {
        // A success in a full bucket changes nothing and writes nothing: calls do not contend while all is well.
        let change = |left| Some(to(left)).filter(|after| *after != left);
        let _unchanged = self.thousandths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

fn most(settings: ThrottleSettings) -> u32 {
    settings.tokens_max.saturating_mul(TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of A6: ten tokens, a tenth of one per success.
    fn throttle() -> Throttle {
        Throttle::new(ThrottleSettings { tokens_max: 10, per_success_thousandths: 100 })
    }

    #[test]
    fn retries_stop_at_half_of_the_tokens() {
        let throttle = throttle();
        for _ in 0..4 {
            throttle.failed();
            assert!(throttle.allows());
        }
        throttle.failed();
        assert!(!throttle.allows(), "five of ten are left, which is not more than half");
    }

    #[test]
    fn retries_resume_above_half() {
        let throttle = throttle();
        (0..5).for_each(|_| throttle.failed());
        throttle.succeeded();
        assert!(throttle.allows());
        throttle.failed();
        (0..9).for_each(|_| throttle.succeeded());
        assert!(!throttle.allows(), "exactly five");
        throttle.succeeded();
        assert!(throttle.allows());
    }

    #[test]
    fn tokens_stay_between_none_and_all() {
        let throttle = throttle();
        (0..100).for_each(|_| throttle.failed());
        (0..50).for_each(|_| throttle.succeeded());
        assert!(!throttle.allows(), "five tokens after fifty successes from none");
        (0..1_000).for_each(|_| throttle.succeeded());
        (0..5).for_each(|_| throttle.failed());
        assert!(!throttle.allows(), "never more than ten");
    }

    #[test]
    fn odd_numbers_of_tokens_have_a_half() {
        let throttle = Throttle::new(ThrottleSettings { tokens_max: 3, per_success_thousandths: 1 });
        throttle.failed();
        assert!(throttle.allows(), "2 > 1.5");
        throttle.failed();
        assert!(!throttle.allows());
    }

    #[test]
    fn resized_bucket_is_as_full_as_before() {
        let throttle = throttle();
        (0..5).for_each(|_| throttle.failed());
        let larger = throttle.resized(ThrottleSettings { tokens_max: 100, per_success_thousandths: 1_000 });
        assert!(!larger.allows());
        larger.succeeded();
        assert!(larger.allows(), "51 of 100");
    }

    #[test]
    fn a_tenth_of_failures_is_about_the_limit() {
        let throttle = throttle();
        for _ in 0..1_000 {
            (0..10).for_each(|_| throttle.succeeded());
            throttle.failed();
        }
        assert!(throttle.allows());
        for _ in 0..1_000 {
            (0..9).for_each(|_| throttle.succeeded());
            throttle.failed();
        }
        assert!(!throttle.allows());
    }
}
