//! Which clusters of a service a query or a subscription wants to see.

use std::sync::Arc;

use nacrite_base::ClusterName;

/// A comma-separated list of clusters, as the client wrote it; blank means all. The text is kept because answers and
/// pushes echo it (recorded: `naming-query-clusters`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClusterFilter(Option<Arc<str>>);

impl ClusterFilter {
    /// Every cluster.
    pub const ALL: Self = Self(None);

    /// Takes the list as it was sent. Names in it were checked before, by the parameter check.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        if raw.is_empty() { Self::ALL } else { Self(Some(raw.into())) }
    }

    /// The list as it was sent; empty for all.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether everything passes.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.as_str().trim().is_empty()
    }

    /// Whether instances of `cluster` pass. Case counts.
    #[must_use]
    pub fn admits(&self, cluster: &ClusterName) -> bool {
        self.is_all() || self.as_str().split(',').any(|wanted| wanted == cluster.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &str, admitted: &[&str], refused: &[&str]) {
        let filter = ClusterFilter::new(filter);
        for name in admitted {
            assert!(filter.admits(&ClusterName::from_stored(name)), "{filter:?} admits {name}");
        }
        for name in refused {
            assert!(!filter.admits(&ClusterName::from_stored(name)), "{filter:?} refuses {name}");
        }
    }

    #[test]
    fn lists_admit_what_they_name() {
        check("", &["DEFAULT", "c1"], &[]);
        check(" ", &["DEFAULT"], &[]);
        check("c1,c2", &["c1", "c2"], &["DEFAULT", "C1"]);
        check(",c1", &["c1"], &["c2"]);
        check("none", &[], &["DEFAULT"]);
    }
}
