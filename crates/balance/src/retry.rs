//! Whether and when a call that failed is sent again, as a step function (gRFC A6).
//!
//! It is told how each attempt ended and says what follows. Sending, waiting and the deadline of the call are the business of
//! whoever holds the call. Where implementations differ: a server that names a delay does not make a status retryable, as in
//! gRPC's C and Go; and attempts whose status speaks against the service count for the throttle also when they cannot be
//! repeated, as in C.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::{Ended, Pushback, Transparent};
use crate::backoff::{Backoff, BackoffSettings};
use crate::code::{Code, Codes};
use crate::throttle::Throttle;

/// Attempts of a call, whatever a service config says: whoever writes one does not decide what load a client makes (gRFC A6).
pub const ATTEMPTS_MAX: u32 = 5;

/// Which calls are sent again, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, with the first: 2 to [`ATTEMPTS_MAX`].
    pub attempts_max: u32,
    /// The delays between them.
    pub backoff: BackoffSettings,
    /// Which statuses are worth another attempt.
    pub retryable: Codes,
    /// After this time without an answer an attempt is given up, and worth another.
    pub attempt_within: Option<Duration>,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Another attempt.
    Again {
        /// After this time.
        after: Duration,
        /// How many attempts it has before it, of those that count; a server is told if there are any.
        previous: u32,
    },
    /// The caller gets what this attempt ended with.
    Stop(Stop),
}

/// Why there is no other attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// It succeeded.
    Succeeded,
    /// No policy says that this method is retried.
    NoPolicy,
    /// The caller has seen a part of the answer, or the request could not be kept.
    Committed,
    /// The policy does not name the status.
    NotRetryable,
    /// The server asks not to.
    PushedBack,
    /// There were enough.
    Exhausted,
    /// Too many calls fail.
    Throttled,
}

/// The attempts of one call.
#[derive(Clone, Debug)]
pub struct Retry {
    policy: Option<Arc<RetryPolicy>>,
    backoff: Option<Backoff>,
    /// Attempts that count, with the one that is under way.
    attempts: u32,
    transparent: Transparent,
}

impl Retry {
    /// The first attempt is under way. Without a policy only those are repeated that the application never saw.
    #[must_use]
    pub fn new(policy: Option<Arc<RetryPolicy>>) -> Self {
        let backoff = policy.as_ref().map(|policy| Backoff::new(policy.backoff));
        Self { policy, backoff, attempts: 1, transparent: Transparent::default() }
    }

    /// How long the attempt that is under way may wait for an answer.
    #[must_use]
    pub fn attempt_within(&self) -> Option<Duration> {
        self.policy.as_ref()?.attempt_within
    }

    /// The attempt that was under way ended. `chance` is drawn from 0 to less than 1.
    #[must_use]
    pub fn ended(&mut self, ended: &Ended, throttle: Option<&Throttle>, chance: f64) -> Next {
        if ended.code == Code::Ok {
            if let Some(throttle) = throttle {
                throttle.succeeded();
            }
            return Next::Stop(Stop::Succeeded);
        }
        if self.transparent.repeats(ended) {
            return Next::Again { after: Duration::ZERO, previous: self.attempts - 1 };
        }
        let is_retryable =
            self.policy.as_ref().is_some_and(|policy| ended.has_timed_out || policy.retryable.contains(ended.code));
        let is_throttled = throttle.is_some_and(|throttle| {
            if is_retryable || ended.pushback == Pushback::Never {
                throttle.failed();
            }
            !throttle.allows()
        });
        let (Some(policy), Some(backoff)) = (&self.policy, &mut self.backoff) else {
            return Next::Stop(Stop::NoPolicy);
        };
        if ended.is_committed {
            return Next::Stop(Stop::Committed);
        }
        if !is_retryable {
            return Next::Stop(Stop::NotRetryable);
        }
        if ended.pushback == Pushback::Never {
            return Next::Stop(Stop::PushedBack);
        }
        if self.attempts >= policy.attempts_max {
            return Next::Stop(Stop::Exhausted);
        }
        if is_throttled {
            return Next::Stop(Stop::Throttled);
        }
        let after = match ended.pushback {
            Pushback::After(delay) => {
                backoff.reset();
                delay
            }
            Pushback::None | Pushback::Never => backoff.pause(chance),
        };
        self.attempts += 1;
        Next::Again { after, previous: self.attempts - 1 }
    }
}

#[cfg(test)]
mod tests;
