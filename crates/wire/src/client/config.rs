//! Configs (`reference/grpc.md`, 4.3).

pub mod fuzzy;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Ask, Module, answer};
use crate::lenient;

/// Type names of the pushes of this module and of what answers them.
pub mod push {
    /// A config has changed.
    pub const NOTIFY: &str = "ConfigChangeNotifyRequest";
    /// Answers [`NOTIFY`].
    pub const NOTIFY_ACK: &str = "ConfigChangeNotifyResponse";
    /// An operator wants to know what the client listens to.
    pub const METRICS: &str = "ClientConfigMetricRequest";
    /// Answers [`METRICS`].
    pub const METRICS_ACK: &str = "ClientConfigMetricResponse";
}

/// Asks for a config.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigQueryRequest<'a> {
    /// Name inside the group.
    pub data_id: &'a str,
    /// Group.
    pub group: &'a str,
    /// Namespace id.
    pub tenant: &'a str,
    /// Asks for the version of a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<&'a str>,
}

answer! {
    /// A config.
    ConfigQueryResponse {
        /// The content; absent in a failure.
        #[serde(deserialize_with = "lenient::owned_text")]
        content: Option<Box<str>>,
        /// Digest of the content as it is stored.
        #[serde(deserialize_with = "lenient::owned_text")]
        md5: Option<Box<str>>,
        /// `text`, `json`, `yaml`…
        #[serde(deserialize_with = "lenient::owned_text")]
        content_type: Option<Box<str>>,
        /// Key of an encrypted content, itself encrypted.
        #[serde(deserialize_with = "lenient::owned_text")]
        encrypted_data_key: Option<Box<str>>,
        /// When it was changed, by the server's clock, in ms.
        #[serde(deserialize_with = "lenient::whole")]
        last_modified: i64,
        /// Whether it is a gray version.
        #[serde(deserialize_with = "lenient::truth")]
        beta: bool,
        /// Tag of the version.
        #[serde(deserialize_with = "lenient::owned_text")]
        tag: Option<Box<str>>,
    }
}

impl Ask for ConfigQueryRequest<'_> {
    const TYPE: &'static str = "ConfigQueryRequest";
    const MODULE: Module = Module::Config;
    type Answer = ConfigQueryResponse;
}

/// Publishes a config.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigPublishRequest<'a> {
    /// Name inside the group.
    pub data_id: &'a str,
    /// Group.
    pub group: &'a str,
    /// Namespace id.
    pub tenant: &'a str,
    /// The content.
    pub content: &'a str,
    /// The digest that the stored content must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cas_md5: Option<&'a str>,
    /// Everything else: `type`, `appName`, `betaIps`, `tag`, `encryptedDataKey`, `config_tags`, `desc`…
    pub addition_map: BTreeMap<&'a str, &'a str>,
}

answer! {
    /// Published.
    ConfigPublishResponse {}
}

impl Ask for ConfigPublishRequest<'_> {
    const TYPE: &'static str = "ConfigPublishRequest";
    const MODULE: Module = Module::Config;
    type Answer = ConfigPublishResponse;

    fn is_repeatable(&self) -> bool {
        // Where the first one went through, the second one would look like somebody else's change.
        self.cas_md5.is_none()
    }
}

/// Removes a config.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigRemoveRequest<'a> {
    /// Name inside the group.
    pub data_id: &'a str,
    /// Group.
    pub group: &'a str,
    /// Namespace id.
    pub tenant: &'a str,
    /// Only the gray version of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<&'a str>,
}

answer! {
    /// Removed, or was not there.
    ConfigRemoveResponse {}
}

impl Ask for ConfigRemoveRequest<'_> {
    const TYPE: &'static str = "ConfigRemoveRequest";
    const MODULE: Module = Module::Config;
    type Answer = ConfigRemoveResponse;
}

/// One config of [`ConfigBatchListenRequest`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenContext<'a> {
    /// Name inside the group.
    pub data_id: &'a str,
    /// Group.
    pub group: &'a str,
    /// Namespace id.
    pub tenant: &'a str,
    /// Digest of what the client has; empty if it has nothing.
    pub md5: &'a str,
}

/// Listens to configs, or no longer; is told which of them differ.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigBatchListenRequest<'a> {
    /// False to stop listening.
    pub listen: bool,
    /// Which configs.
    pub config_listen_contexts: Vec<ListenContext<'a>>,
}

answer! {
    /// Which configs differ from what the client has.
    ConfigChangeBatchListenResponse {
        /// Their keys.
        #[serde(deserialize_with = "lenient::list_or_none")]
        changed_configs: Vec<ConfigContext>,
    }
}

impl Ask for ConfigBatchListenRequest<'_> {
    const TYPE: &'static str = "ConfigBatchListenRequest";
    const MODULE: Module = Module::Config;
    type Answer = ConfigChangeBatchListenResponse;
}

/// Key of a config, as the client had sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigContext {
    /// Name inside the group.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub data_id: Option<Box<str>>,
    /// Group.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub group: Option<Box<str>>,
    /// Namespace id.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub tenant: Option<Box<str>>,
}

/// [`push::NOTIFY`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigChangeNotifyRequest {
    /// To be repeated in the answer.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub request_id: Option<Box<str>>,
    /// Which config.
    #[serde(flatten)]
    pub key: ConfigContext,
}
