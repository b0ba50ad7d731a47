//! Fuzzy watch: clients that are told which services, or which configs, come and go, by pattern.
//!
//! The rules are in `nacrite_base::fuzzy_watch`; here they meet what there is (`news`) and the connections (`queue`). What
//! a client is told of a name is looked up when it is sent, so it never learns of an older state after a newer one.
//!
//! Locks are taken in one order: the table of watches, then a shard of the registry or the configs, then an outbox.

mod news;
mod queue;

use std::collections::BTreeSet;
use std::sync::Arc;

use nacrite_base::fuzzy_watch::{FuzzyKey, PatternsFull, Source, WatchLimits, WatchPattern, Watches};
use nacrite_base::{ConfigKey, ConnectionId, Fault, ServiceKey};
use nacrite_env::SharedClock;
use parking_lot::Mutex;
use tracing::debug;

use crate::connections::{Connection, Connections};
use crate::limits::{CONFIG_NOTICE_TRIES_MAX, KNOWN_NAMES_MAX, PATTERN_LEN_MAX};
use crate::owner::configs::Configs;
use crate::owner::registry::Shards;
use crate::tasks::Tasks;

pub use news::News;
pub use queue::{Batch, Failure, FuzzyItem, FuzzyQueues, Item, Queue, Stage};

/// A kind of names that can be watched.
pub trait Watchable: FuzzyKey + Send + Sync + 'static {
    /// Names in one batch (`reference/grpc.md`, 4.2.6 and 4.3.8).
    const BATCH_MAX: usize;

    /// How often something is told in vain before the connection counts as dead; `None` for as often as it takes.
    const TRIES_MAX: Option<u32>;

    /// The queue of this kind.
    fn queue(queues: &mut FuzzyQueues) -> &mut Queue<Self>;
}

impl Watchable for ServiceKey {
    const BATCH_MAX: usize = 10;
    const TRIES_MAX: Option<u32> = None;

    fn queue(queues: &mut FuzzyQueues) -> &mut Queue<Self> {
        &mut queues.services
    }
}

impl Watchable for ConfigKey {
    const BATCH_MAX: usize = 20;
    const TRIES_MAX: Option<u32> = Some(CONFIG_NOTICE_TRIES_MAX);

    fn queue(queues: &mut FuzzyQueues) -> &mut Queue<Self> {
        &mut queues.configs
    }
}

/// What there is, and what came and went.
pub trait Watched<K>: Source<K> {
    /// What came and went.
    fn news(&self) -> &News<K>;
}

/// What a client that watches a pattern says it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knowing<K> {
    /// Names that it knows; `None` if it does not want to be told what it has wrong.
    pub names: Option<Vec<K>>,
    /// It is new to the pattern, and waits to be told that it knows everything.
    pub is_new: bool,
}

/// What came of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchOutcome {
    /// Everything that matches is told.
    Whole,
    /// More may match than is told.
    Cut,
    /// As many patterns are watched as may be; this one is not.
    PatternsFull,
}

/// What is sent of an item, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling<K> {
    /// A name came or went.
    Change(K, Presence),
    /// Some names of a pattern.
    Batch {
        /// Which.
        batch: Batch<K>,
        /// For each of its names, whether it is there.
        names: Vec<(K, Presence)>,
    },
}

/// Whether a name is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    There,
    /// It is not.
    Gone,
}

/// The watches of one kind of names.
#[derive(Debug)]
pub struct FuzzyWatch<K, S> {
    watches: Mutex<Watches<K, ConnectionId>>,
    source: Arc<S>,
    connections: Arc<Connections>,
    clock: SharedClock,
}

/// The watches of services.
pub type ServiceWatch = FuzzyWatch<ServiceKey, Shards>;

/// The watches of configs.
pub type ConfigWatch = FuzzyWatch<ConfigKey, Configs>;

impl<K: Watchable, S: Watched<K>> FuzzyWatch<K, S> {
    /// Nobody watches anything.
    #[must_use]
    pub fn new(limits: WatchLimits, source: Arc<S>, connections: Arc<Connections>, clock: SharedClock) -> Self {
        Self { watches: Mutex::new(Watches::new(limits)), source, connections, clock }
    }

