//! What a service looks like from outside: an immutable list, made once per change and shared by every query and push.

use std::sync::Arc;

use nacrite_base::{Instance, Kind, Rendered, ServiceKey, Timestamp};

use crate::filter::ClusterFilter;

/// The instances of one service at one revision. Overrides of operators are applied; instances that two clients
/// claim stand here once, as the newest registration has them.
#[derive(Debug)]
pub struct ServiceView {
    /// Which service.
    pub key: ServiceKey,
    /// Which kind of instances it takes; `None` if nobody registered or created it.
    pub kind: Option<Kind>,
    /// Grows by at least one with every change of the service.
    pub revision: u64,
    /// When the newest change in it happened.
    pub changed_at: Timestamp,
    /// The time that clients order views by (`lastRefTime`). Grows strictly with the revision, even within one
    /// millisecond, because some clients drop what is not newer (`reference/grpc.md`, 5.2).
    pub ref_time: Timestamp,
    /// All instances, also disabled ones, ordered by key.
    pub instances: Vec<Arc<Instance>>,
    /// Share of healthy instances at or below which all are shown as healthy; `None` without stored metadata.
    pub protect_threshold: Option<f32>,
    /// What the edges made of this view.
    pub rendered: Rendered,
}

/// What a caller may see of a view.
#[derive(Debug)]
pub struct Selection<'a> {
    /// The instances that pass.
    pub instances: Vec<&'a Instance>,
    /// Too few of them are healthy: every one is to be shown as healthy.
    pub protected: bool,
}

impl ServiceView {
    /// The view of a service that nobody knows.
    #[must_use]
    pub fn unknown(key: ServiceKey, now: Timestamp) -> Self {
        Self {
            key,
            kind: None,
            revision: 0,
            changed_at: now,
            ref_time: now,
            instances: Vec::new(),
            protect_threshold: None,
            rendered: Rendered::default(),
        }
    }

    /// The enabled instances of the clusters in `filter`, with the protection rule applied. `healthy_only` drops the
    /// unhealthy ones first, so that protection never brings them back (recorded: `naming-protection-threshold`).
    /// Cost: one pass over the instances.
    #[must_use]
    pub fn select(&self, filter: &ClusterFilter, healthy_only: bool) -> Selection<'_> {
        let instances: Vec<&Instance> = self
            .instances
            .iter()
            .map(|i| &**i)
            .filter(|i| i.enabled && filter.admits(&i.key.cluster) && (i.healthy || !healthy_only))
            .collect();
        let protected = self.is_protected(&instances);
        Selection { instances, protected }
    }

    fn is_protected(&self, instances: &[&Instance]) -> bool {
        let Some(threshold) = self.protect_threshold else {
            return false;
        };
        if instances.is_empty() {
            return false;
        }
        let healthy = instances.iter().filter(|i| i.healthy).count();
        #[expect(clippy::cast_precision_loss, reason = "instance counts are far below 2^24")]
        let ratio = healthy as f32 / instances.len() as f32;
        ratio <= threshold.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{ClusterName, GroupName, Host, InstanceKey, Metadata, NamespaceId, ServiceName};

    fn view(threshold: Option<f32>, healthy: &[bool]) -> ServiceView {
        let key = ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored("orders"),
        };
        let instances = healthy.iter().zip(1u16..).map(|(healthy, port)| {
            Arc::new(Instance {
                key: InstanceKey {
                    host: Some(Host::from_stored("10.0.0.1")),
                    port,
                    cluster: ClusterName::default_cluster(),
                },
                id: "id".into(),
                weight: 1.0,
                healthy: *healthy,
                enabled: true,
                metadata: Metadata::default(),
            })
        });
        ServiceView {
            instances: instances.collect(),
            protect_threshold: threshold,
            ..ServiceView::unknown(key, Timestamp::default())
        }
    }

    #[track_caller]
    fn check(threshold: Option<f32>, healthy: &[bool], healthy_only: bool, shown: usize, protected: bool) {
        let view = view(threshold, healthy);
        let seen = view.select(&ClusterFilter::ALL, healthy_only);
        assert_eq!((seen.instances.len(), seen.protected), (shown, protected));
    }

    #[test]
    fn too_few_healthy_instances_protect_all() {
        check(Some(0.8), &[true, false, false], false, 3, true);
        check(Some(0.8), &[true, true], false, 2, false);
        check(Some(0.0), &[false], false, 1, true);
        check(Some(-1.0), &[false], false, 1, true);
    }

    #[test]
    fn healthy_only_comes_before_protection() {
        check(Some(0.8), &[true, false, false], true, 1, false);
    }

    #[test]
    fn a_service_without_metadata_or_without_instances_is_not_protected() {
        check(None, &[false, false], false, 2, false);
        check(Some(1.0), &[], false, 0, false);
    }
}
