//! What the hot paths work on: a filled registry, requests as clients send them, a config.
//!
//! Everything is made before counting starts. Sizes are those of a middling installation: a hundred services of ten
//! instances, contents of one kibibyte.

#![expect(clippy::expect_used, reason = "a case that cannot be prepared is no case")]

use std::sync::Arc;

use bytes::BytesMut;
use nacrite_balance::policy::PolicyRegistry;
use nacrite_balance::{Connectivity, Endpoint, Member, Picker};
use nacrite_base::{
    ClientId, ClusterName, ConnectionId, GroupName, Host, Instance, InstanceKey, Kind, Metadata, NamespaceId,
    ServiceKey, ServiceName, Timestamp,
};
use nacrite_naming::{ClusterFilter, Command, Registry, Rules, Subscription};
use nacrite_wire::http::params::Params;
use nacrite_wire::payload::Outgoing;

/// Services in the registry.
const SERVICES: u16 = 100;

/// When everything was registered.
pub const FILLED_AT: Timestamp = Timestamp::from_ms(1_000_000);

/// A service by number.
#[must_use]
pub fn service(number: u16) -> ServiceKey {
    ServiceKey {
        namespace: NamespaceId::public(),
        group: GroupName::default_group(),
        name: ServiceName::from_stored(&format!("service-{number}")),
    }
}

/// A connection by number.
#[must_use]
pub fn client(number: u16) -> ClientId {
    ClientId::Connection(ConnectionId::new(&format!("1000000_127.0.0.1_{number}")))
}

/// An instance on a port.
#[must_use]
pub fn instance(port: u16) -> Instance {
    let metadata = [("version", "1.4.2"), ("zone", "north")];
    Instance {
        key: InstanceKey { host: Some(Host::from_stored("10.0.0.1")), port, cluster: ClusterName::default_cluster() },
        id: format!("10.0.0.1#{port}#DEFAULT#DEFAULT_GROUP@@service").into(),
        weight: 1.0,
        healthy: true,
        enabled: true,
        metadata: Metadata::from_stored(metadata.map(|(key, value)| (key.into(), Some(value.into()))).into()),
    }
}

/// A registry in which every service has so many instances, each of a client of its own; the views are made.
#[must_use]
pub fn registry(instances: u16) -> Registry {
    let mut registry = Registry::new(Rules::default());
    for number in 0..SERVICES {
        for port in 1..=instances {
            let register =
                Command::Register { client: client(port), service: service(number), instances: vec![instance(port)] };
            drop(registry.apply(FILLED_AT, register).expect("an empty registry takes everything"));
        }
        registry.view(FILLED_AT, &service(number));
    }
    registry
}

/// A message as it comes off the wire.
#[must_use]
pub fn message(wire_type: &'static str, body: String) -> Vec<u8> {
    let mut out = BytesMut::new();
    Outgoing::answer(wire_type, body.into()).encode(&mut out);
    out.to_vec()
}

/// A registration as Java sends it.
#[must_use]
pub fn register_message() -> Vec<u8> {
    let body = r#"{"headers":{},"namespace":"public","serviceName":"service-7","groupName":"DEFAULT_GROUP","type":"registerInstance","instance":{"ip":"10.0.0.9","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"service-7","metadata":{"version":"1.4.2","zone":"north"},"instanceHeartBeatInterval":5000,"ipDeleteTimeout":30000,"instanceHeartBeatTimeOut":15000,"instanceIdGenerator":"simple"},"module":"naming"}"#;
    message("InstanceRequest", body.to_owned())
}

/// A query as Java sends it.
#[must_use]
pub fn query_message() -> Vec<u8> {
    let body = r#"{"headers":{},"namespace":"public","serviceName":"service-7","groupName":"DEFAULT_GROUP","cluster":"","healthyOnly":false,"udpPort":0,"module":"naming"}"#;
    message("ServiceQueryRequest", body.to_owned())
}

/// A publication of a content of one kibibyte.
#[must_use]
pub fn publish_message() -> Vec<u8> {
    let content = "key=value of a config\\n".repeat(46);
    let body = format!(
        r#"{{"headers":{{}},"dataId":"app.properties","group":"DEFAULT_GROUP","tenant":"public","content":"{content}","casMd5":null,"additionMap":{{"type":"properties"}},"module":"config"}}"#
    );
    message("ConfigPublishRequest", body)
}

/// What a client that asks over HTTP again and again calls itself.
pub const POLLING_AGENT: &str = "Nacos-Java-Client:v1.4.7";

/// The parameters with which Java of the first generation asks for a list, on a port or on none.
#[must_use]
pub fn list_params(udp_port: &'static str) -> Params<'static> {
    let mut params = Params::default();
    for (name, value) in [
        ("namespaceId", "public"),
        ("serviceName", "DEFAULT_GROUP@@service-7"),
        ("clusters", ""),
        ("udpPort", udp_port),
        ("clientIP", "10.0.0.9"),
        ("healthyOnly", "false"),
    ] {
        params.push(name.into(), value.into());
    }
    params
}

/// A filled registry in which the client of [`list_params`] asked before.
#[must_use]
pub fn polled_registry() -> Registry {
    let mut registry = registry(10);
    let host = Host::from_stored("10.0.0.9");
    let subscription = Subscription {
        clusters: ClusterFilter::ALL,
        app: "".into(),
        agent: POLLING_AGENT.into(),
        address: "10.0.0.9:55123".into(),
    };
    let client = ClientId::Address { host, port: 55_123, kind: Kind::Ephemeral };
    let subscribe = Command::Subscribe { client, service: service(7), subscription };
    drop(registry.apply(FILLED_AT, subscribe).expect("a subscription is never refused"));
    registry
}

/// The policies whose picks are measured.
pub const POLICIES: [&str; 6] =
    ["pick_first", "round_robin", "weighted_round_robin", "weighted_random", "least_request", "ring_hash"];

/// A thousand endpoints that are ready, with weights from 1 to 10.
#[must_use]
pub fn members() -> Vec<Member> {
    let member = |port: u16| {
        let endpoint = Endpoint { weight: f64::from(port % 10 + 1), ..Endpoint::new("10.0.0.1", port) };
        Member { state: Connectivity::Ready, ..Member::idle(endpoint) }
    };
    (1..=1_000).map(member).collect()
}

/// A picker over [`members`].
#[must_use]
pub fn picker(policy: &str) -> Arc<dyn Picker> {
    PolicyRegistry::standard().by_name(policy).expect("there is such a policy").picker(&members())
}