    /// The client of a connection watches a pattern from now on, and is told what it has wrong. Watching again is asking
    /// for that again.
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] for a pattern longer than [`PATTERN_LEN_MAX`], [`Fault::OverLimit`] for more than
    /// [`KNOWN_NAMES_MAX`] names.
    pub fn watch(&self, by: &Connection, pattern: &str, knows: Knowing<K>) -> Result<WatchOutcome, Fault> {
        if pattern.len() > PATTERN_LEN_MAX {
            return Err(Fault::ParamInvalid { message: format!("pattern is too long, over {PATTERN_LEN_MAX}") });
        }
        if knows.names.as_ref().is_some_and(|names| names.len() > KNOWN_NAMES_MAX) {
            return Err(Fault::OverLimit { limit: format!("{KNOWN_NAMES_MAX} received group keys") });
        }
        let mut watches = self.watches.lock();
        self.source.news().want(true);
        let watching = watches.watch(self.clock.now(), pattern, &by.id, &*self.source, &mut self.teller());
        let Ok(watching) =
            watching.inspect_err(|PatternsFull| debug!(connection = %by.id, pattern, "patterns are full"))
        else {
            return Ok(WatchOutcome::PatternsFull);
        };
        if let Some(names) = knows.names {
            let known: BTreeSet<K> = names.into_iter().collect();
            let differ = watches.difference(&watching.pattern, &known, &*self.source);
            let stage = if knows.is_new { Stage::Initial } else { Stage::Difference };
            by.outbox.fuzzy(|queues| K::queue(queues).sync(&watching.pattern, differ, stage));
        }
        Ok(if watching.is_full { WatchOutcome::Cut } else { WatchOutcome::Whole })
    }

    /// The client of a connection watches a pattern no longer. Nothing happens if it did not.
    pub fn cancel(&self, by: &Connection, pattern: &str) {
        if self.watches.lock().unwatch(self.clock.now(), pattern, &by.id) {
            by.outbox.fuzzy(|queues| K::queue(queues).cancel(pattern));
        }
    }

    /// A connection is gone.
    pub fn drop_connection(&self, id: &ConnectionId) {
        self.watches.lock().drop_listener(self.clock.now(), id);
    }

    /// The task: tells whoever watches what came and went, until the server stops.
    pub async fn run(&self, tasks: &Tasks) {
        loop {
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.source.news().noted() => {}
            }
            for name in self.source.news().take() {
                // Locked for each name anew: a storm of names must not keep requests waiting.
                let mut watches = self.watches.lock();
                watches.changed(self.clock.now(), &name, &*self.source, &mut self.teller());
                self.source.news().want(!watches.is_empty());
            }
        }
    }

    fn teller(&self) -> impl FnMut(&ConnectionId, &K) {
        |id, name| {
            if let Some(connection) = self.connections.get(id) {
                connection.outbox.fuzzy(|queues| K::queue(queues).changed(name));
            }
        }
    }

    /// What an item says now; `None` if the client no longer watches what it is about.
    #[must_use]
    pub fn telling(&self, to: &ConnectionId, item: &Item<K>) -> Option<Telling<K>> {
        let presence = |name: &K| if self.source.is_there(name) { Presence::There } else { Presence::Gone };
        match item {
            Item::Change { key, .. } if self.watches.lock().is_wanted(to, key) => {
                Some(Telling::Change(key.clone(), presence(key)))
            }
            Item::Batch(batch) if self.is_watching(to, &batch.pattern) => {
                let names = batch.keys.iter().map(|name| (name.clone(), presence(name))).collect();
                Some(Telling::Batch { batch: batch.clone(), names })
            }
            _ => None,
        }
    }

    fn is_watching(&self, id: &ConnectionId, pattern: &WatchPattern) -> bool {
        self.watches.lock().is_watching(id, pattern.as_str())
    }

    /// How many pairs of connection and pattern there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.watches.lock().count()
    }
}
