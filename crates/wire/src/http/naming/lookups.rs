//! Small questions about services: the states of instances by one key, and names across groups.

use nacrite_base::{Host, Instance, NamespaceId, ServiceKey};

use super::{SEPARATOR_OF_NAMESPACE, key_in, split};
use crate::http::envelope::write_list;
use crate::http::refusal::Refusal;
use crate::json;

/// Reads `group@@name`, or `namespace##group@@name`.
///
/// # Errors
/// [`Refusal::ServiceNameUngrouped`] for a name without its group, or [`nacrite_base::Fault::Name`].
pub fn service_of_key(key: &str) -> Result<ServiceKey, Refusal> {
    let (namespace, grouped) =
        key.split_once(SEPARATOR_OF_NAMESPACE).map_or((None, key), |(namespace, rest)| (Some(namespace), rest));
    let (group, name) = split(grouped.trim()).map_err(|rule| Refusal::ServiceNameUngrouped { rule })?;
    key_in(namespace.map(str::trim).filter(|namespace| !namespace.is_empty()), Some(group), name)
}

/// Writes whether each instance is healthy, behind its address.
#[must_use]
pub fn statuses<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Vec<u8> {
    let mut out = b"{\"ips\":".to_vec();
    write_list(&mut out, instances, |out, instance| {
        let host = instance.key.host.as_ref().map_or("null", Host::as_str);
        json::write(out, &format!("{host}:{}_{}", instance.key.port, instance.healthy));
    });
    out.push(b'}');
    out
}

/// Writes grouped names by namespace, and how many there are. The odd first field is the one that Nacos answers with
/// (recorded: `v1/ns-service-names`).
#[must_use]
pub fn names_by_namespace<'a>(all: impl IntoIterator<Item = (&'a NamespaceId, Vec<String>)>) -> Vec<u8> {
    let mut out = b"{\"META-INF/services\":{".to_vec();
    let mut count = 0;
    for (at, (namespace, names)) in all.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(&mut out, namespace.as_str());
        out.push(b':');
        count += names.len();
        write_list(&mut out, names, |out, name| json::write(out, &name));
    }
    out.extend_from_slice(b"},\"count\":");
    json::write(&mut out, &count);
    out.push(b'}');
    out
}

/// What selects instances here: `none` shows all of them. `label` compares what a CMDB knows of the caller and of the
/// instance; without one nothing is equal, and then Nacos shows all, too (`reference/semantics.md`, 2.10).
pub const SELECTOR_TYPES: &[u8] = br#"["label","none"]"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, read: Result<&str, &str>) {
        let told = service_of_key(key).map(|key| key.to_string()).map_err(|refusal| refusal.to_string());
        assert_eq!(told, read.map(str::to_owned).map_err(str::to_owned), "{key}");
    }

    #[test]
    fn a_key_is_a_grouped_name_perhaps_behind_its_namespace() {
        check("g@@a", Ok("public#g@@a"));
        check("n##g@@a", Ok("n#g@@a"));
        check("##g@@a", Ok("public#g@@a"));
        let ungrouped = "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'";
        check("a", Err(ungrouped));
        check("", Err(ungrouped));
        check("n##a", Err(ungrouped));
        check(
            "n x##g@@a",
            Err("Param 'namespaceId/tenant' is illegal, illegal characters should not appear in the param."),
        );
    }

    #[test]
    fn names_are_counted_over_all_namespaces() {
        let (a, b) = (NamespaceId::public(), NamespaceId::from_stored("n"));
        let all = names_by_namespace([(&a, vec!["g@@x".to_owned()]), (&b, vec![])]);
        assert_eq!(std::str::from_utf8(&all), Ok(r#"{"META-INF/services":{"public":["g@@x"],"n":[]},"count":1}"#));
        assert_eq!(names_by_namespace([]), br#"{"META-INF/services":{},"count":0}"#);
    }
}
