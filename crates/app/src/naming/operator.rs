//! What operators do and look at: create and change services, lay values over instances, see who publishes and who
//! subscribes.

use std::collections::BTreeSet;
use std::sync::Arc;

use nacrite_base::{ClientId, ConnectionId, Fault, Host, Instance, InstanceKey, Kind, Metadata, ServiceKey, Timestamp};
use nacrite_naming::{DurableCommand, Override, ServiceMetadata, Subscription};

use super::Naming;
use crate::machine::DurableWrite;

/// What an operator sets for a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceSettings {
    /// Share of healthy instances at or below which all are shown as healthy. 0 to 1.
    pub protect_threshold: f32,
    /// Texts attached to the service.
    pub metadata: Metadata,
    /// The selector as it was sent, in Nacos's JSON.
    pub selector: Option<Arc<str>>,
}

/// What an operator changes about an instance; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstancePatch {
    /// Share of the traffic.
    pub weight: Option<f64>,
    /// Whether it may get traffic.
    pub enabled: Option<bool>,
    /// Texts that replace all texts laid over it before.
    pub metadata: Option<Metadata>,
}

/// A subscription, with who holds it and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Who.
    pub client: ClientId,
    /// To what.
    pub service: ServiceKey,
    /// What exactly.
    pub subscription: Subscription,
}

/// How many clients have something in the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounts {
    /// Those that hold a connection.
    pub connected: usize,
    /// Those that beat, or ask for lists again and again.
    pub beating: usize,
    /// Those of persistent instances.
    pub persistent: usize,
}

/// The client that operators call by this name: `ip:port#true`, `ip:port#false` for persistent instances, or the id of a
/// connection.
#[must_use]
pub fn client_named(name: &str) -> ClientId {
    let as_address = || {
        let (address, ephemeral) = name.split_once('#')?;
        let (host, port) = address.rsplit_once(':')?;
        let kind = match ephemeral {
            "true" => Kind::Ephemeral,
            "false" => Kind::Persistent,
            _ => return None,
        };
        Some(ClientId::Address { host: Host::parse(host).ok()?, port: port.parse().ok()?, kind })
    };
    as_address().unwrap_or_else(|| ClientId::Connection(ConnectionId::new(name)))
}

impl Naming {
    /// Creates a service. It stays until it is deleted, instances or not.
    ///
    /// # Errors
    /// [`Fault::ServiceExists`], or why it could not be written.
    pub async fn create_service(
        &self,
        service: &ServiceKey,
        kind: Kind,
        settings: ServiceSettings,
    ) -> Result<(), Fault> {
        if self.shards.with(service, |shard| shard.is_listed(service)) {
            return Err(Fault::ServiceExists { service: service.clone() });
        }
        let metadata = metadata_of(settings, kind, true);
        let create = DurableCommand::CreateService { service: service.clone(), metadata };
        self.writes.create_service(DurableWrite::Naming(create), service).await
    }

    /// Gives a service other settings.
    ///
    /// # Errors
    /// [`Fault::ServiceMissing`], or why it could not be written.
    pub async fn update_service(&self, service: &ServiceKey, settings: ServiceSettings) -> Result<(), Fault> {
        let (listed, kind, created) = self.shards.with(service, |shard| {
            let metadata = shard.metadata(service);
            let created = metadata.is_some_and(|metadata| metadata.created);
            (shard.is_listed(service), metadata.map(|metadata| metadata.kind), created)
        });
        if !listed {
            return Err(Fault::ServiceMissing { service: service.clone() });
        }
        let kind = kind.or_else(|| self.shards.view(service).kind).unwrap_or(Kind::Ephemeral);
        let metadata = metadata_of(settings, kind, created);
        let update = DurableCommand::UpdateService { service: service.clone(), metadata };
        self.writes.write(DurableWrite::Naming(update)).await
    }

    /// Deletes a service that has no instances.
    ///
    /// # Errors
    /// [`Fault::ServiceMissing`], [`Fault::ServiceNotEmpty`], or why it could not be written.
    pub async fn delete_service(&self, service: &ServiceKey) -> Result<(), Fault> {
        if !self.shards.with(service, |shard| shard.is_listed(service)) {
            return Err(Fault::ServiceMissing { service: service.clone() });
        }
        if !self.shards.view(service).instances.is_empty() {
            return Err(Fault::ServiceNotEmpty { service: service.clone() });
        }
        let delete = DurableCommand::DeleteService { service: service.clone() };
        self.writes.write(DurableWrite::Naming(delete)).await
    }

    /// What an operator set for a service; `None` if nobody did.
    ///
    /// # Errors
    /// [`Fault::ServiceMissing`] if the service is not listed.
    pub fn service_settings(&self, service: &ServiceKey) -> Result<Option<Arc<ServiceMetadata>>, Fault> {
        self.shards.with(service, |shard| {
            if !shard.is_listed(service) {
                return Err(Fault::ServiceMissing { service: service.clone() });
            }
            Ok(shard.metadata(service).cloned())
        })
    }

    /// One instance as it is shown.
    ///
    /// # Errors
    /// [`Fault::InstanceMissing`].
    pub fn instance(&self, service: &ServiceKey, key: &InstanceKey) -> Result<Arc<Instance>, Fault> {
        let view = self.shards.view(service);
        let found = view.instances.iter().find(|instance| instance.key == *key);
        found.cloned().ok_or(Fault::InstanceMissing)
    }

