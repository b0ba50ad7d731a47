//! When a persistent instance is checked next, and when the results change what it counts as.
//!
//! A step function like the registry: results and the time go in, a change of health comes out. It opens no socket. The
//! numbers are Nacos's (`reference/semantics.md`, 3.2): the period follows the time that a check takes, smoothed and
//! kept between two bounds, and several results in a row are needed before one counts.
//!
//! One thing is other than in Nacos, where a check that is due while the one before still runs makes the period longer:
//! here the next check is never due before the one before ended.

use std::time::Duration;

use nacrite_base::Timestamp;
use nacrite_base::switches::Pace;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The instance is well.
    Passed,
    /// It was too slow, or said that it is busy. Counts; the period grows.
    Slow,
    /// Something else went wrong. Counts; the period becomes longer.
    Failed,
    /// It certainly does not serve: nobody listens, or it says so. One such result is enough.
    Down,
}

/// What a check goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeRules {
    /// The period.
    pub pace: Pace,
    /// So many results in a row change what the instance counts as. 0 counts as 1.
    pub times: u32,
}

/// The longest that the first period is, on top of [`FIRST_MS`], in ms.
pub const FIRST_SPREAD_MS: u64 = 5000;

/// The shortest first period, in ms.
pub const FIRST_MS: u64 = 2000;

/// The checks of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    period_ms: u64,
    passed: u32,
    failed: u32,
    /// When the check that runs began.
    began: Option<Timestamp>,
}

impl Probe {
    /// An instance that was never checked: its first check is due at once. `spread_ms` is a random number up to
    /// [`FIRST_SPREAD_MS`], so that instances that came together are not checked together for ever.
    #[must_use]
    pub fn new(spread_ms: u64) -> Self {
        Self { period_ms: FIRST_MS + spread_ms.min(FIRST_SPREAD_MS), passed: 0, failed: 0, began: None }
    }

    /// The instance was registered anew: what was found before says nothing of it. The period stays.
    pub fn forget(&mut self) {
        (self.passed, self.failed) = (0, 0);
    }

    /// A check begins.
    pub fn begin(&mut self, now: Timestamp) {
        self.began = Some(now);
    }

    /// Nothing is to be checked now. Returns when to look again.
    pub fn skip(&mut self, now: Timestamp) -> Timestamp {
        self.began = None;
        now + Duration::from_millis(self.period_ms)
    }

    /// A check ended, of an instance that counts as `healthy`. Returns what it counts as from now on, if that changes,
    /// and when to check again.
    pub fn end(
        &mut self,
        now: Timestamp,
        verdict: Verdict,
        healthy: bool,
        rules: &ProbeRules,
    ) -> (Option<bool>, Timestamp) {
        let began = self.began.take().unwrap_or(now);
        let took_ms = match verdict {
            Verdict::Passed => now.as_ms().saturating_sub(began.as_ms()),
            Verdict::Slow => self.period_ms.saturating_mul(2),
            Verdict::Failed | Verdict::Down => rules.pace.max_ms,
        };
        self.period_ms = next_ms(rules.pace, self.period_ms, took_ms);
        let due = (began + Duration::from_millis(self.period_ms)).max(now);
        (self.judge(verdict, healthy, rules.times.max(1)), due)
    }

    fn judge(&mut self, verdict: Verdict, healthy: bool, times: u32) -> Option<bool> {
        if verdict == Verdict::Passed {
            self.failed = 0;
            if healthy {
                return None;
            }
            self.passed = self.passed.saturating_add(1);
            return (self.passed >= times).then_some(true);
        }
        self.passed = 0;
        if !healthy {
            return None;
        }
        if verdict != Verdict::Down {
            self.failed = self.failed.saturating_add(1);
        }
        (verdict == Verdict::Down || self.failed >= times).then_some(false)
    }

    /// The period as it is now.
    #[must_use]
    pub const fn period(&self) -> Duration {
        Duration::from_millis(self.period_ms)
    }
}

