//! Which configs there are, by pattern: what is known of each pattern, what is to be asked, and what watchers see.
//!
//! Pure but for the `watch` at which watchers look. A server tells differences to what the client says that it knows, in
//! batches, then each coming and going. On another connection it is told what is known, and tells the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use nacrite_base::fuzzy_watch::part_matches;
use nacrite_wire::client::config::fuzzy::{SyncContext, changed, group_key, parts_of};
use nacrite_wire::codes::rpc;
use tokio::sync::watch;

use super::name::ConfigName;
use super::plain;
use crate::error::Error;
use crate::session::Generation;

/// Configs kept of one pattern. Twenty times what a server tells of one: a server that tells more has gone astray.
const NAMES_MAX: usize = 10_000;

/// Patterns of one client. Five times what a server takes; more are refused here, with words.
const PATTERNS_MAX: usize = 100;

/// Which configs of a namespace are meant: group and data id each exact, `*`, `x*`, `*x` or `*x*`. Shown as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NamePattern {
    namespace: String,
    group: String,
    data_id: String,
}

impl NamePattern {
    /// # Errors
    /// [`Error::Invalid`] if a part is empty, or has a `*` or a character where none may be.
    pub(crate) fn new(namespace: &str, group: &str, data_id: &str) -> Result<Self, Error> {
        for part in [group, data_id] {
            let core = part.strip_prefix('*').unwrap_or(part);
            let core = core.strip_suffix('*').unwrap_or(core);
            let is_legal = |b: u8| b.is_ascii_alphanumeric() || b"-_:.".contains(&b);
            if part.is_empty() || !core.bytes().all(is_legal) {
                return Err(Error::Invalid(format!(
                    "{part:?} is no pattern of configs: a name, *, name*, *name or *name*"
                )));
            }
        }
        let namespace = if plain(namespace).is_empty() { "public" } else { namespace };
        Ok(Self { namespace: namespace.to_owned(), group: group.to_owned(), data_id: data_id.to_owned() })
    }

    fn matches(&self, name: &ConfigName) -> bool {
        part_matches(&self.group, name.group()) && part_matches(&self.data_id, name.data_id())
    }

    /// A config in a push, if it is in the namespace.
    fn name_of(&self, key: Option<&str>) -> Option<ConfigName> {
        let (data_id, group, tenant) = parts_of(key?)?;
        (plain(&tenant) == plain(&self.namespace)).then(|| ConfigName::new(data_id).in_group(group))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>>{}>>{}", self.namespace, self.group, self.data_id)
    }
}

/// The configs that match a pattern, as far as they are told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matching {
    pub(crate) names: Arc<BTreeSet<ConfigName>>,
    /// The first batches are through.
    pub(crate) is_complete: bool,
    /// There are more than are told.
    pub(crate) is_limited: bool,
    /// Why the server does not tell, if it does not.
    pub(crate) refusal: Option<Refusal>,
}

/// Why a server does not tell which configs there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unsupported,
    Denied(String),
    Other { code: i64, message: String },
}

/// Something to be said to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Watch { round: u64, pattern: NamePattern, known: Vec<String>, is_first: bool },
    Cancel { pattern: NamePattern },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Stale,
    Asking { round: u64 },
    Settled,
}

struct Page {
    watchers: usize,
    standing: Standing,
    matching: watch::Sender<Matching>,
}

/// All patterns that somebody watches.
#[derive(Default)]
pub(crate) struct Names {
    pages: BTreeMap<NamePattern, Page>,
    /// Nobody watches these any more, which the server does not know yet.
    gone: BTreeSet<NamePattern>,
    round: u64,
    newest: Option<Generation>,
}

impl Names {
    /// Somebody watches a pattern.
    pub(crate) fn open(&mut self, pattern: &NamePattern) -> Result<watch::Receiver<Matching>, Error> {
        if self.pages.len() >= PATTERNS_MAX && !self.pages.contains_key(pattern) {
            return Err(Error::Invalid(format!("a client watches at most {PATTERNS_MAX} patterns")));
        }
        self.gone.remove(pattern);
        let new = || Page { watchers: 0, standing: Standing::Stale, matching: watch::Sender::default() };
        let page = self.pages.entry(pattern.clone()).or_insert_with(new);
        page.watchers += 1;
        Ok(page.matching.subscribe())
    }

    /// Somebody watches it no longer.
    pub(crate) fn close(&mut self, pattern: &NamePattern) {
        let Some(page) = self.pages.get_mut(pattern) else { return };
        page.watchers -= 1;
        if page.watchers == 0 {
            self.pages.remove(pattern);
            self.gone.insert(pattern.clone());
        }
    }

    /// Another connection stands, whose server knows of nothing.
    pub(crate) fn reconnected(&mut self, on: Generation) {
        self.newest = self.newest.max(Some(on));
        self.gone.clear();
        self.verify();
    }

    /// Everything is to be compared again.
    pub(crate) fn verify(&mut self) {
        self.pages.values_mut().for_each(|page| page.standing = Standing::Stale);
    }

