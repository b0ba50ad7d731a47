//! The endpoints of a channel and the ways to them: what a new list keeps, adds and removes.
//!
//! An endpoint is known by where it is. One that stays keeps its connection, whatever else is said about it; one that goes
//! keeps it for a while, so that calls on their way arrive and one that comes back finds it. An empty list is not believed at
//! once if there was another before.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use nacrite_balance::subchannel::Event;
use nacrite_balance::{Connectivity, Endpoint, Member};
use tokio::time::Instant;

use crate::channel::settings::ChannelSettings;
use crate::channel::way::{AttemptId, Watch, Way};
use crate::resolver::Resolution;
use crate::transport::{Address, Connector};

/// Under what names endpoints are connected to.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// What calls lead to, for words.
    pub(crate) target: Arc<str>,
    /// The name that certificates have to show.
    pub(crate) tls_name: Arc<str>,
    /// Whether every endpoint is spoken to over TLS.
    pub(crate) is_tls: bool,
}

impl Names {
    /// Where an endpoint is. A channel that has TLS uses it for all: a registry cannot talk it out of it.
    fn address(&self, endpoint: &Endpoint) -> Address {
        let is_tls = self.is_tls || endpoint.secure == Some(true);
        Address {
            host: Arc::clone(&endpoint.host),
            port: endpoint.port,
            tls_name: is_tls.then(|| Arc::clone(&self.tls_name)),
        }
    }
}

/// A way that is not in the list any more.
#[derive(Debug)]
struct Leaving {
    way: Way,
    until: Instant,
}

/// The endpoints and the ways to them.
#[derive(Debug)]
pub(super) struct List {
    names: Names,
    empty_kept_for: Duration,
    removed_kept_for: Duration,
    /// In the order of the list.
    ways: Vec<Way>,
    /// The first to go in front.
    leaving: VecDeque<Leaving>,
    /// The newest list, as it came; `None` before the first.
    told: Option<Arc<[Arc<Endpoint>]>>,
    /// An empty list came; it is believed then.
    empty_from: Option<Instant>,
    trouble: Option<Arc<str>>,
    numbers: u64,
}

impl List {
    pub(super) fn new(names: Names, settings: &ChannelSettings) -> Self {
        Self {
            names,
            empty_kept_for: settings.empty_kept_for,
            removed_kept_for: settings.removed_kept_for,
            ways: Vec::new(),
            leaving: VecDeque::new(),
            told: None,
            empty_from: None,
            trouble: None,
            numbers: 0,
        }
    }

    pub(super) fn ways(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter()
    }

    pub(super) fn ways_mut(&mut self) -> impl Iterator<Item = &mut Way> {
        self.ways.iter_mut()
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.ways.iter().map(Way::member).collect()
    }

    /// Why it is not known where the service is.
    pub(super) fn trouble(&self) -> Option<&Arc<str>> {
        self.trouble.as_ref()
    }

    /// Whether there is nobody to call, and why.
    pub(super) fn nowhere(&self) -> Option<Nowhere> {
        if !self.ways.is_empty() {
            return None;
        }
        let target = &self.names.target;
        Some(match (&self.told, &self.trouble) {
            (None, None) => Nowhere::Resolving,
            (None, Some(trouble)) => Nowhere::Known(format!("{target} cannot be resolved: {trouble}").into()),
            (Some(_), _) => Nowhere::Known(format!("nobody offers {target}: the list of endpoints is empty").into()),
        })
    }

    /// The way to which an outcome belongs, if anybody still wants to know.
    pub(super) fn way_mut(&mut self, id: AttemptId) -> Option<&mut Way> {
        let leaving = self.leaving.iter_mut().map(|leaving| &mut leaving.way);
        self.ways.iter_mut().chain(leaving).find(|way| way.is_current(id))
    }

    /// When something is to be done.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let pauses = self.ways.iter().filter_map(Way::wakes_at).map(Instant::from_std);
        pauses.chain(self.empty_from).chain(self.leaving.front().map(|leaving| leaving.until)).min()
    }

    /// Takes the newest that is known of the target. Returns whether the endpoints were put to use.
    pub(super) fn take(
        &mut self,
        now: Instant,
        newest: &Resolution,
        watches: &mut FuturesUnordered<Watch>,
        connector: &Connector,
    ) -> bool {
        self.trouble.clone_from(&newest.trouble);
        let Some(endpoints) = &newest.endpoints else { return false };
        if endpoints.is_empty() && !self.ways.is_empty() {
            let believed = now.checked_add(self.empty_kept_for).unwrap_or(now);
            self.empty_from.get_or_insert(believed);
            return false;
        }
        self.empty_from = None;
        if self.told.as_ref() == Some(endpoints) {
            return false;
        }
        self.told = Some(Arc::clone(endpoints));
        self.replace(now, endpoints, watches, connector);
        true
    }

    fn replace(
        &mut self,
        now: Instant,
        endpoints: &[Arc<Endpoint>],
        watches: &mut FuturesUnordered<Watch>,
        connector: &Connector,
    ) {
        let leaving = self.leaving.drain(..).map(|leaving| (leaving.way.address().clone(), leaving));
        let mut leaving: HashMap<Address, Leaving> = leaving.collect();
        let staying = self.ways.drain(..).map(|way| (way.address().clone(), way));
        let mut staying: HashMap<Address, Way> = staying.collect();
        for endpoint in endpoints {
            let address = self.names.address(endpoint);
            let known = staying.remove(&address).or_else(|| leaving.remove(&address).map(|back| back.way));
            let Some(mut way) = known else {
                self.numbers += 1;
                self.ways.push(Way::new(self.numbers, address, Arc::clone(endpoint)));
                continue;
            };
            if !way.is_described(endpoint) && way.describe(endpoint) {
                watches.extend(way.apply(now.into_std(), Event::Revived, connector));
            }
            self.ways.push(way);
        }
        self.leaving.extend(leaving.into_values());
        self.leave(now, staying.into_values(), connector);
    }

    /// Keeps the connections that stand for a while; nothing is made anew for them.
    fn leave(&mut self, now: Instant, ways: impl Iterator<Item = Way>, connector: &Connector) {
        let until = now.checked_add(self.removed_kept_for).unwrap_or(now);
        for mut way in ways.filter(|way| way.state() == Connectivity::Ready) {
            let none = way.apply(now.into_std(), Event::Released, connector);
            debug_assert!(none.is_none(), "nothing is made for what is let go");
            self.leaving.push_back(Leaving { way, until });
        }
        self.leaving.make_contiguous().sort_by_key(|leaving| leaving.until);
    }

    /// Times that have come. Returns whether anything is different for calls.
    pub(super) fn tick(&mut self, now: Instant, connector: &Connector) -> bool {
        while self.leaving.front().is_some_and(|leaving| leaving.until <= now) {
            self.leaving.pop_front();
        }
        if self.empty_from.is_none_or(|believed| now < believed) {
            return false;
        }
        self.empty_from = None;
        self.told = Some(Arc::default());
        let ways = std::mem::take(&mut self.ways);
        self.leave(now, ways.into_iter(), connector);
        true
    }

    /// Closes every connection. What is known of the endpoints is taken anew when it is needed.
    pub(super) fn sleep(&mut self) {
        self.ways.clear();
        self.leaving.clear();
        self.empty_from = None;
        self.told = None;
    }
}

/// Why there is nobody to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Nowhere {
    /// It is being found out.
    Resolving,
    /// For this reason.
    Known(Arc<str>),
}
