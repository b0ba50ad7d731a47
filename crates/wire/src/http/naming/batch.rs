//! Metadata of many instances at once: which instances, which keys, and what is answered.

use std::borrow::Cow;

use nacrite_base::{Fault, Host, InstanceKey, Kind, Metadata, ServiceKey};
use serde::Deserialize;

use super::instance::metadata_of;
use super::{form_service, v1_service};
use crate::from_wire::instance;
use crate::http::envelope::write_list;
use crate::http::params::Params;
use crate::http::refusal::Refusal;
use crate::{json, lenient};

/// Which metadata of which instances are to change.
#[derive(Debug)]
pub struct BatchAsk {
    /// The service of the instances.
    pub service: ServiceKey,
    /// Which instances, each once; none means all of the service.
    pub instances: Vec<InstanceKey>,
    /// The texts. Where keys are to be removed, the values mean nothing.
    pub metadata: Metadata,
}

/// An instance as the list names it; what else it says does not count (recorded: `ns-instance-metadata-batch`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Target<'a> {
    #[serde(borrow, deserialize_with = "lenient::text")]
    ip: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient::whole")]
    port: i64,
    #[serde(borrow, deserialize_with = "lenient::text")]
    cluster_name: Option<Cow<'a, str>>,
}

/// Reads a change of v1.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_batch(params: &Params<'_>) -> Result<BatchAsk, Refusal> {
    read(params, v1_service(params)?)
}

/// Reads a change of v2 or v3.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form_batch(params: &Params<'_>) -> Result<BatchAsk, Refusal> {
    read(params, form_service(params)?)
}

/// `consistencyType` is not read: a service has instances of one kind, and that one is meant whatever is said (recorded:
/// `ns-instance-metadata-batch`, persist on an ephemeral service).
fn read(params: &Params<'_>, service: ServiceKey) -> Result<BatchAsk, Refusal> {
    let metadata = metadata_of(params.required("metadata")?)?;
    let mut instances = params.get("instances").map_or_else(|| Ok(Vec::new()), targets)?;
    instances.sort_unstable();
    instances.dedup();
    Ok(BatchAsk { service, instances, metadata })
}

fn targets(given: &str) -> Result<Vec<InstanceKey>, Refusal> {
    let named: Vec<Target<'_>> = json::read_list(given.as_bytes()).map_err(|_| Refusal::InstancesUnreadable)?;
    named.iter().map(target).collect()
}

fn target(named: &Target<'_>) -> Result<InstanceKey, Refusal> {
    let host = named.ip.as_deref().map(Host::parse).transpose().map_err(Fault::Name)?;
    let port = u16::try_from(named.port).map_err(|_| Fault::PortOutOfRange)?;
    let cluster = instance::cluster(named.cluster_name.as_deref())?;
    Ok(InstanceKey { host, port, cluster })
}

/// Writes which instances were there to be changed. The word between port and cluster is the data centre, which nobody
/// names any more.
#[must_use]
pub fn updated<'a>(instances: impl IntoIterator<Item = &'a InstanceKey>, kind: Kind) -> Vec<u8> {
    let persistence = if kind == Kind::Persistent { "persist" } else { "ephemeral" };
    let mut out = b"{\"updated\":".to_vec();
    write_list(&mut out, instances, |out, key| {
        let host = key.host.as_ref().map_or("null", Host::as_str);
        json::write(out, &format!("{host}:{}:unknown:{}:{persistence}", key.port, key.cluster));
    });
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;

    fn asked(instances: &str) -> Result<Vec<String>, String> {
        let given = params(&[("serviceName", "a"), ("metadata", "k=v"), ("instances", instances)]);
        let ask = v1_batch(&given).map_err(|refusal| refusal.to_string())?;
        let shown =
            |key: &InstanceKey| format!("{:?} {} {}", key.host.as_ref().map(Host::as_str), key.port, key.cluster);
        Ok(ask.instances.iter().map(shown).collect())
    }

    #[test]
    fn instances_are_named_by_address_and_cluster() {
        let two = r#"[{"ip":"10.0.0.2","port":"2","clusterName":"c2","weight":7},{"ip":"10.0.0.1","port":1}]"#;
        let keys = [r#"Some("10.0.0.1") 1 DEFAULT"#, r#"Some("10.0.0.2") 2 c2"#].map(str::to_owned).to_vec();
        assert_eq!(asked(two), Ok(keys));
        let twice = r#"[{"ip":"10.0.0.1","port":1},{"ip":"10.0.0.1","port":1}]"#;
        assert_eq!(asked(twice).map(|keys| keys.len()), Ok(1));
    }

    #[test]
    fn no_list_means_all() {
        for all in ["", " ", "[]"] {
            assert_eq!(asked(all), Ok(vec![]), "{all:?}");
        }
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        for bad in ["oops", "{}", "[1]", "[null]", r#"[{"ip":"10.0.0.1","port":[]}]"#, "null", "[{}"] {
            assert_eq!(asked(bad), Err("instances is not a JSON list of instances".to_owned()), "{bad}");
        }
        assert!(asked(r#"[{"ip":"10.0.0.1","port":65536}]"#).is_err());
        assert!(asked(r#"[{"ip":"10 1","port":1}]"#).is_err());
    }

    #[test]
    fn the_service_is_missed_before_the_metadata() {
        let refused = |pairs: &[(&str, &str)]| v1_batch(&params(pairs)).map(|_| ()).map_err(|r| r.to_string());
        assert_eq!(refused(&[]), Err("Param 'serviceName' is required.".to_owned()));
        assert_eq!(refused(&[("serviceName", "a")]), Err("Param 'metadata' is required.".to_owned()));
        assert!(refused(&[("serviceName", "a"), ("metadata", "zzz")]).is_err());
    }

    #[test]
    fn what_was_changed_is_told_in_one_word_each() {
        let key = target(&Target { ip: Some("10.0.0.1".into()), port: 80, cluster_name: None }).expect("legal");
        let text = |kind| String::from_utf8(updated([&key], kind)).expect("JSON");
        assert_eq!(text(Kind::Ephemeral), r#"{"updated":["10.0.0.1:80:unknown:DEFAULT:ephemeral"]}"#);
        assert_eq!(text(Kind::Persistent), r#"{"updated":["10.0.0.1:80:unknown:DEFAULT:persist"]}"#);
        assert_eq!(updated([], Kind::Ephemeral), br#"{"updated":[]}"#);
    }
}