    /// What is to be said to the server.
    pub(crate) fn errands(&mut self) -> Vec<Errand> {
        self.round += 1;
        let round = self.round;
        let mut errands: Vec<Errand> =
            self.gone.iter().map(|pattern| Errand::Cancel { pattern: pattern.clone() }).collect();
        for (pattern, page) in self.pages.iter_mut().filter(|(_, page)| page.standing == Standing::Stale) {
            page.standing = Standing::Asking { round };
            let matching = page.matching.borrow();
            let key = |name: &ConfigName| group_key(name.data_id(), name.group(), &pattern.namespace);
            let known = matching.names.iter().map(key).collect();
            errands.push(Errand::Watch { round, pattern: pattern.clone(), known, is_first: !matching.is_complete });
        }
        errands
    }

    /// How an errand ended. Returns false if it is to be tried again.
    pub(crate) fn done(&mut self, errand: &Errand, result: Result<(), Error>) -> bool {
        let (round, pattern) = match errand {
            Errand::Cancel { pattern } => {
                if result.is_ok() {
                    self.gone.remove(pattern);
                }
                return result.is_ok();
            }
            Errand::Watch { round, pattern, .. } => (*round, pattern),
        };
        let Some(page) = self.pages.get_mut(pattern) else { return true };
        let (refusal, is_limited) = match result {
            Ok(()) => (None, false),
            Err(Error::Refused { code, .. }) if code == i64::from(rpc::FUZZY_MATCHES_FULL) => (None, true),
            Err(Error::Unsupported(_)) => (Some(Refusal::Unsupported), false),
            Err(Error::Denied(message)) => (Some(Refusal::Denied(message)), false),
            Err(error @ Error::LoginRefused { is_locked: false, .. }) => {
                (Some(Refusal::Denied(error.to_string())), false)
            }
            Err(Error::Refused { code, message }) => (Some(Refusal::Other { code, message }), false),
            Err(_) => {
                page.standing = Standing::Stale;
                return false;
            }
        };
        if page.standing == (Standing::Asking { round }) {
            page.standing = Standing::Settled;
        }
        page.matching.send_if_modified(|matching| {
            let differs = matching.refusal != refusal || matching.is_limited != is_limited;
            (matching.refusal, matching.is_limited) = (refusal, is_limited);
            differs
        });
        true
    }

    /// A batch of differences, or the end of the first ones.
    pub(crate) fn sync(&mut self, from: Generation, pattern: &str, contexts: &[SyncContext], is_end: bool) {
        if !self.is_current(from) {
            return;
        }
        let Some((pattern, page)) = self.pages.iter().find(|(known, _)| known.to_string() == pattern) else {
            return;
        };
        let changes = contexts.iter().filter_map(|context| {
            let name = pattern.name_of(context.group_key.as_deref()).filter(|name| pattern.matches(name))?;
            Some((name, is_there(context.changed_type.as_deref())?))
        });
        page.apply(changes, is_end);
    }

    /// One config came or went. The push does not say for which pattern it is.
    pub(crate) fn change(&mut self, from: Generation, key: Option<&str>, changed: Option<&str>) {
        if !self.is_current(from) {
            return;
        }
        let Some(is_there) = is_there(changed) else { return };
        for (pattern, page) in &self.pages {
            let name = pattern.name_of(key).filter(|name| pattern.matches(name));
            page.apply(name.into_iter().map(|name| (name, is_there)), false);
        }
    }

    /// What a connection says after a later one has spoken is out of date.
    fn is_current(&mut self, from: Generation) -> bool {
        self.newest = self.newest.max(Some(from));
        self.newest == Some(from)
    }
}

impl Page {
    fn apply(&self, changes: impl Iterator<Item = (ConfigName, bool)>, is_end: bool) {
        self.matching.send_if_modified(|matching| {
            let names = Arc::make_mut(&mut matching.names);
            let mut differs = false;
            for (name, is_there) in changes {
                if !is_there {
                    differs |= names.remove(&name);
                } else if names.len() < NAMES_MAX {
                    differs |= names.insert(name);
                } else {
                    matching.is_limited = true;
                }
            }
            let completes = is_end && !matching.is_complete;
            matching.is_complete |= is_end;
            differs || completes
        });
    }
}

