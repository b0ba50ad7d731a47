//! The life of the connection to one endpoint, as a step function.
//!
//! Idle → connecting → ready, or failed until a pause is over, and then connecting again if it is still wanted. It decides
//! when to connect and when not; whoever owns it makes and closes connections, tells what became of them, and wakes it
//! when [`Subchannel::wakes_at`] says so. It opens nothing and reads no clock.
//!
//! One thing differs from gRPC's other clients: a connection that breaks within [`HELD_MIN`] counts as a failed attempt. A
//! server that accepts and closes at once would otherwise be connected to without a pause, for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backoff::{Backoff, BackoffSettings};
use crate::endpoint::Connectivity;

/// A connection that held this long was a good one: when it breaks the next is made at once, and pauses begin anew. The
/// shortest pause, so that attempts come no faster than pauses allow.
pub const HELD_MIN: Duration = Duration::from_secs(1);

/// An attempt may take at least this long, or as long as the pause after it (gRPC's connection back-off).
pub const CONNECT_WITHIN_MIN: Duration = Duration::from_secs(20);

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// The policy wants a connection, and wants it back when it breaks.
    Wanted,
    /// The policy wants none any more; one that stands is left alone.
    Released,
    /// A call asks for a connection, once.
    Asked,
    /// The connection is to go: the policy wants another endpoint alone, or the channel becomes idle.
    Closed,
    /// The connection that was being made stands.
    Connected,
    /// The connection that was being made could not be, for this reason.
    Failed(Arc<str>),
    /// The connection that stood is gone, or takes no more calls.
    Lost(Arc<str>),
    /// There is reason to believe that it can be reached again, such as a new registration: no pause is waited for.
    Revived,
    /// A time has come.
    Tick,
    /// The endpoint left the list. Nothing happens after it.
    Removed,
}

/// What the owner has to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Make a connection; an attempt that takes longer failed.
    Connect {
        /// How long the attempt may take.
        within: Duration,
    },
    /// Give the attempt up or close the connection, whichever there is. Calls that are under way on it end in peace.
    Close,
}

/// How far it is, with what belongs to it.
#[derive(Clone, Debug)]
enum Phase {
    Idle,
    /// An attempt began; after its failure nothing is tried before the second time.
    Connecting {
        next_from: Instant,
    },
    /// The connection stands since then.
    Ready {
        since: Instant,
        next_from: Instant,
    },
    /// Nothing is tried before this time.
    Paused {
        until: Instant,
    },
    Shutdown,
}

/// The connection to one endpoint.
#[derive(Clone, Debug)]
pub struct Subchannel {
    phase: Phase,
    backoff: Backoff,
    is_wanted: bool,
    reason: Option<Arc<str>>,
}

impl Default for Subchannel {
    fn default() -> Self {
        Self::new(BackoffSettings::CONNECT)
    }
}

impl Subchannel {
    /// Nobody asked for a connection yet.
    #[must_use]
    pub fn new(backoff: BackoffSettings) -> Self {
        Self { phase: Phase::Idle, backoff: Backoff::new(backoff), is_wanted: false, reason: None }
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> Connectivity {
        match self.phase {
            Phase::Idle => Connectivity::Idle,
            Phase::Connecting { .. } => Connectivity::Connecting,
            Phase::Ready { .. } => Connectivity::Ready,
            Phase::Paused { .. } => Connectivity::TransientFailure,
            Phase::Shutdown => Connectivity::Shutdown,
        }
    }

    /// Why it is not ready: the last failure since it was.
    #[must_use]
    pub fn reason(&self) -> Option<&Arc<str>> {
        self.reason.as_ref()
    }

    /// When it wants to be woken with [`Event::Tick`].
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        if let Phase::Paused { until } = self.phase { Some(until) } else { None }
    }

    /// Takes an event. What cannot happen in its state changes nothing: an attempt may end while it is being given up.
    /// `chance` is drawn from 0 to less than 1.
    #[must_use]
    pub fn apply(&mut self, now: Instant, event: Event, chance: f64) -> Option<Action> {
        match (&self.phase, event) {
            (Phase::Shutdown, _) => None,
            (_, Event::Removed) => {
                let had_one = matches!(self.phase, Phase::Connecting { .. } | Phase::Ready { .. });
                self.phase = Phase::Shutdown;
                had_one.then_some(Action::Close)
            }
            (phase, Event::Wanted) => {
                let is_idle = matches!(phase, Phase::Idle);
                self.is_wanted = true;
                if is_idle { self.connect(now, chance) } else { None }
            }
            (_, Event::Released) => {
                self.is_wanted = false;
                None
            }
            (Phase::Idle, Event::Asked) => self.connect(now, chance),
            (Phase::Connecting { .. } | Phase::Ready { .. }, Event::Closed) => {
                if matches!(self.phase, Phase::Ready { .. }) {
                    self.backoff.reset();
                }
                self.is_wanted = false;
                self.phase = Phase::Idle;
                Some(Action::Close)
            }
            (_, Event::Closed) => {
                // A pause goes on: closing is no reason to try again sooner.
                self.is_wanted = false;
                None
            }
            (Phase::Connecting { next_from }, Event::Connected) => {
                self.phase = Phase::Ready { since: now, next_from: *next_from };
                self.reason = None;
                None
            }
            (Phase::Connecting { next_from }, Event::Failed(reason)) => {
                // Even if the attempt took longer than its pause it is seen as failed until it is woken: everybody learns.
                self.phase = Phase::Paused { until: (*next_from).max(now) };
                self.reason = Some(reason);
                None
            }
            (Phase::Ready { since, .. }, Event::Lost(_)) if now.saturating_duration_since(*since) >= HELD_MIN => {
                self.backoff.reset();
                self.phase = Phase::Idle;
                if self.is_wanted { self.connect(now, chance) } else { None }
            }
            (Phase::Ready { next_from, .. }, Event::Lost(reason)) => {
                self.phase = Phase::Paused { until: (*next_from).max(now) };
                self.reason = Some(reason);
                None
            }
            (Phase::Paused { .. }, Event::Revived) => {
                self.backoff.reset();
                self.resume(now, chance)
            }
            (Phase::Paused { until }, Event::Tick) if now >= *until => self.resume(now, chance),
            _ => None,
        }
    }

    /// Begins an attempt. The pause after it is counted from its beginning: time that it takes is not waited again.
    fn connect(&mut self, now: Instant, chance: f64) -> Option<Action> {
        let pause = self.backoff.pause(chance);
        self.phase = Phase::Connecting { next_from: now.checked_add(pause).unwrap_or(now) };
        Some(Action::Connect { within: pause.max(CONNECT_WITHIN_MIN) })
    }

    /// A pause is over.
    fn resume(&mut self, now: Instant, chance: f64) -> Option<Action> {
        self.phase = Phase::Idle;
        if self.is_wanted { self.connect(now, chance) } else { None }
    }
}

#[cfg(test)]
mod tests;
