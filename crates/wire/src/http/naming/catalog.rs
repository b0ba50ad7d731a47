//! The catalog of v1 and v2: what their console asks about services and instances.
//!
//! Numbers of pages are bound by the framework there, unlike those of other lists of v1: what is no number is the server's
//! failure, and a page below the first is empty (recorded: `v1/ns-catalog-instances`, `v1/ns-catalog-services`).

use nacrite_base::{ClusterName, GroupName, Host, Instance, ServiceKey, ServiceName};

use super::service::{CatalogAsk, PageAsk};
use super::shown::{ServiceDetail, ServiceLine, write_metadata};
use super::{bound_service, namespace, selector, unless_blank, v1_service};
use crate::http::envelope::write_list;
use crate::http::params::Params;
use crate::http::refusal::{Refusal, shown};
use crate::json;

/// Whose instances are to be listed.
#[derive(Debug)]
pub struct InstancesAsk {
    /// The service.
    pub service: ServiceKey,
    /// Its cluster; `None` means all.
    pub cluster: Option<String>,
    /// Only healthy ones, or only unhealthy ones.
    pub healthy: Option<bool>,
    /// Only enabled ones, or only disabled ones.
    pub enabled: Option<bool>,
    /// Which page.
    pub page: PageAsk,
}

/// Reads which instances to list in v1.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_instances(params: &Params<'_>) -> Result<InstancesAsk, Refusal> {
    params.bound("serviceName")?;
    let cluster = params.bound("clusterName")?.trim();
    let page = page(params)?;
    unless_blank(ClusterName::parse(cluster))?;
    let cluster = Some(shown(cluster));
    Ok(InstancesAsk { service: v1_service(params)?, cluster, healthy: None, enabled: None, page })
}

/// Reads which instances to list in v2. Nacos loses the page when a filter shortens the list; here it is cut out of what
/// passed.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v2_instances(params: &Params<'_>) -> Result<InstancesAsk, Refusal> {
    let service = bound_service(params)?;
    let (healthy, enabled) = (params.form_flag("healthyOnly")?, params.form_flag("enabledOnly")?);
    Ok(InstancesAsk { service, cluster: None, healthy, enabled, page: page(params)? })
}

fn page(params: &Params<'_>) -> Result<PageAsk, Refusal> {
    for name in ["pageNo", "pageSize"] {
        params.bound(name)?;
    }
    unbound_page(params)
}

/// A page whose numbers are missed only when they are converted.
fn unbound_page(params: &Params<'_>) -> Result<PageAsk, Refusal> {
    let number = |name: &'static str| {
        let given: Option<i64> = params.form_number(name)?;
        given.ok_or_else(|| Refusal::unbindable(name, params.sent(name).unwrap_or_default()))
    };
    let (no, size) = (number("pageNo")?, number("pageSize")?);
    let empty = PageAsk { no: 1, size: 0 };
    Ok(match (usize::try_from(no), usize::try_from(size)) {
        (Ok(no @ 1..), Ok(size)) => PageAsk { no, size },
        _ => empty,
    })
}

/// Reads which services to list in v1.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_services(params: &Params<'_>) -> Result<CatalogAsk, Refusal> {
    let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
    Ok(CatalogAsk {
        namespace: namespace(params)?,
        group: text("groupNameParam"),
        name: text("serviceNameParam"),
        ignore_empty: params.form_flag("hasIpCount")?.unwrap_or(false),
        with_instances: params.form_flag("withInstances")?.unwrap_or(false),
        page: unbound_page(params)?,
    })
}

/// Reads which service to show in v1. One that is not named is looked for, and not found.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_one(params: &Params<'_>) -> Result<ServiceKey, Refusal> {
    if params.get("serviceName").is_some() {
        return v1_service(params);
    }
    let (group, name) = (GroupName::from_stored(""), ServiceName::from_stored(""));
    Err(Refusal::ListedServiceAbsent { service: ServiceKey { namespace: namespace(params)?, group, name } })
}

impl ServiceDetail<'_> {
    /// The object of the catalog of v1: the service and its clusters side by side.
    #[must_use]
    pub fn catalog(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        out.extend_from_slice(b"{\"service\":{\"name\":");
        json::write(&mut out, self.key.name.as_str());
        out.extend_from_slice(b",\"groupName\":");
        json::write(&mut out, self.key.group.as_str());
        out.extend_from_slice(b",\"protectThreshold\":");
        json::write(&mut out, &self.protect_threshold);
        out.extend_from_slice(b",\"selector\":");
        selector::write(&mut out, self.selector);
        out.extend_from_slice(b",\"metadata\":");
        write_metadata(&mut out, self.metadata);
        out.extend_from_slice(b"},\"clusters\":");
        write_list(&mut out, self.clusters, |out, cluster| cluster.write_v1_catalog(out, self.key));
        out.push(b'}');
        out
    }
}

