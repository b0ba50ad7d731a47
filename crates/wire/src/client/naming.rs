//! Services and instances (`reference/grpc.md`, 4.2 and 5.1).

use nacrite_base::instance::Pairs;
use serde::{Deserialize, Serialize};

use super::{Ask, Module, answer};
use crate::lenient;

/// Type names of the pushes of this module and of what answers them.
pub mod push {
    /// The list of a service has changed.
    pub const NOTIFY: &str = "NotifySubscriberRequest";
    /// Answers [`NOTIFY`].
    pub const NOTIFY_ACK: &str = "NotifySubscriberResponse";
}

/// An instance as a client describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceBody<'a> {
    /// Address.
    pub ip: &'a str,
    /// Port.
    pub port: u16,
    /// Share of the traffic.
    pub weight: f64,
    /// Whether it works.
    pub healthy: bool,
    /// Whether it may get traffic.
    pub enabled: bool,
    /// Whether it goes when its client goes.
    pub ephemeral: bool,
    /// Cluster inside the service.
    pub cluster_name: &'a str,
    /// Name of the service. Only in a heart-beat; in a request it stands beside, and a batch with a grouped name here is
    /// refused (`reference/grpc.md`, 5.6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<&'a str>,
    /// Texts.
    pub metadata: &'a Pairs,
}

/// Registers or deregisters one instance. Ephemeral ones with type `InstanceRequest`, others with
/// [`PersistentInstanceRequest`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRequest<'a> {
    /// Namespace id.
    pub namespace: &'a str,
    /// Without the group.
    pub service_name: &'a str,
    /// Group.
    pub group_name: &'a str,
    /// [`REGISTER`] or [`DEREGISTER`].
    #[serde(rename = "type")]
    pub operation: &'a str,
    /// The instance.
    pub instance: InstanceBody<'a>,
}

/// Operation of [`InstanceRequest`].
pub const REGISTER: &str = "registerInstance";
/// Operation of [`InstanceRequest`].
pub const DEREGISTER: &str = "deregisterInstance";

answer! {
    /// Done.
    InstanceResponse {}
}

impl Ask for InstanceRequest<'_> {
    const TYPE: &'static str = "InstanceRequest";
    const MODULE: Module = Module::Naming;
    type Answer = InstanceResponse;
}

/// The same for a persistent instance; needs the server's ability `supportPersistentInstanceByGrpc`.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct PersistentInstanceRequest<'a>(pub InstanceRequest<'a>);

impl Ask for PersistentInstanceRequest<'_> {
    const TYPE: &'static str = "PersistentInstanceRequest";
    const MODULE: Module = Module::Naming;
    type Answer = InstanceResponse;
}

/// Replaces the whole set of a connection's instances of a service.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInstanceRequest<'a> {
    /// Namespace id.
    pub namespace: &'a str,
    /// Without the group.
    pub service_name: &'a str,
    /// Group.
    pub group_name: &'a str,
    /// [`BATCH_REGISTER`].
    #[serde(rename = "type")]
    pub operation: &'a str,
    /// The whole set.
    pub instances: Vec<InstanceBody<'a>>,
}

/// Operation of [`BatchInstanceRequest`].
pub const BATCH_REGISTER: &str = "batchRegisterInstance";

answer! {
    /// Done.
    BatchInstanceResponse {}
}

impl Ask for BatchInstanceRequest<'_> {
    const TYPE: &'static str = "BatchInstanceRequest";
    const MODULE: Module = Module::Naming;
    type Answer = BatchInstanceResponse;
}

/// Asks for the list of a service, once.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceQueryRequest<'a> {
    /// Namespace id.
    pub namespace: &'a str,
    /// Without the group.
    pub service_name: &'a str,
    /// Group.
    pub group_name: &'a str,
    /// Comma list; empty means all.
    pub cluster: &'a str,
    /// Leave unhealthy ones out.
    pub healthy_only: bool,
    /// Of no meaning over gRPC, but expected.
    pub udp_port: u16,
}

answer! {
    /// The list of a service.
    QueryServiceResponse {
        /// The list; absent in a failure.
        service_info: Option<ServiceInfo>,
    }
}