    /// Lays values over an instance instead of those laid before; the instance need not be there.
    ///
    /// # Errors
    /// [`Fault::ServiceMissing`], or why it could not be written.
    pub async fn lay_over(&self, service: &ServiceKey, instance: InstanceKey, values: Override) -> Result<(), Fault> {
        if !self.shards.with(service, |shard| shard.is_listed(service)) {
            return Err(Fault::ServiceMissing { service: service.clone() });
        }
        let editing = self.edit(service).await;
        let put = DurableCommand::PutOverride { service: service.clone(), instance, values };
        let written = self.writes.write(DurableWrite::Naming(put)).await;
        drop(editing);
        written
    }

    /// Changes some of the values laid over an instance.
    ///
    /// # Errors
    /// [`Fault::InstanceMissing`], or why it could not be written.
    pub async fn patch(&self, service: &ServiceKey, key: InstanceKey, patch: InstancePatch) -> Result<(), Fault> {
        self.instance(service, &key)?;
        let editing = self.edit(service).await;
        let laid = self.shards.with(service, |shard| shard.override_of(service, &key).cloned());
        let laid = laid.map(|laid| (*laid).clone()).unwrap_or_default();
        let values = Override {
            weight: patch.weight.or(laid.weight),
            enabled: patch.enabled.or(laid.enabled),
            metadata: patch.metadata.unwrap_or(laid.metadata),
        };
        let put = DurableCommand::PutOverride { service: service.clone(), instance: key, values };
        let written = self.writes.write(DurableWrite::Naming(put)).await;
        drop(editing);
        written
    }

    // --- questions ---

    /// The listed services that pass, ordered. Cost: one pass over all services.
    #[must_use]
    pub fn services(&self, mut passes: impl FnMut(&ServiceKey) -> bool) -> Vec<ServiceKey> {
        let mut found = Vec::new();
        self.shards.with_each(|shard| found.extend(shard.list().filter(|key| passes(key)).cloned()));
        found.sort_unstable();
        found
    }

    /// Who subscribes to a service, ordered by client.
    #[must_use]
    pub fn subscribers(&self, service: &ServiceKey) -> Vec<Subscribed> {
        self.shards.with(service, |shard| {
            let all = shard.subscribers(service);
            let named = |(client, subscription): (&ClientId, &Subscription)| Subscribed {
                client: client.clone(),
                service: service.clone(),
                subscription: subscription.clone(),
            };
            all.map(named).collect()
        })
    }

    /// When a client without a connection last asked for a service.
    #[must_use]
    pub fn polled_at(&self, client: &ClientId, service: &ServiceKey) -> Option<Timestamp> {
        self.shards.with(service, |shard| shard.polled_at(client, service))
    }

    /// Who subscribes to that service, and to listed ones that have its group and its name in theirs.
    #[must_use]
    pub fn subscribers_like(&self, exact: &ServiceKey) -> Vec<Subscribed> {
        let (group, name) = (exact.group.as_str(), exact.name.as_str());
        let mut services = self.services(|key| {
            key.namespace == exact.namespace && key.group.as_str().contains(group) && key.name.as_str().contains(name)
        });
        // A service that nobody registered in is not listed, but may have subscribers.
        if !services.contains(exact) {
            services.push(exact.clone());
        }
        services.iter().flat_map(|service| self.subscribers(service)).collect()
    }

    /// Who publishes in a service, and which instance, ordered by instance.
    #[must_use]
    pub fn publishers(&self, service: &ServiceKey) -> Vec<(ClientId, InstanceKey)> {
        self.shards.with(service, |shard| {
            let all = shard.publishers(service);
            all.map(|(client, instance)| (client.clone(), instance.key.clone())).collect()
        })
    }

    /// Every client that has something in the registry, ordered.
    #[must_use]
    pub fn clients(&self) -> BTreeSet<ClientId> {
        let mut clients = BTreeSet::new();
        self.shards.with_each(|shard| clients.extend(shard.clients().cloned()));
        clients
    }

    /// How many clients there are of each kind.
    #[must_use]
    pub fn client_counts(&self) -> ClientCounts {
        let mut counts = ClientCounts::default();
        for client in self.clients() {
            match client {
                ClientId::Connection(_) => counts.connected += 1,
                ClientId::Address { kind: Kind::Ephemeral, .. } => counts.beating += 1,
                ClientId::Address { kind: Kind::Persistent, .. } => counts.persistent += 1,
            }
        }
        counts
    }

    /// The services in which a client publishes, and those to which it subscribes, ordered.
    #[must_use]
    pub fn of_client(&self, client: &ClientId) -> (Vec<ServiceKey>, Vec<ServiceKey>) {
        let (mut publishes, mut subscribes) = (Vec::new(), Vec::new());
        self.shards.with_each(|shard| {
            let (more_published, more_subscribed) = shard.of_client(client);
            publishes.extend(more_published);
            subscribes.extend(more_subscribed);
        });
        publishes.sort_unstable();
        subscribes.sort_unstable();
        (publishes, subscribes)
    }
}

fn metadata_of(settings: ServiceSettings, kind: Kind, created: bool) -> ServiceMetadata {
    let ServiceSettings { protect_threshold, metadata, selector } = settings;
    // Those of its clusters stay, whatever stands here (`nacrite_naming::durable`).
    ServiceMetadata { created, protect_threshold, metadata, selector, ..ServiceMetadata::of_kind(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_called_as_they_are_shown() {
        for name in ["10.0.0.1:80#true", "10.0.0.1:80#false", "::1:80#true", "1700000000000_127.0.0.1_5000", "a:x#true"]
        {
            assert_eq!(client_named(name).to_string(), name);
        }
        assert!(matches!(client_named("10.0.0.1:80#true"), ClientId::Address { port: 80, kind: Kind::Ephemeral, .. }));
        assert!(matches!(client_named("a:x#true"), ClientId::Connection(_)));
    }
}