/// The period after a check that took `took_ms`.
fn next_ms(pace: Pace, old_ms: u64, took_ms: u64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "both are minutes at most, far below 2^53 ms")]
    let smoothed = pace.factor * old_ms as f64 + (1.0 - pace.factor) * took_ms as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "neither part is below 0, and the bounds follow"
    )]
    let ms = smoothed as u64;
    ms.min(pace.max_ms).max(pace.min_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: ProbeRules = ProbeRules { pace: Pace::TCP, times: 3 };

    /// Plays results, `+` passed, `~` slow, `x` failed, `!` down, and compares what the instance counts as after each.
    #[track_caller]
    fn check(healthy: bool, script: &str, expected: &str) {
        let (mut probe, mut healthy, mut seen) = (Probe::new(0), healthy, String::new());
        let mut now = Timestamp::from_ms(1000);
        for result in script.chars() {
            let verdict = match result {
                '+' => Verdict::Passed,
                '~' => Verdict::Slow,
                'x' => Verdict::Failed,
                _ => Verdict::Down,
            };
            probe.begin(now);
            let (flip, due) = probe.end(now + Duration::from_millis(3), verdict, healthy, &RULES);
            healthy = flip.unwrap_or(healthy);
            seen.push(if healthy { 'h' } else { 'u' });
            now = due;
        }
        assert_eq!(seen, expected, "{script}");
    }

    #[test]
    fn three_results_in_a_row_change_health() {
        check(true, "~x~", "hhu");
        check(false, "+++", "uuh");
        check(true, "~~+~~+~~~", "hhhhhhhhu");
        check(false, "++~++~+++", "uuuuuuuuh");
        check(true, "x~~+++xxx", "hhuuuhhhu");
    }

    #[test]
    fn one_certain_failure_is_enough_but_one_success_is_not() {
        check(true, "!", "u");
        check(true, "!++!+++", "uuuuuuh");
    }

    #[test]
    fn fast_answers_shorten_the_period_to_its_bound() {
        let mut probe = Probe::new(0);
        let mut now = Timestamp::from_ms(0);
        let mut periods = Vec::new();
        for _ in 0..5 {
            probe.begin(now);
            let (_, due) = probe.end(now + Duration::from_millis(4), Verdict::Passed, true, &RULES);
            periods.push(due.since(now).as_millis());
            now = due;
        }
        assert_eq!(periods, [1501, 1126, 1000, 1000, 1000]);
    }

    #[test]
    fn failures_lengthen_the_period_to_its_bound() {
        let mut probe = Probe::new(0);
        let mut period = |verdict| {
            probe.begin(Timestamp::default());
            probe.end(Timestamp::default(), verdict, false, &RULES).1.as_ms()
        };
        assert_eq!(period(Verdict::Slow), 2500);
        assert_eq!(period(Verdict::Down), 3125);
        assert_eq!(period(Verdict::Failed), 3593);
        for _ in 0..20 {
            period(Verdict::Slow);
        }
        assert_eq!(period(Verdict::Slow), 5000);
    }

    #[test]
    fn the_next_check_waits_for_the_one_before() {
        let rules = ProbeRules { pace: Pace { max_ms: 600, min_ms: 500, factor: 0.0 }, times: 3 };
        let mut probe = Probe::new(0);
        probe.begin(Timestamp::default());
        let ended = Timestamp::from_ms(900);
        assert_eq!(probe.end(ended, Verdict::Passed, true, &rules), (None, ended));
    }

    #[test]
    fn an_instance_that_is_registered_anew_starts_to_count_anew() {
        let mut probe = Probe::new(0);
        for _ in 0..2 {
            probe.end(Timestamp::default(), Verdict::Slow, true, &RULES);
        }
        probe.forget();
        assert_eq!(probe.end(Timestamp::default(), Verdict::Slow, true, &RULES).0, None);
    }

    #[test]
    fn the_first_period_is_spread() {
        assert_eq!(Probe::new(1234).period(), Duration::from_millis(3234));
        assert_eq!(Probe::new(u64::MAX).period(), Duration::from_millis(7000));
        assert_eq!(Probe::new(0).skip(Timestamp::from_ms(10)), Timestamp::from_ms(2010));
    }
}
