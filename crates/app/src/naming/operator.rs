//! What operators do: create and change services, lay values over instances.

use std::sync::Arc;

use nacrite_base::{Fault, Instance, InstanceKey, Kind, Metadata, ServiceKey};
use nacrite_naming::{DurableCommand, Override, ServiceMetadata};

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
        let put = DurableCommand::PutOverride { service: service.clone(), instance, values };
        self.writes.write(DurableWrite::Naming(put)).await
    }

    /// Changes some of the values laid over an instance.
    ///
    /// # Errors
    /// [`Fault::InstanceMissing`], or why it could not be written.
    pub async fn patch(&self, service: &ServiceKey, key: InstanceKey, patch: InstancePatch) -> Result<(), Fault> {
        self.instance(service, &key)?;
        let laid = self.shards.with(service, |shard| shard.override_of(service, &key).cloned());
        let laid = laid.map(|laid| (*laid).clone()).unwrap_or_default();
        let values = Override {
            weight: patch.weight.or(laid.weight),
            enabled: patch.enabled.or(laid.enabled),
            metadata: patch.metadata.unwrap_or(laid.metadata),
        };
        let put = DurableCommand::PutOverride { service: service.clone(), instance: key, values };
        self.writes.write(DurableWrite::Naming(put)).await
    }
}

fn metadata_of(settings: ServiceSettings, kind: Kind, created: bool) -> ServiceMetadata {
    let ServiceSettings { protect_threshold, metadata, selector } = settings;
    ServiceMetadata { created, kind, protect_threshold, metadata, selector }
}
