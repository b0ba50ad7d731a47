//! The list of a service's instances as clients see it (`ServiceInfo`), written once per view and shared.
//!
//! gRPC and HTTP use the same object; they differ in whether the name carries the group, and client generations differ
//! in the spelling of one field. Field order is Java's.

use std::sync::OnceLock;

use bytes::Bytes;
use nacrite_base::{Instance, ServiceKey, Timestamp};

use crate::json;

/// How long a client may keep a list that it did not subscribe to, in ms (`defaultPushCacheMillis`).
pub(crate) const CACHE_MS: u64 = 10_000;

/// How the object is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// gRPC to clients of version 3 and all that are not Java's: plain name, `allIps`.
    Rpc3,
    /// gRPC to Java clients of version 2: plain name, `allIPs` (recorded: `2.5.1/naming-subscribe`).
    Rpc2,
    /// HTTP v1 and v2: grouped name, `allIPs`.
    Http,
}

impl Dialect {
    const COUNT: usize = 3;

    const fn all_ips(self) -> &'static str {
        match self {
            Self::Rpc3 => "allIps",
            Self::Rpc2 | Self::Http => "allIPs",
        }
    }
}

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub struct ServiceInfo<'a> {
    /// Which service.
    pub key: &'a ServiceKey,
    /// The cluster filter, echoed as it was sent.
    pub clusters: &'a str,
    /// The instances that the caller may see.
    pub instances: &'a [&'a Instance],
    /// Whether instances of the service live as long as their client.
    pub ephemeral: bool,
    /// Too few are healthy: all are shown as healthy.
    pub protected: bool,
    /// When the list was made.
    pub ref_time: Timestamp,
}

impl ServiceInfo<'_> {
    /// Writes the object.
    #[must_use]
    pub fn encode(&self, dialect: Dialect) -> Bytes {
        let grouped = self.key.grouped();
        let mut out = Vec::with_capacity(256 + 384 * self.instances.len());
        out.extend_from_slice(b"{\"name\":");
        json::write(&mut out, if dialect == Dialect::Http { grouped.as_str() } else { self.key.name.as_str() });
        out.extend_from_slice(b",\"groupName\":");
        json::write(&mut out, self.key.group.as_str());
        out.extend_from_slice(b",\"clusters\":");
        json::write(&mut out, self.clusters);
        out.extend_from_slice(b",\"cacheMillis\":");
        json::write(&mut out, &CACHE_MS);
        out.extend_from_slice(b",\"hosts\":");
        self.write_hosts(&mut out, &grouped);
        out.extend_from_slice(b",\"lastRefTime\":");
        json::write(&mut out, &self.ref_time.as_ms());
        out.extend_from_slice(b",\"checksum\":\"\",\"");
        out.extend_from_slice(dialect.all_ips().as_bytes());
        out.extend_from_slice(b"\":false,\"reachProtectionThreshold\":");
        json::write(&mut out, &self.protected);
        out.extend_from_slice(b",\"valid\":true}");
        out.into()
    }

    /// Writes the instances alone, as v3 does.
    #[must_use]
    pub fn encode_hosts(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 384 * self.instances.len());
        self.write_hosts(&mut out, &self.key.grouped());
        out
    }

    fn write_hosts(&self, out: &mut Vec<u8>, grouped: &str) {
        let host = Host { grouped, ephemeral: self.ephemeral, protected: self.protected };
        out.push(b'[');
        for (at, instance) in self.instances.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_host(out, instance, &host);
        }
        out.push(b']');
    }
}

/// What an instance does not know about itself.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// Group and name of its service in one word.
    pub grouped: &'a str,
    /// Kind of its service.
    pub ephemeral: bool,
    /// Shown as healthy whatever it is.
    pub protected: bool,
}

/// Writes one instance (`reference/grpc.md`, 5.1). One that was registered over v2 or v3 of HTTP has no id, and shows none.
pub fn write_host(out: &mut Vec<u8>, instance: &Instance, host: &Host<'_>) {
    out.push(b'{');
    if !instance.id.is_empty() {
        out.extend_from_slice(b"\"instanceId\":");
        json::write(out, &*instance.id);
        out.push(b',');
    }
    if let Some(ip) = &instance.key.host {
        out.extend_from_slice(b"\"ip\":");
        json::write(out, ip.as_str());
        out.push(b',');
    }
    out.extend_from_slice(b"\"port\":");
    json::write(out, &instance.key.port);
    out.extend_from_slice(b",\"weight\":");
    json::write(out, &instance.weight);
    out.extend_from_slice(b",\"healthy\":");
    json::write(out, &(instance.healthy || host.protected));
    out.extend_from_slice(b",\"enabled\":");
    json::write(out, &instance.enabled);
    out.extend_from_slice(b",\"ephemeral\":");
    json::write(out, &host.ephemeral);
    out.extend_from_slice(b",\"clusterName\":");
    json::write(out, instance.key.cluster.as_str());
    out.extend_from_slice(b",\"serviceName\":");
    json::write(out, host.grouped);
    out.extend_from_slice(b",\"metadata\":");
    write_metadata(out, instance);
    write_timers(out, instance);
    out.push(b'}');
}

