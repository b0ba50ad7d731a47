//! The health of persistent instances, as operators set it up, set it by hand and look at it.

use std::sync::Arc;

use nacrite_base::{Checker, ClusterSettings};
use nacrite_base::{ClusterName, Fault, Instance, InstanceKey, Kind, ServiceKey};
use nacrite_naming::DurableCommand;
use nacrite_naming::durable::persistent_client;
use nacrite_naming::health::Checked;

use super::Naming;
use crate::health::{CheckState, HealthChecks};
use crate::machine::DurableWrite;
use crate::writes::Writes;

/// A persistent instance, and how it is checked.
#[derive(Clone, Debug)]
pub struct ShownCheck {
    /// The instance as its client registered it.
    pub instance: Arc<Instance>,
    /// What is set for its cluster.
    pub settings: Arc<ClusterSettings>,
    /// Its checks; `None` if it was registered this very moment.
    pub state: Option<CheckState>,
}

/// The use cases around health.
#[derive(Clone, Debug)]
pub struct HealthCases {
    naming: Naming,
    checks: Arc<HealthChecks>,
    writes: Writes,
}

impl HealthCases {
    /// The use cases over the checks of this node.
    #[must_use]
    pub fn new(naming: Naming, checks: Arc<HealthChecks>, writes: Writes) -> Self {
        Self { naming, checks, writes }
    }

    /// Sets how a cluster of a service is checked, instead of what was set before. The cluster need not have instances.
    ///
    /// # Errors
    /// [`Fault::ServiceMissing`], [`Fault::ParamInvalid`] for too many clusters, or why it could not be written.
    pub async fn set_cluster(
        &self,
        service: &ServiceKey,
        cluster: ClusterName,
        settings: ClusterSettings,
    ) -> Result<(), Fault> {
        let kind = self.naming.shards.with(service, |shard| {
            let metadata = shard.metadata(service).map(|metadata| metadata.kind);
            shard.is_listed(service).then_some(metadata)
        });
        let kind = kind.ok_or_else(|| Fault::ServiceMissing { service: service.clone() })?;
        let kind = kind.or_else(|| self.naming.shards.view(service).kind).unwrap_or(Kind::Ephemeral);
        let put = DurableCommand::PutCluster { service: service.clone(), kind, cluster, settings };
        self.writes.write(DurableWrite::Naming(put)).await
    }

    /// Says by hand whether a persistent instance is well. It is kept, because nothing else will find it out. Nothing
    /// happens if there is no such instance (recorded: `ns-health`).
    ///
    /// # Errors
    /// [`Fault::HealthChecked`] unless the checker of the cluster was set to none; or why it could not be written.
    pub async fn set_health(&self, service: &ServiceKey, key: &InstanceKey, healthy: bool) -> Result<(), Fault> {
        let client = persistent_client(key);
        let (is_by_hand, checked) = self.naming.shards.with(service, |shard| {
            let settings = shard.metadata(service).and_then(|metadata| metadata.clusters.get(&key.cluster));
            let is_by_hand = settings.is_some_and(|settings| settings.checker == Checker::None);
            (is_by_hand, shard.checked(&client, service))
        });
        if !is_by_hand {
            return Err(Fault::HealthChecked { service: service.clone(), cluster: key.cluster.clone() });
        }
        let Some(Checked { instance, .. }) = checked.filter(|checked| checked.instance.key == *key) else {
            return Ok(());
        };
        let instance = Instance { healthy, ..Arc::unwrap_or_clone(instance) };
        let put = DurableCommand::PutInstance { service: service.clone(), instance };
        self.writes.write(DurableWrite::Naming(put)).await
    }

    /// How the persistent instances of a service are checked, ordered by instance.
    ///
    /// # Errors
    /// [`Fault::ServiceMissing`].
    pub fn checks(&self, service: &ServiceKey) -> Result<Vec<ShownCheck>, Fault> {
        let checked = self.naming.shards.with(service, |shard| {
            let clients: Vec<_> = shard.publishers(service).map(|(client, _)| client.clone()).collect();
            let with_client = |client: nacrite_base::ClientId| Some((shard.checked(&client, service)?, client));
            let all: Vec<_> = clients.into_iter().filter_map(with_client).collect();
            shard.is_listed(service).then_some(all)
        });
        let checked = checked.ok_or_else(|| Fault::ServiceMissing { service: service.clone() })?;
        let persistent = checked.into_iter().filter(|(_, client)| client.kind() == Kind::Persistent);
        let shown = persistent.map(|(Checked { instance, settings }, client)| {
            let state = self.checks.state_of(service, &client);
            ShownCheck { instance, settings, state }
        });
        Ok(shown.collect())
    }

    /// How many persistent instances are watched.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.checks.len()
    }
}
