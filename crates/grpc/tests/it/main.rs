//! The gRPC edge, spoken to over real sockets.

mod config;
mod connection;
mod fuzzy_watch;
mod guard;
mod http2;
mod limits;
mod naming;
mod spreading;
mod table;

use serde_json::{Value, json};

/// An ephemeral instance as clients send it.
fn instance(ip: &str, port: u16) -> Value {
    json!({
        "ip": ip, "port": port, "weight": 1.0, "healthy": true, "enabled": true, "ephemeral": true,
        "clusterName": "DEFAULT", "metadata": {}
    })
}

/// A request about one service of the default group.
fn of_service(service: &str, more: Value) -> Value {
    let mut body = json!({"namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": service});
    merge(&mut body, more);
    body
}

/// A registration.
fn register(service: &str, ip: &str, port: u16) -> Value {
    of_service(service, json!({"type": "registerInstance", "instance": instance(ip, port)}))
}

/// A request about one config of the default group.
fn of_config(data_id: &str, more: Value) -> Value {
    let mut body = json!({"dataId": data_id, "group": "DEFAULT_GROUP", "tenant": ""});
    merge(&mut body, more);
    body
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

/// `ip:port` of every instance in a list, ordered.
fn addresses(service_info: &Value) -> Vec<String> {
    let hosts = service_info["hosts"].as_array().map_or(&[][..], Vec::as_slice);
    let mut found: Vec<String> =
        hosts.iter().map(|host| format!("{}:{}", host["ip"].as_str().unwrap_or_default(), host["port"])).collect();
    found.sort_unstable();
    found
}
