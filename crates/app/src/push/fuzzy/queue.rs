//! What one connection must still be told of the names that match its patterns.
//!
//! One entry for a name that came or went, however often it did, and one for a pattern that is being told as a whole; an
//! entry says *that* something is to be told, and what is so is looked up when it is sent. A pattern is told in batches,
//! one under way at a time. Pure: does not send, and knows no clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use nacrite_base::fuzzy_watch::WatchPattern;
use nacrite_base::{ConfigKey, ServiceKey};

use super::Watchable;

/// What a batch is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Everything that a new watcher does not know.
    Initial,
    /// What somebody who watched before has wrong.
    Difference,
    /// Nothing more: the initial batches are through.
    End,
}

/// Some of the names that somebody who watches a pattern must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<K> {
    /// The pattern.
    pub pattern: Arc<WatchPattern>,
    /// What it is part of.
    pub stage: Stage,
    /// The names; none at the end.
    pub keys: Vec<K>,
    /// Which batch this is, from 1.
    pub number: usize,
    /// Of how many.
    pub total: usize,
    turn: u64,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<K> {
    /// A name came or went.
    Change {
        /// The name.
        key: K,
        /// Which telling of it this is; an answer to an earlier one no longer counts.
        turn: u64,
    },
    /// Some of the names of a pattern.
    Batch(Batch<K>),
}

/// Why something was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no answer in time. Enough time went by; it is told again at once.
    Late,
    /// The client said no. It is told again after a moment.
    Refused,
}

/// Where an entry is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// In the queue.
    Ready,
    /// Sent, and not answered yet.
    UnderWay,
    /// Refused; ready again once [`Queue::wake`] is called.
    Waiting,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    standing: Standing,
    turn: u64,
    tries: u32,
}

/// A pattern that is being told as a whole.
#[derive(Debug)]
struct Sync<K> {
    entry: Entry,
    pattern: Arc<WatchPattern>,
    stage: Stage,
    keys: Vec<K>,
    /// Names that were taken.
    taken: usize,
    /// The end is to be told.
    ends: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Slot<K> {
    Change(K),
    Sync(Box<str>),
}

/// What one connection must still be told of one kind of names.
#[derive(Debug)]
pub struct Queue<K> {
    ready: VecDeque<Slot<K>>,
    changes: BTreeMap<K, Entry>,
    syncs: BTreeMap<Box<str>, Sync<K>>,
    /// The newest turn.
    turn: u64,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { ready: VecDeque::new(), changes: BTreeMap::new(), syncs: BTreeMap::new(), turn: 0 }
    }
}

impl<K: Watchable> Queue<K> {
    /// A name came or went. A telling of it that is under way no longer counts.
    pub fn changed(&mut self, key: &K) {
        self.turn += 1;
        let fresh = Entry { standing: Standing::Ready, turn: self.turn, tries: 0 };
        match self.changes.get_mut(key) {
            // It is told as it then is.
            Some(Entry { standing: Standing::Ready | Standing::Waiting, .. }) => return,
            Some(entry) => *entry = Entry { tries: entry.tries, ..fresh },
            None => {
                self.changes.insert(key.clone(), fresh);
            }
        }
        self.ready.push_back(Slot::Change(key.clone()));
    }

    /// These names of a pattern are to be told, and nothing else of it that was to be told before. With
    /// [`Stage::Initial`], the end is told as well.
    pub fn sync(&mut self, pattern: &Arc<WatchPattern>, keys: Vec<K>, stage: Stage) {
        let older = self.syncs.remove(pattern.as_str());
        // Who waits for the end of the first batches waits for it still.
        let ends = stage == Stage::Initial || older.as_ref().is_some_and(|older| older.ends);
        let was = older.map(|older| older.entry);
        if keys.is_empty() && !ends {
            self.leave_queue(was, pattern.as_str());
            return;
        }
        self.turn += 1;
        let standing = match was {
            Some(Entry { standing: Standing::Waiting, .. }) => Standing::Waiting,
            _ => Standing::Ready,
        };
        if standing == Standing::Ready && was.is_none_or(|was| was.standing == Standing::UnderWay) {
            self.ready.push_back(Slot::Sync(pattern.as_str().into()));
        }
        let entry = Entry { standing, turn: self.turn, tries: was.map_or(0, |was| was.tries) };
        let stage = if keys.is_empty() { Stage::End } else { stage };
        let sync = Sync { entry, pattern: Arc::clone(pattern), stage, keys, taken: 0, ends };
        self.syncs.insert(pattern.as_str().into(), sync);
    }

