//! The naming requests, checked (`reference/grpc.md`, 4.2 and 5.6).

use nacrite_base::name::NameKind;
use nacrite_base::{ClusterName, Fault, GroupName, NameError, NamespaceId, NewInstance, ServiceKey, ServiceName};

use super::instance::{Strictness, instance};
use crate::json;
use crate::rpc::naming::{
    BatchInstanceRequest, InstanceRequest, ServiceListRequest, ServiceQueryRequest, SubscribeServiceRequest,
};

/// What is to happen to an instance.
#[derive(Debug)]
pub enum InstanceAsk {
    /// Publish it, instead of what the client published before.
    Register {
        /// Where.
        service: ServiceKey,
        /// What.
        instance: NewInstance,
    },
    /// Publish nothing any more; the instance says which client, where that is not the connection, and may be absent
    /// where it is (recorded: `naming-deregister`).
    Deregister {
        /// Where.
        service: ServiceKey,
        /// Which one the client believes to remove.
        instance: Option<NewInstance>,
    },
}

/// A query, or the data part of a subscription.
#[derive(Debug)]
pub struct ServiceAsk {
    /// Which service.
    pub service: ServiceKey,
    /// Comma list of clusters as it was sent.
    pub clusters: String,
    /// Leave unhealthy instances out.
    pub healthy_only: bool,
}

/// A page of service names. `scope` is `None` for a blank group or namespace, in which nothing can be.
#[derive(Debug)]
pub struct ServiceListAsk {
    /// Where to look.
    pub scope: Option<(NamespaceId, GroupName)>,
    /// From 1; what is below counts as 1.
    pub page_no: usize,
    /// Names per page.
    pub page_size: usize,
}

/// Reads `InstanceRequest` (`Single`) or `PersistentInstanceRequest` (`Lax`).
///
/// # Errors
/// A [`Fault`] that names what is wrong.
pub fn instance_request(body: &[u8], strictness: Strictness) -> Result<InstanceAsk, Fault> {
    let body: InstanceRequest<'_> = json::read(body)?;
    check_names(body.namespace.as_deref(), body.service_name.as_deref(), body.group_name.as_deref())?;
    let service = service_key(body.namespace.as_deref(), body.group_name.as_deref(), body.service_name.as_deref());
    match body.operation.as_deref() {
        Some("registerInstance") => {
            let service = service?;
            let given = body.instance.ok_or(Fault::InstanceAbsent)?;
            let instance = instance(given, &service, strictness)?;
            Ok(InstanceAsk::Register { service, instance })
        }
        Some("deregisterInstance") => {
            let service = service?;
            let instance = body.instance.map(|given| instance(given, &service, Strictness::Lax)).transpose()?;
            Ok(InstanceAsk::Deregister { service, instance })
        }
        other => {
            service?;
            Err(Fault::UnsupportedOperation { given: other.unwrap_or("null").to_owned() })
        }
    }
}

/// Reads `BatchInstanceRequest`.
///
/// # Errors
/// A [`Fault`] that names what is wrong.
pub fn batch_request(body: &[u8]) -> Result<(ServiceKey, Vec<NewInstance>), Fault> {
    let body: BatchInstanceRequest<'_> = json::read(body)?;
    check_names(body.namespace.as_deref(), body.service_name.as_deref(), body.group_name.as_deref())?;
    let service = service_key(body.namespace.as_deref(), body.group_name.as_deref(), body.service_name.as_deref())?;
    let given = body.instances.ok_or(Fault::InstanceAbsent)?;
    for one in &given {
        // A grouped name inside an instance is refused here, and only here.
        if let Some(name) = one.service_name.as_deref() {
            absent_if_blank(ServiceName::parse(name))?;
        }
    }
    let instances: Result<Vec<_>, _> = given.into_iter().map(|one| instance(one, &service, Strictness::Lax)).collect();
    match body.operation.as_deref() {
        Some("batchRegisterInstance") => Ok((service, instances?)),
        other => Err(Fault::UnsupportedOperation { given: other.unwrap_or("null").to_owned() }),
    }
}

