//! Bodies of the config requests (`reference/grpc.md`, 4.3).

use std::borrow::Cow;

use serde::Deserialize;

use crate::lenient::{self, TextMap};

/// `ConfigQueryRequest` and `ConfigRemoveRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigKeyRequest<'a> {
    /// Name inside the group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub data_id: Option<Cow<'a, str>>,
    /// Group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group: Option<Cow<'a, str>>,
    /// Namespace id; absent or blank means `public`.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub tenant: Option<Cow<'a, str>>,
    /// A query's tag, or the whole name of the gray version to remove.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub tag: Option<Cow<'a, str>>,
}

/// `ConfigPublishRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigPublishRequest<'a> {
    /// Name inside the group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub data_id: Option<Cow<'a, str>>,
    /// Group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group: Option<Cow<'a, str>>,
    /// Namespace id; absent or blank means `public`.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub tenant: Option<Cow<'a, str>>,
    /// The content.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub content: Option<Cow<'a, str>>,
    /// The digest that the stored content must have; blank for no condition.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub cas_md5: Option<Cow<'a, str>>,
    /// Everything else.
    #[serde(borrow, deserialize_with = "lenient::text_map")]
    pub addition_map: Option<TextMap<'a>>,
}

impl ConfigPublishRequest<'_> {
    /// The value of an addition; `None` if it is absent or null.
    #[must_use]
    pub fn addition(&self, name: &str) -> Option<&str> {
        let additions = self.addition_map.as_ref()?;
        additions.iter().rev().find(|(key, _)| key == name)?.1.as_deref()
    }
}

/// One config in `ConfigBatchListenRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenContext<'a> {
    /// Name inside the group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub data_id: Option<Cow<'a, str>>,
    /// Group.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group: Option<Cow<'a, str>>,
    /// Namespace id, echoed exactly as it was sent.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub tenant: Option<Cow<'a, str>>,
    /// Digest of what the client has; empty if it has nothing. Absent equals no digest at all.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub md5: Option<Cow<'a, str>>,
}

/// `ConfigBatchListenRequest`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigBatchListenRequest<'a> {
    /// False to stop listening.
    #[serde(deserialize_with = "lenient::truth")]
    pub listen: bool,
    /// Which configs.
    #[serde(borrow)]
    pub config_listen_contexts: Option<Vec<ListenContext<'a>>>,
}

impl Default for ConfigBatchListenRequest<'_> {
    fn default() -> Self {
        Self { listen: true, config_listen_contexts: None }
    }
}
