//! The part of naming that is kept on disk: services that were created by hand, persistent instances, and values that
//! operators laid over instances.
//!
//! Commands come out of the log, in its order, on every node. Each becomes something to keep and something for the
//! registry. What is refused here depends on nothing but earlier commands.

use std::sync::Arc;

use nacrite_base::{ClientId, Instance, InstanceKey, Kind, ServiceKey};

use crate::HashMap;
use crate::command::{Command, Override, ServiceMetadata};

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
            DurableCommand::CreateService { service, metadata }
            | DurableCommand::UpdateService { service, metadata } => {
                let metadata = Arc::new(metadata);
                self.services.insert(service.clone(), Arc::clone(&metadata));
                Keep::Service(service, Some(metadata))
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
    use nacrite_base::{GroupName, Metadata, NamespaceId, ServiceName};

    fn service() -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored("orders"),
        }
    }

    fn metadata(protect_threshold: f32) -> ServiceMetadata {
        let (kind, metadata) = (Kind::Persistent, Metadata::default());
        ServiceMetadata { created: true, kind, protect_threshold, metadata, selector: None }
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
}
