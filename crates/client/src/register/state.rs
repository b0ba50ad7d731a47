//! What can be seen of a life: where it stands, with reasons in words, and how it ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;

/// Where a server and its registration stand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RegistrarState {
    /// Nobody serves yet.
    Bound,
    /// The server serves; it is not ready to be found.
    Starting {
        /// Why not.
        reason: Arc<str>,
    },
    /// It is ready, and being registered.
    Registering {
        /// Why it is not registered so far, if something is known to be wrong.
        reason: Option<Arc<str>>,
    },
    /// It is registered, or does not want to be.
    Running(Standing),
    /// It leaves.
    Leaving {
        /// Why.
        reason: LeaveReason,
        /// What it is at.
        step: LeaveStep,
    },
    /// It is over.
    Closed {
        /// Why.
        reason: LeaveReason,
    },
}

/// What the registry has of a server that runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Standing {
    /// A server holds the registration, on the connection that stands.
    Registered,
    /// It did hold it; the connection is gone, and it is registered again on the next. Callers go on with the list that they
    /// have.
    Retrying {
        /// Why it does not hold it.
        reason: Arc<Error>,
    },
    /// A server refuses it for good.
    Refused {
        /// The server's reason.
        reason: Arc<Error>,
    },
    /// Somebody took it back.
    TakenBack,
    /// `register-enabled` is off: it serves without being registered.
    NotWanted,
}

/// What a server that leaves is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveStep {
    /// The registration is being taken back.
    Deregistering,
    /// Callers are given time to notice; requests are served as before.
    Lingering,
    /// Nobody new is accepted; what is under way is finished.
    Draining,
    /// The client is being closed.
    Closing,
}

/// Why a server leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The program was told to end by a signal.
    Signal,
    /// The program asked for it.
    Call,
    /// The server ended by itself.
    ServerEnded,
    /// It did not come to be registered.
    Failed,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Farewell {
    /// Why it left.
    pub reason: LeaveReason,
    /// How long leaving took.
    pub took: Duration,
    /// Connections that were still open at the end and were dropped.
    pub dropped: usize,
    /// Whether a bound ended it: that of draining, or that of all of leaving.
    pub is_late: bool,
}

impl RegistrarState {
    /// Whether requests should be sent here: it runs. That the registry is away for a while changes nothing about it.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// Why it is not ready yet, if something is known about it.
    pub(super) fn complaint(&self) -> Option<&str> {
        match self {
            Self::Starting { reason } | Self::Registering { reason: Some(reason) } => Some(reason),
            _ => None,
        }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

impl fmt::Display for RegistrarState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound => f.write_str("nobody serves yet"),
            Self::Starting { reason } => write!(f, "starting: {reason}"),
            Self::Registering { reason: None } => f.write_str("being registered"),
            Self::Registering { reason: Some(reason) } => write!(f, "not registered so far: {reason}"),
            Self::Running(standing) => write!(f, "{standing}"),
            Self::Leaving { reason, step } => write!(f, "leaving ({reason}): {step}"),
            Self::Closed { reason } => write!(f, "closed ({reason})"),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered => f.write_str("registered"),
            Self::Retrying { reason } => write!(f, "serving, to be registered again: {reason}"),
            Self::Refused { reason } => write!(f, "serving, and the registry refuses it: {reason}"),
            Self::TakenBack => f.write_str("serving, and taken out of the registry"),
            Self::NotWanted => f.write_str("serving, without being registered"),
        }
    }
}

impl fmt::Display for LeaveStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deregistering => "taking the registration back",
            Self::Lingering => "serving until callers have noticed",
            Self::Draining => "finishing what is under way",
            Self::Closing => "closing",
        })
    }
}

impl fmt::Display for LeaveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "a signal",
            Self::Call => "asked to",
            Self::ServerEnded => "the server ended",
            Self::Failed => "it did not come to be registered",
        })
    }
}
