//! How commands and rows look on disk and in the log: protobuf, one message per kind, fields only ever added.
//!
//! A command that this binary does not know stops the node with a clear message, because to skip it would be to
//! disagree with the nodes that do (`cluster.md`, 1). Names in these messages were checked before they were written;
//! reading trusts them, the store's checksum says that they are what was written.

use bytes::Bytes;
use prost::{Message, Oneof};

/// A command in the log.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CommandRecord {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14")]
    pub(crate) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Kind {
    #[prost(message, tag = "1")]
    PublishConfig(PublishConfig),
    #[prost(message, tag = "2")]
    RemoveConfig(RemoveConfig),
    #[prost(message, tag = "3")]
    DropHistory(DropHistory),
    #[prost(message, tag = "4")]
    PutNamespace(NamespaceRow),
    #[prost(string, tag = "5")]
    RemoveNamespace(String),
    #[prost(message, tag = "6")]
    CreateService(ServiceRow),
    #[prost(message, tag = "7")]
    UpdateService(ServiceRow),
    #[prost(message, tag = "8")]
    DeleteService(ServiceName),
    #[prost(message, tag = "9")]
    PutInstance(InstanceRow),
    #[prost(message, tag = "10")]
    RemoveInstance(InstanceName),
    #[prost(message, tag = "11")]
    PutOverride(OverrideRow),
    #[prost(message, tag = "12")]
    RemoveOverride(InstanceName),
    #[prost(message, tag = "13")]
    PutCluster(PutCluster),
    #[prost(message, tag = "14")]
    SetSwitch(SwitchRow),
}

/// The answer to a command.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnswerRecord {
    #[prost(enumeration = "Outcome", tag = "1")]
    pub(crate) outcome: i32,
    /// What goes with it: the name of a missing gray version.
    #[prost(string, tag = "2")]
    pub(crate) detail: String,
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Outcome {
    Done = 0,
    ConfigRaced = 1,
    GrayVersionsFull = 2,
    GrayMissing = 3,
    ServiceExists = 4,
    ClustersFull = 5,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct ConfigName {
    #[prost(string, tag = "1")]
    pub(crate) namespace: String,
    #[prost(string, tag = "2")]
    pub(crate) group: String,
    #[prost(string, tag = "3")]
    pub(crate) data_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublishConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) key: Option<ConfigName>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) content: Bytes,
    #[prost(string, tag = "3")]
    pub(crate) digest: String,
    #[prost(string, optional, tag = "4")]
    pub(crate) cas: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub(crate) attributes: Option<AttributesRow>,
    #[prost(message, optional, tag = "6")]
    pub(crate) by: Option<PublisherRow>,
    #[prost(uint64, tag = "7")]
    pub(crate) at_ms: u64,
    #[prost(message, optional, tag = "8")]
    pub(crate) gray: Option<GrayRuleRow>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RemoveConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) key: Option<ConfigName>,
    #[prost(string, optional, tag = "2")]
    pub(crate) gray: Option<String>,
    #[prost(message, optional, tag = "3")]
    pub(crate) by: Option<PublisherRow>,
    #[prost(uint64, tag = "4")]
    pub(crate) at_ms: u64,
}

