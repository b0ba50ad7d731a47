//! A point in time, as every rule of the server sees it.
//!
//! Rules never read a clock: the owner of the state passes `now` in. The real clock is in `nacrite-env`.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// Milliseconds since the Unix epoch. Never goes backwards within one process (`nacrite_env::Clock`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A point `ms` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_point_is_not_before_an_earlier_one() {
        let early = Timestamp::from_ms(10);
        let late = early + Duration::from_millis(5);
        assert_eq!(late.since(early), Duration::from_millis(5));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
