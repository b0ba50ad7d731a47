//! The registry as the fuzzy watch sees it: the services in which somebody publishes.

use std::ops::ControlFlow;

use nacrite_base::ServiceKey;
use nacrite_base::fuzzy_watch::Source;

use super::Shards;
use crate::push::fuzzy::{News, Watched};

impl Source<ServiceKey> for Shards {
    fn is_there(&self, key: &ServiceKey) -> bool {
        self.of(key).is_populated(key)
    }

    /// Cost: one pass over the services of the namespace, one shard after the other.
    fn each(&self, namespace: &str, visit: &mut dyn FnMut(&ServiceKey) -> ControlFlow<()>) {
        for shard in &self.shards {
            if shard.lock().populated(namespace).try_for_each(&mut *visit).is_break() {
                return;
            }
        }
    }
}

impl Watched<ServiceKey> for Shards {
    fn news(&self) -> &News<ServiceKey> {
        &self.news
    }
}
