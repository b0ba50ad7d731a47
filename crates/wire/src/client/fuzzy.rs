//! Which services there are, by pattern (`reference/grpc.md`, 4.2.6). Only servers with the ability [`ABILITY`] know it.

use serde::{Deserialize, Serialize};

use super::{Ask, Module, answer};
use crate::lenient;

/// The server's ability to be asked.
pub const ABILITY: &str = "fuzzyWatch";

/// Operation of [`NamingFuzzyWatchRequest`].
pub const WATCH: &str = "WATCH";
/// Operation of [`NamingFuzzyWatchRequest`].
pub const CANCEL_WATCH: &str = "CANCEL_WATCH";

/// Type names of the pushes and of what answers both.
pub mod push {
    /// A batch of services that are there, or that the client has wrong.
    pub const SYNC: &str = "NamingFuzzyWatchSyncRequest";
    /// A service has come or gone.
    pub const CHANGE: &str = "NamingFuzzyWatchChangeNotifyRequest";
    /// Answers both (`reference/grpc.md`, 3.9).
    pub const ACK: &str = "NamingFuzzyWatchChangeNotifyResponse";
}

/// What a push says of a service.
pub mod changed {
    /// It is there.
    pub const ADD: &str = "ADD_SERVICE";
    /// It is not there any more.
    pub const DELETE: &str = "DELETE_SERVICE";
}

/// Says that the first batches are through.
pub const SYNC_FINISHED: &str = "FINISH_FUZZY_WATCH_INIT_NOTIFY";

/// Asks to be told which services match a pattern, or no longer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamingFuzzyWatchRequest<'a> {
    /// Namespace id; the one in the pattern counts.
    pub namespace: &'a str,
    /// `namespace>>group>>service`.
    pub group_key_pattern: &'a str,
    /// What is known already, each as `namespace@@group@@service`: the server tells the difference.
    pub received_group_keys: Vec<String>,
    /// [`WATCH`] or [`CANCEL_WATCH`].
    pub watch_type: &'a str,
    /// Whether the end of the first batches is to be told.
    pub initializing: bool,
}

answer! {
    /// Understood. Also a watch that is cut short for too many matches is refused in words, but goes on.
    NamingFuzzyWatchResponse {}
}

impl Ask for NamingFuzzyWatchRequest<'_> {
    const TYPE: &'static str = "NamingFuzzyWatchRequest";
    const MODULE: Module = Module::Naming;
    type Answer = NamingFuzzyWatchResponse;
}

/// [`push::SYNC`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamingFuzzyWatchSyncRequest {
    /// To be repeated in the answer.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub request_id: Option<Box<str>>,
    /// What stage this is; only [`SYNC_FINISHED`] matters.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub sync_type: Option<Box<str>>,
    /// Which watch.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub group_key_pattern: Option<Box<str>>,
    /// The services.
    #[serde(deserialize_with = "lenient::list_or_none")]
    pub contexts: Vec<SyncContext>,
}

/// One service of a [`NamingFuzzyWatchSyncRequest`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncContext {
    /// `namespace@@group@@service`.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub service_key: Option<Box<str>>,
    /// [`changed::ADD`] or [`changed::DELETE`].
    #[serde(deserialize_with = "lenient::owned_text")]
    pub changed_type: Option<Box<str>>,
}

/// [`push::CHANGE`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamingFuzzyWatchChangeNotifyRequest {
    /// To be repeated in the answer.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub request_id: Option<Box<str>>,
    /// `namespace@@group@@service`.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub service_key: Option<Box<str>>,
    /// [`changed::ADD`] or [`changed::DELETE`].
    #[serde(deserialize_with = "lenient::owned_text")]
    pub changed_type: Option<Box<str>>,
}
