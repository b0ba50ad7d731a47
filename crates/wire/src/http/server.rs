//! What the server says about itself: its state, its counts and its connections.

use nacrite_base::{ConnectionId, Timestamp};
use serde::Deserialize;

use crate::http::body;
use crate::http::refusal::Refusal;
use crate::json;

/// The state of the server, one text per name (`reference/http.md`, 2.6.1). Tools choose their API by `version`, so it is
/// that of the API they ask, not this program's.
#[derive(Clone, Copy, Debug)]
pub struct ServerState<'a> {
    /// The version of Nacos whose API answers.
    pub version: &'a str,
    /// The port of this listener.
    pub port: u16,
    /// Days that the config history is kept.
    pub history_days: u64,
}

impl ServerState<'_> {
    /// Writes the state.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (port, days) = (self.port.to_string(), self.history_days.to_string());
        let aggregated = 10_000_u32.to_string();
        let pairs: [(&str, Option<&str>); 24] = [
            ("version", Some(self.version)),
            ("startup_mode", Some("standalone")),
            ("function_mode", None),
            ("server_port", Some(&port)),
            ("auth_enabled", Some("false")),
            ("auth_system_type", Some("nacos")),
            ("auth_admin_request", Some("false")),
            ("login_page_enabled", Some("false")),
            ("console_ui_enabled", Some("true")),
            ("datasource_platform", Some("")),
            ("plugin_datasource_log_enabled", Some("false")),
            ("config_retention_days", Some(&days)),
            ("maxContent", Some("10485760")),
            ("isHealthCheck", Some("true")),
            ("maxHealthCheckFailCount", Some("12")),
            ("isManageCapacity", Some("true")),
            ("isCapacityLimitCheck", Some("false")),
            ("defaultClusterQuota", Some("100000")),
            ("defaultGroupQuota", Some("200")),
            ("defaultMaxSize", Some("102400")),
            ("defaultMaxAggrCount", Some(&aggregated)),
            ("defaultMaxAggrSize", Some("1024")),
            ("notifyConnectTimeout", Some("100")),
            ("notifySocketTimeout", Some("200")),
        ];
        let mut out = Vec::with_capacity(640);
        for (at, (name, value)) in pairs.iter().enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            json::write(&mut out, name);
            out.push(b':');
            json::write(&mut out, value);
        }
        out.push(b'}');
        out
    }
}

/// How much naming holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamingCounts {
    /// Listed services.
    pub services: usize,
    /// Instances.
    pub instances: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Clients that hold a connection.
    pub connected: usize,
    /// Clients that beat.
    pub beating: usize,
    /// Clients of persistent instances.
    pub persistent: usize,
}

/// Which generation counts are written for; older ones say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsFor {
    /// Also what this node is responsible for.
    V1,
    /// Also what the machine does.
    V2,
    /// The counts alone.
    V3,
}

/// Writes that the server is up, with counts if they are wanted.
#[must_use]
pub fn metrics(is_up: bool, counts: Option<&NamingCounts>, counts_for: CountsFor) -> Vec<u8> {
    let mut out = Vec::with_capacity(384);
    out.extend_from_slice(b"{\"status\":");
    json::write(&mut out, if is_up { "UP" } else { "DOWN" });
    let Some(counts) = counts else {
        out.push(b'}');
        return out;
    };
    let clients = counts.connected + counts.beating + counts.persistent;
    let mut field = |name: &str, value: usize| {
        out.push(b',');
        json::write(&mut out, name);
        out.push(b':');
        json::write(&mut out, &value);
    };
    field("serviceCount", counts.services);
    field("instanceCount", counts.instances);
    field("subscribeCount", counts.subscriptions);
    if counts_for == CountsFor::V1 {
        field("responsibleInstanceCount", counts.instances);
    }
    field("clientCount", clients);
    field("connectionBasedClientCount", counts.connected);
    field("ephemeralIpPortClientCount", counts.beating);
    field("persistentIpPortClientCount", counts.persistent);
    field("responsibleClientCount", clients);
    if counts_for != CountsFor::V3 {
        // Java says -1 for a load that it cannot measure; the machine is not measured here.
        out.extend_from_slice(b",\"cpu\":-1.0,\"load\":-1.0,\"mem\":-1.0");
    }
    out.push(b'}');
    out
}

/// A connection as operators see it.
#[derive(Clone, Debug)]
pub struct ConnectionShown<'a> {
    /// Its id.
    pub id: &'a ConnectionId,
    /// The address that the client gives for itself.
    pub client_ip: &'a str,
    /// The other end of the socket.
    pub remote_ip: String,
    /// Its port.
    pub remote_port: u16,
    /// The port that it came in by.
    pub local_port: u16,
    /// Program and version.
    pub version: &'a str,
    /// When it was accepted.
    pub opened_at: Timestamp,
    /// When the client was last heard of.
    pub active_at: Timestamp,
    /// Name of its application.
    pub app: &'a str,
    /// Namespace of a config client.
    pub namespace: Option<&'a str>,
    /// Labels as they were sent.
    pub labels: Vec<(&'a str, &'a str)>,
    /// Its requests are logged.
    pub is_traced: bool,
}

