//! Which configs there are, by pattern (`reference/grpc.md`, 4.3.8). The operations and the word for the end of the first
//! batches are those of [`crate::client::fuzzy`].
//!
//! A config is named `dataId+group+namespace`, with `+` and `%` inside a part written `%2B` and `%25`.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::client::{Ask, Module, answer};
use crate::lenient;

/// Type names of the pushes and of what answers them.
pub mod push {
    /// A batch of configs that are there, or that the client has wrong.
    pub const SYNC: &str = "ConfigFuzzyWatchSyncRequest";
    /// Answers [`SYNC`].
    pub const SYNC_ACK: &str = "ConfigFuzzyWatchSyncResponse";
    /// A config has come or gone.
    pub const CHANGE: &str = "ConfigFuzzyWatchChangeNotifyRequest";
    /// Answers [`CHANGE`].
    pub const CHANGE_ACK: &str = "ConfigFuzzyWatchChangeNotifyResponse";
}

/// What a push says of a config.
pub mod changed {
    /// It is there, in a batch.
    pub const ADD: &str = "ADD_CONFIG";
    /// It is there, in a notice of one.
    pub const CHANGED: &str = "CONFIG_CHANGED";
    /// It is not there any more.
    pub const DELETE: &str = "DELETE_CONFIG";
}

/// Asks to be told which configs match a pattern, or no longer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFuzzyWatchRequest<'a> {
    /// `namespace>>group>>dataId`.
    pub group_key_pattern: &'a str,
    /// What is known already: the server tells the difference.
    pub received_group_keys: Vec<String>,
    /// `WATCH` or `CANCEL_WATCH`.
    pub watch_type: &'a str,
    /// Whether the end of the first batches is to be told.
    pub initializing: bool,
}

answer! {
    /// Understood.
    ConfigFuzzyWatchResponse {}
}

impl Ask for ConfigFuzzyWatchRequest<'_> {
    const TYPE: &'static str = "ConfigFuzzyWatchRequest";
    const MODULE: Module = Module::Config;
    type Answer = ConfigFuzzyWatchResponse;
}

/// [`push::SYNC`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigFuzzyWatchSyncRequest {
    /// What stage this is; only the end of the first batches matters.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub sync_type: Option<Box<str>>,
    /// Which watch.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub group_key_pattern: Option<Box<str>>,
    /// The configs; absent at the end.
    #[serde(deserialize_with = "lenient::list_or_none")]
    pub contexts: Vec<SyncContext>,
}

/// One config of a [`ConfigFuzzyWatchSyncRequest`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncContext {
    /// Its name.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub group_key: Option<Box<str>>,
    /// [`changed::ADD`] or [`changed::DELETE`].
    #[serde(deserialize_with = "lenient::owned_text")]
    pub changed_type: Option<Box<str>>,
}

/// [`push::CHANGE`]. The field is called otherwise than in [`SyncContext`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigFuzzyWatchChangeNotifyRequest {
    /// Its name.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub group_key: Option<Box<str>>,
    /// [`changed::CHANGED`] or [`changed::DELETE`].
    #[serde(deserialize_with = "lenient::owned_text")]
    pub change_type: Option<Box<str>>,
}

/// The name of a config; without its namespace if that is empty.
#[must_use]
pub fn group_key(data_id: &str, group: &str, tenant: &str) -> String {
    let mut key = String::with_capacity(data_id.len() + group.len() + tenant.len() + 2);
    for (nth, part) in [data_id, group, tenant].into_iter().enumerate() {
        if nth == 2 && part.is_empty() {
            break;
        }
        if nth > 0 {
            key.push('+');
        }
        for c in part.chars() {
            match c {
                // Writing into a text cannot fail.
                '+' | '%' => write!(key, "%{:02X}", u32::from(c)).unwrap_or_default(),
                other => key.push(other),
            }
        }
    }
    key
}

/// Data id, group and namespace of a name; the namespace is empty if it is left out. `None` for what is no name.
#[must_use]
pub fn parts_of(group_key: &str) -> Option<(String, String, String)> {
    let mut parts = group_key.split('+').map(|part| part.replace("%2B", "+").replace("%25", "%"));
    let (data_id, group) = (parts.next()?, parts.next()?);
    let tenant = parts.next().unwrap_or_default();
    (parts.next().is_none() && !data_id.is_empty() && !group.is_empty()).then_some((data_id, group, tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_configs_are_read_as_they_are_written() {
        for (data_id, group, tenant, key) in
            [("x", "g", "dev", "x+g+dev"), ("x", "g", "", "x+g"), ("a+b%c", "g", "t", "a%2Bb%25c+g+t")]
        {
            assert_eq!(group_key(data_id, group, tenant), key);
            assert_eq!(parts_of(key), Some((data_id.into(), group.into(), tenant.into())));
        }
        assert_eq!(parts_of("%252B+g"), Some(("%2B".into(), "g".into(), String::new())));
        for bad in ["", "x", "+g", "x+", "a+b+c+d"] {
            assert_eq!(parts_of(bad), None, "{bad}");
        }
    }
}
