//! Discovery of targets for Prometheus (`http_sd_config`): one group per instance, its metadata as labels.
//!
//! Prometheus drops a whole list for the name of one label that it does not take. So every character of a metadata key
//! that cannot stand in such a name becomes `_`, not only the dot and the dash that Nacos replaces.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nacrite_base::{Host, Instance};

use crate::json;

/// The label that every instance has.
const CLUSTER: &str = "__meta_clusterName";

/// Writes an instance as a group of one target; `host` is its address.
pub fn write_group(out: &mut Vec<u8>, host: &Host, instance: &Instance) {
    let host = host.as_str();
    let is_v6 = host.contains(':') && !host.starts_with('[');
    let target =
        if is_v6 { format!("[{host}]:{}", instance.key.port) } else { format!("{host}:{}", instance.key.port) };
    out.extend_from_slice(b"{\"targets\":[");
    json::write(out, &target);
    out.extend_from_slice(b"],\"labels\":{");
    json::write(out, CLUSTER);
    out.push(b':');
    json::write(out, instance.key.cluster.as_str());
    // Two keys may become one name; a name stands once.
    let labels: BTreeMap<Cow<'_, str>, &str> =
        instance.metadata.iter().filter_map(|(key, value)| Some((label(key)?, value))).collect();
    for (name, value) in labels.iter().filter(|(name, _)| *name != CLUSTER) {
        out.push(b',');
        json::write(out, name);
        out.push(b':');
        json::write(out, value);
    }
    out.extend_from_slice(b"}}");
}

/// A metadata key as the name of a label; `None` for the empty one.
fn label(key: &str) -> Option<Cow<'_, str>> {
    let first = key.chars().next()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.chars().all(fits) && !first.is_ascii_digit() {
        return Some(Cow::Borrowed(key));
    }
    let lead = if first.is_ascii_digit() { "_" } else { "" };
    Some(lead.chars().chain(key.chars().map(|c| if fits(c) { c } else { '_' })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{ClusterName, InstanceKey, Metadata};

    fn written(host: &str, metadata: &[(&str, &str)]) -> String {
        let pairs = metadata.iter().map(|(k, v)| ((*k).into(), Some((*v).into()))).collect();
        let host = Host::from_stored(host);
        let key = InstanceKey { host: Some(host.clone()), port: 9100, cluster: ClusterName::default_cluster() };
        let metadata = Metadata::from_stored(pairs);
        let instance = Instance { key, id: "".into(), weight: 1.0, healthy: true, enabled: true, metadata };
        let mut out = Vec::new();
        write_group(&mut out, &host, &instance);
        String::from_utf8(out).expect("JSON")
    }

    #[test]
    fn metadata_become_labels_that_prometheus_takes() {
        let labels = written("10.0.0.1", &[("a-b", "c"), ("d", "e")]);
        let recorded = r#"{"targets":["10.0.0.1:9100"],"labels":{"__meta_clusterName":"DEFAULT","a_b":"c","d":"e"}}"#;
        assert_eq!(labels, recorded);
        for (key, name) in [("a.b", "a_b"), ("9x", "_9x"), ("名", "_"), ("a b", "a_b"), ("_x", "_x")] {
            assert!(written("h", &[(key, "v")]).contains(&format!(r#""{name}":"v""#)), "{key}");
        }
    }

    #[test]
    fn a_name_stands_once() {
        for twice in [&[("a-b", "1"), ("a.b", "2")][..], &[(CLUSTER, "x")], &[("", "x")]] {
            let text = written("h", twice);
            let labels: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let written = text.matches("\":\"").count();
            assert_eq!(labels["labels"].as_object().map(serde_json::Map::len), Some(written), "{text}");
            assert_eq!(labels["labels"][CLUSTER], "DEFAULT");
        }
    }

    #[test]
    fn targets_are_addresses() {
        assert!(written("::1", &[]).contains(r#"["[::1]:9100"]"#));
    }
}