impl ConnectionShown<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"abilityTable\":null,\"metaInfo\":{\"connectType\":\"GRPC\",\"clientIp\":");
        json::write(out, self.client_ip);
        out.extend_from_slice(b",\"remoteIp\":");
        json::write(out, &self.remote_ip);
        out.extend_from_slice(b",\"remotePort\":");
        json::write(out, &self.remote_port);
        out.extend_from_slice(b",\"localPort\":");
        json::write(out, &self.local_port);
        out.extend_from_slice(b",\"version\":");
        json::write(out, self.version);
        out.extend_from_slice(b",\"connectionId\":");
        json::write(out, self.id.as_str());
        out.extend_from_slice(b",\"createTime\":");
        json::write(out, &super::dates::iso_date(self.opened_at));
        out.extend_from_slice(b",\"lastActiveTime\":");
        json::write(out, &self.active_at.as_ms());
        out.extend_from_slice(b",\"appName\":");
        json::write(out, self.app);
        out.extend_from_slice(b",\"namespaceId\":");
        json::write(out, &self.namespace);
        out.extend_from_slice(b",\"labels\":");
        self.write_labels(out);
        out.extend_from_slice(b"},\"labels\":");
        self.write_labels(out);
        out.extend_from_slice(b",\"connected\":true,\"traced\":");
        json::write(out, &self.is_traced);
        out.push(b'}');
    }

    fn write_labels(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (name, value)) in self.labels.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::write(out, name);
            out.push(b':');
            json::write(out, value);
        }
        out.push(b'}');
    }
}

/// Writes connections by id.
#[must_use]
pub fn connections(all: &[ConnectionShown<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + 640 * all.len());
    out.push(b'{');
    for (at, connection) in all.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(&mut out, connection.id.as_str());
        out.push(b':');
        connection.write(&mut out);
    }
    out.push(b'}');
    out
}

/// What is to be logged from now on.
#[derive(Debug, Deserialize)]
pub struct LogAsk {
    /// Which part of the server; `root` for all of it.
    #[serde(rename = "logName", default)]
    pub name: String,
    /// The level.
    #[serde(rename = "logLevel", default)]
    pub level: String,
}

impl LogAsk {
    /// Reads the JSON body of a request.
    ///
    /// # Errors
    /// [`Refusal::BodyMissing`], [`Refusal::MediaTypeUnread`], or that the JSON cannot be read.
    pub fn read(content_type: Option<&str>, body: &[u8]) -> Result<Self, Refusal> {
        Ok(json::read(body::json(content_type, body)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_a_flat_object_of_texts() {
        let state = ServerState { version: "2.5.1", port: 8848, history_days: 30 }.encode();
        let state: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&state).expect("an object");
        assert_eq!(state.len(), 24);
        assert_eq!(state["server_port"], "8848");
        assert!(state.values().all(|value| value.is_string() || value.is_null()));
    }

    #[test]
    fn counts_are_told_only_if_they_are_wanted() {
        assert_eq!(metrics(true, None, CountsFor::V1), br#"{"status":"UP"}"#);
        let counts = NamingCounts { connected: 1, beating: 2, ..NamingCounts::default() };
        let v3 = String::from_utf8(metrics(true, Some(&counts), CountsFor::V3)).expect("JSON");
        assert!(v3.contains("\"clientCount\":3,") && !v3.contains("cpu"), "{v3}");
        let v1 = String::from_utf8(metrics(true, Some(&counts), CountsFor::V1)).expect("JSON");
        assert!(v1.contains("\"responsibleInstanceCount\":0,") && v1.contains("\"cpu\":-1.0"), "{v1}");
    }

    #[test]
    fn connections_are_listed_by_id() {
        let id = ConnectionId::new("1_127.0.0.1_2");
        let shown = ConnectionShown {
            id: &id,
            client_ip: "10.0.0.1",
            remote_ip: "127.0.0.1".to_owned(),
            remote_port: 2,
            local_port: 9848,
            version: "v",
            opened_at: Timestamp::from_ms(0),
            active_at: Timestamp::from_ms(1),
            app: "-",
            namespace: None,
            labels: vec![("source", "sdk")],
            is_traced: false,
        };
        let written: serde_json::Value = serde_json::from_slice(&connections(&[shown])).expect("an object");
        let meta = &written["1_127.0.0.1_2"]["metaInfo"];
        assert_eq!((&meta["remotePort"], &meta["labels"]["source"]), (&2.into(), &"sdk".into()));
        assert_eq!(connections(&[]), b"{}");
    }
}