fn write_metadata(out: &mut Vec<u8>, instance: &Instance) {
    out.push(b'{');
    for (at, (key, value)) in instance.metadata.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(out, key);
        out.push(b':');
        json::write(out, value);
    }
    out.push(b'}');
}

/// Fields that Java derives from the metadata; the generator's name stands only where it is known (`5.1`).
fn write_timers(out: &mut Vec<u8>, instance: &Instance) {
    let metadata = &instance.metadata;
    if metadata.is_empty() {
        out.extend_from_slice(
            b",\"instanceHeartBeatInterval\":5000,\"instanceHeartBeatTimeOut\":15000,\"ipDeleteTimeout\":30000,\
              \"instanceIdGenerator\":\"simple\"",
        );
        return;
    }
    let ms = |wait: std::time::Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    out.extend_from_slice(b",\"instanceHeartBeatInterval\":");
    json::write(out, &ms(metadata.beat_interval()));
    out.extend_from_slice(b",\"instanceHeartBeatTimeOut\":");
    json::write(out, &ms(metadata.beat_timeout()));
    out.extend_from_slice(b",\"ipDeleteTimeout\":");
    json::write(out, &ms(metadata.delete_timeout()));
    if let Some(generator) = metadata.get("preserved.instance.id.generator") {
        out.extend_from_slice(b",\"instanceIdGenerator\":");
        json::write(out, generator);
    }
}

/// The whole list of one view, once per dialect. Kept beside the view by the edges.
#[derive(Debug, Default)]
pub struct WholeList([OnceLock<Bytes>; Dialect::COUNT]);

impl WholeList {
    /// What was written in `dialect` before, or what `encode` writes now.
    pub fn get_or_encode(&self, dialect: Dialect, encode: impl FnOnce() -> Bytes) -> Bytes {
        self.0[dialect as usize].get_or_init(encode).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{ClusterName, GroupName, InstanceKey, Metadata, NamespaceId, ServiceName};

    fn key() -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored("pay"),
        }
    }

    fn instance(metadata: &[(&str, Option<&str>)]) -> Instance {
        let pairs = metadata.iter().map(|(k, v)| ((*k).into(), v.map(Into::into))).collect();
        Instance {
            key: InstanceKey {
                host: Some(nacrite_base::Host::from_stored("10.0.0.5")),
                port: 8080,
                cluster: ClusterName::default_cluster(),
            },
            id: "10.0.0.5#8080#DEFAULT#DEFAULT_GROUP@@pay".into(),
            weight: 1.0,
            healthy: false,
            enabled: true,
            metadata: Metadata::from_stored(pairs),
        }
    }

    fn encode(instance: &Instance, protected: bool, dialect: Dialect) -> String {
        let key = key();
        let info = ServiceInfo {
            key: &key,
            clusters: "",
            instances: &[instance],
            ephemeral: true,
            protected,
            ref_time: Timestamp::from_ms(7),
        };
        String::from_utf8(info.encode(dialect).to_vec()).expect("JSON is UTF-8")
    }

    #[test]
    fn a_list_is_written_as_java_writes_it() {
        assert_eq!(
            encode(&instance(&[]), true, Dialect::Rpc3),
            concat!(
                r#"{"name":"pay","groupName":"DEFAULT_GROUP","clusters":"","cacheMillis":10000,"hosts":[{"#,
                r#""instanceId":"10.0.0.5#8080#DEFAULT#DEFAULT_GROUP@@pay","ip":"10.0.0.5","port":8080,"weight":1.0,"#,
                r#""healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","#,
                r#""serviceName":"DEFAULT_GROUP@@pay","metadata":{},"instanceHeartBeatInterval":5000,"#,
                r#""instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":30000,"instanceIdGenerator":"simple"}],"#,
                r#""lastRefTime":7,"checksum":"","allIps":false,"reachProtectionThreshold":true,"valid":true}"#
            )
        );
    }

    #[test]
    fn dialects_differ_in_the_name_and_one_spelling() {
        let http = encode(&instance(&[]), false, Dialect::Http);
        assert!(http.starts_with(r#"{"name":"DEFAULT_GROUP@@pay","#), "{http}");
        assert!(http.contains("\"allIPs\":false"), "{http}");
        assert!(encode(&instance(&[]), false, Dialect::Rpc2).starts_with(r#"{"name":"pay","#));
    }

    #[test]
    fn an_instance_without_an_id_shows_none() {
        let anonymous = Instance { id: "".into(), ..instance(&[]) };
        let shown = encode(&anonymous, false, Dialect::Rpc3);
        assert!(shown.contains(r#""hosts":[{"ip":"10.0.0.5","#), "{shown}");
    }

    #[test]
    fn metadata_decides_the_derived_fields() {
        let null_only = encode(&instance(&[("a", None)]), false, Dialect::Rpc3);
        assert!(null_only.contains(r#""metadata":{},"#) && !null_only.contains("instanceIdGenerator"), "{null_only}");
        let set = encode(&instance(&[("preserved.heart.beat.interval", Some("100"))]), false, Dialect::Rpc3);
        assert!(set.contains("\"instanceHeartBeatInterval\":100,"), "{set}");
    }
}
