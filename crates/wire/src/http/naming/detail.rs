//! One instance as v1 and v2 answer a question for it.

use nacrite_base::{Instance, ServiceKey};

use crate::json;

/// Writes one instance as v1 and v2 show a single one; they differ in the name of the first field.
#[must_use]
pub fn detail(service_field: &str, service: &ServiceKey, instance: &Instance) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.push(b'{');
    json::write(&mut out, service_field);
    out.push(b':');
    json::write(&mut out, &service.grouped());
    out.extend_from_slice(b",\"ip\":");
    json::write(&mut out, &instance.key.host.as_ref().map(nacrite_base::Host::as_str));
    out.extend_from_slice(b",\"port\":");
    json::write(&mut out, &instance.key.port);
    out.extend_from_slice(b",\"clusterName\":");
    json::write(&mut out, instance.key.cluster.as_str());
    out.extend_from_slice(b",\"weight\":");
    json::write(&mut out, &instance.weight);
    out.extend_from_slice(b",\"healthy\":");
    json::write(&mut out, &instance.healthy);
    out.extend_from_slice(b",\"instanceId\":");
    json::write(&mut out, &Some(&*instance.id).filter(|id| !id.is_empty()));
    out.extend_from_slice(b",\"metadata\":");
    super::shown::write_metadata(&mut out, &instance.metadata);
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{ClusterName, GroupName, InstanceKey, Metadata, NamespaceId, ServiceName};

    fn key() -> ServiceKey {
        let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
        ServiceKey { namespace, group, name: ServiceName::from_stored("pay") }
    }

    fn instance(id: &str) -> Instance {
        let host = Some(nacrite_base::Host::from_stored("10.0.0.5"));
        let key = InstanceKey { host, port: 8080, cluster: ClusterName::default_cluster() };
        let metadata = Metadata::default();
        Instance { key, id: id.into(), weight: 1.0, healthy: true, enabled: true, metadata }
    }

    #[test]
    fn an_instance_without_an_id_shows_none() {
        let shown = String::from_utf8(detail("service", &key(), &instance(""))).expect("JSON is UTF-8");
        assert!(shown.starts_with(r#"{"service":"DEFAULT_GROUP@@pay","ip":"10.0.0.5","port":8080,"#), "{shown}");
        assert!(shown.contains(r#""instanceId":null"#), "{shown}");
    }
}
