//! What is known about subscribed services: which of the lists that arrive are believed, and which is shown.
//!
//! Pure: the moment comes in, verdicts go out. A list that is older than the one at hand is dropped before anything is
//! touched. "Older" is meant within one connection: clocks of servers differ, so each new connection begins anew
//! (`reference/client.md`, 2.5). Clusters are no part of the key; who is interested in some filters for himself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nacrite_base::{InstanceKey, NamespaceId, ServiceKey};
use nacrite_wire::client::naming::{Host, ServiceInfo};
use tokio::time::Instant;

use super::instance::Instance;
use super::instances::{Change, Instances, Origin};
use super::service::Service;
use crate::session::Generation;

/// What to do with a list that says that nobody is left, or nobody healthy with a weight above 0.
///
/// ```no_run
/// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
/// use std::time::Duration;
///
/// use nacrite_client::naming::{EmptyProtection, Selector};
///
/// let hold = EmptyProtection::HoldFor(Duration::from_secs(30));
/// let orders = naming.subscribe_protected("orders", Selector::default(), hold)?;
/// # drop(orders);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyProtection {
    /// Believe it. The server may be trusted, and a service that was drained must be seen as drained.
    #[default]
    Off,
    /// Keep the old list so long, in case it was a mistake; then believe it after all.
    HoldFor(Duration),
}

/// What became of a list.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It was not believed, and nothing was touched.
    Dropped(Why),
    /// It says that nobody is left; the old list is shown for a while.
    Withheld,
    /// It says what was known.
    Same,
    /// It is what is known now. `shown` is false while failover files are shown instead.
    New {
        /// The list.
        list: Instances,
        /// Whether it is what readers see.
        shown: bool,
    },
}

/// Why a list was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It says nothing about instances.
    NoHosts,
    /// Something newer is known, or the connection it came over is not the newest.
    Stale,
    /// Nobody asked for it, or nobody does any more.
    NotOpen,
}

/// What is known about the services that somebody asked for.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    pages: BTreeMap<ServiceKey, Page>,
    /// What an earlier run left, of services of which no server has spoken yet.
    left: BTreeMap<ServiceKey, Instances>,
    /// What is shown instead of what servers say.
    failover: BTreeMap<ServiceKey, Instances>,
}

#[derive(Debug, Default)]
struct Page {
    protection: EmptyProtection,
    known: Option<Instances>,
    failover: Option<Instances>,
    /// The connection and the server's clock of the newest list that was believed.
    mark: Option<(Generation, i64)>,
    /// An empty list that is not believed before this moment.
    withheld: Option<(Instant, Instances)>,
}

impl Page {
    fn shown(&self) -> Option<&Instances> {
        self.failover.as_ref().or(self.known.as_ref())
    }

    fn learn(&mut self, list: Instances) -> Verdict {
        self.withheld = None;
        if let Some(known) = &self.known {
            let same = known.origin() == list.origin() && known.is_protected() == list.is_protected();
            if same && Change::between(Some(known), list.clone()).is_empty() {
                return Verdict::Same;
            }
        }
        self.known = Some(list.clone());
        Verdict::New { list, shown: self.failover.is_none() }
    }
}

impl Cache {
    /// Somebody asks for a service. One that is asked for already keeps what is known; a stricter protection wins.
    /// Returns what can be seen at once.
    pub(crate) fn open(&mut self, key: &ServiceKey, protection: EmptyProtection) -> Option<Instances> {
        let page = self.pages.entry(key.clone()).or_default();
        if let EmptyProtection::HoldFor(_) = protection {
            page.protection = protection;
        }
        if page.known.is_none() {
            page.known = self.left.get(key).cloned();
        }
        page.failover = failover_of(&self.failover, key);
        page.shown().cloned()
    }

    /// Nobody asks for the service any more; what was known would grow old unnoticed.
    pub(crate) fn close(&mut self, key: &ServiceKey) {
        self.pages.remove(key);
    }

    /// What readers see of a service.
    #[cfg(test)]
    pub(crate) fn shown(&self, key: &ServiceKey) -> Option<&Instances> {
        self.pages.get(key)?.shown()
    }

