//! The health of persistent instances in the registry: what is to be checked, and what a check changes.
//!
//! Health that a check found is state of this node alone; it is not kept on disk (`docs/design/health.md`).

use std::sync::Arc;

use nacrite_base::cluster::Clusters;
use nacrite_base::{ClientId, ClusterName, ClusterSettings, Instance, Kind, Metadata, ServiceKey, Timestamp};

use crate::command::ServiceMetadata;
use crate::effects::Refusal;
use crate::registry::Registry;

/// A persistent instance that is to be checked, and how.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The instance as its client registered it.
    pub instance: Arc<Instance>,
    /// What is set for its cluster.
    pub settings: Arc<ClusterSettings>,
}

impl ServiceMetadata {
    /// What counts for a service of which nobody said anything.
    #[must_use]
    pub fn of_kind(kind: Kind) -> Self {
        Self {
            created: false,
            kind,
            protect_threshold: 0.0,
            metadata: Metadata::default(),
            selector: None,
            clusters: Clusters::default(),
        }
    }

    /// What is set for a cluster; the defaults if nothing is.
    #[must_use]
    pub fn cluster(&self, name: &ClusterName) -> Arc<ClusterSettings> {
        self.clusters.get(name).map_or_else(Arc::default, Arc::clone)
    }
}

impl Registry {
    /// What `client` publishes in `key`, and how it is to be checked; `None` if it publishes nothing there.
    #[must_use]
    pub fn checked(&self, client: &ClientId, key: &ServiceKey) -> Option<Checked> {
        let service = self.services.get(key)?;
        let at = service.publishers.get(client)?.keys.first()?;
        let claim = service.claims.get(at)?.iter().find(|claim| claim.client == *client)?;
        let settings = service.metadata.as_ref().map_or_else(Arc::default, |metadata| metadata.cluster(&at.cluster));
        Some(Checked { instance: Arc::clone(&claim.instance), settings })
    }

    /// Everything that `client` publishes in `key` counts as healthy, or not. Returns whether that changed something.
    pub(crate) fn set_health(
        &mut self,
        now: Timestamp,
        client: &ClientId,
        key: &ServiceKey,
        healthy: bool,
    ) -> Result<bool, Refusal> {
        let service = self.services.get_mut(key).filter(|service| service.publishers.contains_key(client));
        let not_registered = || Refusal::NotRegistered { client: client.clone(), service: key.clone() };
        let service = service.ok_or_else(not_registered)?;
        let changed = service.set_health(client, healthy);
        if changed {
            service.touch(now);
        }
        Ok(changed)
    }
}
