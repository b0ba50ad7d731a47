//! Instances as parameters: registrations, changes and removals.

use std::borrow::Cow;

use nacrite_base::instance::Pairs;
use nacrite_base::{ClusterName, Fault, Host, InstanceKey, Kind, Metadata, NewInstance, ServiceKey};
use serde::Deserialize;

use super::{form_service, grouped_service, v1_service};
use crate::from_wire::instance::{self, Strictness};
use crate::http::params::Params;
use crate::http::refusal::{Refusal, WEIGHT_MAX, shown};
use crate::lenient;
use crate::rpc::naming::InstanceBody;

/// An instance, and what is said about where it belongs.
#[derive(Debug)]
pub struct InstanceAsk {
    /// Where.
    pub service: ServiceKey,
    /// How long it is to live; `None` if that is not said.
    pub kind: Option<Kind>,
    /// What.
    pub new: NewInstance,
}

/// Which instance a request speaks of.
#[derive(Debug)]
pub struct InstanceRef {
    /// Where.
    pub service: ServiceKey,
    /// Which one.
    pub key: InstanceKey,
}

/// Values of an instance that are to change; what is `None` stays.
#[derive(Debug)]
pub struct PatchAsk {
    /// Which instance.
    pub instance: InstanceRef,
    /// Share of the traffic.
    pub weight: Option<f64>,
    /// Whether it may get traffic.
    pub enabled: Option<bool>,
    /// Texts.
    pub metadata: Option<Metadata>,
}

/// Reads an instance of v1.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_instance(params: &Params<'_>, strictness: Strictness) -> Result<InstanceAsk, Refusal> {
    let service = v1_service(params)?;
    let host = params.required("ip")?;
    let port = port(params.required("port")?)?;
    let weight = match params.get("weight") {
        Some(given) => number(given)?,
        None => 1.0,
    };
    let read = Read {
        host,
        port,
        cluster: params.first_of(&["clusterName", "cluster"]),
        weight: in_range(weight)?,
        healthy: params.flag(&["healthy"]).unwrap_or(true),
        enabled: params.flag(&["enabled", "enable"]).unwrap_or(true),
        metadata: metadata(params)?,
    };
    let kind = params.get("ephemeral").map(|_| kind_of(params.is_true("ephemeral")));
    let new = read.checked(&service, strictness)?;
    Ok(InstanceAsk { service, kind, new })
}

/// Reads an instance of v2 or v3. It has no id of its own: clients of those generations never see one for it (recorded:
/// `v2/ns-instance-register`).
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form_instance(params: &Params<'_>, strictness: Strictness) -> Result<InstanceAsk, Refusal> {
    let service = form_service(params)?;
    let host = params.required("ip")?;
    let port = port(params.required("port")?)?;
    let read = Read {
        host,
        port,
        cluster: params.get("clusterName"),
        weight: in_range(params.form_number("weight")?.unwrap_or(1.0))?,
        healthy: params.form_flag("healthy")?.unwrap_or(true),
        enabled: params.form_flag("enabled")?.unwrap_or(true),
        metadata: metadata(params)?,
    };
    let kind = params.form_flag("ephemeral")?.map(kind_of);
    let mut new = read.checked(&service, strictness)?;
    new.instance.id = "".into();
    Ok(InstanceAsk { service, kind, new })
}

fn kind_of(ephemeral: bool) -> Kind {
    if ephemeral { Kind::Ephemeral } else { Kind::Persistent }
}

/// Reads which instance a v1 request speaks of.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_ref(params: &Params<'_>) -> Result<InstanceRef, Refusal> {
    let service = v1_service(params)?;
    reference(params, service, &["clusterName", "cluster"])
}

/// Reads which instance a v2 or v3 request speaks of.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form_ref(params: &Params<'_>) -> Result<InstanceRef, Refusal> {
    let service = form_service(params)?;
    reference(params, service, &["clusterName"])
}

fn reference(params: &Params<'_>, service: ServiceKey, clusters: &[&str]) -> Result<InstanceRef, Refusal> {
    let host = Some(Host::parse(params.required("ip")?).map_err(Fault::Name)?);
    let port = port(params.required("port")?)?;
    let cluster = instance::cluster(params.first_of(clusters))?;
    Ok(InstanceRef { service, key: InstanceKey { host, port, cluster } })
}

