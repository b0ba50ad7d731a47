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
        Self { by_key: HashMap::default(), by_listener: HashMap::default() }
    }
}

impl<L: Clone + Eq + Hash, N: Clone> Listeners<L, N> {
    /// `listener` wants to be told about `key`; what was noted for it before is replaced. Returns whether that is new.
    pub fn listen(&mut self, listener: &L, key: &ConfigKey, note: N) -> bool {
        self.by_listener.entry_ref(listener).or_default().insert(key.clone());
        self.by_key.entry_ref(key).or_default().insert(listener.clone(), note).is_none()
    }

    /// `listener` no longer wants to be told about `key`. Returns whether it wanted to.
    pub fn unlisten(&mut self, listener: &L, key: &ConfigKey) -> bool {
        if let Some(keys) = self.by_listener.get_mut(listener) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_listener.remove(listener);
            }
        }
        self.forget(listener, key)
    }

    /// `listener` is gone.
    pub fn drop_listener(&mut self, listener: &L) {
        for key in self.by_listener.remove(listener).into_iter().flatten() {
            self.forget(listener, &key);
        }
    }

    fn forget(&mut self, listener: &L, key: &ConfigKey) -> bool {
        let Some(listeners) = self.by_key.get_mut(key) else {
            return false;
        };
        let removed = listeners.remove(listener).is_some();
        if listeners.is_empty() {
            self.by_key.remove(key);
        }
        removed
    }

    /// Everybody who is to be told about `key`.
    #[must_use]
    pub fn of(&self, key: &ConfigKey) -> Vec<(L, N)> {
        let listeners = self.by_key.get(key).into_iter().flatten();
        listeners.map(|(listener, note)| (listener.clone(), note.clone())).collect()
    }

    /// What `listener` wants to be told about, with what was noted.
    pub fn keys_of(&self, listener: &L) -> impl Iterator<Item = (&ConfigKey, &N)> {
        let keys = self.by_listener.get(listener).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.by_key.get(key)?.get(listener)?)))
    }

    /// Every pair of key and listener with what was noted, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigKey, &L, &N)> {
        let by_key = self.by_key.iter();
        by_key.flat_map(|(key, listeners)| listeners.iter().map(move |(listener, note)| (key, listener, note)))
    }

    /// Whether `listener` wants to be told about `key`.
    #[must_use]
    pub fn is_listening(&self, listener: &L, key: &ConfigKey) -> bool {
        self.by_key.get(key).is_some_and(|listeners| listeners.contains_key(listener))
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
        for (listener, name, note, is_new) in
            [(1, "a", true, true), (1, "b", true, true), (2, "a", false, true), (2, "a", true, false)]
        {
            assert_eq!(listeners.listen(&listener, &key(name), note), is_new);
        }
        let mut told = listeners.of(&key("a"));
        told.sort_unstable();
        assert_eq!(told, [(1, true), (2, true)]);

        let noted = |listener| listeners.keys_of(&listener).map(|(_, note)| *note).collect::<Vec<_>>();
        assert_eq!((noted(1), noted(2), noted(3)), (vec![true, true], vec![true], vec![]));
        assert_eq!(listeners.iter().count(), listeners.count());

        assert!(listeners.unlisten(&2, &key("a")));
        assert!(!listeners.unlisten(&2, &key("a")));
        listeners.drop_listener(&1);
        assert!(listeners.of(&key("a")).is_empty() && listeners.of(&key("b")).is_empty());
        assert_eq!(listeners.count(), 0);
    }
}
