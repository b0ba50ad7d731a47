//! Sending a call several times without waiting for failures, as a step function (gRFC A6). For methods that may run more
//! than once.
//!
//! It is told what becomes of each attempt and when time passes, and says when the next one goes out and whose end is the
//! call's. Sending, cancelling and the deadline of the call are the business of whoever holds the call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attempt::{Ended, Pushback, Transparent};
use crate::code::{Code, Codes};
use crate::throttle::Throttle;

/// How a call is hedged.
#[derive(Clone, Debug, PartialEq)]
pub struct HedgingPolicy {
    /// Attempts in all, with the first: 2 to [`ATTEMPTS_MAX`](crate::retry::ATTEMPTS_MAX).
    pub attempts_max: u32,
    /// The time between them; 0 sends all at once.
    pub delay: Duration,
    /// Statuses that leave hope for the other attempts.
    pub non_fatal: Codes,
}

/// What follows the end of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// The caller gets what this attempt ended with; all others are cancelled.
    Deliver,
    /// Others are under way or will be: [`Hedge::next_at`] may have changed.
    GoOn,
    /// The same attempt is made again at once: the application never saw it. `previous` is as it was.
    Repeat,
}

/// The attempts of one call.
#[derive(Clone, Debug)]
pub struct Hedge {
    policy: Arc<HedgingPolicy>,
    /// Attempts that went out, of those that count.
    started: u32,
    under_way: u32,
    /// When the next goes out; `None` if none does.
    next_at: Option<Instant>,
    transparent: Transparent,
}

impl Hedge {
    /// The first attempt goes out now.
    #[must_use]
    pub fn new(policy: Arc<HedgingPolicy>, now: Instant) -> Self {
        let next_at = now.checked_add(policy.delay).filter(|_| policy.attempts_max > 1);
        Self { policy, started: 1, under_way: 1, next_at, transparent: Transparent::default() }
    }

    /// When to ask [`Self::due`] again; `None` if no other attempt goes out.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Whether an attempt goes out now: then how many went before it. To be asked until it says no.
    ///
    /// If too many calls fail it does not, and none after it.
    #[must_use]
    pub fn due(&mut self, now: Instant, throttle: Option<&Throttle>) -> Option<u32> {
        self.next_at.filter(|at| *at <= now)?;
        if throttle.is_some_and(|throttle| !throttle.allows()) {
            self.next_at = None;
            return None;
        }
        self.started += 1;
        self.under_way += 1;
        self.next_at = now.checked_add(self.policy.delay).filter(|_| self.started < self.policy.attempts_max);
        Some(self.started - 1)
    }

    /// Whether nothing is under way and nothing will be: the caller gets the last end. To be asked after [`Self::due`] said
    /// no.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.under_way == 0 && self.next_at.is_none()
    }

    /// The call is bound to one of the attempts that are under way, because its request can no longer be kept: all others
    /// are cancelled, and none goes out any more.
    pub fn committed(&mut self) {
        self.under_way = 1;
        self.next_at = None;
    }

    /// One of the attempts ended, or its headers came (then it is committed). After [`Then::Deliver`] nothing is asked any
    /// more.
    #[must_use]
    pub fn ended(&mut self, now: Instant, ended: &Ended, throttle: Option<&Throttle>) -> Then {
        if ended.code == Code::Ok {
            if let Some(throttle) = throttle {
                throttle.succeeded();
            }
            return Then::Deliver;
        }
        if self.transparent.repeats(ended) {
            return Then::Repeat;
        }
        self.under_way = self.under_way.saturating_sub(1);
        let is_fatal = !self.policy.non_fatal.contains(ended.code);
        let is_throttled = throttle.is_some_and(|throttle| {
            if !is_fatal || ended.pushback == Pushback::Never {
                throttle.failed();
            }
            !throttle.allows()
        });
        if is_fatal || ended.is_committed {
            return Then::Deliver;
        }
        self.next_at = match ended.pushback {
            Pushback::Never => None,
            _ if is_throttled => None,
            Pushback::None => self.next_at.map(|_| now),
            Pushback::After(delay) => self.next_at.and_then(|_| now.checked_add(delay)),
        };
        if self.is_over() { Then::Deliver } else { Then::GoOn }
    }
}

#[cfg(test)]
mod tests;
