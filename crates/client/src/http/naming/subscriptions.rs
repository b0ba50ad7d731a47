//! Lists that are watched: asked for again and again, pushed over UDP in between.
//!
//! One task per service. It ends when the last one who watches is gone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nacrite_base::ServiceKey;
use nacrite_wire::client::naming::ServiceInfo;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tracing::debug;

use super::freshness::{self, Came, Stamp, Verdict};
use super::{Inner, LIST, PUSHED_AGENT, params, read_list, resource};
use crate::clock;
use crate::error::Error;
use crate::http::udp::Taker;

/// Bounds of the time between two questions: what a server wishes (`cacheMillis`) within reason.
const POLL_MIN: Duration = Duration::from_secs(1);
const POLL_MAX: Duration = Duration::from_secs(60);

/// If the server wishes nothing.
const POLL: Duration = Duration::from_secs(10);

/// After a failure it is asked sooner than ordinarily: a server that comes back should not be noticed late.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The pause after failures grows up to this, and longer with the number of lists: servers that are gone are asked 25 times
/// a second at most.
const AFTER_FAILURES: Duration = Duration::from_secs(2);
const LISTS_PER_PAUSE: u32 = 50;

/// Between two questions, whoever wants them: packets over UDP can be forged, and shall not become a flood of questions.
const GAP_MIN: Duration = Duration::from_millis(200);

/// Addresses of servers that are remembered as such.
const SERVERS_MAX: usize = 64;

/// What is known of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    /// The list; `None` until a server has answered, which is not the same as an empty one.
    pub(crate) list: Option<Arc<ServiceInfo>>,
    /// Why the last question was not answered; `None` once one is.
    pub(crate) failure: Option<Arc<str>>,
}

/// A list that is watched. Ends when it and its clones are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// What is known, to be watched.
    pub(crate) listed: watch::Receiver<Listed>,
}

/// Everything that is watched.
#[derive(Default)]
pub(super) struct Subscriptions {
    watched: Mutex<HashMap<ServiceKey, Arc<Watched>>>,
    /// Addresses at which servers have answered; the oldest goes first.
    servers: Mutex<Vec<IpAddr>>,
    /// The address of this machine that the last server saw.
    local: Mutex<Option<IpAddr>>,
}

struct Watched {
    listed: watch::Sender<Listed>,
    stamp: Mutex<Option<Stamp>>,
    /// Somebody wants it to be asked for now.
    asked: Notify,
}

impl Watched {
    /// Takes a list that came, or asks for it.
    fn take(&self, list: ServiceInfo, from: IpAddr, came: Came) {
        // A list without instances, which is not an empty one, says nothing about them.
        if list.hosts.is_none() {
            if came != Came::Asked {
                self.asked.notify_one();
            }
            return;
        }
        let new = Stamp { made_ms: list.last_ref_time, from };
        let mut stamp = self.stamp.lock();
        match freshness::judge(*stamp, new, came) {
            Verdict::Take => {
                *stamp = Some(new);
                // Under the lock, so that what is shown and its stamp never part.
                self.listed.send_replace(Listed { list: Some(Arc::new(list)), failure: None });
            }
            Verdict::Drop => debug!(%from, "an older list is dropped"),
            Verdict::Ask => self.asked.notify_one(),
        }
    }

    fn failed(&self, error: &Error) {
        let failure = Some(Arc::from(error.to_string()));
        self.listed.send_modify(|listed| listed.failure = failure);
    }
}

/// Begins to watch a list, or joins those who do.
pub(super) fn subscribe(naming: &Arc<Inner>, service: &ServiceKey) -> Subscription {
    let mut watched = naming.subscriptions.watched.lock();
    if let Some(there) = watched.get(service) {
        return Subscription { listed: there.listed.subscribe() };
    }
    let (listed, receiver) = watch::channel(Listed::default());
    let new = Arc::new(Watched { listed, stamp: Mutex::default(), asked: Notify::new() });
    watched.insert(service.clone(), Arc::clone(&new));
    drop(watched);
    let (naming, service) = (Arc::clone(naming), service.clone());
    let tasks = naming.tasks.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = poll_until_dropped(&naming, &service, &new) => {}
            () = naming.tasks.stopping() => {}
        }
    });
    Subscription { listed: receiver }
}

async fn poll_until_dropped(naming: &Arc<Inner>, service: &ServiceKey, watched: &Watched) {
    let mut failures = 0;
    loop {
        let asked = tokio::select! {
            biased;
            () = watched.listed.closed() => Err(Error::Closed),
            asked = poll(naming, service, watched) => asked,
        };
        if naming.subscriptions.forget_if_dropped(service, watched) {
            return;
        }
        let wait = match asked {
            // The last one went and another one came: nothing was asked.
            Err(Error::Closed) => continue,
            Ok(wait) => {
                failures = 0;
                wait
            }
            Err(error) => {
                debug!(%service, %error, "a list was not answered");
                watched.failed(&error);
                failures += 1;
                after_failure(failures, naming.subscriptions.len())
            }
        };
        let soonest = clock::now() + GAP_MIN;
        tokio::select! {
            () = tokio::time::sleep(jittered(wait)) => {}
            () = watched.asked.notified() => tokio::time::sleep_until(soonest).await,
            () = watched.listed.closed() => {}
        }
    }
}

