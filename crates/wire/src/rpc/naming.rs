//! Bodies of the naming requests (`reference/grpc.md`, 4.2).

use std::borrow::Cow;

use nacrite_base::instance::Pairs;
use serde::Deserialize;

use crate::lenient;

/// An instance as a client describes it. Defaults are those of Java's class: healthy, enabled, weight 1.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceBody<'a> {
    /// Given by the client, or absent.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub instance_id: Option<Cow<'a, str>>,
    /// Address.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub ip: Option<Cow<'a, str>>,
    /// Port, not yet checked.
    #[serde(deserialize_with = "lenient::whole")]
    pub port: i64,
    /// Share of the traffic.
    #[serde(deserialize_with = "lenient::number")]
    pub weight: f64,
    /// Whether it works.
    #[serde(deserialize_with = "lenient::truth")]
    pub healthy: bool,
    /// Whether it may get traffic.
    #[serde(deserialize_with = "lenient::truth")]
    pub enabled: bool,
    /// Cluster; absent means the default one.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub cluster_name: Option<Cow<'a, str>>,
    /// Counts only for the generated id.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub service_name: Option<Cow<'a, str>>,
    /// Texts.
    #[serde(deserialize_with = "lenient::metadata")]
    pub metadata: Option<Pairs>,
}

impl Default for InstanceBody<'_> {
    fn default() -> Self {
        Self {
            instance_id: None,
            ip: None,
            port: 0,
            weight: 1.0,
            healthy: true,
            enabled: true,
            cluster_name: None,
            service_name: None,
            metadata: None,
        }
    }
}

/// `InstanceRequest` and `PersistentInstanceRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceRequest<'a> {
    /// Namespace id.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub namespace: Option<Cow<'a, str>>,
    /// Without the group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub service_name: Option<Cow<'a, str>>,
    /// Group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group_name: Option<Cow<'a, str>>,
    /// `registerInstance` or `deregisterInstance`.
    #[serde(borrow, rename = "type", deserialize_with = "lenient::text")]
    pub operation: Option<Cow<'a, str>>,
    /// The instance.
    #[serde(borrow)]
    pub instance: Option<InstanceBody<'a>>,
}

/// `BatchInstanceRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchInstanceRequest<'a> {
    /// Namespace id.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub namespace: Option<Cow<'a, str>>,
    /// Without the group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub service_name: Option<Cow<'a, str>>,
    /// Group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group_name: Option<Cow<'a, str>>,
    /// `batchRegisterInstance`.
    #[serde(borrow, rename = "type", deserialize_with = "lenient::text")]
    pub operation: Option<Cow<'a, str>>,
    /// The whole list.
    #[serde(borrow)]
    pub instances: Option<Vec<InstanceBody<'a>>>,
}

/// `ServiceQueryRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceQueryRequest<'a> {
    /// Namespace id.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub namespace: Option<Cow<'a, str>>,
    /// Without the group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub service_name: Option<Cow<'a, str>>,
    /// Group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group_name: Option<Cow<'a, str>>,
    /// Comma list; absent or blank means all.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub cluster: Option<Cow<'a, str>>,
    /// Leave unhealthy ones out.
    #[serde(deserialize_with = "lenient::truth")]
    pub healthy_only: bool,
    /// Of no meaning here, but must be a number.
    #[serde(deserialize_with = "lenient::whole")]
    pub udp_port: i64,
}

/// `ServiceListRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceListRequest<'a> {
    /// Namespace id.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub namespace: Option<Cow<'a, str>>,
    /// Group; the only filter.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group_name: Option<Cow<'a, str>>,
    /// Checked, but no filter (recorded: `naming-service-list`).
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub service_name: Option<Cow<'a, str>>,
    /// From 1.
    #[serde(deserialize_with = "lenient::whole")]
    pub page_no: i64,
    /// Names per page.
    #[serde(deserialize_with = "lenient::whole")]
    pub page_size: i64,
}

/// `SubscribeServiceRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscribeServiceRequest<'a> {
    /// Namespace id.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub namespace: Option<Cow<'a, str>>,
    /// Without the group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub service_name: Option<Cow<'a, str>>,
    /// Group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group_name: Option<Cow<'a, str>>,
    /// True to subscribe, false to unsubscribe.
    #[serde(deserialize_with = "lenient::truth")]
    pub subscribe: bool,
    /// Comma list; absent or blank means all.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub clusters: Option<Cow<'a, str>>,
}
