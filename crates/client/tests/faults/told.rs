//! What a subscriber was told so far, and whether every change fits to it: nothing comes twice, nothing goes twice.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use nacrite_client::naming::{Change, Instance, Subscription};

/// What one subscriber knows.
pub(crate) struct Told {
    subscription: Subscription,
    instances: BTreeMap<String, Instance>,
    is_first: bool,
}

impl Told {
    pub(crate) const fn new(subscription: Subscription) -> Self {
        Self { subscription, instances: BTreeMap::new(), is_first: true }
    }

    /// The ports that are known.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<_> = self.instances.values().map(Instance::port).collect();
        ports.sort_unstable();
        ports
    }

    /// Takes in changes until these ports are known.
    pub(crate) async fn until(&mut self, ports: &[u16]) {
        while self.is_first || self.ports() != ports {
            let change = self.subscription.changed().await.expect("the client is open");
            self.take(&change);
        }
    }

    /// Takes in what has come meanwhile.
    pub(crate) fn take_all(&mut self) {
        while let Some(Some(change)) = self.subscription.changed().now_or_never() {
            self.take(&change);
        }
    }

    fn take(&mut self, change: &Change) {
        assert!(self.is_first || !change.is_empty(), "nothing has changed: {change:?}");
        self.is_first = false;
        for instance in &change.removed {
            assert!(self.instances.remove(&instance.to_string()).is_some(), "{instance} goes twice");
        }
        for instance in &change.modified {
            let before = self.instances.insert(instance.to_string(), Instance::clone(instance));
            let before = before.unwrap_or_else(|| panic!("{instance} changes and was not there"));
            assert_ne!(before, **instance, "the same is told twice");
        }
        for instance in &change.added {
            let before = self.instances.insert(instance.to_string(), Instance::clone(instance));
            assert!(before.is_none(), "{instance} comes twice");
        }
        let all: Vec<_> = change.instances.iter().map(ToString::to_string).collect();
        assert_eq!(all.len(), self.instances.len(), "{all:?}");
        assert!(all.iter().all(|name| self.instances.contains_key(name)), "{all:?}");
    }
}
