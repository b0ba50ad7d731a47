//! What can be done with configs, whichever edge asks.

pub mod search;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use md5::{Digest, Md5};
use nacrite_base::{Attributes, ConfigKey, ConfigType, ContentDigest, Fault, Publisher, Release};
use nacrite_config::{Command, Entry, GrayVersion, Labels, RowId, Selected, Version};
use nacrite_env::SharedClock;
use tokio::sync::Semaphore;

use crate::connections::Connection;
use crate::limits::{CONTENT_SEARCHES_MAX, LONG_POLL_KEYS_MAX};
use crate::machine::DurableWrite;
use crate::owner::configs::{Configs, Content};
use crate::push::listeners::{ConfigListeners, Held};
use crate::push::long_poll::LongPolls;
use crate::writes::Writes;

/// The config use cases.
#[derive(Clone, Debug)]
pub struct ConfigCases {
    configs: Arc<Configs>,
    listeners: Arc<ConfigListeners>,
    long_polls: Arc<LongPolls>,
    writes: Writes,
    clock: SharedClock,
    content_searches: Arc<Semaphore>,
}

/// A publish, checked.
#[derive(Debug)]
pub struct Publish {
    /// Which config.
    pub key: ConfigKey,
    /// Its new content.
    pub content: String,
    /// The digest that the stored content must have.
    pub cas: Option<String>,
    /// What is said about it.
    pub attributes: Attributes,
    /// Who publishes.
    pub by: Publisher,
    /// For whom it is.
    pub release: Release,
}

/// A config that was found.
#[derive(Debug)]
pub struct Found {
    entry: Arc<Entry>,
    /// Index of the gray version; `None` for the formal one.
    gray: Option<usize>,
    /// Its content.
    pub content: Arc<Content>,
}

impl Found {
    /// The gray version that was found; `None` if it is the formal one.
    #[must_use]
    pub fn gray(&self) -> Option<&GrayVersion> {
        self.entry.gray.get(self.gray?)
    }

    /// The format that clients are told. That of a gray version is the formal one's; `None` if there is no formal one
    /// (recorded: `config-beta-without-formal`).
    #[must_use]
    pub fn config_type(&self) -> Option<ConfigType> {
        self.entry.formal.as_ref().map(Version::config_type)
    }

    /// What is known of the content.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.gray().map(|gray| &gray.version).or(self.entry.formal.as_ref())
    }
}

/// Which part of a list is wanted. Both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAsk {
    /// Which page.
    pub number: usize,
    /// Items per page.
    pub size: usize,
}

impl PageAsk {
    /// How many items come before the page.
    pub(crate) const fn skip(self) -> usize {
        self.number.saturating_sub(1).saturating_mul(self.size)
    }
}

/// The items of one page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// How many there are on all pages.
    pub total: usize,
    /// Those on this one.
    pub items: Vec<T>,
}

/// What a listener has of a config.
#[derive(Clone, Copy, Debug)]
pub struct Have<'a> {
    /// Which config; `None` for one that cannot be.
    pub key: Option<&'a ConfigKey>,
    /// Digest of what the listener has, empty for nothing; `None` equals nothing, not even an absent config.
    pub digest: Option<&'a str>,
}

impl ConfigCases {
    /// The use cases over the shown configs.
    #[must_use]
    pub fn new(
        configs: Arc<Configs>,
        listeners: Arc<ConfigListeners>,
        long_polls: Arc<LongPolls>,
        writes: Writes,
        clock: SharedClock,
    ) -> Self {
        Self {
            configs,
            listeners,
            long_polls,
            writes,
            clock,
            content_searches: Arc::new(Semaphore::new(CONTENT_SEARCHES_MAX)),
        }
    }

    /// Publishes. When this returns, the content is on disk and is what every reader gets.
    ///
    /// # Errors
    /// [`Fault::ConfigRaced`], [`Fault::GrayVersionsFull`], or why it could not be written.
    pub async fn publish(&self, ask: Publish) -> Result<(), Fault> {
        let content = Bytes::from(ask.content);
        let command = Command::Publish {
            key: ask.key,
            release: ask.release,
            digest: digest_of(&content),
            cas: ask.cas.map(Into::into),
            attributes: ask.attributes,
            by: ask.by,
            at: self.clock.now(),
        };
        self.writes.write(DurableWrite::Config(command, content)).await
    }

    /// Removes a config, or the gray version of that whole name. Nothing happens if the config is not there.
    ///
    /// # Errors
    /// [`Fault::GrayMissing`], or why it could not be written.
    pub async fn remove(&self, key: ConfigKey, gray: Option<Arc<str>>, by: Publisher) -> Result<(), Fault> {
        if gray.is_none() && self.configs.get(&key).is_none_or(|entry| entry.formal.is_none()) {
            return Ok(());
        }
        let command = Command::Remove { key, gray, by, at: self.clock.now() };
        self.writes.write(DurableWrite::Config(command, Bytes::new())).await
    }

