//! The configs as the fuzzy watch sees them: every config of which a version is there, formal or gray.

use std::ops::ControlFlow;

use nacrite_base::ConfigKey;
use nacrite_base::fuzzy_watch::Source;

use super::Configs;
use crate::push::fuzzy::{News, Watched};

impl Source<ConfigKey> for Configs {
    fn is_there(&self, key: &ConfigKey) -> bool {
        self.entries.read().contains_key(key)
    }

    /// Cost: one pass over all configs.
    fn each(&self, namespace: &str, visit: &mut dyn FnMut(&ConfigKey) -> ControlFlow<()>) {
        let entries = self.entries.read();
        let mut inside = entries.keys().filter(|key| key.namespace.as_str() == namespace);
        // Whether it saw enough or everything makes no difference.
        let _end = inside.try_for_each(visit);
    }
}

impl Watched<ConfigKey> for Configs {
    fn news(&self) -> &News<ConfigKey> {
        &self.news
    }
}