/// Reads `ServiceQueryRequest`.
///
/// # Errors
/// A [`Fault`] that names what is wrong.
pub fn query_request(body: &[u8]) -> Result<ServiceAsk, Fault> {
    let body: ServiceQueryRequest<'_> = json::read(body)?;
    check_names(body.namespace.as_deref(), body.service_name.as_deref(), body.group_name.as_deref())?;
    let clusters = clusters(body.cluster.as_deref())?;
    let service = service_key(body.namespace.as_deref(), body.group_name.as_deref(), body.service_name.as_deref())?;
    Ok(ServiceAsk { service, clusters, healthy_only: body.healthy_only })
}

/// Reads `SubscribeServiceRequest`. The truth value says whether to subscribe.
///
/// # Errors
/// A [`Fault`] that names what is wrong.
pub fn subscribe_request(body: &[u8]) -> Result<(bool, ServiceAsk), Fault> {
    let body: SubscribeServiceRequest<'_> = json::read(body)?;
    check_names(body.namespace.as_deref(), body.service_name.as_deref(), body.group_name.as_deref())?;
    let clusters = clusters(body.clusters.as_deref())?;
    let service = service_key(body.namespace.as_deref(), body.group_name.as_deref(), body.service_name.as_deref())?;
    Ok((body.subscribe, ServiceAsk { service, clusters, healthy_only: false }))
}

/// Reads `ServiceListRequest`.
///
/// # Errors
/// A [`Fault`] that names what is wrong.
pub fn list_request(body: &[u8]) -> Result<ServiceListAsk, Fault> {
    let body: ServiceListRequest<'_> = json::read(body)?;
    check_names(body.namespace.as_deref(), body.service_name.as_deref(), body.group_name.as_deref())?;
    let page_size = usize::try_from(body.page_size)
        .map_err(|_| Fault::ParamInvalid { message: format!("pageSize must not be negative: {}", body.page_size) })?;
    let page_no = usize::try_from(body.page_no).unwrap_or(1).max(1);
    let namespace = match body.namespace.as_deref() {
        Some("") => Some(NamespaceId::unnamed()),
        raw => raw.and_then(|raw| NamespaceId::parse(raw).ok()),
    };
    let group = body.group_name.as_deref().and_then(|raw| GroupName::parse(raw).ok());
    Ok(ServiceListAsk { scope: namespace.zip(group), page_no, page_size })
}

/// The parameter check: what is there must be legal, what is blank is for others to complain about.
fn check_names(namespace: Option<&str>, service: Option<&str>, group: Option<&str>) -> Result<(), Fault> {
    namespace.map_or(Ok(()), |raw| absent_if_blank(NamespaceId::parse(raw)))?;
    service.map_or(Ok(()), |raw| absent_if_blank(ServiceName::parse(raw)))?;
    group.map_or(Ok(()), |raw| absent_if_blank(GroupName::parse(raw)))
}

fn absent_if_blank<T>(parsed: Result<T, NameError>) -> Result<(), Fault> {
    match parsed {
        Ok(_) | Err(NameError::Blank { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn clusters(raw: Option<&str>) -> Result<String, Fault> {
    let raw = raw.unwrap_or_default();
    for name in raw.split(',').filter(|name| !name.is_empty()) {
        absent_if_blank(ClusterName::parse(name))?;
    }
    Ok(raw.to_owned())
}

/// The key of a service whose parts were checked before; only blank ones are left to refuse.
fn service_key(namespace: Option<&str>, group: Option<&str>, name: Option<&str>) -> Result<ServiceKey, Fault> {
    let blank = |kind| Fault::Name(NameError::Blank { kind });
    let name = ServiceName::parse(name.ok_or(blank(NameKind::Service))?)?;
    let group = GroupName::parse(group.ok_or(blank(NameKind::Group))?)?;
    let namespace = match namespace {
        None => return Err(blank(NameKind::Namespace)),
        // Another place than `public`, for gRPC alone (recorded: `naming-namespaces`).
        Some("") => NamespaceId::unnamed(),
        Some(raw) => NamespaceId::parse(raw)?,
    };
    Ok(ServiceKey { namespace, group, name })
}
