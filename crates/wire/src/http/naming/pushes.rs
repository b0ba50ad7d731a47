//! Accounts of pushes, as their endpoints tell them. Nacos has nothing like it; the models are this server's own.

use nacrite_base::{ClientId, ServiceKey, Timestamp};
use serde::Serialize;

use crate::json;

/// What became of the last word to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PushState {
    /// It must be told, and takes nothing at present.
    Waiting,
    /// It was sent a list, and has not answered yet.
    Sent,
    /// It refused the list; it is sent again soon.
    Refused,
    /// It did not acknowledge the list; it is sent again soon.
    Unacknowledged,
    /// It was given the list in the answer to its subscription.
    Answered,
    /// It acknowledged the list.
    Acknowledged,
    /// Nobody told it of anything yet.
    Untold,
}

/// A subscriber that does not have the newest state.
#[derive(Clone, Debug)]
pub struct LateShown<'a> {
    /// Who.
    pub client: &'a ClientId,
    /// The address that it gives for itself.
    pub ip: &'a str,
    /// Its application.
    pub app: &'a str,
    /// What became of the last word to it.
    pub state: PushState,
    /// How long it has waited for the newest state, in ms.
    pub late_ms: u64,
    /// How often it was told since it took something, with the push under way.
    pub tries: u32,
}

/// A push that did not arrive.
#[derive(Clone, Debug)]
pub struct TroubleShown<'a> {
    /// Who did not get it.
    pub client: &'a str,
    /// When that was known.
    pub at: Timestamp,
    /// `refused`, `unacknowledged` or `gone`.
    pub what: &'static str,
    /// What the client said about it.
    pub reason: Option<&'a str>,
}

/// Whom the newest state of a service reached.
#[derive(Clone, Debug)]
pub struct ServicePushesShown<'a> {
    /// Which.
    pub service: &'a ServiceKey,
    /// Somebody registered in it, or created it.
    pub is_listed: bool,
    /// Its newest state.
    pub revision: u64,
    /// When it came to be.
    pub changed_at: Timestamp,
    /// Those who subscribe and hold a connection.
    pub subscribers: usize,
    /// Those of them who have that state.
    pub reached: usize,
    /// Those who subscribe and hold none.
    pub unconnected: usize,
    /// Latencies of that state: of all, of half, of 99 in 100, in ms.
    pub within_ms: [Option<u32>; 3],
    /// Those who do not have it.
    pub late: Vec<LateShown<'a>>,
    /// Bounds and counts of the latencies of all states.
    pub latencies: (&'a [u32], &'a [u16]),
    /// The last pushes that did not arrive.
    pub troubles: Vec<TroubleShown<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Latencies<'a> {
    /// Upper ends; the last count has none.
    bounds_ms: &'a [u32],
    counts: &'a [u16],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceBody<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    listed: bool,
    revision: u64,
    changed_at: u64,
    subscribers: usize,
    reached: usize,
    unconnected: usize,
    within_ms: Option<u32>,
    p50_ms: Option<u32>,
    p99_ms: Option<u32>,
    late: Vec<LateBody<'a>>,
    latencies: Latencies<'a>,
    troubles: Vec<TroubleBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LateBody<'a> {
    client_id: String,
    ip: &'a str,
    app: &'a str,
    state: PushState,
    late_ms: u64,
    tries: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TroubleBody<'a> {
    client_id: &'a str,
    at: u64,
    what: &'static str,
    reason: Option<&'a str>,
}

impl ServicePushesShown<'_> {
    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let late = self.late.iter().map(|late| LateBody {
            client_id: late.client.to_string(),
            ip: late.ip,
            app: late.app,
            state: late.state,
            late_ms: late.late_ms,
            tries: late.tries,
        });
        let troubles = self.troubles.iter().map(|trouble| TroubleBody {
            client_id: trouble.client,
            at: trouble.at.as_ms(),
            what: trouble.what,
            reason: trouble.reason,
        });
        let [within_ms, p50_ms, p99_ms] = self.within_ms;
        json::bytes(&ServiceBody {
            namespace_id: self.service.namespace.as_str(),
            group_name: self.service.group.as_str(),
            service_name: self.service.name.as_str(),
            listed: self.is_listed,
            revision: self.revision,
            changed_at: self.changed_at.as_ms(),
            subscribers: self.subscribers,
            reached: self.reached,
            unconnected: self.unconnected,
            within_ms,
            p50_ms,
            p99_ms,
            late: late.collect(),
            latencies: Latencies { bounds_ms: self.latencies.0, counts: self.latencies.1 },
            troubles: troubles.collect(),
        })
    }
}

/// What a client has of a service.
#[derive(Clone, Debug)]
pub struct KnownShown<'a> {
    /// Which.
    pub service: &'a ServiceKey,
    /// Its newest state.
    pub revision: u64,
    /// The state that the client has.
    pub known: u64,
    /// What became of the last word about it.
    pub state: PushState,
    /// How long the state that it has took to it, in ms.
    pub latency_ms: Option<u32>,
    /// How often it was told since it took something, with the push under way.
    pub tries: u32,
}

/// What a client has.
#[derive(Clone, Debug)]
pub struct ClientPushesShown<'a> {
    /// Who.
    pub client: &'a ClientId,
    /// Services that it subscribes to.
    pub subscriptions: usize,
    /// Those of which it has the newest state.
    pub current: usize,
    /// Bounds and counts of the latencies of all news.
    pub latencies: (&'a [u32], &'a [u16]),
    /// The services.
    pub services: Vec<KnownShown<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientBody<'a> {
    client_id: String,
    subscriptions: usize,
    current: usize,
    latencies: Latencies<'a>,
    services: Vec<KnownBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KnownBody<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    revision: u64,
    known: u64,
    state: PushState,
    latency_ms: Option<u32>,
    tries: u32,
}

impl ClientPushesShown<'_> {
    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let services = self.services.iter().map(|known| KnownBody {
            namespace_id: known.service.namespace.as_str(),
            group_name: known.service.group.as_str(),
            service_name: known.service.name.as_str(),
            revision: known.revision,
            known: known.known,
            state: known.state,
            latency_ms: known.latency_ms,
            tries: known.tries,
        });
        json::bytes(&ClientBody {
            client_id: self.client.to_string(),
            subscriptions: self.subscriptions,
            current: self.current,
            latencies: Latencies { bounds_ms: self.latencies.0, counts: self.latencies.1 },
            services: services.collect(),
        })
    }
}
