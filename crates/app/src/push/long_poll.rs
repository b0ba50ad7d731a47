//! Requests over HTTP that wait for a config to change. Nothing polls: a request is parked and woken by the change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nacrite_base::ConfigKey;
use nacrite_config::Listeners;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::listeners::Held;
use crate::limits::LONG_POLLS_MAX;

type Tell = Arc<Mutex<Option<oneshot::Sender<ConfigKey>>>>;

/// What is remembered of a request that waits for a config.
#[derive(Clone, Debug)]
struct Parked {
    tell: Tell,
    /// Where the request came from.
    ip: Arc<str>,
    /// What its sender has of the config.
    has: Held,
}

/// Requests that wait.
#[derive(Debug, Default)]
pub struct LongPolls {
    waiting: Mutex<Listeners<u64, Parked>>,
    next: AtomicU64,
    count: AtomicU64,
}

/// A request that waits. Waits no longer once it is dropped.
#[derive(Debug)]
pub struct Waiting<'a> {
    polls: &'a LongPolls,
    id: u64,
    told: oneshot::Receiver<ConfigKey>,
}

impl LongPolls {
    /// A request from `ip` starts to wait for a change of any of the configs of which its sender has something; `None`
    /// if too many wait already. A change between this call and [`Waiting::changed`] is not missed.
    pub fn wait<'a>(
        &'a self,
        ip: &Arc<str>,
        have: impl IntoIterator<Item = (&'a ConfigKey, Held)>,
    ) -> Option<Waiting<'a>> {
        if self.count.fetch_add(1, Ordering::Relaxed) >= LONG_POLLS_MAX as u64 {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        let tell: Tell = Arc::new(Mutex::new(Some(tell)));
        let mut waiting = self.waiting.lock();
        for (key, has) in have {
            let (tell, ip) = (Arc::clone(&tell), Arc::clone(ip));
            waiting.listen(&id, key, Parked { tell, ip, has });
        }
        drop(waiting);
        Some(Waiting { polls: self, id, told })
    }

    /// A config changed: wakes every request that waits for it.
    pub fn changed(&self, key: &ConfigKey) {
        for (_, parked) in self.waiting.lock().of(key) {
            if let Some(tell) = parked.tell.lock().take() {
                // A request that ended meanwhile needs no telling.
                drop(tell.send(key.clone()));
            }
        }
    }

    /// Where requests that wait for a config came from, with what their senders have.
    #[must_use]
    pub fn of(&self, key: &ConfigKey) -> Vec<(Arc<str>, Held)> {
        let parked = self.waiting.lock().of(key);
        parked.into_iter().map(|(_, parked)| (parked.ip, parked.has)).collect()
    }

    /// The configs that requests from an address wait for, with what their senders have. Cost: one pass over all that
    /// wait.
    #[must_use]
    pub fn at(&self, ip: &str) -> Vec<(ConfigKey, Held)> {
        let waiting = self.waiting.lock();
        let here = waiting.iter().filter(|(_, _, parked)| &*parked.ip == ip);
        here.map(|(key, _, parked)| (key.clone(), parked.has)).collect()
    }

    /// How many requests wait.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Waiting<'_> {
    /// Ends with the first of the configs that changes.
    pub async fn changed(&mut self) -> ConfigKey {
        match (&mut self.told).await {
            Ok(key) => key,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.polls.waiting.lock().drop_listener(&self.id);
        self.polls.count.fetch_sub(1, Ordering::Relaxed);
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

    #[tokio::test]
    async fn a_request_is_woken_by_the_key_that_changed() {
        let polls = LongPolls::default();
        let keys = [key("a"), key("b")];
        let (ip, has) = ("10.0.0.1".into(), Held::of(Some("f97c5d29941bfb1b2fdab0874906ab82")));
        let mut waiting = polls.wait(&ip, keys.iter().map(|key| (key, has))).expect("there is room");
        assert_eq!((polls.of(&key("a")), polls.of(&key("c"))), (vec![(ip, has)], vec![]));
        assert_eq!((polls.at("10.0.0.1").len(), polls.at("10.0.0.2").len()), (2, 0));
        polls.changed(&key("c"));
        polls.changed(&key("b"));
        polls.changed(&key("a"));
        assert_eq!(waiting.changed().await, key("b"));
        drop(waiting);
        assert_eq!(polls.count(), 0);
        assert!(polls.waiting.lock().of(&key("a")).is_empty());
    }
}
