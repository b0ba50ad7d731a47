//! Fuzzy watch: who wants to be told which services, or which configs, come and go, by pattern.
//!
//! Decides which names a pattern means, how many patterns there may be, which names of a pattern are told, and who is
//! told of a name. One set of rules for services and configs, which differ in nothing but their words. Pure: what there
//! is is asked of a [`Source`], time comes in as `now`. Does not decide when a service or a config is there, nor how
//! anybody is told.
//!
//! A pattern keeps the names that it matches, so that a thousand clients that come back at once cost one search.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::key::{ConfigKey, ServiceKey};
use crate::time::Timestamp;

/// A pattern that nobody watches any more keeps its place for this long: clients that come back find what it matched
/// (recorded: `naming-fuzzy-limit`, where the place is free 30 to 60 s later).
const LINGER: Duration = Duration::from_secs(30);

/// What patterns are compared with: a name in a group in a namespace.
pub trait FuzzyKey: Clone + Ord {
    /// Namespace, group and name.
    fn parts(&self) -> [&str; 3];
}

impl FuzzyKey for ServiceKey {
    fn parts(&self) -> [&str; 3] {
        [self.namespace.as_str(), self.group.as_str(), self.name.as_str()]
    }
}

impl FuzzyKey for ConfigKey {
    fn parts(&self) -> [&str; 3] {
        [self.namespace.as_str(), self.group.as_str(), self.data_id.as_str()]
    }
}

/// Whether one part of a pattern means a text: `*` any, `x*`, `*x` and `*x*` what begins with, ends with and contains
/// `x`, everything else itself alone (`reference/semantics.md`, 2.12).
#[must_use]
pub fn part_matches(part: &str, text: &str) -> bool {
    match (part.strip_prefix('*'), part.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(inner), Some(_)) => text.contains(inner.strip_suffix('*').unwrap_or(inner)),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => part == text,
    }
}

/// Which names are meant: `namespace>>group>>name`, the namespace exactly. A text of another form is taken as well and
/// means nothing (recorded: `naming-fuzzy-bad-requests`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPattern {
    text: Box<str>,
    /// Where the group and the name begin.
    parts: Option<(usize, usize)>,
}

impl WatchPattern {
    const SEPARATOR: &'static str = ">>";

    /// Reads a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut ends = text.match_indices(Self::SEPARATOR).map(|(at, separator)| at + separator.len());
        let parts = match (ends.next(), ends.next(), ends.next()) {
            (Some(group), Some(name), None) => Some((group, name)),
            _ => None,
        };
        Self { text: text.into(), parts }
    }

    /// The pattern as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The namespace, the only place where matching names can be; `None` if the pattern means nothing.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.parts.map(|(group, _)| &self.text[..group - Self::SEPARATOR.len()])
    }

    /// Whether a name is meant.
    pub fn matches(&self, key: &impl FuzzyKey) -> bool {
        let Some((group_at, name_at)) = self.parts else {
            return false;
        };
        let [namespace, group, name] = key.parts();
        let group_end = name_at - Self::SEPARATOR.len();
        self.namespace() == Some(namespace)
            && part_matches(&self.text[group_at..group_end], group)
            && part_matches(&self.text[name_at..], name)
    }
}

/// What there is, as it is now.
pub trait Source<K> {
    /// Whether it is there.
    fn is_there(&self, key: &K) -> bool;

    /// Shows everything that is there in a namespace, in any order, until `visit` has seen enough.
    fn each(&self, namespace: &str, visit: &mut dyn FnMut(&K) -> ControlFlow<()>);
}

/// How much may be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchLimits {
    /// Patterns of all watchers together. A further one is refused.
    pub patterns_max: usize,
    /// Names that are told of one pattern. Further ones are not told until others are gone.
    pub matches_max: usize,
}

/// A pattern is watched.
#[derive(Clone, Debug)]
pub struct Watching {
    /// The pattern, shared by all who watch it.
    pub pattern: Arc<WatchPattern>,
    /// As many names are told as may be; there may be more.
    pub is_full: bool,
}

/// As many patterns are watched as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fuzzy watch pattern over limit")]
pub struct PatternsFull;