    /// Nothing more of a pattern is to be told as a whole.
    pub fn cancel(&mut self, pattern: &str) {
        let was = self.syncs.remove(pattern).map(|sync| sync.entry);
        self.leave_queue(was, pattern);
    }

    fn leave_queue(&mut self, was: Option<Entry>, pattern: &str) {
        if was.is_some_and(|was| was.standing == Standing::Ready) {
            self.ready.retain(|slot| !matches!(slot, Slot::Sync(waiting) if **waiting == *pattern));
        }
    }

    /// The next thing to tell. It is under way from now on.
    pub(super) fn next(&mut self) -> Option<Item<K>> {
        loop {
            match self.ready.pop_front()? {
                Slot::Change(key) => {
                    if let Some(entry) = self.changes.get_mut(&key) {
                        entry.standing = Standing::UnderWay;
                        return Some(Item::Change { turn: entry.turn, key });
                    }
                }
                Slot::Sync(pattern) => {
                    if let Some(sync) = self.syncs.get_mut(&pattern) {
                        sync.entry.standing = Standing::UnderWay;
                        return Some(Item::Batch(sync.batch()));
                    }
                }
            }
        }
    }

    /// The client took something, or it is not worth telling any more.
    pub(super) fn taken(&mut self, item: &Item<K>) {
        match item {
            Item::Change { key, .. } => {
                if self.under_way(item).is_some() {
                    self.changes.remove(key);
                }
            }
            Item::Batch(batch) => {
                let pattern = batch.pattern.as_str();
                let Some(sync) = self.syncs.get_mut(pattern).filter(|sync| sync.entry.turn == batch.turn) else {
                    return;
                };
                if !sync.advance(batch) {
                    self.syncs.remove(pattern);
                    return;
                }
                self.turn += 1;
                sync.entry = Entry { standing: Standing::Ready, turn: self.turn, tries: 0 };
                self.ready.push_back(Slot::Sync(pattern.into()));
            }
        }
    }

    /// The client did not take something. Returns how often it did not, and whether [`Self::wake`] is to be called after a
    /// moment; `None` if that telling no longer counts.
    pub(super) fn failed(&mut self, item: &Item<K>, why: Failure) -> Option<(u32, bool)> {
        let entry = self.under_way(item)?;
        entry.tries = entry.tries.saturating_add(1);
        let tries = entry.tries;
        if why == Failure::Refused {
            entry.standing = Standing::Waiting;
            return Some((tries, true));
        }
        entry.standing = Standing::Ready;
        self.ready.push_back(match item {
            Item::Change { key, .. } => Slot::Change(key.clone()),
            Item::Batch(batch) => Slot::Sync(batch.pattern.as_str().into()),
        });
        Some((tries, false))
    }

    /// What was refused is ready again.
    pub(super) fn wake(&mut self) {
        for (key, entry) in self.changes.iter_mut().filter(|(_, entry)| entry.standing == Standing::Waiting) {
            entry.standing = Standing::Ready;
            self.ready.push_back(Slot::Change(key.clone()));
        }
        for (pattern, sync) in self.syncs.iter_mut().filter(|(_, sync)| sync.entry.standing == Standing::Waiting) {
            sync.entry.standing = Standing::Ready;
            self.ready.push_back(Slot::Sync(pattern.clone()));
        }
    }

    fn under_way(&mut self, item: &Item<K>) -> Option<&mut Entry> {
        let (entry, turn) = match item {
            Item::Change { key, turn } => (self.changes.get_mut(key)?, *turn),
            Item::Batch(batch) => (&mut self.syncs.get_mut(batch.pattern.as_str())?.entry, batch.turn),
        };
        (entry.turn == turn && entry.standing == Standing::UnderWay).then_some(entry)
    }

