//! Which services there are, by pattern: what the server tells of each pattern, put together.
//!
//! Pure. A server tells differences to what the client says it knows, in batches, then each coming and going. Everybody
//! who watches a pattern sees one set that never changes in place; a late one begins with all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use nacrite_base::fuzzy_watch::part_matches;
use nacrite_base::{NamespaceId, ServiceKey};
use nacrite_wire::client::fuzzy::{SyncContext, changed};
use tokio::sync::watch;

use super::service::Service;
use crate::error::Error;
use crate::session::Generation;

/// Services kept of one pattern. Twenty times what a server tells of one: a server that tells more has gone astray, and
/// must not fill the memory of its clients.
const SERVICES_MAX: usize = 10_000;

/// Which services of a namespace are meant: group and name each exact, `*`, `x*`, `*x` or `*x*`. Shown as on the wire,
/// `namespace>>group>>service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pattern {
    namespace: NamespaceId,
    group: Box<str>,
    service: Box<str>,
}

impl Pattern {
    /// # Errors
    /// [`Error::Invalid`] if a part is empty, or has a `*` or a character where none may be.
    pub(crate) fn new(namespace: &NamespaceId, group: &str, service: &str) -> Result<Self, Error> {
        for part in [group, service] {
            let core = part.strip_prefix('*').unwrap_or(part);
            let core = core.strip_suffix('*').unwrap_or(core);
            if part.is_empty() || core.contains(['*', '>', '@']) || core.contains(char::is_whitespace) {
                return Err(Error::Invalid(format!(
                    "{part:?} is no pattern: expected text, *, text*, *text or *text*"
                )));
            }
        }
        Ok(Self { namespace: namespace.clone(), group: group.into(), service: service.into() })
    }

    fn matches(&self, key: &ServiceKey) -> bool {
        self.namespace == key.namespace
            && part_matches(&self.group, key.group.as_str())
            && part_matches(&self.service, key.name.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>>{}>>{}", self.namespace, self.group, self.service)
    }
}

/// The services that match a pattern, as far as they are told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matching {
    pub(crate) services: Arc<BTreeSet<ServiceKey>>,
    /// The first batches are through.
    pub(crate) complete: bool,
    /// There are more than are told.
    pub(crate) limited: bool,
}

/// All patterns that somebody watches.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pages: BTreeMap<Pattern, Page>,
    newest: Option<Generation>,
}

#[derive(Debug, Default)]
struct Page {
    watchers: usize,
    matching: watch::Sender<Matching>,
}

impl Watched {
    /// Somebody watches a pattern.
    pub(crate) fn open(&mut self, pattern: &Pattern) -> watch::Receiver<Matching> {
        let page = self.pages.entry(pattern.clone()).or_default();
        page.watchers += 1;
        page.matching.subscribe()
    }

    /// Somebody watches it no longer. Returns whether he was the last one.
    pub(crate) fn close(&mut self, pattern: &Pattern) -> bool {
        let Some(page) = self.pages.get_mut(pattern) else {
            return false;
        };
        page.watchers -= 1;
        let last = page.watchers == 0;
        if last {
            self.pages.remove(pattern);
        }
        last
    }

    /// What is known of a pattern; to be told to the server. `None` if nobody watches it.
    pub(crate) fn known(&self, pattern: &Pattern) -> Option<Matching> {
        self.pages.get(pattern).map(|page| page.matching.borrow().clone())
    }

    /// The server said whether it tells all that match.
    pub(crate) fn limit(&self, pattern: &Pattern, limited: bool) {
        if let Some(page) = self.pages.get(pattern) {
            page.matching.send_if_modified(|matching| std::mem::replace(&mut matching.limited, limited) != limited);
        }
    }

    /// A batch of differences, or the end of the first ones.
    pub(crate) fn sync(&mut self, from: Generation, pattern: &str, contexts: &[SyncContext], finished: bool) {
        if !self.is_current(from) {
            return;
        }
        let Some((pattern, page)) = self.pages.iter().find(|(known, _)| known.to_string() == pattern) else {
            return;
        };
        let changes: Vec<_> = contexts
            .iter()
            .filter_map(|one| change_of(one.service_key.as_deref(), one.changed_type.as_deref()))
            .filter(|(key, _)| pattern.matches(key))
            .collect();
        page.apply(&changes, finished);
    }

    /// One service has come or gone. The push does not say for which pattern it is.
    pub(crate) fn change(&mut self, from: Generation, service: Option<&str>, changed: Option<&str>) {
        if !self.is_current(from) {
            return;
        }
        let Some(change) = change_of(service, changed) else {
            return;
        };
        for (_, page) in self.pages.iter().filter(|(pattern, _)| pattern.matches(&change.0)) {
            page.apply(std::slice::from_ref(&change), false);
        }
    }

    /// What a connection says after a newer one has spoken is out of date.
    fn is_current(&mut self, from: Generation) -> bool {
        self.newest = self.newest.max(Some(from));
        self.newest == Some(from)
    }

    /// Nobody is told anything any more.
    pub(crate) fn clear(&mut self) {
        self.pages.clear();
    }
}