/// One pattern, with the names that are told of it and those who want to be told.
#[derive(Debug)]
struct Watched<K, L> {
    pattern: Arc<WatchPattern>,
    told: BTreeSet<K>,
    /// There was no room for a name.
    is_cut: bool,
    listeners: BTreeSet<L>,
    /// When the last listener left; `None` while there is one.
    idle_since: Option<Timestamp>,
}

impl<K: FuzzyKey, L> Watched<K, L> {
    /// Takes in what there is room for. Returns what is new.
    fn fill(&mut self, matches_max: usize, source: &impl Source<K>) -> Vec<K> {
        let (mut new, pattern) = (Vec::new(), Arc::clone(&self.pattern));
        let Some(namespace) = pattern.namespace() else {
            return new;
        };
        self.is_cut = false;
        source.each(namespace, &mut |key| {
            if !pattern.matches(key) || self.told.contains(key) {
                return ControlFlow::Continue(());
            }
            if self.told.len() >= matches_max {
                self.is_cut = true;
                return ControlFlow::Break(());
            }
            self.told.insert(key.clone());
            new.push(key.clone());
            ControlFlow::Continue(())
        });
        new
    }
}

/// All patterns that somebody watches, or watched a moment ago. `L` names who is to be told.
#[derive(Debug)]
pub struct Watches<K, L> {
    limits: WatchLimits,
    patterns: BTreeMap<Box<str>, Watched<K, L>>,
    by_listener: BTreeMap<L, Vec<Arc<WatchPattern>>>,
}

impl<K: FuzzyKey, L: Clone + Ord> Watches<K, L> {
    /// Nobody watches anything.
    #[must_use]
    pub fn new(limits: WatchLimits) -> Self {
        Self { limits, patterns: BTreeMap::new(), by_listener: BTreeMap::new() }
    }

    /// `listener` watches a pattern from now on. `tell` is called as in [`Self::changed`] for others who watch it, if
    /// names find room again. Cost of a pattern that is new: one pass over what is there in its namespace.
    ///
    /// # Errors
    /// [`PatternsFull`]; then nothing changed.
    pub fn watch(
        &mut self,
        now: Timestamp,
        pattern: &str,
        listener: &L,
        source: &impl Source<K>,
        tell: &mut dyn FnMut(&L, &K),
    ) -> Result<Watching, PatternsFull> {
        self.forget_idle(now);
        let matches_max = self.limits.matches_max;
        let is_known = self.patterns.contains_key(pattern);
        if !is_known && self.patterns.len() >= self.limits.patterns_max {
            return Err(PatternsFull);
        }
        let watched = self.patterns.entry(pattern.into()).or_insert_with(|| Watched {
            pattern: Arc::new(WatchPattern::new(pattern)),
            told: BTreeSet::new(),
            is_cut: false,
            listeners: BTreeSet::new(),
            idle_since: None,
        });
        if !is_known || (watched.is_cut && watched.told.len() < matches_max) {
            for key in watched.fill(matches_max, source) {
                watched.listeners.iter().for_each(|other| tell(other, &key));
            }
        }
        watched.idle_since = None;
        if watched.listeners.insert(listener.clone()) {
            self.by_listener.entry(listener.clone()).or_default().push(Arc::clone(&watched.pattern));
        }
        let is_full = watched.told.len() >= matches_max;
        Ok(Watching { pattern: Arc::clone(&watched.pattern), is_full })
    }

    /// The names of a pattern that somebody who knows of `known` has wrong: those told of it that he does not know,
    /// and those he knows that are gone. A name that is there but found no room is not told, and not gone either.
    pub fn difference(&self, pattern: &WatchPattern, known: &BTreeSet<K>, source: &impl Source<K>) -> Vec<K> {
        let Some(watched) = self.patterns.get(pattern.as_str()) else {
            return Vec::new();
        };
        let gone = |key: &&K| !watched.told.contains(*key) && pattern.matches(*key) && !source.is_there(key);
        let gone = known.iter().filter(gone);
        watched.told.iter().filter(|key| !known.contains(key)).chain(gone).cloned().collect()
    }