/// Writes a page of services with their counts.
#[must_use]
pub fn services<'a>(count: usize, lines: impl IntoIterator<Item = ServiceLine<'a>>) -> Vec<u8> {
    let mut out = b"{\"count\":".to_vec();
    json::write(&mut out, &count);
    out.extend_from_slice(b",\"serviceList\":");
    write_list(&mut out, lines, |out, line| line.write_counts(out));
    out.push(b'}');
    out
}

/// Writes a page of services with their instances. What a list does not look up is `null` in it.
#[must_use]
pub fn services_with_instances<'a>(lines: impl IntoIterator<Item = ServiceLine<'a>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write_list(&mut out, lines, |out, line| write_line(out, &line));
    out
}

fn write_line(out: &mut Vec<u8>, line: &ServiceLine<'_>) {
    out.extend_from_slice(b"{\"namespace\":null,\"serviceName\":");
    json::write(out, line.key.name.as_str());
    out.extend_from_slice(b",\"groupName\":");
    json::write(out, line.key.group.as_str());
    out.extend_from_slice(b",\"clusterMap\":{");
    for (at, cluster) in line.clusters().into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(out, cluster);
        out.extend_from_slice(b":{\"clusterName\":null,\"healthChecker\":null,\"metadata\":null,\"hosts\":");
        let in_cluster = line.instances.iter().filter(|instance| instance.key.cluster.as_str() == cluster);
        write_list(out, in_cluster, |out, instance| write_host(out, instance));
        out.push(b'}');
    }
    out.extend_from_slice(b"},\"metadata\":");
    write_metadata(out, &line.metadata);
    out.extend_from_slice(b",\"protectThreshold\":");
    json::write(out, &line.protect_threshold);
    out.extend_from_slice(b",\"selector\":null,\"ephemeral\":null}");
}

fn write_host(out: &mut Vec<u8>, instance: &Instance) {
    out.extend_from_slice(b"{\"valid\":");
    json::write(out, &instance.healthy);
    out.extend_from_slice(b",\"metadata\":");
    write_metadata(out, &instance.metadata);
    out.extend_from_slice(b",\"port\":");
    json::write(out, &instance.key.port);
    out.extend_from_slice(b",\"ip\":");
    json::write(out, &instance.key.host.as_ref().map(Host::as_str));
    out.extend_from_slice(b",\"weight\":");
    json::write(out, &instance.weight);
    out.extend_from_slice(b",\"enabled\":");
    json::write(out, &instance.enabled);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;

    fn paged(no: &str, size: &str) -> Result<PageAsk, String> {
        unbound_page(&params(&[("pageNo", no), ("pageSize", size)])).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_page_below_the_first_is_empty() {
        assert_eq!(paged("2", "10"), Ok(PageAsk { no: 2, size: 10 }));
        for (no, size) in [("0", "10"), ("-1", "10"), ("1", "0"), ("1", "-5")] {
            assert_eq!(paged(no, size).map(|page| page.size), Ok(0), "{no} {size}");
        }
        assert!(paged("x", "10").is_err() && paged("1", "").is_err());
        assert!(paged("99999999999999999999", "10").is_err());
    }

    #[test]
    fn what_is_missing_is_named_in_the_order_of_nacos() {
        let said = [("serviceName", "a"), ("clusterName", "c"), ("pageNo", "1"), ("pageSize", "1")];
        for (missing, (name, _)) in said.iter().enumerate() {
            let refused = v1_instances(&params(&said[..missing])).map(|_| ());
            assert!(matches!(refused, Err(Refusal::NotBound { name: told }) if told == *name), "{name}");
        }
        assert!(v1_instances(&params(&said)).is_ok());
        let blank = [("serviceName", "a"), ("clusterName", ""), ("pageNo", "1"), ("pageSize", "1")];
        assert!(v1_instances(&params(&blank)).is_ok());
        let illegal = [("serviceName", "a"), ("clusterName", "a b"), ("pageNo", "1"), ("pageSize", "1")];
        assert!(matches!(v1_instances(&params(&illegal)), Err(Refusal::Fault(_))));
    }

    #[test]
    fn a_service_that_is_not_named_is_not_found() {
        let refused = v1_one(&params(&[])).map_err(|refusal| refusal.to_string());
        assert_eq!(refused, Err("service @@ is not found!".to_owned()));
    }
}
