//! What an instance of a registry is to a caller of gRPC. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use nacrite_balance::Endpoint;
use nacrite_client::naming::{Instance, Instances};

use super::service::Wanted;

/// Where the starters of Spring write the port of gRPC, the present name first.
const PORT_KEYS: [&str; 2] = ["gRPC_port", "gRPC.port"];

/// Where an instance says that it speaks TLS: `true`, or `https` for the second.
const SECURE_KEY: &str = "secure";
const SCHEME_KEY: &str = "scheme";

/// Where instances say how they want to be called, as a service config in JSON.
const SERVICE_CONFIG_KEY: &str = "grpc.service-config";

/// The endpoints that take calls, in an order that does not depend on the server's. What the registry believes to be down
/// is left out, unless so much is down that it doubts itself (`reachProtectionThreshold`); what an operator switched off
/// is left out always.
pub(super) fn endpoints(instances: &Instances, wanted: &Wanted) -> Vec<Endpoint> {
    let is_wanted = |instance: &&Arc<Instance>| {
        let says = |(key, value): &(&str, String)| instance.metadata().get(key).is_some_and(|said| said == value);
        instance.is_enabled() && (instance.is_healthy() || instances.is_protected()) && wanted.metadata.iter().all(says)
    };
    let mut endpoints: Vec<_> = instances.iter().filter(is_wanted).map(|instance| endpoint(instance, wanted)).collect();
    endpoints.sort_by(|one, other| (&one.host, one.port).cmp(&(&other.host, other.port)));
    endpoints
}

fn endpoint(instance: &Instance, wanted: &Wanted) -> Endpoint {
    let metadata = instance.metadata();
    let keys = wanted.port_key.as_deref().into_iter().chain(PORT_KEYS);
    let named = keys.filter_map(|key| metadata.get(key)?.trim().parse().ok()).find(|port: &u16| *port > 0);
    let says_secure = || {
        let says = |key: &str, value: &str| metadata.get(key).map(|said| said.eq_ignore_ascii_case(value));
        says(SECURE_KEY, "true").or_else(|| says(SCHEME_KEY, "https"))
    };
    Endpoint {
        host: instance.ip().into(),
        port: named.unwrap_or(instance.port()),
        weight: instance.effective_weight(),
        locality: instance.cluster().into(),
        secure: wanted.secure.or_else(says_secure),
        metadata: Arc::new(metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()),
    }
}

/// The service config that most instances carry; of several with as many, the first in the order of the alphabet, so that
/// all callers agree while instances are being replaced.
pub(super) fn service_config(instances: &Instances) -> Option<&str> {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in instances.iter().filter(|instance| instance.is_enabled()) {
        if let Some(json) = instance.metadata().get(SERVICE_CONFIG_KEY) {
            *votes.entry(json).or_default() += 1;
        }
    }
    let most = votes.into_iter().rev().max_by_key(|(_, votes)| *votes);
    most.map(|(json, _)| json)
}
