//! Bodies of the fuzzy watch requests (`reference/grpc.md`, 4.2.6 and 4.3.8).

use std::borrow::Cow;

use serde::Deserialize;

use crate::lenient;

/// `NamingFuzzyWatchRequest` and `ConfigFuzzyWatchRequest`. The namespace beside the pattern has no meaning.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FuzzyWatchRequest<'a> {
    /// `namespace>>group>>name`.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub group_key_pattern: Option<Cow<'a, str>>,
    /// What the client knows; absent is not the same as nothing.
    #[serde(deserialize_with = "lenient::list")]
    pub received_group_keys: Option<Vec<Option<String>>>,
    /// `WATCH` or `CANCEL_WATCH`.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub watch_type: Option<Cow<'a, str>>,
    /// Whether the client is new to the pattern, and waits for the end of the first batches.
    #[serde(deserialize_with = "lenient::truth")]
    pub initializing: bool,
}
