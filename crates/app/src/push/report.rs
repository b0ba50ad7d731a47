//! Accounts of pushes for people: whom the newest state of a service reached, who is late, and what one client has.
//!
//! Worked out from what stands with each connection when somebody asks; nothing is kept for it.

use std::sync::Arc;

use nacrite_base::{ClientId, ServiceKey, Timestamp};
use nacrite_naming::Subscription;

use super::latencies::Latencies;
use super::ledger::{Account, Ledger};
use super::told::{Told, Waiting};
use crate::connections::{Connection, Connections};
use crate::limits::PUSHES_SHOWN_MAX;
use crate::owner::registry::Shards;

/// Whom the newest state of a service reached.
#[derive(Clone, Debug)]
pub struct ServicePushes {
    /// Somebody registered in it, or created it.
    pub is_listed: bool,
    /// The newest state.
    pub revision: u64,
    /// When it came to be.
    pub changed_at: Timestamp,
    /// Those who subscribe and hold a connection.
    pub subscribers: usize,
    /// Those of them who have that state, or a newer one.
    pub reached: usize,
    /// Those who subscribe and hold none; they are told in other ways, of which no account is kept here.
    pub unconnected: usize,
    /// How long the newest state took to each that was told it by a push, ordered, in ms.
    pub latencies_ms: Vec<u32>,
    /// Those who do not have it, who waits longest first; at most [`PUSHES_SHOWN_MAX`].
    pub late: Vec<Late>,
    /// What is known of earlier pushes.
    pub account: Account,
}

impl ServicePushes {
    /// The latency below which `percent` of those who were told stay, in ms; `None` if nobody was told by a push.
    #[must_use]
    pub fn percentile_ms(&self, percent: usize) -> Option<u32> {
        let rank = (self.latencies_ms.len() * percent).div_ceil(100);
        self.latencies_ms.get(rank.saturating_sub(1)).copied()
    }
}

/// A subscriber that does not have the newest state.
#[derive(Clone, Debug)]
pub struct Late {
    /// Who.
    pub client: ClientId,
    /// What it asked for, and what is known of it.
    pub subscription: Subscription,
    /// What it has.
    pub told: Told,
    /// What it is waiting for.
    pub waiting: Waiting,
}

/// What one client has.
#[derive(Clone, Debug)]
pub struct ClientPushes {
    /// Services that it subscribes to.
    pub subscriptions: usize,
    /// Those of which it has the newest state.
    pub current: usize,
    /// How long news took to it.
    pub latencies: Latencies,
    /// The services, those that it has not the newest state of first; at most [`PUSHES_SHOWN_MAX`].
    pub services: Vec<Known>,
}

/// What a client has of a service.
#[derive(Clone, Debug)]
pub struct Known {
    /// Which.
    pub service: ServiceKey,
    /// Its newest state.
    pub revision: u64,
    /// What the client has.
    pub told: Told,
    /// What it is waiting for.
    pub waiting: Waiting,
}

/// Whom the newest state of `key` reached; nobody, if nobody knows the service. Cost: one look at each subscriber.
#[must_use]
pub fn of_service(shards: &Shards, connections: &Connections, ledger: &Ledger, key: &ServiceKey) -> ServicePushes {
    let (is_listed, all) = shards.with(key, |shard| {
        let all = shard.subscribers(key).map(|(client, subscription)| (client.clone(), subscription.clone()));
        (shard.is_listed(key), all.collect::<Vec<_>>())
    });
    // Looked up after the subscribers, and before what they have: who took a newer state counts as reached.
    let view = shards.view(key);
    let mut pushes = ServicePushes {
        is_listed,
        revision: view.revision,
        changed_at: view.changed_at,
        subscribers: 0,
        reached: 0,
        unconnected: 0,
        latencies_ms: Vec::new(),
        late: Vec::new(),
        account: ledger.account(key),
    };
    for (client, subscription) in all {
        let Some(connection) = connection_of(connections, &client) else {
            // A connection that is gone takes its subscription with it; the others have none.
            pushes.unconnected += usize::from(matches!(client, ClientId::Address { .. }));
            continue;
        };
        let (told, waiting) = connection.outbox.told(key);
        pushes.subscribers += 1;
        if told.revision >= view.revision {
            pushes.reached += 1;
            pushes.latencies_ms.extend(told.latency_ms());
        } else {
            pushes.late.push(Late { client, subscription, told, waiting });
        }
    }
    pushes.latencies_ms.sort_unstable();
    pushes.late.sort_by(|a, b| b.told.in_vain.cmp(&a.told.in_vain).then_with(|| a.client.cmp(&b.client)));
    pushes.late.truncate(PUSHES_SHOWN_MAX);
    pushes
}

/// What a client has of each service that it subscribes to; `None` if it holds no connection. Cost: one look at each of
/// its services.
#[must_use]
pub fn of_client(shards: &Shards, connections: &Connections, client: &ClientId) -> Option<ClientPushes> {
    let connection = connection_of(connections, client)?;
    let mut services = Vec::new();
    shards.with_each(|shard| services.extend(shard.of_client(client).1));
    let known = services.into_iter().map(|service| {
        let revision = shards.view(&service).revision;
        let (told, waiting) = connection.outbox.told(&service);
        Known { service, revision, told, waiting }
    });
    let mut known: Vec<Known> = known.collect();
    let current = known.iter().filter(|known| known.told.revision >= known.revision).count();
    let subscriptions = known.len();
    known.sort_by(|a, b| {
        let is_current = |known: &Known| known.told.revision >= known.revision;
        is_current(a).cmp(&is_current(b)).then_with(|| a.service.cmp(&b.service))
    });
    known.truncate(PUSHES_SHOWN_MAX);
    Some(ClientPushes { subscriptions, current, latencies: connection.outbox.latencies(), services: known })
}

fn connection_of(connections: &Connections, client: &ClientId) -> Option<Arc<Connection>> {
    match client {
        ClientId::Connection(id) => connections.get(id),
        ClientId::Address { .. } => None,
    }
}