impl Ask for ServiceQueryRequest<'_> {
    const TYPE: &'static str = "ServiceQueryRequest";
    const MODULE: Module = Module::Naming;
    type Answer = QueryServiceResponse;
}

/// Asks for names of services.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceListRequest<'a> {
    /// Namespace id.
    pub namespace: &'a str,
    /// Empty.
    pub service_name: &'a str,
    /// Group; the filter.
    pub group_name: &'a str,
    /// From 1.
    pub page_no: u32,
    /// Names per page.
    pub page_size: u32,
    /// JSON of a selector, or empty.
    pub selector: &'a str,
}

answer! {
    /// A page of names.
    ServiceListResponse {
        /// How many there are in all.
        #[serde(deserialize_with = "lenient::whole")]
        count: i64,
        /// The names of this page, without groups.
        #[serde(deserialize_with = "lenient::texts")]
        service_names: Vec<String>,
    }
}

impl Ask for ServiceListRequest<'_> {
    const TYPE: &'static str = "ServiceListRequest";
    const MODULE: Module = Module::Naming;
    type Answer = ServiceListResponse;
}

/// Subscribes to a service, or no longer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeServiceRequest<'a> {
    /// Namespace id.
    pub namespace: &'a str,
    /// Without the group.
    pub service_name: &'a str,
    /// Group.
    pub group_name: &'a str,
    /// True to subscribe, false to unsubscribe.
    pub subscribe: bool,
    /// Comma list; empty means all.
    pub clusters: &'a str,
}

answer! {
    /// Subscribed; the list as it is now.
    SubscribeServiceResponse {
        /// The list; absent in a failure.
        service_info: Option<ServiceInfo>,
    }
}

impl Ask for SubscribeServiceRequest<'_> {
    const TYPE: &'static str = "SubscribeServiceRequest";
    const MODULE: Module = Module::Naming;
    type Answer = SubscribeServiceResponse;
}

/// [`push::NOTIFY`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NotifySubscriberRequest {
    /// To be repeated in the answer.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub request_id: Option<Box<str>>,
    /// The new list.
    pub service_info: Option<ServiceInfo>,
}

/// The list of a service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceInfo {
    /// Name; over gRPC without its group, in files and over HTTP with it.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub name: Option<Box<str>>,
    /// Group.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub group_name: Option<Box<str>>,
    /// The filter that was applied, a comma list.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub clusters: Option<Box<str>>,
    /// How long the list may be kept by one who did not subscribe, in ms.
    #[serde(deserialize_with = "lenient::whole")]
    pub cache_millis: i64,
    /// The instances; absent says nothing about them.
    pub hosts: Option<Vec<Host>>,
    /// When the server made the list, by its clock, in ms.
    #[serde(deserialize_with = "lenient::whole")]
    pub last_ref_time: i64,
    /// Too few were healthy: all are shown as healthy.
    #[serde(deserialize_with = "lenient::truth")]
    pub reach_protection_threshold: bool,
}

/// An instance as a server shows it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Host {
    /// The server's id of it.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub instance_id: Option<Box<str>>,
    /// Address.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub ip: Option<Box<str>>,
    /// Port.
    #[serde(deserialize_with = "lenient::whole")]
    pub port: i64,
    /// Share of the traffic; may be any number.
    #[serde(deserialize_with = "lenient::number")]
    pub weight: f64,
    /// Whether it works.
    #[serde(deserialize_with = "lenient::truth")]
    pub healthy: bool,
    /// Whether it may get traffic.
    #[serde(deserialize_with = "lenient::truth")]
    pub enabled: bool,
    /// Whether it goes when its client goes.
    #[serde(deserialize_with = "lenient::truth")]
    pub ephemeral: bool,
    /// Cluster.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub cluster_name: Option<Box<str>>,
    /// Texts.
    #[serde(deserialize_with = "lenient::metadata")]
    pub metadata: Option<Pairs>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            instance_id: None,
            ip: None,
            port: 0,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: true,
            cluster_name: None,
            metadata: None,
        }
    }
}