    /// What a client with these labels gets.
    ///
    /// # Errors
    /// [`Fault::ConfigMissing`]; [`Fault::Internal`] if the disk fails.
    pub fn query(&self, key: &ConfigKey, labels: &Labels<'_>) -> Result<Found, Fault> {
        let entry = self.configs.get(key).ok_or(Fault::ConfigMissing)?;
        let (gray, id) = match entry.select(labels) {
            Selected::Nothing => return Err(Fault::ConfigMissing),
            Selected::Formal(version) => (None, version.content),
            Selected::Gray(gray) => (entry.gray.iter().position(|other| other.name == gray.name), gray.version.content),
        };
        let content = self.configs.content(id)?;
        Ok(Found { entry, gray, content })
    }

    /// Everything known of a config, without a content.
    #[must_use]
    pub fn entry(&self, key: &ConfigKey) -> Option<Arc<Entry>> {
        self.configs.get(key)
    }

    /// The content of a version.
    ///
    /// # Errors
    /// [`Fault::Internal`] if the disk fails.
    pub fn content(&self, version: &Version) -> Result<Arc<Content>, Fault> {
        self.configs.content(version.content)
    }

    /// The content of a version, for who looks at many once: it is not kept in memory.
    ///
    /// # Errors
    /// [`Fault::Internal`] if the disk fails.
    pub fn peek(&self, version: &Version) -> Result<Arc<Content>, Fault> {
        self.configs.peek(version.content)
    }

    /// The configs with these numbers. Cost: one pass over all configs.
    #[must_use]
    pub fn numbered(&self, ids: &HashSet<RowId>) -> Vec<ConfigKey> {
        let found = self.configs.list(|_, entry| ids.contains(&entry.id));
        found.into_iter().map(|(key, _)| key).collect()
    }

    /// The configs, for questions of operators.
    #[must_use]
    pub fn configs(&self) -> &Configs {
        &self.configs
    }

    /// Whether a listener has something else than it would get now.
    #[must_use]
    pub fn differs(&self, have: Have<'_>, labels: &Labels<'_>) -> bool {
        let entry = have.key.and_then(|key| self.configs.get(key));
        let version = entry.as_ref().and_then(|entry| entry.select(labels).version());
        have.digest != Some(version.map_or("", |version| version.digest.as_str()))
    }

    /// A connection that has `has` of a config listens to it from now on. Comes before [`Self::differs`], so that no
    /// change is missed.
    ///
    /// # Errors
    /// [`Fault::OverLimit`] for too many.
    pub fn listen(&self, by: &Connection, key: &ConfigKey, with_tenant: bool, has: Held) -> Result<(), Fault> {
        by.check_interests()?;
        if self.listeners.listen(&by.id, key, with_tenant, has) {
            by.add_interest();
        }
        Ok(())
    }

    /// A connection listens to a config no longer.
    pub fn unlisten(&self, by: &Connection, key: &ConfigKey) {
        if self.listeners.unlisten(&by.id, key) {
            by.remove_interest();
        }
    }

    /// The addresses of those who listen to a config, over a connection or by a request that waits, with what they
    /// have.
    #[must_use]
    pub fn listeners_of(&self, key: &ConfigKey) -> Vec<(Arc<str>, Held)> {
        let mut all = self.listeners.of(key);
        all.extend(self.long_polls.of(key));
        all
    }

    /// The configs that are listened to from an address, with what the listeners have. Cost: one pass over all
    /// connections and over all requests that wait.
    #[must_use]
    pub fn listened_at(&self, ip: &str) -> Vec<(ConfigKey, Held)> {
        let mut all = self.listeners.at(ip);
        all.extend(self.long_polls.at(ip));
        all
    }

    /// Waits until one of the configs differs from what the listener at `ip` has, at most `hold`. Returns the positions
    /// of those that differ already, else of the one that changed; none if nothing did.
    ///
    /// # Errors
    /// [`Fault::OverLimit`] for more than [`LONG_POLL_KEYS_MAX`] configs.
    pub async fn wait_for_change(
        &self,
        ip: &Arc<str>,
        have: &[Have<'_>],
        labels: &Labels<'_>,
        hold: Duration,
    ) -> Result<Vec<usize>, Fault> {
        if have.len() > LONG_POLL_KEYS_MAX {
            return Err(Fault::OverLimit { limit: format!("{LONG_POLL_KEYS_MAX} configs in one request") });
        }
        let held = have.iter().filter_map(|have| Some((have.key?, Held::of(have.digest))));
        // Parked before looking, so that a change in between is not missed.
        let waiting = self.long_polls.wait(ip, held);
        let differ = || (0..have.len()).filter(|at| self.differs(have[*at], labels)).collect::<Vec<_>>();
        let now = differ();
        let (Some(mut waiting), true, false) = (waiting, now.is_empty(), hold.is_zero()) else {
            return Ok(now);
        };
        match tokio::time::timeout(hold, waiting.changed()).await {
            Ok(changed) => Ok(have.iter().position(|have| have.key == Some(&changed)).into_iter().collect()),
            Err(_) => Ok(Vec::new()),
        }
    }
}

/// The digest by which clients compare contents.
#[must_use]
pub fn digest_of(content: &[u8]) -> ContentDigest {
    ContentDigest::from_md5(Md5::digest(content).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_that_clients_compute() {
        assert_eq!(digest_of(b"content one").as_str(), "87960ed2f2ed3561189d212214602e40");
        assert_eq!(digest_of("a: 1".as_bytes()).as_str(), "270f9e65a80226eccd82c99cdd0dd2fb");
    }
}
