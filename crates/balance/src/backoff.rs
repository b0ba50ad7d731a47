//! How long to wait before something that failed is tried again: longer each time, up to a bound, never quite the same.

use std::time::Duration;

/// By what rule pauses grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffSettings {
    /// The first pause. More than 0.
    pub initial: Duration,
    /// By what each pause is longer than the one before. More than 0.
    pub multiplier: f64,
    /// No pause is longer, but for the jitter.
    pub max: Duration,
}

impl BackoffSettings {
    /// How gRPC connects again: 1 s, growing by 1.6, up to 2 min.
    pub const CONNECT: Self =
        Self { initial: Duration::from_secs(1), multiplier: 1.6, max: Duration::from_secs(2 * 60) };
}

/// Pauses are up to this part shorter or longer than the rule says, so that many clients do not come back at once.
pub const JITTER: f64 = 0.2;

/// The pauses of one thing that is tried again and again.
#[derive(Clone, Debug)]
pub struct Backoff {
    settings: BackoffSettings,
    next: Duration,
}

impl Backoff {
    /// Nothing failed so far.
    #[must_use]
    pub fn new(settings: BackoffSettings) -> Self {
        Self { settings, next: settings.initial.min(settings.max) }
    }

    /// The pause after a failure. `chance` is drawn from 0 to less than 1 by the caller.
    pub fn pause(&mut self, chance: f64) -> Duration {
        let pause = self.next;
        self.next = scaled(pause, self.settings.multiplier).min(self.settings.max);
        scaled(pause, 1.0 - JITTER + 2.0 * JITTER * chance)
    }

    /// It succeeded, or there is another reason to begin with the first pause.
    pub fn reset(&mut self) {
        self.next = self.settings.initial.min(self.settings.max);
    }
}

/// A duration by a factor; what is too long for a duration is as long as one can be.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither shorter nor longer than the rule says.
    const EVEN: f64 = 0.5;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut backoff = Backoff::new(BackoffSettings::CONNECT);
        let pauses: Vec<u128> = (0..13).map(|_| backoff.pause(EVEN).as_millis()).collect();
        assert_eq!(pauses[..5], [1_000, 1_600, 2_560, 4_096, 6_553]);
        assert_eq!(pauses[11..], [120_000, 120_000]);
        backoff.reset();
        assert_eq!(backoff.pause(EVEN), Duration::from_secs(1));
    }

    #[test]
    fn jitter_is_a_fifth_either_way() {
        let mut backoff = Backoff::new(BackoffSettings::CONNECT);
        assert_eq!(backoff.pause(0.0).as_millis(), 800);
        // Jitter does not add up: the next pause is 1.6 s by the rule, not 1.6 times what was waited.
        assert_eq!(backoff.pause(0.999_999).as_millis(), 1_919);
    }

    #[test]
    fn nothing_overflows() {
        let max = Duration::from_secs(u64::MAX);
        let mut backoff = Backoff::new(BackoffSettings { initial: max, multiplier: f64::MAX, max });
        for _ in 0..3 {
            assert!(backoff.pause(0.9) >= Duration::from_secs(u64::MAX / 2));
        }
        let mut shrinking =
            Backoff::new(BackoffSettings { initial: Duration::from_secs(1), multiplier: 0.0, max: Duration::MAX });
        shrinking.pause(EVEN);
        assert_eq!(shrinking.pause(EVEN), Duration::ZERO);
    }
}
