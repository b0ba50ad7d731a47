//! How clients are spread over servers, and how a server stands that is to leave, as operators read it.

use std::sync::Arc;

use super::envelope;
use crate::codes::body::SERVER_ERROR;
use crate::json;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLoad {
    /// `ip:port` of its main port.
    pub address: String,
    /// Connections of clients that can be told to go elsewhere.
    pub sdk: usize,
    /// All connections.
    pub all: usize,
}

/// Every server that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterLoad {
    /// By address.
    pub nodes: Vec<NodeLoad>,
    /// How many servers there are.
    pub members: usize,
}

impl ClusterLoad {
    /// The object of v2: numbers of a server are texts.
    #[must_use]
    pub fn v2(&self) -> Vec<u8> {
        self.written(|out, node| {
            // The machine is not measured here; Java says -1 for what it cannot measure.
            out.extend_from_slice(b",\"metric\":{\"load\":\"-1.0\",\"sdkConCount\":\"");
            json::write(out, &node.sdk);
            out.extend_from_slice(b"\",\"conCount\":\"");
            json::write(out, &node.all);
            out.extend_from_slice(b"\",\"cpu\":\"-1.0\"}}");
        })
    }

    /// The data of v3: the threshold is a text.
    #[must_use]
    pub fn v3(&self) -> Vec<u8> {
        let mut out = self.written(|out, node| {
            out.extend_from_slice(b",\"sdkConCount\":");
            json::write(out, &node.sdk);
            out.extend_from_slice(b",\"conCount\":");
            json::write(out, &node.all);
            out.extend_from_slice(b",\"load\":\"-1.0\",\"cpu\":\"-1.0\"}");
        });
        let number = json::bytes(&self.threshold());
        let text = [b"\"", number.as_slice(), b"\"}"].concat();
        out.truncate(out.len() - number.len() - 1);
        out.extend_from_slice(&text);
        out
    }

    /// The object, whose last field is the threshold.
    fn written(&self, node_rest: impl Fn(&mut Vec<u8>, &NodeLoad)) -> Vec<u8> {
        let mut out = Vec::with_capacity(192 + 128 * self.nodes.len());
        out.extend_from_slice(b"{\"detail\":[");
        for (at, node) in self.nodes.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"address\":" } else { b",{\"address\":" });
            json::write(&mut out, &node.address);
            node_rest(&mut out, node);
        }
        out.push(b']');
        let sdk = || self.nodes.iter().map(|node| node.sdk);
        let fields = [
            ("memberCount", self.members),
            ("metricsCount", self.nodes.len()),
            ("max", sdk().max().unwrap_or(0)),
            ("min", sdk().min().unwrap_or(0)),
            ("avg", self.mean()),
            ("total", sdk().sum()),
        ];
        for (name, value) in fields {
            out.push(b',');
            json::write(&mut out, name);
            out.push(b':');
            json::write(&mut out, &value);
        }
        out.extend_from_slice(b",\"completed\":");
        json::write(&mut out, &(self.nodes.len() == self.members));
        out.extend_from_slice(b",\"threshold\":");
        json::write(&mut out, &self.threshold());
        out.push(b'}');
        out
    }

    /// Over those that answered, rounded down as by Nacos.
    fn mean(&self) -> usize {
        let total: usize = self.nodes.iter().map(|node| node.sdk).sum();
        total / self.nodes.len().max(1)
    }

    /// A server with more connections than this is due to give some away: the mean and a tenth.
    fn threshold(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "connections are far below 2^52")]
        let mean = self.mean() as f64;
        mean * 1.1
    }
}

/// Some servers could not be told to give clients away.
#[must_use]
pub fn not_told(failed: usize) -> bytes::Bytes {
    let detail = format!("{failed} servers could not be told to give clients away; the log says why");
    envelope::result_of(SERVER_ERROR, &json::bytes(&detail))
}

/// What went over connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Messages of clients, and their bytes.
    pub received: (u64, u64),
    /// Messages to clients, and their bytes.
    pub sent: (u64, u64),
}

impl Carried {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { received, sent } = self;
        let fields = [
            ("messagesReceived", received.0),
            ("bytesReceived", received.1),
            ("messagesSent", sent.0),
            ("bytesSent", sent.1),
        ];
        for (name, value) in fields {
            out.push(b',');
            json::write(out, name);
            out.push(b':');
            json::write(out, &value);
        }
    }
}

/// One connection, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Its id.
    pub id: String,
    /// The application.
    pub app: String,
    /// Program and version.
    pub version: String,
    /// What went over it.
    pub carried: Carried,
    /// Messages that wait to be sent, and that were sent and not acknowledged.
    pub waiting: (usize, usize),
    /// Since when the client takes nothing, in ms; 0 if it does.
    pub blocked_ms: u64,
    /// Its requests are logged.
    pub is_traced: bool,
}

/// Connections as they are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionsShown {
    /// All connections.
    pub total: usize,
    /// Those of clients that can be told to go elsewhere.
    pub sdk: usize,
    /// Why no client is let in; `None` if they are.
    pub refusing: Option<&'static str>,
    /// By address; the most first.
    pub by_ip: Vec<(Arc<str>, usize)>,
    /// By application; the most first.
    pub by_app: Vec<(Arc<str>, usize)>,
    /// The numbers that limit them, by name; absent ones limit nothing.
    pub limits: Vec<(&'static str, usize)>,
    /// What happens above them.
    pub mode: &'static str,
    /// Those of one address, if one was asked for.
    pub connections: Vec<ConnectionRow>,
}