    /// Takes a list that came over a connection.
    pub(crate) fn apply(&mut self, now: Instant, from: Generation, key: &ServiceKey, info: ServiceInfo) -> Verdict {
        let Some(page) = self.pages.get_mut(key) else {
            return Verdict::Dropped(Why::NotOpen);
        };
        let Some(hosts) = info.hosts else {
            return Verdict::Dropped(Why::NoHosts);
        };
        self.left.remove(key);
        let mark = (from, info.last_ref_time);
        if page.mark.is_some_and(|newest| mark < newest) {
            return Verdict::Dropped(Why::Stale);
        }
        page.mark = Some(mark);
        let list = list_of(key, hosts, page.known.as_ref(), info.reach_protection_threshold);
        let EmptyProtection::HoldFor(hold) = page.protection else {
            return page.learn(list);
        };
        let is_there = |list: &Instances| list.iter().any(|one| one.is_healthy() && one.effective_weight() > 0.0);
        if is_there(&list) || !page.known.as_ref().is_some_and(is_there) {
            return page.learn(list);
        }
        // Saying it again does not make it wait longer.
        let until = page.withheld.take().map_or(now + hold, |(until, _)| until);
        page.withheld = Some((until, list));
        Verdict::Withheld
    }

    /// Believes the empty lists that were withheld long enough.
    pub(crate) fn release(&mut self, now: Instant) -> Vec<Verdict> {
        let due = self.pages.values_mut().filter(|page| page.withheld.as_ref().is_some_and(|(until, _)| *until <= now));
        due.filter_map(|page| page.withheld.take().map(|(_, list)| page.learn(list))).collect()
    }

    /// When [`Self::release`] has something to do next.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.pages.values().filter_map(|page| page.withheld.as_ref()).map(|(until, _)| *until).min()
    }

    /// Takes what an earlier run left. Counts only for services of which no server has said anything. Returns what is seen
    /// because of it.
    pub(crate) fn seed(&mut self, left: BTreeMap<ServiceKey, Instances>) -> Vec<Instances> {
        let mut seen = Vec::new();
        for (key, list) in left {
            match self.pages.get_mut(&key) {
                Some(page) if page.mark.is_some() => continue,
                Some(page) if page.known.is_none() => {
                    page.known = Some(list.clone());
                    seen.extend(page.shown().cloned());
                }
                _ => {}
            }
            self.left.insert(key, list);
        }
        seen
    }

    /// Shows these lists instead of what servers say; none of them: what servers say is shown again. Returns what is seen
    /// differently now. A service of which nothing is known without its file is not returned: it stays as it was.
    pub(crate) fn fail_over(&mut self, files: BTreeMap<ServiceKey, Instances>) -> Vec<Instances> {
        self.failover = files;
        let mut seen = Vec::new();
        for (key, page) in &mut self.pages {
            let before = page.shown().cloned();
            page.failover = failover_of(&self.failover, key);
            if let Some(shown) = page.shown()
                && before.is_none_or(|before| !Change::between(Some(&before), shown.clone()).is_empty())
            {
                seen.push(shown.clone());
            }
        }
        seen
    }

    /// Services that are asked for.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.pages.len()
    }
}

/// An empty file is no failover: whoever switches it on wants his callers to find somebody.
fn failover_of(files: &BTreeMap<ServiceKey, Instances>, key: &ServiceKey) -> Option<Instances> {
    files.get(key).filter(|list| !list.is_empty()).cloned()
}

/// Makes a list of what a server shows. Instances that look as before stay the same objects: it spares memory, and
/// comparing.
pub(crate) fn list_of(key: &ServiceKey, hosts: Vec<Host>, before: Option<&Instances>, protected: bool) -> Instances {
    let old: BTreeMap<&InstanceKey, &Arc<Instance>> =
        before.into_iter().flat_map(Instances::iter).map(|instance| (instance.key(), instance)).collect();
    let shared = |instance: Instance| match old.get(instance.key()) {
        Some(was) if ***was == instance => Arc::clone(was),
        _ => Arc::new(instance),
    };
    let list = hosts.into_iter().filter_map(Instance::shown).map(shared).collect();
    Instances::new(key.clone(), list, Origin::Server, protected)
}

