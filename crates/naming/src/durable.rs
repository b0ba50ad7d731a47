//! The part of naming that is kept on disk: services that were created by hand, persistent instances, and values that
//! operators laid over instances.
//!
//! Commands come out of the log, in its order, on every node. Each becomes something to keep and something for the
//! registry. What is refused here depends on nothing but earlier commands.

use std::sync::Arc;

use nacrite_base::{ClientId, ClusterName, ClusterSettings, Instance, InstanceKey, Kind, ServiceKey};

use crate::HashMap;
use crate::command::{Command, Override, ServiceMetadata};

/// Clusters of one service that may have settings. Nacos has no such bound; a name nobody uses would stay for as long
/// as the service does. A further one is refused.
pub const CLUSTERS_PER_SERVICE_MAX: usize = 256;

/// A change of what is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum DurableCommand {
    /// Creates a service; refused if it is there.
    CreateService {
        /// Which.
        service: ServiceKey,
        /// Its settings.
        metadata: ServiceMetadata,
    },
    /// Gives a service other settings, or its first ones if it only exists through its instances.
    UpdateService {
        /// Which.
        service: ServiceKey,
        /// Its settings.
        metadata: ServiceMetadata,
    },
    /// Forgets the settings of a service, and with them the service if nobody is registered in it.
    DeleteService {
        /// Which.
        service: ServiceKey,
    },
    /// Sets how a cluster of a service is checked, instead of what was set before. The other clusters stay.
    PutCluster {
        /// Which service.
        service: ServiceKey,
        /// Which kind it has, for a service that only exists through its instances.
        kind: Kind,
        /// Which cluster.
        cluster: ClusterName,
        /// Its settings.
        settings: ClusterSettings,
    },
    /// Registers a persistent instance, or changes it.
    PutInstance {
        /// Where.
        service: ServiceKey,
        /// The whole instance.
        instance: Instance,
    },
    /// Removes a persistent instance.
    RemoveInstance {
        /// Where.
        service: ServiceKey,
        /// Which; its cluster does not count, one address holds one instance per service.
        instance: InstanceKey,
    },
    /// Lays values over an instance, instead of those laid before.
    PutOverride {
        /// The service of the instance.
        service: ServiceKey,
        /// Which instance.
        instance: InstanceKey,
        /// The values.
        values: Override,
    },
    /// Takes the values away.
    RemoveOverride {
        /// The service of the instance.
        service: ServiceKey,
        /// Which instance.
        instance: InstanceKey,
    },
}

/// One thing for the store: `None` removes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Keep {
    /// The settings of a service.
    Service(ServiceKey, Option<Arc<ServiceMetadata>>),
    /// A persistent instance, under the client that it belongs to.
    Instance(ServiceKey, ClientId, Option<Instance>),
    /// Values laid over an instance.
    Override(ServiceKey, InstanceKey, Option<Arc<Override>>),
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurableRefusal {
    /// The service is there already.
    #[error("the service exists")]
    Exists,
    /// As many clusters of the service have settings as may have.
    #[error("{CLUSTERS_PER_SERVICE_MAX} clusters of the service have settings")]
    ClustersFull,
}

/// The services that have settings.
#[derive(Debug, Default)]
pub struct Durable {
    services: HashMap<ServiceKey, Arc<ServiceMetadata>>,
}

impl Durable {
    /// Puts back what the store kept. Returns what the registry must be told.
    pub fn restore(&mut self, kept: &Keep) -> Option<Command> {
        if let Keep::Service(service, Some(metadata)) = kept {
            self.services.insert(service.clone(), Arc::clone(metadata));
        }
        for_registry(kept)
    }

    /// Applies one command. Returns what to keep, and what the registry must be told once it is kept.
    ///
    /// # Errors
    /// [`DurableRefusal`]; then nothing changed.
    pub fn apply(&mut self, command: DurableCommand) -> Result<(Keep, Option<Command>), DurableRefusal> {
        let keep = match command {
            DurableCommand::CreateService { service, .. } if self.services.contains_key(&service) => {
                return Err(DurableRefusal::Exists);
            }
            DurableCommand::CreateService { service, metadata } => self.keep_service(service, metadata),
            DurableCommand::UpdateService { service, mut metadata } => {
                // An update of a service says nothing of its clusters.
                if let Some(before) = self.services.get(&service) {
                    metadata.clusters.clone_from(&before.clusters);
                }
                self.keep_service(service, metadata)
            }
            DurableCommand::PutCluster { service, kind, cluster, settings } => {
                let metadata = self.with_cluster(&service, kind, cluster, settings)?;
                self.keep_service(service, metadata)
            }
            DurableCommand::DeleteService { service } => {
                self.services.remove(&service);
                Keep::Service(service, None)
            }
            DurableCommand::PutInstance { service, instance } => {
                Keep::Instance(service, persistent_client(&instance.key), Some(instance))
            }
            DurableCommand::RemoveInstance { service, instance } => {
                Keep::Instance(service, persistent_client(&instance), None)
            }
            DurableCommand::PutOverride { service, instance, values } => {
                Keep::Override(service, instance, Some(Arc::new(values)))
            }
            DurableCommand::RemoveOverride { service, instance } => Keep::Override(service, instance, None),
        };
        let command = for_registry(&keep);
        Ok((keep, command))
    }

