//! A list as a file: the name and the text that Java's client reads and writes.
//!
//! The text is one JSON object as servers send it. Two fields are added, which Java passes over: `hostsDigest`, and
//! `writtenAt` in ms. The field `checksum` is left alone: servers of the first generation have their own sums in it. Files
//! without a digest are Java's and are believed.

use md5::{Digest, Md5};
use nacrite_base::{ContentDigest, NamespaceId, ServiceKey};
use nacrite_wire::client::naming::{Host, ServiceInfo};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::cache::list_of;
use super::super::instance::Instance;
use super::super::instances::{Instances, Origin};
use super::super::service::Service;

/// Names with these parts are of other things (`reference/client.md`, 2.6).
const NOT_LISTS: &[&str] = &["meta", "special-url"];

/// Name of the file of a service: `group@@service` as Java's `URLEncoder` writes it.
pub(super) fn file_name(service: &ServiceKey) -> String {
    let mut name = String::new();
    for byte in service.grouped().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => name.push(char::from(byte)),
            b' ' => name.push('+'),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    name
}

/// The service of a file; `None` if the file is of something else. A third part, the clusters, is passed over: lists are
/// whole here.
pub(super) fn service_of(file_name: &str, namespace: &NamespaceId) -> Option<ServiceKey> {
    let plain = file_name.replace('+', " ");
    let name = percent_encoding::percent_decode_str(&plain).decode_utf8().ok()?;
    let mut parts = name.split("@@");
    let (group, service, third) = (parts.next()?, parts.next()?, parts.next());
    if third.is_some_and(|third| NOT_LISTS.contains(&third)) {
        return None;
    }
    Service::new(service).in_group(group).key(namespace).ok()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    name: &'a str,
    group_name: &'a str,
    clusters: &'a str,
    cache_millis: u64,
    hosts: &'a RawValue,
    last_ref_time: u64,
    checksum: &'a str,
    hosts_digest: &'a str,
    #[serde(rename = "allIPs")]
    all_ips: bool,
    reach_protection_threshold: bool,
    valid: bool,
    written_at: u64,
}

/// Writes a list.
pub(super) fn encode(list: &Instances, written_at_ms: u64) -> Vec<u8> {
    let grouped = list.service().grouped();
    let body = |instance: &std::sync::Arc<Instance>| {
        // Bodies of requests name no service, those in files do.
        serde_json::to_value(nacrite_wire::client::naming::InstanceBody {
            service_name: Some(&grouped),
            ..instance.body()
        })
    };
    let bodies: Result<Vec<_>, _> = list.iter().map(body).collect();
    let hosts = bodies.and_then(|bodies| serde_json::value::to_raw_value(&bodies));
    // Numbers and texts always can be written; a list that cannot is written as none at all.
    let Ok(hosts) = hosts else { return Vec::new() };
    let hosts_digest = digest(&hosts);
    let written = Written {
        name: list.service().name.as_str(),
        group_name: list.service().group.as_str(),
        clusters: "",
        cache_millis: 10_000,
        hosts: &hosts,
        last_ref_time: written_at_ms,
        checksum: "",
        hosts_digest: hosts_digest.as_str(),
        all_ips: false,
        reach_protection_threshold: list.is_protected(),
        valid: true,
        written_at: written_at_ms,
    };
    serde_json::to_vec(&written).unwrap_or_default()
}

fn digest(hosts: &RawValue) -> ContentDigest {
    ContentDigest::from_md5(Md5::digest(hosts.get()).into())
}

/// Reads a list: one object, or as very old clients wrote it one instance per line. `None` if it cannot be read, or is not
/// what was written.
pub(super) fn decode(text: &str, service: &ServiceKey, origin: Origin) -> Option<Instances> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Sealed<'a> {
        #[serde(borrow)]
        hosts: Option<&'a RawValue>,
        hosts_digest: Option<String>,
    }

    let text = text.trim();
    let (hosts, protected) = match serde_json::from_str::<ServiceInfo>(text) {
        Ok(ServiceInfo { hosts: Some(hosts), reach_protection_threshold, .. }) => {
            let sealed: Sealed<'_> = serde_json::from_str(text).ok()?;
            if sealed.hosts_digest.is_some_and(|seal| sealed.hosts.is_none_or(|hosts| digest(hosts).as_str() != seal)) {
                return None;
            }
            (hosts, reach_protection_threshold)
        }
        _ => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let hosts: Vec<Host> = lines.map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
            // An object of something else has no address.
            (Some(hosts).filter(|hosts| hosts.iter().all(|host| host.ip.is_some()) && !hosts.is_empty())?, false)
        }
    };
    let list = list_of(service, hosts, None, protected);
    Some(Instances::new(service.clone(), list.all().clone(), origin, protected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::instances::tests::service;

    fn of(name: &str) -> ServiceKey {
        Service::new(name).key(&NamespaceId::public()).expect("a good name")
    }

    #[test]
    fn names_are_java_s() {
        assert_eq!(file_name(&of("orders")), "DEFAULT_GROUP%40%40orders");
        assert_eq!(file_name(&of("a:b@@x/y*_-.")), "a%3Ab%40%40x%2Fy*_-.");
        for name in ["orders", "a:b@@x/y", "g@@providers:com.x.Y:1.0:"] {
            assert_eq!(service_of(&file_name(&of(name)), &NamespaceId::public()), Some(of(name)), "{name}");
        }
        let clusters = service_of("DEFAULT_GROUP%40%40orders%40%40blue", &NamespaceId::public());
        assert_eq!(clusters, Some(of("orders")));
        for other in ["failover", "a%40%40b%40%40meta", ".hidden", "%FF%40%40x"] {
            assert_eq!(service_of(other, &NamespaceId::public()), None, "{other}");
        }
    }

    #[test]
    fn a_list_survives_its_file_and_a_tampered_one_does_not() {
        let text = r#"{"hosts":[{"ip":"h","port":80,"weight":0.5,"metadata":{"zone":"a"}}]}"#;
        let list = decode(text, &service("orders"), Origin::Server).expect("it is readable");
        let file = String::from_utf8(encode(&list, 0)).expect("JSON is UTF-8");
        let again = decode(&file, &service("orders"), Origin::Disk).expect("it is readable");
        assert_eq!(again.all(), list.all());
        assert!(file.contains(r#""serviceName":"DEFAULT_GROUP@@orders""#), "{file}");
        assert!(decode(&file.replace("0.5", "0.6"), &service("orders"), Origin::Disk).is_none());
        assert!(decode(&file[..file.len() / 2], &service("orders"), Origin::Disk).is_none());
    }

    #[test]
    fn very_old_files_hold_an_instance_per_line() {
        let old = "{\"ip\":\"h\",\"port\":80}\n{\"ip\":\"h\",\"port\":81}\n";
        assert_eq!(decode(old, &service("orders"), Origin::Disk).map(|list| list.len()), Some(2));
        assert!(decode("", &service("orders"), Origin::Disk).is_none());
        assert!(decode("{}", &service("orders"), Origin::Disk).is_none());
    }
}
