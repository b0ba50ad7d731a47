//! The instances of the story and their one comparable form: text.

use std::collections::{BTreeMap, HashMap};

use nacos_sdk::api::naming::ServiceInstance;

/// The owner's instance of `orders`.
pub(crate) fn a(zone: &str, weight: f64) -> ServiceInstance {
    let metadata = [("zone", zone), ("note", "甲乙 & \"丙\" = 🚀")];
    let metadata: HashMap<_, _> = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    ServiceInstance { weight, metadata, ..instance("10.1.0.1", "blue") }
}

/// The peer's instance of `orders`.
pub(crate) fn b() -> ServiceInstance {
    instance("10.1.0.2", "blue")
}

pub(crate) fn fleet_members() -> Vec<ServiceInstance> {
    let unhealthy = ServiceInstance { healthy: false, ..instance("10.1.1.2", "blue") };
    vec![instance("10.1.1.1", "blue"), unhealthy, instance("10.1.1.3", "green")]
}

pub(crate) fn texts<'a>(instances: impl IntoIterator<Item = &'a ServiceInstance>) -> Vec<String> {
    let mut all: Vec<_> = instances.into_iter().map(text).collect();
    all.sort();
    all
}

fn instance(ip: &str, cluster: &str) -> ServiceInstance {
    ServiceInstance { ip: ip.to_owned(), port: 8080, cluster_name: Some(cluster.to_owned()), ..Default::default() }
}

/// All that a client may ask about an instance, as one line.
fn text(i: &ServiceInstance) -> String {
    let cluster = i.cluster_name.as_deref().unwrap_or("no cluster");
    let metadata: BTreeMap<_, _> = i.metadata.iter().collect();
    let healthy = if i.healthy { "" } else { " unhealthy" };
    let enabled = if i.enabled { "" } else { " disabled" };
    let ephemeral = if i.ephemeral { "" } else { " persistent" };
    format!("{}:{} {cluster} weight={}{healthy}{enabled}{ephemeral} {metadata:?}", i.ip, i.port, i.weight)
}