    /// Names and patterns of which something is to be told, or is under way.
    pub(super) fn len(&self) -> usize {
        self.changes.len() + self.syncs.len()
    }
}

impl<K: Watchable> Sync<K> {
    fn batch(&self) -> Batch<K> {
        let keys = if self.stage == Stage::End { &[][..] } else { &self.keys[self.taken..] };
        Batch {
            pattern: Arc::clone(&self.pattern),
            stage: self.stage,
            keys: keys.iter().take(K::BATCH_MAX).cloned().collect(),
            number: self.taken / K::BATCH_MAX + 1,
            total: self.keys.len().div_ceil(K::BATCH_MAX),
            turn: self.entry.turn,
        }
    }

    /// A batch was taken. Returns whether more is to be told.
    fn advance(&mut self, batch: &Batch<K>) -> bool {
        self.taken += batch.keys.len();
        if self.taken < self.keys.len() {
            return true;
        }
        let has_ended = std::mem::replace(&mut self.stage, Stage::End) == Stage::End;
        self.ends && !has_ended
    }
}

/// Something to be told, of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FuzzyItem {
    /// Of services.
    Service(Item<ServiceKey>),
    /// Of configs.
    Config(Item<ConfigKey>),
}

/// What one connection must still be told of what it watches.
#[derive(Debug, Default)]
pub struct FuzzyQueues {
    /// Of services.
    pub services: Queue<ServiceKey>,
    /// Of configs.
    pub configs: Queue<ConfigKey>,
    /// [`Self::wake`] will be called.
    will_wake: bool,
}

impl FuzzyQueues {
    /// The next thing to tell. It is under way from now on.
    pub fn next_ready(&mut self) -> Option<FuzzyItem> {
        let config = self.configs.next().map(FuzzyItem::Config);
        config.or_else(|| self.services.next().map(FuzzyItem::Service))
    }

    /// The client took something, or it is not worth telling any more.
    pub fn taken(&mut self, item: &FuzzyItem) {
        match item {
            FuzzyItem::Service(item) => self.services.taken(item),
            FuzzyItem::Config(item) => self.configs.taken(item),
        }
    }

    /// The client did not take something. Returns how often it did not, and whether the caller must see to it that
    /// [`Self::wake`] is called after a moment; `None` if that telling no longer counts.
    pub fn failed(&mut self, item: &FuzzyItem, why: Failure) -> Option<(u32, bool)> {
        let (tries, waits) = match item {
            FuzzyItem::Service(item) => self.services.failed(item, why)?,
            FuzzyItem::Config(item) => self.configs.failed(item, why)?,
        };
        // One timer for all that waits: a client that refuses much must not fill the memory with timers.
        let must_wake = waits && !self.will_wake;
        self.will_wake |= waits;
        Some((tries, must_wake))
    }

    /// What was refused is ready again.
    pub fn wake(&mut self) {
        self.will_wake = false;
        self.services.wake();
        self.configs.wake();
    }

    /// Names and patterns of which something is to be told, or is under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.services.len() + self.configs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{GroupName, NamespaceId, ServiceName};