    /// `listener` watches a pattern no longer. Returns whether it did.
    pub fn unwatch(&mut self, now: Timestamp, pattern: &str, listener: &L) -> bool {
        let Some(theirs) = self.by_listener.get_mut(listener) else {
            return false;
        };
        let before = theirs.len();
        theirs.retain(|watched| watched.as_str() != pattern);
        let did = theirs.len() < before;
        if theirs.is_empty() {
            self.by_listener.remove(listener);
        }
        if did {
            self.leave(now, pattern, listener);
        }
        did
    }

    /// `listener` is gone.
    pub fn drop_listener(&mut self, now: Timestamp, listener: &L) {
        for pattern in self.by_listener.remove(listener).into_iter().flatten() {
            self.leave(now, pattern.as_str(), listener);
        }
    }

    fn leave(&mut self, now: Timestamp, pattern: &str, listener: &L) {
        if let Some(watched) = self.patterns.get_mut(pattern) {
            watched.listeners.remove(listener);
            if watched.listeners.is_empty() {
                watched.idle_since = Some(now);
            }
        }
    }

    fn forget_idle(&mut self, now: Timestamp) {
        self.patterns.retain(|_, watched| watched.idle_since.is_none_or(|since| now.since(since) < LINGER));
    }

    /// Something came or went, or may have. `tell` is called for everybody who is to be told, and the names to tell: the
    /// name itself, if it was told before or now is, and names that find room because it left. Somebody who watches two
    /// patterns may be named twice. Cost: O(patterns); one pass over all names once a tenth of a full pattern is free.
    pub fn changed(&mut self, now: Timestamp, key: &K, source: &impl Source<K>, tell: &mut dyn FnMut(&L, &K)) {
        self.forget_idle(now);
        let matches_max = self.limits.matches_max;
        for watched in self.patterns.values_mut().filter(|watched| watched.pattern.matches(key)) {
            let mut news = Vec::new();
            if !source.is_there(key) {
                if watched.told.remove(key) {
                    news.push(key.clone());
                }
                // A search for each name that leaves would cost a storm of removals too much.
                if watched.is_cut && watched.told.len() <= matches_max - matches_max.div_ceil(10) {
                    news.extend(watched.fill(matches_max, source));
                }
            } else if watched.told.len() < matches_max {
                if watched.told.insert(key.clone()) {
                    news.push(key.clone());
                }
            } else {
                watched.is_cut |= !watched.told.contains(key);
            }
            for key in &news {
                watched.listeners.iter().for_each(|listener| tell(listener, key));
            }
        }
    }

    /// Whether `listener` watches a pattern that means a name.
    pub fn is_wanted(&self, listener: &L, key: &K) -> bool {
        self.by_listener.get(listener).is_some_and(|theirs| theirs.iter().any(|pattern| pattern.matches(key)))
    }

    /// Whether `listener` watches a pattern.
    pub fn is_watching(&self, listener: &L, pattern: &str) -> bool {
        self.by_listener.get(listener).is_some_and(|theirs| theirs.iter().any(|watched| watched.as_str() == pattern))
    }

    /// Whether nothing is watched, nor was a moment ago.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// How many pairs of pattern and listener there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.patterns.values().map(|watched| watched.listeners.len()).sum()
    }

    /// What must never be otherwise, and is.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (text, watched) in &self.patterns {
            if watched.told.len() > self.limits.matches_max {
                found.push(format!("{text}: no more names are told than may be"));
            }
            if watched.listeners.is_empty() != watched.idle_since.is_some() {
                found.push(format!("{text}: a pattern that nobody watches knows since when"));
            }
            let lists = |listener: &&L| self.is_watching(listener, text);
            if !watched.listeners.iter().all(|listener| lists(&listener)) {
                found.push(format!("{text}: a listener knows what it watches"));
            }
        }
        if self.patterns.len() > self.limits.patterns_max {
            found.push("no more patterns are watched than may be".to_owned());
        }
        if self.by_listener.values().map(Vec::len).sum::<usize>() != self.count() {
            found.push("what a listener watches knows the listener".to_owned());
        }
        found
    }
}
