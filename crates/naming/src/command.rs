//! What can be done to a registry. Everything in a command was checked before it was made.

use std::sync::Arc;

use nacrite_base::cluster::Clusters;
use nacrite_base::{ClientId, Instance, InstanceKey, Kind, Metadata, ServiceKey};

use crate::filter::ClusterFilter;
use crate::guard::Verdict;

/// A change of the registry.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `client` publishes these instances in `service`, instead of what it published there before. One entry per
    /// client and service, as in Nacos: a second registration replaces the first.
    Register {
        /// Who publishes. Its kind decides the kind of the service, and whether it must beat.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// What; an empty list is a valid, empty batch.
        instances: Vec<Instance>,
    },
    /// `client` publishes nothing in `service` any more. Acts at once, whatever instance the request named.
    Deregister {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
    },
    /// Somebody who holds nothing of it says that an instance is gone. Acts on claims that are only held: the client
    /// behind them came back by another connection, to take back what it had registered by the one that broke.
    Disown {
        /// Where.
        service: ServiceKey,
        /// Which.
        instance: InstanceKey,
    },
    /// A sign of life of a client that is known by its address.
    Beat {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
    },
    /// `client` wants to be told of changes of `service`. A second subscription replaces the first. One of a client
    /// without a connection lapses unless it is repeated (`polls.rs`).
    Subscribe {
        /// Who.
        client: ClientId,
        /// Of what.
        service: ServiceKey,
        /// What exactly.
        subscription: Subscription,
    },
    /// `client` no longer wants to be told.
    Unsubscribe {
        /// Who.
        client: ClientId,
        /// Of what.
        service: ServiceKey,
    },
    /// The connection of `client` broke. Its subscriptions end; its instances are held for [`crate::Rules::hold`], so
    /// that a client that comes straight back replaces them without a flap. The last command of that client: one that
    /// comes back has another id.
    ConnectionLost {
        /// Who.
        client: ClientId,
        /// What is known of the end.
        lost: Lost,
    },
    /// An earlier run of this server knew that `client` publishes this. Held until the client comes back, or until its
    /// silence is believed.
    Remember {
        /// Who.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// What.
        instances: Vec<Instance>,
    },
    /// What of silence may be believed, until it is to be asked again.
    Judge(Verdict),
    /// An operator created, changed or deleted (`None`) the service itself.
    SetMetadata {
        /// Which service.
        service: ServiceKey,
        /// Its settings.
        metadata: Option<Arc<ServiceMetadata>>,
    },
    /// An operator laid other values over an instance, or took them away (`None`).
    SetOverride {
        /// The service of the instance.
        service: ServiceKey,
        /// Which instance.
        instance: InstanceKey,
        /// The values that win over those of the client.
        values: Option<Arc<Override>>,
    },
    /// A check, or an operator, found out how a persistent instance is.
    SetHealth {
        /// Whose instance.
        client: ClientId,
        /// Where.
        service: ServiceKey,
        /// Whether it is well.
        healthy: bool,
    },
    /// Time passed.
    Tick,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its client closed it or broke it: whoever held it left, or comes straight back.
    Closed,
    /// Nobody heard the client end it. Says nothing while silence is in doubt ([`crate::guard`]).
    Silent,
}

/// What a subscriber wants, and what operators see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The clusters whose changes matter; honoured on push as on query.
    pub clusters: ClusterFilter,
    /// The application behind the client.
    pub app: Arc<str>,
    /// The program and its version.
    pub agent: Arc<str>,
    /// The address that the client gives for itself.
    pub address: Arc<str>,
}

/// What an operator set for a service; exists only for services that were created or updated by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceMetadata {
    /// The service was created by hand: it stays listed until it is deleted by hand, instances or not.
    pub created: bool,
    /// Which kind of instances the service takes.
    pub kind: Kind,
    /// Share of healthy instances at or below which all are shown as healthy. 0 to 1.
    pub protect_threshold: f32,
    /// Texts attached to the service.
    pub metadata: Metadata,
    /// The selector as it was set, in Nacos's JSON; kept and shown, not evaluated.
    pub selector: Option<Arc<str>>,
    /// What is set for its clusters, whether they have instances or not.
    pub clusters: Clusters,
}

/// Values that an operator laid over an instance. Each that is set wins over the client's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Override {
    /// Share of the traffic.
    pub weight: Option<f64>,
    /// Whether the instance may get traffic.
    pub enabled: Option<bool>,
    /// Texts; each key here wins over the same key of the client.
    pub metadata: Metadata,
}
