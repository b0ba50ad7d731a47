//! Who wants to be told when a config changes.
//!
//! A listener is told that something changed, never what: it asks again with the digest of what it has. So every
//! listener of a key is told, up to date or not (recorded: `config-two-listeners`), and only the last state matters.

use std::hash::Hash;

use nacrite_base::ConfigKey;

use crate::HashMap;

/// Listeners by key and keys by listener. `L` names a listener, `N` is what must be remembered to tell it.
#[derive(Debug)]
pub struct Listeners<L, N> {
    by_key: HashMap<ConfigKey, HashMap<L, N>>,
    by_listener: HashMap<L, hashbrown::HashSet<ConfigKey, foldhash::quality::FixedState>>,
}

impl<L, N> Default for Listeners<L, N> {
    fn default() -> Self {
        Self {
            by_key: HashMap::default(),
            by_listener: HashMap::default(),
        }
    }
}

impl<L: Clone + Eq + Hash, N: Clone> Listeners<L, N> {
    /// `listener` wants to be told about `key`; what was noted for it before is replaced.
    pub fn listen(&mut self, listener: &L, key: &ConfigKey, note: N) {
        self.by_key.entry_ref(key).or_default().insert(listener.clone(), note);
        self.by_listener.entry_ref(listener).or_default().insert(key.clone());
    }

    /// `listener` no longer wants to be told about `key`.
    pub fn unlisten(&mut self, listener: &L, key: &ConfigKey) {
        if let Some(keys) = self.by_listener.get_mut(listener) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_listener.remove(listener);
            }
        }
        self.forget(listener, key);
    }

    /// `listener` is gone.
    pub fn drop_listener(&mut self, listener: &L) {
        for key in self.by_listener.remove(listener).into_iter().flatten() {
            self.forget(listener, &key);
        }
    }

    fn forget(&mut self, listener: &L, key: &ConfigKey) {
        if let Some(listeners) = self.by_key.get_mut(key) {
            listeners.remove(listener);
            if listeners.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    /// Everybody who is to be told about `key`.
    #[must_use]
    pub fn of(&self, key: &ConfigKey) -> Vec<(L, N)> {
        let listeners = self.by_key.get(key).into_iter().flatten();
        listeners
            .map(|(listener, note)| (listener.clone(), note.clone()))
            .collect()
    }

    /// How many pairs of listener and key there are. Cost: O(listeners).
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_listener.values().map(hashbrown::HashSet::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{DataId, GroupName, NamespaceId};

    fn key(name: &str) -> ConfigKey {
        ConfigKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            data_id: DataId::from_stored(name),
        }
    }

    #[test]
    fn a_listener_is_told_until_it_leaves() {
        let mut listeners: Listeners<u32, bool> = Listeners::default();
        listeners.listen(&1, &key("a"), true);
        listeners.listen(&1, &key("b"), true);
        listeners.listen(&2, &key("a"), false);
        listeners.listen(&2, &key("a"), true);
        let mut told = listeners.of(&key("a"));
        told.sort_unstable();
        assert_eq!(told, [(1, true), (2, true)]);

        listeners.unlisten(&2, &key("a"));
        listeners.drop_listener(&1);
        assert!(listeners.of(&key("a")).is_empty() && listeners.of(&key("b")).is_empty());
        assert_eq!(listeners.count(), 0);
    }
}