    fn keep_service(&mut self, service: ServiceKey, metadata: ServiceMetadata) -> Keep {
        let metadata = Arc::new(metadata);
        self.services.insert(service.clone(), Arc::clone(&metadata));
        Keep::Service(service, Some(metadata))
    }

    /// The settings of a service with one cluster more, or another one.
    fn with_cluster(
        &self,
        service: &ServiceKey,
        kind: Kind,
        cluster: ClusterName,
        settings: ClusterSettings,
    ) -> Result<ServiceMetadata, DurableRefusal> {
        let mut metadata =
            self.services.get(service).map_or_else(|| ServiceMetadata::of_kind(kind), |before| (**before).clone());
        if metadata.clusters.len() >= CLUSTERS_PER_SERVICE_MAX && !metadata.clusters.contains_key(&cluster) {
            return Err(DurableRefusal::ClustersFull);
        }
        metadata.clusters.insert(cluster, Arc::new(settings));
        Ok(metadata)
    }
}

fn for_registry(kept: &Keep) -> Option<Command> {
    Some(match kept.clone() {
        Keep::Service(service, metadata) => Command::SetMetadata { service, metadata },
        Keep::Instance(service, client, Some(instance)) => {
            Command::Register { client, service, instances: vec![instance] }
        }
        Keep::Instance(service, client, None) => Command::Deregister { client, service },
        Keep::Override(service, instance, values) => Command::SetOverride { service, instance, values },
    })
}

/// The client that a persistent instance belongs to: its own address. It outlives every connection.
#[must_use]
pub fn persistent_client(instance: &InstanceKey) -> ClientId {
    address_client(instance, Kind::Persistent)
}

/// The client that an instance belongs to if only its address is known.
#[must_use]
pub fn address_client(instance: &InstanceKey, kind: Kind) -> ClientId {
    let host = instance.host.clone().unwrap_or_else(|| nacrite_base::Host::from_stored(""));
    ClientId::Address { host, port: instance.port, kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{Checker, GroupName, NamespaceId, ServiceName};

    fn service() -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored("orders"),
        }
    }

    fn metadata(protect_threshold: f32) -> ServiceMetadata {
        ServiceMetadata { created: true, protect_threshold, ..ServiceMetadata::of_kind(Kind::Persistent) }
    }

    #[test]
    fn a_service_is_created_once() {
        let mut durable = Durable::default();
        let create = || DurableCommand::CreateService { service: service(), metadata: metadata(0.5) };
        assert!(durable.apply(create()).is_ok());
        assert_eq!(durable.apply(create()), Err(DurableRefusal::Exists));
        assert!(durable.apply(DurableCommand::DeleteService { service: service() }).is_ok());
        assert!(durable.apply(create()).is_ok());
    }

    #[test]
    fn what_was_kept_refuses_after_a_restart_too() {
        let mut durable = Durable::default();
        let told = durable.restore(&Keep::Service(service(), Some(Arc::new(metadata(0.5)))));
        assert!(matches!(told, Some(Command::SetMetadata { metadata: Some(_), .. })));
        let create = DurableCommand::CreateService { service: service(), metadata: metadata(0.1) };
        assert_eq!(durable.apply(create), Err(DurableRefusal::Exists));
    }

    fn put_cluster(durable: &mut Durable, name: &str) -> Result<Arc<ServiceMetadata>, DurableRefusal> {
        let settings = ClusterSettings { checker: Checker::None, ..ClusterSettings::default() };
        let cluster = ClusterName::from_stored(name);
        let put = DurableCommand::PutCluster { service: service(), kind: Kind::Ephemeral, cluster, settings };
        let (kept, _) = durable.apply(put)?;
        let Keep::Service(_, Some(metadata)) = kept else { panic!("{kept:?}") };
        Ok(metadata)
    }

    #[test]
    fn clusters_add_up_and_survive_an_update_of_their_service() {
        let mut durable = Durable::default();
        let first = put_cluster(&mut durable, "a").expect("room");
        assert!(!first.created && first.kind == Kind::Ephemeral, "settings of a cluster create no service");
        assert_eq!(put_cluster(&mut durable, "b").expect("room").clusters.len(), 2);
        let update = DurableCommand::UpdateService { service: service(), metadata: metadata(0.5) };
        let (kept, _) = durable.apply(update).expect("updates are not refused");
        let Keep::Service(_, Some(updated)) = kept else { panic!("{kept:?}") };
        assert_eq!((updated.clusters.len(), updated.protect_threshold), (2, 0.5));
        assert_eq!(updated.cluster(&ClusterName::from_stored("a")).checker, Checker::None);
        assert_eq!(updated.cluster(&ClusterName::from_stored("c")).checker, Checker::Tcp);
    }

    #[test]
    fn settings_of_clusters_are_bounded() {
        let mut durable = Durable::default();
        for n in 0..CLUSTERS_PER_SERVICE_MAX {
            put_cluster(&mut durable, &format!("c{n}")).expect("room");
        }
        assert_eq!(put_cluster(&mut durable, "more").map(|_| ()), Err(DurableRefusal::ClustersFull));
        assert!(put_cluster(&mut durable, "c0").is_ok(), "one that is there can be changed");
    }
}