impl Page {
    fn apply(&self, changes: &[(ServiceKey, bool)], finished: bool) {
        self.matching.send_if_modified(|matching| {
            let services = Arc::make_mut(&mut matching.services);
            let mut differs = false;
            for (key, there) in changes {
                if !*there {
                    differs |= services.remove(key);
                } else if services.len() < SERVICES_MAX {
                    differs |= services.insert(key.clone());
                } else {
                    matching.limited = true;
                }
            }
            differs || (finished && !std::mem::replace(&mut matching.complete, true))
        });
    }
}

/// Which service a push speaks of, written `namespace@@group@@service`, and whether it is there.
fn change_of(service: Option<&str>, changed: Option<&str>) -> Option<(ServiceKey, bool)> {
    let (namespace, grouped) = service?.split_once("@@")?;
    let key = Service::new(grouped).key(&NamespaceId::from_stored(namespace)).ok()?;
    match changed? {
        changed::ADD => Some((key, true)),
        changed::DELETE => Some((key, false)),
        _ => None,
    }
}

/// The form of a service in which a client says that it knows it.
pub(crate) fn known_key(key: &ServiceKey) -> String {
    format!("{}@@{}@@{}", key.namespace, key.group, key.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(group: &str, service: &str) -> Pattern {
        Pattern::new(&NamespaceId::public(), group, service).expect("a good pattern")
    }

    fn context(service: &str, changed: &str) -> SyncContext {
        SyncContext { service_key: Some(service.into()), changed_type: Some(changed.into()) }
    }

    fn seen(receiver: &watch::Receiver<Matching>) -> (Vec<String>, bool) {
        let matching = receiver.borrow();
        (matching.services.iter().map(ServiceKey::grouped).collect(), matching.complete)
    }

    #[test]
    fn a_star_stands_at_the_ends_of_a_part_alone() {
        for bad in ["", "a*b", "*a*b", "a b", "a>>b", "a@@b"] {
            assert!(Pattern::new(&NamespaceId::public(), "g", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn batches_are_put_together_and_the_end_is_told() {
        let (mut watched, from) = (Watched::default(), Generation::new(1));
        let receiver = watched.open(&pattern("g", "*"));
        watched.sync(from, "public>>g>>*", &[context("public@@g@@a", "ADD_SERVICE")], false);
        assert_eq!(seen(&receiver), (vec!["g@@a".to_owned()], false));
        watched.sync(from, "public>>g>>*", &[], true);
        watched.change(from, Some("public@@g@@b"), Some("ADD_SERVICE"));
        watched.change(from, Some("public@@other@@b"), Some("ADD_SERVICE"));
        watched.change(from, Some("public@@g@@a"), Some("DELETE_SERVICE"));
        assert_eq!(seen(&receiver), (vec!["g@@b".to_owned()], true));
    }

    #[test]
    fn a_pattern_without_matches_is_complete_all_the_same() {
        let mut watched = Watched::default();
        let receiver = watched.open(&pattern("g", "x*"));
        watched.sync(Generation::new(1), "public>>g>>x*", &[], true);
        assert_eq!(seen(&receiver), (vec![], true));
    }

    #[test]
    fn an_old_connection_says_nothing_any_more() {
        let mut watched = Watched::default();
        let receiver = watched.open(&pattern("g", "*"));
        watched.change(Generation::new(2), Some("public@@g@@a"), Some("ADD_SERVICE"));
        watched.change(Generation::new(1), Some("public@@g@@a"), Some("DELETE_SERVICE"));
        assert_eq!(seen(&receiver).0, ["g@@a"]);
    }

    #[test]
    fn broken_pushes_change_nothing() {
        let (mut watched, from) = (Watched::default(), Generation::new(1));
        let receiver = watched.open(&pattern("*", "*"));
        for (service, changed) in [(None, None), (Some("x"), Some("ADD_SERVICE")), (Some("public@@g@@a"), Some("?"))] {
            watched.change(from, service, changed);
        }
        watched.sync(from, "no>>such>>pattern", &[context("public@@g@@a", "ADD_SERVICE")], true);
        assert_eq!(seen(&receiver), (vec![], false));
    }

    #[test]
    fn the_last_one_who_goes_ends_the_watch() {
        let mut watched = Watched::default();
        let (_one, _two) = (watched.open(&pattern("g", "*")), watched.open(&pattern("g", "*")));
        assert!(!watched.close(&pattern("g", "*")));
        assert!(watched.close(&pattern("g", "*")));
        assert!(!watched.close(&pattern("g", "*")), "closing what is not open is nothing");
    }

    #[test]
    fn a_server_that_never_ends_does_not_fill_the_memory() {
        let (mut watched, from) = (Watched::default(), Generation::new(1));
        let receiver = watched.open(&pattern("g", "*"));
        for number in 0..SERVICES_MAX + 10 {
            watched.change(from, Some(&format!("public@@g@@s{number}")), Some("ADD_SERVICE"));
        }
        assert_eq!(receiver.borrow().services.len(), SERVICES_MAX);
        assert!(receiver.borrow().limited);
    }
}