/// Asks once. Returns when to ask again.
async fn poll(naming: &Arc<Inner>, service: &ServiceKey, watched: &Watched) -> Result<Duration, Error> {
    // Never closed.
    let _turn = naming.polls.acquire().await.map_err(|_| Error::Closed)?;
    let port = naming.udp_port().await;
    let local = naming.settings.client_ip.or(*naming.subscriptions.local.lock());
    let mut call = params::list(naming.proxy.path(LIST), service, "", false);
    if let (1.., Some(local)) = (port, local) {
        call = call.query("udpPort", port.to_string()).query("clientIP", local.to_string()).agent(PUSHED_AGENT);
    }
    let reply = naming.proxy.call(&call, resource(service), naming.settings.request_within).await?;
    naming.subscriptions.met(reply.peer, reply.local);
    let list = read_list(&reply.body)?;
    let wait = wish(list.cache_millis);
    watched.take(list, reply.peer, Came::Asked);
    // Without an address of one's own there was nowhere to push to; now there is one.
    let is_unannounced = naming.udp_port.load(Ordering::Relaxed) != 0 && local.is_none() && reply.local.is_some();
    Ok(if is_unannounced { Duration::ZERO } else { wait })
}

fn wish(cache_ms: i64) -> Duration {
    match u64::try_from(cache_ms) {
        Ok(ms @ 1..) => Duration::from_millis(ms).clamp(POLL_MIN, POLL_MAX),
        _ => POLL,
    }
}

fn after_failure(failures: u32, lists: usize) -> Duration {
    let share = u32::try_from(lists).unwrap_or(u32::MAX) / LISTS_PER_PAUSE;
    let longest = AFTER_FAILURES.saturating_mul(share.saturating_add(1)).min(POLL);
    AFTER_FAILURE.saturating_mul(1 << (failures.clamp(1, 5) - 1)).min(longest)
}

/// A tenth more or less, so that clients that began together do not ask together for ever.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::random_range(0.9..1.1))
}

impl Subscriptions {
    /// Whether nothing is watched.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.watched.lock().is_empty()
    }

    /// Whether nobody watches any more; it is forgotten then. Under the lock, so that nobody joins what has ended.
    fn forget_if_dropped(&self, service: &ServiceKey, watched: &Watched) -> bool {
        let mut all = self.watched.lock();
        let is_dropped = watched.listed.receiver_count() == 0;
        if is_dropped {
            all.remove(service);
        }
        is_dropped
    }

    fn len(&self) -> usize {
        self.watched.lock().len()
    }

    fn met(&self, server: IpAddr, local: Option<IpAddr>) {
        let mut servers = self.servers.lock();
        if !servers.contains(&server) {
            if servers.len() == SERVERS_MAX {
                servers.remove(0);
            }
            servers.push(server);
        }
        if local.is_some() {
            *self.local.lock() = local;
        }
    }

    /// Those whom a push speaks of: it says no namespace.
    fn named(&self, name: &str) -> Vec<Arc<Watched>> {
        let (group, name) = name.split_once("@@").unwrap_or(("DEFAULT_GROUP", name));
        let all = self.watched.lock();
        let fits = |key: &&ServiceKey| key.group.as_str() == group && key.name.as_str() == name;
        all.keys().filter(fits).filter_map(|key| all.get(key)).cloned().collect()
    }
}

impl Taker for Subscriptions {
    fn take(&self, list: Option<ServiceInfo>, from: IpAddr) {
        let Some(list) = list else {
            return;
        };
        let is_known = self.servers.lock().contains(&from);
        let came = if is_known { Came::Pushed } else { Came::PushedByStranger };
        match self.named(list.name.as_deref().unwrap_or_default()).as_slice() {
            [] => debug!(%from, "a push for a list that nobody watches"),
            [watched] => watched.take(list, from, came),
            // The same name in two namespaces: which one is meant shows when they are asked for.
            several => several.iter().for_each(|watched| watched.asked.notify_one()),
        }
    }

    fn held(&self) -> String {
        let mut held = serde_json::Map::new();
        for (service, watched) in &*self.watched.lock() {
            let listed = watched.listed.borrow();
            let hosts = listed.list.iter().flat_map(|list| list.hosts.iter().flatten());
            let hosts: Vec<_> = hosts
                .map(|host| serde_json::json!({"ip": host.ip, "port": host.port, "weight": host.weight, "healthy": host.healthy}))
                .collect();
            let name = format!("{}@@{}", service.group, service.name);
            held.insert(name.clone(), serde_json::json!({"name": name, "hosts": hosts}));
        }
        serde_json::Value::Object(held).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_wish_and_reason_bounds() {
        for (ms, s) in [(0, 10), (-5, 10), (10, 1), (3000, 3), (10_000, 10), (9_999_999, 60)] {
            assert_eq!(wish(ms), Duration::from_secs(s), "{ms}");
        }
    }

    #[test]
    fn failures_are_retried_soon_but_not_by_all_at_once() {
        let waits = |lists| [1, 2, 3, 4, 5, 99].map(|failures| after_failure(failures, lists).as_secs());
        assert_eq!(waits(1), [1, 2, 2, 2, 2, 2]);
        assert_eq!(waits(100), [1, 2, 4, 6, 6, 6]);
        assert_eq!(waits(100_000), [1, 2, 4, 8, 10, 10]);
    }
}