fn is_there(changed: Option<&str>) -> Option<bool> {
    match changed? {
        changed::ADD | changed::CHANGED => Some(true),
        changed::DELETE => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Generation = Generation::new(1);

    fn pattern(group: &str, data_id: &str) -> NamePattern {
        NamePattern::new("", group, data_id).expect("a good pattern")
    }

    fn context(key: &str, changed: &str) -> SyncContext {
        SyncContext { group_key: Some(key.into()), changed_type: Some(changed.into()) }
    }

    fn seen(receiver: &watch::Receiver<Matching>) -> (Vec<String>, bool) {
        let matching = receiver.borrow();
        (matching.names.iter().map(ToString::to_string).collect(), matching.is_complete)
    }

    #[test]
    fn a_star_stands_at_the_ends_of_a_part_alone() {
        for bad in ["", "a*b", "a b", "a+b"] {
            assert!(NamePattern::new("", "g", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn batches_are_put_together_and_the_end_is_told() {
        let mut names = Names::default();
        let receiver = names.open(&pattern("g", "*")).expect("not too many");
        assert!(matches!(&names.errands()[..], [Errand::Watch { known, is_first: true, .. }] if known.is_empty()));
        names.sync(FIRST, "public>>g>>*", &[context("a+g+public", "ADD_CONFIG"), context("b+g", "ADD_CONFIG")], false);
        assert_eq!(seen(&receiver), (vec!["g#a".into(), "g#b".into()], false));
        names.sync(FIRST, "public>>g>>*", &[], true);
        names.change(FIRST, Some("c+g+public"), Some("CONFIG_CHANGED"));
        names.change(FIRST, Some("c+other+public"), Some("CONFIG_CHANGED"));
        names.change(FIRST, Some("c+g+dev"), Some("CONFIG_CHANGED"));
        names.change(FIRST, Some("a+g+public"), Some("DELETE_CONFIG"));
        assert_eq!(seen(&receiver), (vec!["g#b".into(), "g#c".into()], true));
    }

    #[test]
    fn another_connection_is_told_what_is_known_and_the_old_one_is_not_heard() {
        let mut names = Names::default();
        let receiver = names.open(&pattern("g", "*")).expect("not too many");
        let errands = names.errands();
        assert!(names.done(&errands[0], Ok(())));
        assert!(names.errands().is_empty());
        names.sync(FIRST, "public>>g>>*", &[context("a+g", "ADD_CONFIG")], true);
        names.reconnected(Generation::new(2));
        let again = names.errands();
        assert!(matches!(&again[..], [Errand::Watch { known, is_first: false, .. }] if known == &["a+g+public"]));
        names.change(FIRST, Some("a+g"), Some("DELETE_CONFIG"));
        assert_eq!(seen(&receiver).0, ["g#a"]);
        // An answer to the question before settles nothing.
        names.reconnected(Generation::new(3));
        assert!(names.done(&again[0], Ok(())));
        assert_eq!(names.errands().len(), 1);
    }

    #[test]
    fn what_the_server_cannot_or_will_not_do_is_seen_and_not_repeated() {
        let mut names = Names::default();
        let receiver = names.open(&pattern("g", "*")).expect("not too many");
        let refused = |code| Error::Refused { code, message: "full".to_owned() };
        for (error, refusal, is_limited) in [
            (refused(50_311), None, true),
            (Error::Unsupported("it".to_owned()), Some(Refusal::Unsupported), false),
            (refused(50_310), Some(Refusal::Other { code: 50_310, message: "full".to_owned() }), false),
        ] {
            names.verify();
            let errands = names.errands();
            assert!(names.done(&errands[0], Err(error)));
            assert!(names.errands().is_empty());
            let matching = receiver.borrow().clone();
            assert_eq!((matching.refusal, matching.is_limited), (refusal, is_limited));
        }
        names.verify();
        let errands = names.errands();
        assert!(!names.done(&errands[0], Err(Error::NotConnected(None))), "this may go by");
        assert_eq!(names.errands().len(), 1);
    }

    #[test]
    fn the_last_one_who_goes_cancels() {
        let mut names = Names::default();
        let pattern = pattern("g", "*");
        let _receivers = (names.open(&pattern), names.open(&pattern));
        names.errands();
        names.close(&pattern);
        assert!(names.errands().is_empty());
        names.close(&pattern);
        let errands = names.errands();
        assert_eq!(errands, [Errand::Cancel { pattern: pattern.clone() }]);
        assert!(!names.done(&errands[0], Err(Error::NotConnected(None))));
        assert!(names.done(&errands[0], Ok(())));
        assert!(names.errands().is_empty());
        names.close(&pattern);
    }

    #[test]
    fn broken_pushes_change_nothing() {
        let mut names = Names::default();
        let receiver = names.open(&pattern("*", "*")).expect("not too many");
        for (key, changed) in [(None, None), (Some("x"), Some("ADD_CONFIG")), (Some("x+g"), Some("?"))] {
            names.change(FIRST, key, changed);
        }
        names.sync(FIRST, "no>>such>>pattern", &[context("a+g", "ADD_CONFIG")], true);
        assert_eq!(seen(&receiver), (vec![], false));
    }

    #[test]
    fn there_are_bounds() {
        let mut names = Names::default();
        let receiver = names.open(&pattern("g", "*")).expect("not too many");
        for number in 0..=NAMES_MAX {
            names.change(FIRST, Some(&format!("x{number}+g")), Some("CONFIG_CHANGED"));
        }
        let matching = receiver.borrow().clone();
        assert_eq!((matching.names.len(), matching.is_limited), (NAMES_MAX, true));
        for number in 1..PATTERNS_MAX {
            assert!(names.open(&pattern("g", &format!("x{number}"))).is_ok());
        }
        assert!(matches!(names.open(&pattern("g", "more")), Err(Error::Invalid(_))));
        assert!(names.open(&pattern("g", "x1")).is_ok());
    }
}