impl ConnectionsShown {
    /// The data of an envelope.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + 32 * (self.by_ip.len() + self.by_app.len()));
        out.extend_from_slice(b"{\"total\":");
        json::write(&mut out, &self.total);
        out.extend_from_slice(b",\"sdk\":");
        json::write(&mut out, &self.sdk);
        out.extend_from_slice(b",\"refusing\":");
        json::write(&mut out, &self.refusing);
        out.extend_from_slice(b",\"mode\":");
        json::write(&mut out, self.mode);
        write_counts(&mut out, "limits", &self.limits);
        write_counts(&mut out, "byIp", &self.by_ip);
        write_counts(&mut out, "byApp", &self.by_app);
        out.extend_from_slice(b",\"connections\":[");
        for (at, row) in self.connections.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"connectionId\":" } else { b",{\"connectionId\":" });
            json::write(&mut out, &row.id);
            out.extend_from_slice(b",\"app\":");
            json::write(&mut out, &row.app);
            out.extend_from_slice(b",\"version\":");
            json::write(&mut out, &row.version);
            row.carried.write(&mut out);
            for (name, value) in [("waiting", row.waiting.0), ("unacknowledged", row.waiting.1)] {
                out.push(b',');
                json::write(&mut out, name);
                out.push(b':');
                json::write(&mut out, &value);
            }
            out.extend_from_slice(b",\"blockedMs\":");
            json::write(&mut out, &row.blocked_ms);
            out.extend_from_slice(b",\"traced\":");
            json::write(&mut out, &row.is_traced);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
        out
    }
}

fn write_counts<K: AsRef<str>>(out: &mut Vec<u8>, name: &str, counts: &[(K, usize)]) {
    out.push(b',');
    json::write(out, name);
    out.extend_from_slice(b":{");
    for (at, (key, count)) in counts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(out, key.as_ref());
        out.push(b':');
        json::write(out, count);
    }
    out.push(b'}');
}

/// How far a server is that hands its clients over: the data of an envelope.
#[must_use]
pub fn drain_shown(is_draining: bool, clients_before: usize, clients: usize, stayed: usize) -> Vec<u8> {
    let state = if is_draining { "draining" } else { "serving" };
    let counts = [("clientsBefore", clients_before), ("clients", clients), ("stayed", stayed)];
    let mut out = b"{\"state\":".to_vec();
    json::write(&mut out, state);
    for (name, value) in counts {
        out.push(b',');
        json::write(&mut out, name);
        out.push(b':');
        json::write(&mut out, &value);
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(written: &[u8]) -> Value {
        serde_json::from_slice(written).expect("JSON")
    }

    #[test]
    fn the_load_is_json_in_both_generations() {
        let node = |address: &str, sdk| NodeLoad { address: address.to_owned(), sdk, all: sdk + 1 };
        let load = ClusterLoad { nodes: vec![node("127.0.0.1:8848", 3), node("127.0.0.1:8850", 0)], members: 3 };
        let (v2, v3) = (read(&load.v2()), read(&load.v3()));
        assert_eq!(v2["detail"][0]["metric"]["sdkConCount"], "3");
        assert_eq!((&v3["detail"][1]["address"], &v3["detail"][0]["conCount"]), (&json!("127.0.0.1:8850"), &json!(4)));
        assert_eq!((&v2["threshold"], &v3["threshold"]), (&json!(1.1), &json!("1.1")));
        for value in [v2, v3] {
            assert_eq!([&value["max"], &value["min"], &value["avg"], &value["total"]], [3, 0, 1, 3]);
            assert_eq!((&value["memberCount"], &value["metricsCount"]), (&json!(3), &json!(2)));
            assert_eq!(value["completed"], false);
        }
        let alone = ClusterLoad { nodes: vec![node("a:1", 0)], members: 1 };
        assert_eq!(read(&alone.v3())["threshold"], "0.0");
    }

    #[test]
    fn connections_and_draining_are_json() {
        let row = ConnectionRow {
            id: "1_a_2".to_owned(),
            app: "-".to_owned(),
            version: "v".to_owned(),
            carried: Carried { received: (1, 2), sent: (3, 4) },
            waiting: (5, 6),
            blocked_ms: 7,
            is_traced: true,
        };
        let by_ip = vec![(Arc::from("10.0.0.1"), 2)];
        let shown = ConnectionsShown { by_ip, mode: "monitor", connections: vec![row], ..ConnectionsShown::default() };
        let shown = read(&shown.encode());
        assert_eq!((&shown["byIp"]["10.0.0.1"], &shown["refusing"]), (&json!(2), &Value::Null));
        assert_eq!(
            (&shown["connections"][0]["bytesSent"], &shown["connections"][0]["traced"]),
            (&json!(4), &json!(true))
        );
        let drain = read(&drain_shown(true, 9, 4, 1));
        assert_eq!(drain, json!({"state": "draining", "clientsBefore": 9, "clients": 4, "stayed": 1}));
    }
}
