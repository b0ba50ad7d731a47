//! An instance, whichever way it was sent.

use std::borrow::Cow;

use nacrite_base::instance::Pairs;
use nacrite_base::{ClusterName, Fault, Host, IdRule, Instance, InstanceKey, Metadata, NewInstance, ServiceKey};

use crate::rpc::naming::InstanceBody;

/// Keys that share a map with internal values in Nacos, so that users never see them again (recorded:
/// `naming-reserved-metadata`). Here they are dropped before they can confuse anyone.
const RESERVED_KEYS: [&str; 3] = ["customInstanceId", "publishInstanceWeight", "publishInstanceEnable"];

/// Whether the stricter rules for registering a single instance hold too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// One instance: heart-beat settings must fit each other, no underscore in the cluster.
    Single,
    /// A batch, or a persistent instance: neither is looked at.
    Lax,
}

/// Checks an instance.
///
/// # Errors
/// [`Fault::Name`] or [`Fault::PortOutOfRange`] for what the parameter check refuses; [`Fault::BeatSettings`],
/// [`Fault::ClusterNotPlain`] or [`Fault::IdGeneratorUnknown`] for what the registration refuses.
pub fn instance(body: InstanceBody<'_>, service: &ServiceKey, strictness: Strictness) -> Result<NewInstance, Fault> {
    let host = body.ip.as_deref().map(Host::parse).transpose()?;
    let port = port(body.port)?;
    let cluster = cluster(body.cluster_name.as_deref())?;
    let metadata = metadata(body.metadata)?;
    if strictness == Strictness::Single {
        check_single(&cluster, &metadata)?;
    }
    let id_rule = id_rule(&metadata)?;
    let shown_service = body.service_name.filter(|name| !name.trim().is_empty());
    let id = match body.instance_id {
        Some(given) if !given.is_empty() => given.as_ref().into(),
        _ => {
            let shown_host = host.as_ref().map_or("null", Host::as_str);
            let shown_cluster = body.cluster_name.as_deref().unwrap_or("null");
            let shown_service = shown_service.unwrap_or_else(|| Cow::Owned(service.grouped()));
            default_id(shown_host, port, shown_cluster, &shown_service)
        }
    };
    let key = InstanceKey { host, port, cluster };
    let instance = Instance { key, id, weight: body.weight, healthy: body.healthy, enabled: body.enabled, metadata };
    Ok(NewInstance { instance, id_rule })
}

/// The id that an instance has if nobody gave it one: `ip#port#cluster#group@@service`.
#[must_use]
pub fn default_id(host: &str, port: u16, cluster: &str, service: &str) -> std::sync::Arc<str> {
    format!("{host}#{port}#{cluster}#{service}").into()
}

/// Checks a port.
///
/// # Errors
/// [`Fault::PortOutOfRange`] outside 0 to 65535.
pub fn port(raw: i64) -> Result<u16, Fault> {
    u16::try_from(raw).map_err(|_| Fault::PortOutOfRange)
}

/// Checks a cluster name; absent and blank mean the default cluster.
///
/// # Errors
/// [`Fault::Name`] for an illegal one.
pub fn cluster(raw: Option<&str>) -> Result<ClusterName, Fault> {
    match raw {
        None | Some("DEFAULT") => Ok(ClusterName::default_cluster()),
        Some(raw) if raw.trim().is_empty() => Ok(ClusterName::default_cluster()),
        Some(raw) => Ok(ClusterName::parse(raw)?),
    }
}

/// Checks metadata; reserved keys are dropped.
///
/// # Errors
/// [`Fault::Name`] if it is too long.
pub fn metadata(raw: Option<Pairs>) -> Result<Metadata, Fault> {
    let Some(mut pairs) = raw else {
        return Ok(Metadata::default());
    };
    pairs.retain(|key, _| !RESERVED_KEYS.contains(&&**key));
    Ok(Metadata::parse(pairs)?)
}

/// The rules for registering a single instance.
///
/// # Errors
/// [`Fault::BeatSettings`] or [`Fault::ClusterNotPlain`].
pub fn check_single(cluster: &ClusterName, metadata: &Metadata) -> Result<(), Fault> {
    let interval = metadata.beat_interval();
    if metadata.beat_timeout() < interval || metadata.delete_timeout() < interval {
        return Err(Fault::BeatSettings);
    }
    if !cluster.is_plain() {
        return Err(Fault::ClusterNotPlain { cluster: cluster.as_str().to_owned() });
    }
    Ok(())
}

/// Which generator the metadata asks for.
///
/// # Errors
/// [`Fault::IdGeneratorUnknown`] for one that is not there.
pub fn id_rule(metadata: &Metadata) -> Result<IdRule, Fault> {
    match metadata.get("preserved.instance.id.generator") {
        None | Some("simple") => Ok(IdRule::AsGiven),
        Some("snowflake") => Ok(IdRule::Snowflake),
        Some(_) => Err(Fault::IdGeneratorUnknown),
    }
}