/// Rows of the history that are too old.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DropHistory {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) ids: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AttributesRow {
    #[prost(string, tag = "1")]
    pub(crate) config_type: String,
    #[prost(string, optional, tag = "2")]
    pub(crate) app_name: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) description: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) usage: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(crate) effect: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub(crate) schema: Option<String>,
    #[prost(message, optional, tag = "7")]
    pub(crate) tags: Option<Tags>,
    #[prost(string, optional, tag = "8")]
    pub(crate) encrypted_key: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tags {
    #[prost(string, repeated, tag = "1")]
    pub(crate) tags: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublisherRow {
    #[prost(string, optional, tag = "1")]
    pub(crate) user: Option<String>,
    #[prost(string, tag = "2")]
    pub(crate) ip: String,
}

/// Who gets a gray version: one of the two is set.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GrayRuleRow {
    #[prost(string, optional, tag = "1")]
    pub(crate) beta_ips: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) tag: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct VersionRow {
    #[prost(uint64, tag = "1")]
    pub(crate) content: u64,
    #[prost(string, tag = "2")]
    pub(crate) digest: String,
    #[prost(uint64, tag = "3")]
    pub(crate) created_at_ms: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) modified_at_ms: u64,
    #[prost(message, optional, tag = "5")]
    pub(crate) attributes: Option<AttributesRow>,
    #[prost(message, optional, tag = "6")]
    pub(crate) by: Option<PublisherRow>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GrayRow {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) rule: Option<GrayRuleRow>,
    #[prost(message, optional, tag = "3")]
    pub(crate) version: Option<VersionRow>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConfigRow {
    #[prost(message, optional, tag = "1")]
    pub(crate) key: Option<ConfigName>,
    #[prost(uint64, tag = "2")]
    pub(crate) id: u64,
    #[prost(message, optional, tag = "3")]
    pub(crate) formal: Option<VersionRow>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) gray: Vec<GrayRow>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HistoryRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) entry_id: u64,
    #[prost(message, optional, tag = "3")]
    pub(crate) key: Option<ConfigName>,
    /// `I`, `U` or `D`.
    #[prost(string, tag = "4")]
    pub(crate) operation: String,
    #[prost(string, optional, tag = "5")]
    pub(crate) gray: Option<String>,
    #[prost(message, optional, tag = "6")]
    pub(crate) version: Option<VersionRow>,
    #[prost(message, optional, tag = "7")]
    pub(crate) by: Option<PublisherRow>,
    #[prost(uint64, tag = "8")]
    pub(crate) at_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NamespaceRow {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) title: String,
    #[prost(string, optional, tag = "3")]
    pub(crate) description: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServiceName {
    #[prost(string, tag = "1")]
    pub(crate) namespace: String,
    #[prost(string, tag = "2")]
    pub(crate) group: String,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServiceRow {
    #[prost(message, optional, tag = "1")]
    pub(crate) key: Option<ServiceName>,
    #[prost(bool, tag = "2")]
    pub(crate) created: bool,
    #[prost(bool, tag = "3")]
    pub(crate) persistent: bool,
    #[prost(float, tag = "4")]
    pub(crate) protect_threshold: f32,
    #[prost(message, repeated, tag = "5")]
    pub(crate) metadata: Vec<Pair>,
    #[prost(string, optional, tag = "6")]
    pub(crate) selector: Option<String>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) clusters: Vec<ClusterRow>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PutCluster {
    #[prost(message, optional, tag = "1")]
    pub(crate) service: Option<ServiceName>,
    #[prost(bool, tag = "2")]
    pub(crate) persistent: bool,
    #[prost(message, optional, tag = "3")]
    pub(crate) cluster: Option<ClusterRow>,
}

/// What is set for a cluster. Which fields count follows from the checker.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ClusterRow {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// `TCP`, `HTTP`, `MYSQL` or `NONE`.
    #[prost(string, tag = "2")]
    pub(crate) checker: String,
    #[prost(uint32, tag = "3")]
    pub(crate) check_port: u32,
    #[prost(bool, tag = "4")]
    pub(crate) use_instance_port: bool,
    #[prost(message, repeated, tag = "5")]
    pub(crate) metadata: Vec<Pair>,
    #[prost(string, tag = "6")]
    pub(crate) path: String,
    #[prost(string, tag = "7")]
    pub(crate) headers: String,
    #[prost(uint32, tag = "8")]
    pub(crate) expected_status: u32,
    #[prost(string, optional, tag = "9")]
    pub(crate) user: Option<String>,
    #[prost(string, optional, tag = "10")]
    pub(crate) password: Option<String>,
    #[prost(string, optional, tag = "11")]
    pub(crate) command: Option<String>,
}

/// A switch that was moved.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SwitchRow {
    #[prost(string, tag = "1")]
    pub(crate) entry: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pair {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, optional, tag = "2")]
    pub(crate) value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InstanceName {
    #[prost(message, optional, tag = "1")]
    pub(crate) service: Option<ServiceName>,
    #[prost(string, optional, tag = "2")]
    pub(crate) host: Option<String>,
    #[prost(uint32, tag = "3")]
    pub(crate) port: u32,
    #[prost(string, tag = "4")]
    pub(crate) cluster: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InstanceRow {
    #[prost(message, optional, tag = "1")]
    pub(crate) name: Option<InstanceName>,
    #[prost(string, tag = "2")]
    pub(crate) id: String,
    #[prost(double, tag = "3")]
    pub(crate) weight: f64,
    #[prost(bool, tag = "4")]
    pub(crate) healthy: bool,
    #[prost(bool, tag = "5")]
    pub(crate) enabled: bool,
    #[prost(message, repeated, tag = "6")]
    pub(crate) metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OverrideRow {
    #[prost(message, optional, tag = "1")]
    pub(crate) name: Option<InstanceName>,
    #[prost(double, optional, tag = "2")]
    pub(crate) weight: Option<f64>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) enabled: Option<bool>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) metadata: Vec<Pair>,
}