    fn key(name: &str) -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored(name),
        }
    }

    fn keys(count: usize) -> Vec<ServiceKey> {
        (0..count).map(|n| key(&format!("s{n}"))).collect()
    }

    fn pattern() -> Arc<WatchPattern> {
        Arc::new(WatchPattern::new("public>>DEFAULT_GROUP>>*"))
    }

    /// Stage, number of the batch, of how many, names in it.
    type Seen = (Stage, usize, usize, usize);

    fn next_batch(queue: &mut Queue<ServiceKey>) -> Option<(Item<ServiceKey>, Seen)> {
        match queue.next()? {
            Item::Batch(batch) => {
                let seen = (batch.stage, batch.number, batch.total, batch.keys.len());
                Some((Item::Batch(batch), seen))
            }
            change @ Item::Change { .. } => panic!("a batch, not {change:?}"),
        }
    }

    fn take_all(queue: &mut Queue<ServiceKey>) -> Vec<Seen> {
        std::iter::from_fn(|| {
            let (item, seen) = next_batch(queue)?;
            assert!(queue.next().is_none(), "one batch at a time");
            queue.taken(&item);
            Some(seen)
        })
        .collect()
    }

    #[test]
    fn a_pattern_is_told_in_batches_and_then_its_end() {
        let mut queue = Queue::default();
        queue.sync(&pattern(), keys(13), Stage::Initial);
        assert_eq!(
            take_all(&mut queue),
            [(Stage::Initial, 1, 2, 10), (Stage::Initial, 2, 2, 3), (Stage::End, 2, 2, 0)]
        );
        queue.sync(&pattern(), Vec::new(), Stage::Initial);
        assert_eq!(take_all(&mut queue), [(Stage::End, 1, 0, 0)]);
        queue.sync(&pattern(), keys(2), Stage::Difference);
        assert_eq!(take_all(&mut queue), [(Stage::Difference, 1, 1, 2)]);
        queue.sync(&pattern(), Vec::new(), Stage::Difference);
        assert_eq!(take_all(&mut queue), []);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_batch_that_is_not_taken_comes_again() {
        let mut queue = Queue::default();
        queue.sync(&pattern(), keys(13), Stage::Initial);
        let (item, _) = next_batch(&mut queue).expect("a batch");
        assert_eq!(queue.failed(&item, Failure::Late), Some((1, false)));
        let (item, _) = next_batch(&mut queue).expect("the same batch");
        assert_eq!(queue.failed(&item, Failure::Refused), Some((2, true)));
        assert!(queue.next().is_none(), "it waits");
        queue.wake();
        assert_eq!(take_all(&mut queue).len(), 3);
    }

    #[test]
    fn another_request_replaces_what_was_to_be_told_of_its_pattern() {
        let mut queue = Queue::default();
        queue.sync(&pattern(), keys(13), Stage::Initial);
        let (older, _) = next_batch(&mut queue).expect("a batch");
        for _ in 0..1000 {
            queue.sync(&pattern(), keys(1), Stage::Difference);
        }
        assert_eq!(queue.ready.len(), 1);
        queue.taken(&older);
        assert_eq!(queue.failed(&older, Failure::Refused), None);
        // The end of the first batches is still owed.
        assert_eq!(take_all(&mut queue), [(Stage::Difference, 1, 1, 1), (Stage::End, 1, 1, 0)]);
    }

    #[test]
    fn what_is_cancelled_is_not_told() {
        let mut queue = Queue::default();
        for _ in 0..1000 {
            queue.sync(&pattern(), keys(13), Stage::Initial);
            queue.cancel(pattern().as_str());
        }
        assert_eq!((queue.ready.len(), queue.len()), (0, 0));
        queue.sync(&pattern(), keys(1), Stage::Initial);
        let (item, _) = next_batch(&mut queue).expect("a batch");
        queue.cancel(pattern().as_str());
        queue.taken(&item);
        assert!(queue.next().is_none() && queue.len() == 0);
    }

    #[test]
    fn a_name_that_comes_and_goes_waits_once_and_its_newest_telling_counts() {
        let mut queue = Queue::default();
        for _ in 0..1000 {
            queue.changed(&key("a"));
        }
        let first = queue.next().expect("a change");
        assert!(queue.next().is_none());
        queue.changed(&key("a"));
        let second = queue.next().expect("it changed while it was told");
        queue.taken(&first);
        assert_eq!(queue.len(), 1, "the older telling no longer counts");
        queue.taken(&second);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_client_that_refuses_everything_has_one_timer() {
        let mut queues = FuzzyQueues::default();
        let mut timers = 0;
        for n in 0..1000 {
            queues.services.changed(&key(&format!("s{n}")));
            let item = queues.next_ready().expect("a change");
            timers += u32::from(queues.failed(&item, Failure::Refused).is_some_and(|(_, must_wake)| must_wake));
        }
        assert_eq!((timers, queues.len()), (1, 1000));
        queues.wake();
        let mut told = 0;
        while let Some(item) = queues.next_ready() {
            queues.taken(&item);
            told += 1;
        }
        assert_eq!((told, queues.is_empty()), (1000, true));
    }
}
