//! What must hold in a catalogue at any time. The touched entry is checked after every command in debug builds.

use nacrite_base::ConfigKey;

use crate::catalog::Catalog;
use crate::gray::GRAY_VERSIONS_MAX;

impl Catalog {
    /// Every property of one entry that does not hold, in words. Empty is right.
    #[must_use]
    pub fn violations_of(&self, key: &ConfigKey) -> Vec<String> {
        let Some(entry) = self.entries.get(key) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut must = |holds: bool, what: &str| {
            if !holds {
                found.push(format!("{key}: {what}"));
            }
        };
        must(entry.formal.is_some() || !entry.gray.is_empty(), "an entry has a version");
        must(entry.gray.len() <= GRAY_VERSIONS_MAX, "gray versions are bounded");
        must(
            entry.gray.windows(2).all(|pair| {
                (std::cmp::Reverse(pair[0].rule.priority()), &pair[0].name)
                    < (std::cmp::Reverse(pair[1].rule.priority()), &pair[1].name)
            }),
            "gray versions are ordered and distinct",
        );
        let versions = || entry.formal.iter().chain(entry.gray.iter().map(|gray| &gray.version));
        must(versions().all(|v| v.created_at <= v.modified_at), "a version is made before it is changed");
        must(
            versions().enumerate().all(|(i, v)| versions().skip(i + 1).all(|w| w.content != v.content)),
            "no two versions share a content",
        );
        found
    }

    /// Every property that does not hold anywhere. Cost: O(everything).
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.entries.keys().flat_map(|key| self.violations_of(key)).collect()
    }
}
