//! Pauses between attempts, as gRPC makes them: 1 s, times 1.6 after each failure, at most 2 min, give or take a fifth.

use std::time::Duration;

use rand::RngExt as _;

const INITIAL: Duration = Duration::from_secs(1);
const MULTIPLIER: f64 = 1.6;
const LONGEST: Duration = Duration::from_secs(120);
const JITTER: f64 = 0.2;

/// The pauses of one thing that is tried again and again.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { next: INITIAL }
    }

    /// It worked: the next pause is the first again.
    pub(crate) const fn reset(&mut self) {
        self.next = INITIAL;
    }

    /// The pause after one more failure.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(1.0 - JITTER..=1.0 + JITTER));
        self.next = self.next.mul_f64(MULTIPLIER).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_minutes_and_begin_anew() {
        let mut backoff = Backoff::new();
        let mut nominal = 1.0_f64;
        for _ in 0..20 {
            let pause = backoff.next_pause().as_secs_f64();
            assert!((nominal * 0.799..=nominal * 1.201).contains(&pause), "{pause} around {nominal}");
            nominal = (nominal * 1.6).min(120.0);
        }
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(1200));
    }
}
