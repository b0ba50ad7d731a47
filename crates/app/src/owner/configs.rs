//! The configs as readers see them: entries by key, and a bounded part of the contents.
//!
//! The state machine's thread puts entries in once their writes are visible in the store; everybody else only looks
//! them up. A content never changes, so one that is in memory is right, whoever put it there.

mod watched;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hashbrown::HashMap;
use nacrite_base::{ConfigKey, Fault, Rendered};
use nacrite_config::{Entry, RowId};
use nacrite_store::{StateReader, Table};
use parking_lot::{Mutex, RwLock};

use crate::limits::CONTENT_CACHE_BYTES;
use crate::push::fuzzy::News;

type Fixed = foldhash::quality::FixedState;

/// A content that was published.
#[derive(Debug)]
pub struct Content {
    /// Its bytes, UTF-8.
    pub text: Bytes,
    /// What an edge made of it.
    pub rendered: Rendered,
}

impl Content {
    fn new(text: Bytes) -> Arc<Self> {
        Arc::new(Self { text, rendered: Rendered::default() })
    }

    /// What the content costs in memory, with an escaped copy of it in an encoded answer.
    fn weight(&self) -> usize {
        128 + self.text.len() * 9 / 4
    }
}

/// Contents in memory. The first to come is the first to leave: a hot content comes straight back from disk, and no
/// read has to take a lock that writes.
#[derive(Debug, Default)]
struct Cache {
    contents: RwLock<HashMap<RowId, Arc<Content>, Fixed>>,
    order: Mutex<(VecDeque<(RowId, usize)>, usize)>,
}

impl Cache {
    fn get(&self, id: RowId) -> Option<Arc<Content>> {
        self.contents.read().get(&id).cloned()
    }

    fn insert(&self, id: RowId, content: &Arc<Content>) {
        let weight = content.weight();
        if weight > CONTENT_CACHE_BYTES / 2 || self.contents.write().insert(id, Arc::clone(content)).is_some() {
            return;
        }
        let mut order = self.order.lock();
        let (queue, bytes) = &mut *order;
        queue.push_back((id, weight));
        *bytes += weight;
        while *bytes > CONTENT_CACHE_BYTES
            && let Some((oldest, weight)) = queue.pop_front()
        {
            self.contents.write().remove(&oldest);
            *bytes -= weight;
        }
    }
}

/// The configs as readers see them.
#[derive(Debug, Default)]
pub struct Configs {
    entries: RwLock<HashMap<ConfigKey, Arc<Entry>, Fixed>>,
    cache: Cache,
    /// Configs that came or went.
    news: News<ConfigKey>,
    /// Set once the store is open.
    store: OnceLock<StateReader>,
}

impl Configs {
    /// Where contents are read from that are not in memory. The first call counts.
    pub fn read_from(&self, store: StateReader) {
        // Setting it again would change nothing: there is one store.
        self.store.set(store).ok();
    }

    /// The store, once it is open.
    #[must_use]
    pub fn store(&self) -> Option<&StateReader> {
        self.store.get()
    }

    /// The entry of a config.
    #[must_use]
    pub fn get(&self, key: &ConfigKey) -> Option<Arc<Entry>> {
        self.entries.read().get(key).cloned()
    }

    /// Shows an entry to readers; `None` takes it away.
    pub fn show(&self, key: &ConfigKey, entry: Option<Arc<Entry>>) {
        let mut entries = self.entries.write();
        let is_there = entry.is_some();
        let older = match entry {
            Some(entry) => entries.insert(key.clone(), entry),
            None => entries.remove(key),
        };
        drop(entries);
        if older.is_some() != is_there {
            self.news.note(key);
        }
    }

    /// Keeps a content that was just written in memory.
    pub fn remember(&self, id: RowId, text: Bytes) {
        self.cache.insert(id, &Content::new(text));
    }

    /// A content, from memory or from disk.
    ///
    /// # Errors
    /// [`Fault::Internal`] if the disk does not have what it must have.
    pub fn content(&self, id: RowId) -> Result<Arc<Content>, Fault> {
        if let Some(content) = self.cache.get(id) {
            return Ok(content);
        }
        let content = self.read(id)?;
        self.cache.insert(id, &content);
        Ok(content)
    }

    /// A content, from memory or from disk, for who looks at many once: what comes from disk is not kept, so that it
    /// pushes out nothing that others need again.
    ///
    /// # Errors
    /// [`Fault::Internal`] if the disk does not have what it must have.
    pub fn peek(&self, id: RowId) -> Result<Arc<Content>, Fault> {
        self.cache.get(id).map_or_else(|| self.read(id), Ok)
    }

    fn read(&self, id: RowId) -> Result<Arc<Content>, Fault> {
        let store = self.store.get().ok_or(Fault::NotReady { reason: "the store is not open yet" })?;
        let kept = store.get(Table::ConfigBody, &id.to_be_bytes()).map_err(Fault::internal)?;
        let text = kept.ok_or_else(|| Fault::internal(format!("content {id} is not in the store")))?;
        Ok(Content::new(text.into()))
    }

    /// Entries whose key passes, ordered by key. Cost: one pass over all configs.
    #[must_use]
    pub fn list(&self, mut passes: impl FnMut(&ConfigKey, &Entry) -> bool) -> Vec<(ConfigKey, Arc<Entry>)> {
        let entries = self.entries.read();
        let passing = entries.iter().filter(|(key, entry)| passes(key, entry));
        let mut found: Vec<_> = passing.map(|(key, entry)| (key.clone(), Arc::clone(entry))).collect();
        drop(entries);
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// How many configs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.read().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.read().is_empty()
    }

    /// Bytes of contents in memory.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.cache.order.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_in_memory_are_bounded_and_the_oldest_leave_first() {
        let configs = Configs::default();
        let mebibyte = Bytes::from(vec![b'x'; 1 << 20]);
        for id in 0..100 {
            configs.remember(id, mebibyte.clone());
        }
        assert!(configs.cached_bytes() <= CONTENT_CACHE_BYTES);
        assert!(configs.cache.get(0).is_none() && configs.cache.get(99).is_some());
    }

    #[test]
    fn a_content_that_would_push_everything_out_is_not_kept() {
        let configs = Configs::default();
        configs.remember(1, Bytes::from_static(b"small"));
        configs.remember(2, Bytes::from(vec![b'x'; 30 << 20]));
        assert!(configs.cache.get(1).is_some() && configs.cache.get(2).is_none());
    }
}