/// Which service a pushed list is of; `None` if it does not say.
pub(crate) fn key_of(namespace: &NamespaceId, info: &ServiceInfo) -> Option<ServiceKey> {
    let service = Service::new(info.name.as_deref()?);
    let service = match info.group_name.as_deref() {
        Some(group) if !group.is_empty() => service.in_group(group),
        _ => service,
    };
    service.key(namespace).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::naming::instances::tests::service;

    /// A list as a server says it: weights by port, at a time of the server's clock.
    fn info(at_ms: i64, hosts: &[(i64, f64)]) -> ServiceInfo {
        let host = |(port, weight): &(i64, f64)| Host {
            ip: Some("h".into()),
            port: *port,
            weight: *weight,
            ..Host::default()
        };
        ServiceInfo { last_ref_time: at_ms, hosts: Some(hosts.iter().map(host).collect()), ..ServiceInfo::default() }
    }

    struct Seen {
        cache: Cache,
        now: Instant,
    }

    impl Seen {
        fn new(protection: EmptyProtection) -> Self {
            let mut cache = Cache::default();
            cache.open(&service("orders"), protection);
            Self { cache, now: clock::now() }
        }

        /// Applies a list and says what became of it, and which ports are shown.
        fn after(&mut self, from: u64, info: ServiceInfo) -> String {
            let verdict = self.cache.apply(self.now, Generation::new(from), &service("orders"), info);
            let verdict = match verdict {
                Verdict::Dropped(why) => format!("{why:?}"),
                Verdict::Withheld => "Withheld".to_owned(),
                Verdict::Same => "Same".to_owned(),
                Verdict::New { shown: true, .. } => "New".to_owned(),
                Verdict::New { shown: false, .. } => "NewBehind".to_owned(),
            };
            format!("{verdict} {}", self.shown())
        }

        fn shown(&self) -> String {
            let shown = self.cache.shown(&service("orders"));
            shown.map_or("unresolved".to_owned(), |list| {
                format!("{:?}", list.iter().map(|instance| instance.port()).collect::<Vec<_>>())
            })
        }
    }

    #[test]
    fn checklist_8_an_older_list_of_one_connection_never_replaces_a_newer_one() {
        let mut seen = Seen::new(EmptyProtection::Off);
        assert_eq!(seen.after(1, info(1000, &[(1, 1.0)])), "New [1]");
        assert_eq!(seen.after(1, info(999, &[(2, 1.0)])), "Stale [1]");
        assert_eq!(seen.after(1, info(1000, &[(2, 1.0)])), "New [2]", "an equal time is believed");
        assert_eq!(seen.after(2, info(5, &[(3, 1.0)])), "New [3]", "another server's clock may be behind");
        assert_eq!(seen.after(1, info(2000, &[(4, 1.0)])), "Stale [3]", "the connection before says nothing any more");
        assert_eq!(seen.after(2, info(4, &[(4, 1.0)])), "Stale [3]");
    }

    #[test]
    fn checklist_9_the_first_list_is_told_also_when_it_is_empty() {
        let mut seen = Seen::new(EmptyProtection::HoldFor(Duration::from_secs(9)));
        assert_eq!(seen.shown(), "unresolved");
        assert_eq!(seen.after(1, info(1, &[])), "New []");
        assert_eq!(seen.after(1, info(2, &[])), "Same []");
    }

    #[test]
    fn a_list_without_hosts_says_nothing() {
        let mut seen = Seen::new(EmptyProtection::Off);
        assert_eq!(seen.after(1, ServiceInfo::default()), "NoHosts unresolved");
        seen.after(1, info(1, &[(1, 1.0)]));
        assert_eq!(seen.after(1, ServiceInfo { last_ref_time: 5, ..ServiceInfo::default() }), "NoHosts [1]");
    }

    #[test]
    fn checklist_11_clusters_are_no_part_of_the_key() {
        let mut seen = Seen::new(EmptyProtection::Off);
        seen.after(1, info(1, &[(1, 1.0)]));
        let filtered = ServiceInfo { clusters: Some("blue".into()), ..info(2, &[(2, 1.0)]) };
        assert_eq!(seen.after(1, filtered), "New [2]");
        assert_eq!(seen.cache.len(), 1);
    }

    #[test]
    fn an_empty_list_is_held_back_for_a_while_and_then_believed() {
        let mut seen = Seen::new(EmptyProtection::HoldFor(Duration::from_secs(10)));
        seen.after(1, info(1, &[(1, 1.0)]));
        assert_eq!(seen.after(1, info(2, &[(1, 0.0)])), "Withheld [1]", "nobody of any weight is nobody");
        seen.now += Duration::from_secs(9);
        assert_eq!(seen.after(1, info(3, &[])), "Withheld [1]");
        assert!(seen.cache.release(seen.now).is_empty());
        seen.now += Duration::from_secs(1);
        assert_eq!(seen.cache.wake_at(), Some(seen.now), "saying it again does not make it wait longer");
        assert_eq!(seen.cache.release(seen.now).len(), 1);
        assert_eq!((seen.shown().as_str(), seen.cache.wake_at()), ("[]", None));
    }

    #[test]
    fn a_held_back_list_is_forgotten_when_somebody_is_there_again() {
        let mut seen = Seen::new(EmptyProtection::HoldFor(Duration::from_secs(10)));
        seen.after(1, info(1, &[(1, 1.0)]));
        seen.after(1, info(2, &[]));
        assert_eq!(seen.after(1, info(3, &[(1, 1.0)])), "Same [1]");
        assert_eq!(seen.cache.wake_at(), None);
    }

    #[test]
    fn without_protection_an_empty_list_is_believed_at_once() {
        let mut seen = Seen::new(EmptyProtection::Off);
        seen.after(1, info(1, &[(1, 1.0)]));
        assert_eq!(seen.after(1, info(2, &[])), "New []");
    }

    #[test]
    fn failover_files_are_shown_instead_until_they_are_switched_off() {
        let mut seen = Seen::new(EmptyProtection::Off);
        seen.after(1, info(1, &[(1, 1.0)]));
        let file = list_of(&service("orders"), info(0, &[(7, 1.0)]).hosts.unwrap_or_default(), None, false);
        let on = seen.cache.fail_over(BTreeMap::from([(service("orders"), file)]));
        assert_eq!((on.len(), seen.shown().as_str()), (1, "[7]"));
        assert_eq!(seen.after(1, info(2, &[(2, 1.0)])), "NewBehind [7]");
        let off = seen.cache.fail_over(BTreeMap::new());
        assert_eq!((off.len(), seen.shown().as_str()), (1, "[2]"));
        let empty = list_of(&service("orders"), Vec::new(), None, false);
        assert!(seen.cache.fail_over(BTreeMap::from([(service("orders"), empty)])).is_empty());
    }

    #[test]
    fn what_an_earlier_run_left_counts_until_a_server_speaks() {
        let mut seen = Seen::new(EmptyProtection::Off);
        let left = list_of(&service("orders"), info(0, &[(9, 1.0)]).hosts.unwrap_or_default(), None, false);
        let left = BTreeMap::from([(service("orders"), left)]);
        assert_eq!((seen.cache.seed(left.clone()).len(), seen.shown().as_str()), (1, "[9]"));
        assert_eq!(seen.after(1, info(1, &[(1, 1.0)])), "New [1]");
        assert!(seen.cache.seed(left).is_empty());
        seen.cache.close(&service("orders"));
        assert!(
            seen.cache.open(&service("orders"), EmptyProtection::Off).is_none(),
            "it would be older than what was known"
        );
    }

    #[test]
    fn a_service_that_nobody_asks_for_is_not_kept() {
        let mut seen = Seen::new(EmptyProtection::Off);
        seen.after(1, info(1, &[(1, 1.0)]));
        seen.cache.close(&service("orders"));
        assert_eq!(seen.after(1, info(2, &[(1, 1.0)])), "NotOpen unresolved");
    }

    #[test]
    fn a_pushed_list_names_its_service_in_either_way() {
        let named = |name: Option<&str>, group: Option<&str>| {
            let info =
                ServiceInfo { name: name.map(Into::into), group_name: group.map(Into::into), ..ServiceInfo::default() };
            key_of(&NamespaceId::public(), &info).map(|key| key.grouped())
        };
        assert_eq!(named(Some("orders"), Some("g")).as_deref(), Some("g@@orders"));
        assert_eq!(named(Some("g@@orders"), Some("g")).as_deref(), Some("g@@orders"));
        assert_eq!(named(Some("g@@orders"), None).as_deref(), Some("g@@orders"));
        for unusable in [named(None, Some("g")), named(Some(""), Some("g")), named(Some("a@@b"), Some("g"))] {
            assert_eq!(unusable, None);
        }
    }
}