/// Reads a change of v1. A weight outside the range passes (recorded: `ns-instance-patch`).
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_patch(params: &Params<'_>) -> Result<PatchAsk, Refusal> {
    let instance = v1_ref(params)?;
    let weight = params.get("weight").map(number).transpose()?;
    let metadata = params.get("metadata").map(metadata_of).transpose()?;
    Ok(PatchAsk { instance, weight, enabled: params.flag(&["enabled", "enable"]), metadata })
}

/// Reads a change of v2, where everything must be there and the name must be grouped.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v2_patch(params: &Params<'_>) -> Result<PatchAsk, Refusal> {
    let service = grouped_service(params)?;
    for name in ["ip", "port", "weight", "enabled", "metadata"] {
        params.bound(name)?;
    }
    let instance = reference(params, service, &["cluster"])?;
    let metadata = params.get("metadata").map(metadata_of).transpose()?;
    Ok(PatchAsk { instance, weight: params.form_number("weight")?, enabled: params.form_flag("enabled")?, metadata })
}

/// The values of one instance, read but not checked.
struct Read<'a> {
    host: &'a str,
    port: u16,
    cluster: Option<&'a str>,
    weight: f64,
    healthy: bool,
    enabled: bool,
    metadata: Option<Pairs>,
}

impl Read<'_> {
    fn checked(self, service: &ServiceKey, strictness: Strictness) -> Result<NewInstance, Refusal> {
        let body = InstanceBody {
            instance_id: None,
            ip: Some(Cow::Borrowed(self.host)),
            port: self.port.into(),
            weight: self.weight,
            healthy: self.healthy,
            enabled: self.enabled,
            cluster_name: Some(Cow::Borrowed(self.cluster.unwrap_or("DEFAULT"))),
            service_name: None,
            metadata: self.metadata,
        };
        Ok(instance::instance(body, service, strictness)?)
    }
}

/// Reads a port.
///
/// # Errors
/// [`Fault::PortOutOfRange`] for everything that is none.
pub fn port(given: &str) -> Result<u16, Refusal> {
    given.parse().map_err(|_| Fault::PortOutOfRange.into())
}

/// Reads a number.
///
/// # Errors
/// [`Refusal::NumberExpected`].
pub fn number(given: &str) -> Result<f64, Refusal> {
    given.parse().map_err(|_| Refusal::NumberExpected { given: shown(given) })
}

fn in_range(weight: f64) -> Result<f64, Refusal> {
    // What is no number at all passes in Nacos and breaks every list that holds it (recorded as a quirk).
    if (0.0..=WEIGHT_MAX).contains(&weight) { Ok(weight) } else { Err(Refusal::WeightOutOfRange) }
}

fn metadata(params: &Params<'_>) -> Result<Option<Pairs>, Refusal> {
    params.get("metadata").map(pairs).transpose()
}

/// Reads metadata: a JSON object of texts, or `k=v,k2=v2`.
///
/// # Errors
/// [`Refusal::MetadataUnreadable`] if it is neither, [`Fault::Name`] if it is too long.
pub fn metadata_of(given: &str) -> Result<Metadata, Refusal> {
    Ok(instance::metadata(Some(pairs(given)?))?)
}

fn pairs(given: &str) -> Result<Pairs, Refusal> {
    #[derive(Deserialize)]
    struct Object(#[serde(deserialize_with = "lenient::metadata")] Option<Pairs>);

    if let Ok(Object(Some(pairs))) = serde_json::from_str(given) {
        return Ok(pairs);
    }
    let unreadable = || Refusal::MetadataUnreadable { given: shown(given) };
    let mut pairs = Pairs::new();
    for part in given.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').ok_or_else(unreadable)?;
        if value.is_empty() || value.contains('=') {
            return Err(unreadable());
        }
        pairs.insert(key.into(), Some(value.into()));
    }
    Ok(pairs)
}

