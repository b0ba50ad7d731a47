//! Instances and questions as parameters (`reference/http.md`, 2.1).
//!
//! One trap of the protocol: whether an instance may get traffic is called `enable` when it is registered, and `enabled` when
//! it is changed.

use std::time::Duration;

use nacrite_base::ServiceKey;
use nacrite_wire::client::naming::InstanceBody;
use serde::Serialize;

use super::super::beats::{BeatKey, INTERVAL};
use super::super::call::Call;

/// The key of metadata that says how often an instance beats, in ms.
pub(super) const BEAT_INTERVAL: &str = "preserved.heart.beat.interval";

/// An instance, ready to be sent again and again.
pub(super) struct Described {
    pub(super) service: ServiceKey,
    /// Group and name in one word, as servers of the first generation want it.
    grouped: String,
    ip: String,
    port: u16,
    cluster: String,
    weight: f64,
    healthy: bool,
    enabled: bool,
    ephemeral: bool,
    /// JSON.
    metadata: String,
    /// JSON of a full beat.
    beat: String,
    /// Time between beats; absent if it gets none.
    pub(super) beat_interval: Option<Duration>,
}

/// What a full beat says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BeatBody<'a> {
    service_name: &'a str,
    ip: &'a str,
    port: u16,
    cluster: &'a str,
    weight: f64,
    ephemeral: bool,
    metadata: &'a nacrite_base::instance::Pairs,
    scheduled: bool,
    period: u64,
    stopped: bool,
}

impl Described {
    pub(super) fn new(service: &ServiceKey, instance: &InstanceBody<'_>) -> Self {
        let grouped = format!("{}@@{}", service.group, service.name);
        let wanted = instance.metadata.get(BEAT_INTERVAL).and_then(|value| value.as_deref()?.trim().parse().ok());
        let interval = wanted.filter(|ms| *ms > 0).map_or(INTERVAL, Duration::from_millis);
        let body = BeatBody {
            service_name: &grouped,
            ip: instance.ip,
            port: instance.port,
            cluster: instance.cluster_name,
            weight: instance.weight,
            ephemeral: instance.ephemeral,
            metadata: instance.metadata,
            scheduled: false,
            period: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            stopped: false,
        };
        // Texts and numbers can always be written; a weight that is no number becomes null, which servers read as 0.
        let json = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap_or_default();
        Self {
            service: service.clone(),
            beat: json(&|| serde_json::to_string(&body)),
            metadata: json(&|| serde_json::to_string(instance.metadata)),
            grouped,
            ip: instance.ip.to_owned(),
            port: instance.port,
            cluster: instance.cluster_name.to_owned(),
            weight: instance.weight,
            healthy: instance.healthy,
            enabled: instance.enabled,
            ephemeral: instance.ephemeral,
            beat_interval: instance.ephemeral.then_some(interval),
        }
    }

    pub(super) fn key(&self) -> BeatKey {
        BeatKey { service: self.service.to_string().into(), ip: self.ip.as_str().into(), port: self.port }
    }

    /// Which instance it is. Where parameters go is decided by the method.
    pub(super) fn identity<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        call.param("namespaceId", self.service.namespace.as_str())
            .param("serviceName", self.grouped.as_str())
            .param("groupName", self.service.group.as_str())
            .param("clusterName", self.cluster.as_str())
            .param("ip", self.ip.as_str())
            .param("port", self.port.to_string())
            .param("ephemeral", text(self.ephemeral))
    }

    fn values<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        self.identity(call)
            .param("weight", self.weight.to_string())
            .param("healthy", text(self.healthy))
            .param("metadata", self.metadata.as_str())
    }

    pub(super) fn register<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        self.values(call).param("enable", text(self.enabled))
    }

    #[cfg(any(test, feature = "maintainer"))]
    pub(super) fn update<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        self.values(call).param("enabled", text(self.enabled))
    }

    /// As the third generation wants it: the name without its group.
    #[cfg(any(test, feature = "maintainer"))]
    pub(super) fn update_v3<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        call.param("namespaceId", self.service.namespace.as_str())
            .param("groupName", self.service.group.as_str())
            .param("serviceName", self.service.name.as_str())
            .param("clusterName", self.cluster.as_str())
            .param("ip", self.ip.as_str())
            .param("port", self.port.to_string())
            .param("ephemeral", text(self.ephemeral))
            .param("weight", self.weight.to_string())
            .param("healthy", text(self.healthy))
            .param("enabled", text(self.enabled))
            .param("metadata", self.metadata.as_str())
    }

    /// A beat says where it belongs in the URL, as all clients have it, and what it describes in the body.
    pub(super) fn beat<'a>(&'a self, call: Call<'a>, is_light: bool) -> Call<'a> {
        let call = call
            .query("namespaceId", self.service.namespace.as_str())
            .query("serviceName", self.grouped.as_str())
            .query("clusterName", self.cluster.as_str())
            .query("ip", self.ip.as_str())
            .query("port", self.port.to_string());
        if is_light { call } else { call.form("beat", self.beat.as_str()) }
    }
}

/// Asks for a list.
pub(super) fn list<'a>(path: String, service: &'a ServiceKey, clusters: &'a str, healthy_only: bool) -> Call<'a> {
    Call::get(path)
        .query("namespaceId", service.namespace.as_str())
        .query("serviceName", format!("{}@@{}", service.group, service.name))
        .query("groupName", service.group.as_str())
        .query("clusters", clusters)
        .query("healthyOnly", text(healthy_only))
}

pub(super) const fn text(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}
