//! Which instances of a service somebody is interested in. Decided here and not by the server, so that subscribers of one
//! service with different interests share one subscription and one list.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::instance::Instance;

type Filter = Arc<dyn Fn(&Instance) -> bool + Send + Sync>;

/// Which instances are wanted: those that keep every rule that was added. [`Default`] wants all.
///
/// ```
/// use nacrite_client::naming::{Instance, Selector};
/// let selector = Selector::default().clusters(["blue"]).healthy().metadata("zone", "a");
/// let instance = Instance::builder("10.0.0.1", 80).cluster("blue").metadata("zone", "a").build()?;
/// assert!(selector.wants(&instance));
/// # Ok::<(), nacrite_client::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Selector {
    clusters: Option<BTreeSet<String>>,
    healthy: bool,
    metadata: Vec<(String, String)>,
    also: Vec<Filter>,
}

impl Selector {
    /// Instances of these clusters alone; no cluster at all means every cluster.
    #[must_use]
    pub fn clusters<T: Into<String>>(mut self, clusters: impl IntoIterator<Item = T>) -> Self {
        let clusters: BTreeSet<String> = clusters.into_iter().map(Into::into).collect();
        self.clusters = Some(clusters).filter(|clusters| !clusters.is_empty());
        self
    }

    /// Healthy instances alone.
    #[must_use]
    pub fn healthy(mut self) -> Self {
        self.healthy = true;
        self
    }

    /// Instances that have this text in their metadata.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Instances for which `wanted` is true. It is called with the list of each change: it must be quick.
    #[must_use]
    pub fn matching(mut self, wanted: impl Fn(&Instance) -> bool + Send + Sync + 'static) -> Self {
        self.also.push(Arc::new(wanted));
        self
    }

    /// Whether the instance keeps every rule.
    #[must_use]
    pub fn wants(&self, instance: &Instance) -> bool {
        self.clusters.as_ref().is_none_or(|clusters| clusters.contains(instance.cluster()))
            && (!self.healthy || instance.is_healthy())
            && self.metadata.iter().all(|(key, value)| instance.metadata().get(key) == Some(value))
            && self.also.iter().all(|wanted| wanted(instance))
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Selector");
        shown.field("clusters", &self.clusters).field("healthy", &self.healthy).field("metadata", &self.metadata);
        shown.field("also", &self.also.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_must_keep_every_rule() {
        let instance = Instance::builder("h", 80).cluster("blue").healthy(false).metadata("zone", "a");
        let instance = instance.build().expect("all is legal");
        let wants = |selector: Selector| selector.wants(&instance);
        assert!(wants(Selector::default()));
        assert!(wants(Selector::default().clusters(["red", "blue"]).metadata("zone", "a")));
        assert!(wants(Selector::default().clusters(Vec::<String>::new())));
        assert!(!wants(Selector::default().clusters(["red"])));
        assert!(!wants(Selector::default().healthy()));
        assert!(!wants(Selector::default().metadata("zone", "b")));
        assert!(wants(Selector::default().matching(|instance| instance.port() == 80)));
        assert!(!wants(Selector::default().clusters(["blue"]).matching(|instance| instance.port() == 81)));
    }
}
