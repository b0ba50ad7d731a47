//! What must follow a command, and why a command was refused.

use nacrite_base::{ClientId, Kind, ServiceKey, Timestamp};

/// What must happen outside.
#[must_use = "effects that are dropped are changes that nobody is told of"]
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// Tell every subscriber of these services. Also after a registration that changed nothing (recorded:
    /// `naming-push-no-change`).
    pub changed: Vec<ServiceKey>,
    /// Tell this one client of a service it newly subscribed to.
    pub welcome: Option<(ClientId, ServiceKey)>,
    /// The first client that publishes in these services came, or the last one left. For a fuzzy watch they have come or
    /// gone; it asks [`crate::Registry::is_populated`] which.
    pub populated: Vec<ServiceKey>,
    /// A subscription ended that was there.
    pub unsubscribed: bool,
    /// What these clients publish in these services is another thing now.
    pub published: Vec<(ClientId, ServiceKey)>,
    /// Something could not be done before it is known what of silence may be believed ([`crate::Command::Judge`]).
    pub verdict_wanted: bool,
    /// Subscriptions that ended because their clients no longer poll.
    pub lapsed: usize,
    /// When [`crate::Command::Tick`] has something to do next.
    pub wake_at: Option<Timestamp>,
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Instances of the other kind live in the service.
    #[error("{service} is {is}, not {wanted}")]
    WrongKind {
        /// The service.
        service: ServiceKey,
        /// What it is.
        is: Kind,
        /// What was to be registered.
        wanted: Kind,
    },
    /// A beat of a client that published nothing there.
    #[error("{client} is not registered in {service}")]
    NotRegistered {
        /// Who beat.
        client: ClientId,
        /// Where.
        service: ServiceKey,
    },
}
