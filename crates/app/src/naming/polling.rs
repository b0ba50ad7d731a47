//! Clients without a connection, which ask for a service again and again and listen for its changes in between.

use std::net::SocketAddr;
use std::sync::Arc;

use nacrite_base::ServiceKey;
use nacrite_naming::{ClusterFilter, ServiceView, Subscription};

use super::Naming;
use crate::push::datagrams::client_at;

/// What such a client says about itself each time it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// The clusters that it wants to see, as it wrote them.
    pub clusters: &'a str,
    /// Its application.
    pub app: &'a str,
    /// The program and its version.
    pub agent: &'a str,
}

impl Poll<'_> {
    /// Whether the client said the same before. Its address is part of who it is.
    fn is_known_as(&self, known: &Subscription) -> bool {
        (known.clusters.as_str(), &*known.app, &*known.agent) == (self.clusters, self.app, self.agent)
    }

    fn subscription(&self) -> Subscription {
        Subscription {
            clusters: ClusterFilter::new(self.clusters),
            app: self.app.into(),
            agent: self.agent.into(),
            address: self.address.to_string().into(),
        }
    }
}

impl Naming {
    /// A client asks for a service, and listens for its changes until it asks no more. Returns what the service looks like
    /// now. Cost: that of a query and one lookup, unless the client is new or says something new.
    #[must_use]
    pub fn poll(&self, service: &ServiceKey, poll: &Poll<'_>) -> Arc<ServiceView> {
        let (view, welcome) = self.shards.poll(service, client_at(poll.address), |known| match known {
            // What is said every ten seconds is not copied every ten seconds.
            Some(known) if poll.is_known_as(known) => known.clone(),
            _ => poll.subscription(),
        });
        if let Some(client) = welcome {
            self.settle.subscribed(&client, service);
        }
        view
    }
}