/// Checks a comma list of clusters, and gives it back as it was sent.
///
/// # Errors
/// [`Fault::Name`] for an illegal name in it.
pub fn clusters(given: Option<&str>) -> Result<&str, Refusal> {
    let given = given.unwrap_or_default();
    for name in given.split(',').filter(|name| !name.is_empty()) {
        super::unless_blank(ClusterName::parse(name))?;
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;

    fn base<'a>(more: &[(&'a str, &'a str)]) -> Params<'a> {
        let mut all = params(&[("serviceName", "a"), ("ip", "10.0.0.1"), ("port", "80")]);
        for (name, value) in more {
            all.push((*name).into(), (*value).into());
        }
        all
    }

    #[track_caller]
    fn refused(more: &[(&str, &str)], text: &str) {
        let given = base(more);
        let v1 = v1_instance(&given, Strictness::Single).map(|_| ()).map_err(|r| r.to_string());
        assert_eq!(v1, Err(text.to_owned()), "{more:?}");
    }

    #[test]
    fn what_is_not_said_has_the_defaults_of_nacos() {
        let ask = v1_instance(&base(&[]), Strictness::Single).expect("minimal");
        let instance = &ask.new.instance;
        assert_eq!((ask.kind, &*instance.id), (None, "10.0.0.1#80#DEFAULT#DEFAULT_GROUP@@a"));
        assert_eq!((instance.weight, instance.healthy, instance.enabled), (1.0, true, true));
        assert!(instance.metadata.is_empty());
    }

    #[test]
    fn v1_reads_flags_and_names_of_old_clients() {
        let said = [("enable", "No"), ("cluster", "c1"), ("ephemeral", "False"), ("weight", "2"), ("healthy", "0")];
        let ask = v1_instance(&base(&said), Strictness::Single).expect("legal");
        let instance = &ask.new.instance;
        assert_eq!((ask.kind, instance.key.cluster.as_str()), (Some(Kind::Persistent), "c1"));
        assert_eq!((instance.weight, instance.healthy, instance.enabled), (2.0, false, false));
        let blank = v1_instance(&base(&[("ephemeral", ""), ("clusterName", "")]), Strictness::Single);
        assert!(blank.is_ok_and(|ask| ask.kind.is_none() && ask.new.instance.key.cluster.as_str() == "DEFAULT"));
    }

    #[test]
    fn v1_refuses_in_the_recorded_words() {
        refused(&[("weight", "heavy")], "For input string: \"heavy\"");
        for weight in ["-1", "10001", "NaN"] {
            refused(&[("weight", weight)], "instance format invalid: The weights range from 0.0 to 10000.0");
        }
        let underscore = "Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: a_b)";
        refused(&[("clusterName", "a_b")], underscore);
        refused(&[("metadata", "a=b=c")], "metadata format incorrect:a=b=c");
    }

    #[test]
    fn ports_are_numbers_of_sixteen_bits() {
        for bad in ["abc", "-1", "65536", "99999999999", "1.5"] {
            assert!(matches!(port(bad), Err(Refusal::Fault(Fault::PortOutOfRange))), "{bad}");
        }
        assert!(port("0").is_ok() && port("65535").is_ok());
    }

    #[test]
    fn metadata_is_json_or_pairs() {
        let read = |text: &str| {
            let metadata = metadata_of(text).ok()?;
            Some(metadata.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(";"))
        };
        for (text, pairs) in [
            (r#"{"a":"b","n":1}"#, Some("a=b;n=1")),
            ("a=b,c=d", Some("a=b;c=d")),
            ("a=b,", Some("a=b")),
            ("abc", None),
            (r#"{"a":"#, None),
            (r#"["a"]"#, None),
            ("a=b=c", None),
            ("a=", None),
            ("null", None),
        ] {
            assert_eq!(read(text).as_deref(), pairs, "{text}");
        }
    }

    #[test]
    fn a_form_binds_strictly_and_gives_no_id() {
        let ask = form_instance(&base(&[("enabled", "yes"), ("ephemeral", "")]), Strictness::Single).expect("legal");
        assert_eq!((&*ask.new.instance.id, ask.kind), ("", None));
        for odd in [("enabled", "maybe"), ("weight", "x"), ("ephemeral", "x")] {
            let refused = form_instance(&base(&[odd]), Strictness::Single);
            assert!(matches!(refused, Err(Refusal::Unbindable { .. })), "{odd:?}");
        }
        let cluster = form_instance(&base(&[("cluster", "c9")]), Strictness::Single).expect("not a field of the form");
        assert_eq!(cluster.new.instance.key.cluster.as_str(), "DEFAULT");
    }

    #[test]
    fn a_patch_changes_only_what_is_said() {
        let patch = v1_patch(&base(&[("weight", "20000"), ("healthy", "false")])).expect("not checked");
        assert_eq!((patch.weight, patch.enabled, patch.metadata.is_none()), (Some(20_000.0), None, true));
        assert!(matches!(v2_patch(&base(&[])), Err(Refusal::ServiceNameUngrouped { .. })));
    }

    #[test]
    fn lists_of_clusters_are_checked_one_by_one() {
        assert_eq!(clusters(Some("a,b,")).ok(), Some("a,b,"));
        assert!(clusters(Some("a, b")).is_err() && clusters(Some("a/b")).is_err());
        assert_eq!(clusters(None).ok(), Some(""));
    }
}
