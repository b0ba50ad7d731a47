//! What the endpoints about clients have in common: finding a client, and what is known of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::connections::{Connection, Introduction};
use nacrite_app::naming::{Subscribed, client_named};
use nacrite_base::{ClientId, InstanceKey, ServiceKey, Timestamp};
use nacrite_wire::http::naming::clients::{ClientShown, PortAs, Subscriber};
use nacrite_wire::http::params::Params;
use nacrite_wire::http::refusal::{Refusal, shown};
use nacrite_wire::http::server::NamingCounts;

/// Every client: those that hold a connection for naming, and those that have something in the registry.
pub(crate) fn all(app: &App) -> BTreeSet<ClientId> {
    let mut clients = app.naming.clients();
    let connections = app.connections.all();
    let naming = connections.iter().filter(|c| c.introduction().is_some_and(Introduction::is_naming_client));
    clients.extend(naming.map(|connection| connection.client()));
    clients
}

/// A client that was found.
pub(crate) struct Known {
    pub(crate) id: ClientId,
    connection: Option<Arc<Connection>>,
    pub(crate) publishes: Vec<ServiceKey>,
    pub(crate) subscribes: Vec<ServiceKey>,
}

/// The client that `clientId` names.
///
/// # Errors
/// [`Refusal::NotBound`] or [`Refusal::ClientAbsent`].
pub(crate) fn find(app: &App, params: &Params<'_>) -> Result<Known, Refusal> {
    let name = params.bound("clientId")?;
    let id = client_named(name);
    let connection = match &id {
        ClientId::Connection(id) => app.connections.get(id),
        ClientId::Address { .. } => None,
    };
    let (publishes, subscribes) = app.naming.of_client(&id);
    if connection.is_none() && publishes.is_empty() && subscribes.is_empty() {
        return Err(Refusal::ClientAbsent { id: shown(name) });
    }
    Ok(Known { id, connection, publishes, subscribes })
}

impl Known {
    /// Writes the client.
    pub(crate) fn encode(&self, app: &App, port_as: PortAs) -> Vec<u8> {
        let connection = self.connection.as_deref();
        let said = connection.and_then(Connection::introduction);
        let client = ClientShown {
            client: &self.id,
            updated_at: connection.map_or_else(|| self.changed_at(app), Connection::active_at),
            app: said.map(Introduction::app_name),
            version: said.map(|said| &*said.version),
            ip: said.map(|said| &*said.client_ip),
            port: connection.map_or(0, |connection| connection.remote.port()),
        };
        client.encode(port_as)
    }

    /// When the newest change happened in what a client without a connection publishes, or it last asked for a list.
    fn changed_at(&self, app: &App) -> Timestamp {
        let changed = self.publishes.iter().map(|service| app.naming.query(service).changed_at);
        let polled = self.subscribes.iter().filter_map(|service| app.naming.polled_at(&self.id, service));
        changed.chain(polled).max().unwrap_or_default()
    }

    /// The instances that the client publishes.
    pub(crate) fn published(&self, app: &App) -> Vec<(ServiceKey, InstanceKey)> {
        let of_service = |service: &ServiceKey| {
            let publishers = app.naming.publishers(service).into_iter().filter(|(client, _)| *client == self.id);
            publishers.map(|(_, instance)| (service.clone(), instance)).collect::<Vec<_>>()
        };
        self.publishes.iter().flat_map(of_service).collect()
    }

    /// The subscriptions of the client.
    pub(crate) fn subscribed(&self, app: &App) -> Vec<Subscribed> {
        let held = self.subscribes.iter().flat_map(|service| app.naming.subscribers(service));
        held.filter(|held| held.client == self.id).collect()
    }
}

/// A subscription as it is written.
pub(crate) fn subscriber(held: &Subscribed) -> Subscriber<'_> {
    Subscriber {
        client: &held.client,
        service: &held.service,
        app: &held.subscription.app,
        agent: &held.subscription.agent,
        address: &held.subscription.address,
        clusters: held.subscription.clusters.as_str(),
    }
}

/// Whether an address is the one that a request asks for, by `ip` and `port`; each that is not said passes.
pub(crate) fn is_wanted(params: &Params<'_>, ip: Option<&str>, port: u16) -> bool {
    params.get("ip").is_none_or(|wanted| ip == Some(wanted))
        && params.get("port").is_none_or(|wanted| wanted.parse() == Ok(port))
}

/// How much naming holds.
pub(crate) fn counts(app: &App) -> NamingCounts {
    let (registry, clients) = (app.naming.shards().counts(), app.naming.client_counts());
    NamingCounts {
        services: registry.services,
        instances: registry.instances,
        subscriptions: registry.subscriptions,
        connected: clients.connected,
        beating: clients.beating,
        persistent: clients.persistent,
    }
}
