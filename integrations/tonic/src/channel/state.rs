//! How a channel is doing, for people and probes: its state, every endpoint with its own, and the reasons in words.

use std::sync::Arc;

use nacrite_balance::{Connectivity, Endpoint};

/// How a channel is doing. [`Channel::state`](crate::Channel::state) is a watch of it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ChannelState {
    /// All endpoints together: ready if one is.
    pub connectivity: Connectivity,
    /// Every endpoint that calls may be sent to, in the order of the list.
    pub endpoints: Arc<[EndpointState]>,
    /// The policy in use; empty before the first list.
    pub policy: Arc<str>,
    /// Why it could not be found out where the service is, the last time. Endpoints that are known stay in use.
    pub resolver_trouble: Option<Arc<str>>,
    /// Why the newest service config is not used.
    pub config_trouble: Option<Arc<str>>,
}

/// How the way to an endpoint is doing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EndpointState {
    /// Who it is.
    pub endpoint: Arc<Endpoint>,
    /// How far its connection is.
    pub connectivity: Connectivity,
    /// Why it is not ready.
    pub reason: Option<Arc<str>>,
    /// Whether it takes no calls for a while because too many failed.
    pub is_ejected: bool,
}
