//! Answers and pushes of the fuzzy watch.

use bytes::Bytes;
use nacrite_base::{ConfigKey, ServiceKey};

use super::config::group_key;
use super::connection::{begin_push, end_push};
use crate::client::config::fuzzy::changed as config;
use crate::client::fuzzy::{SYNC_FINISHED, changed as service};
use crate::codes::{result, rpc};
use crate::json;

/// What of a pattern is told at one time.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, K> {
    /// The pattern as the client sent it.
    pub pattern: &'a str,
    /// What the batch is part of.
    pub stage: Stage,
    /// Names, each with whether it is there. Of no meaning at the end.
    pub names: &'a [(K, bool)],
    /// Which batch this is, from 1. Of no meaning at the end.
    pub number: usize,
    /// Of how many. Of no meaning at the end.
    pub total: usize,
}

/// What a batch is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Everything that a new watcher does not know.
    Initial,
    /// What somebody who watched before has wrong.
    Difference,
    /// Nothing more: the initial batches are through.
    End,
}

impl Stage {
    const fn sync_type(self) -> &'static str {
        match self {
            Self::Initial => "FUZZY_WATCH_INIT_NOTIFY",
            Self::Difference => "FUZZY_WATCH_DIFF_SYNC_NOTIFY",
            Self::End => SYNC_FINISHED,
        }
    }
}

/// The answer to a watch that is refused: as many patterns are watched as may be (recorded: `naming-fuzzy-limit`).
#[must_use]
pub fn patterns_full() -> Bytes {
    super::body(result::FAIL, rpc::FUZZY_PATTERNS_FULL, "fuzzy watch pattern over limit", "")
}

/// The answer to a watch that goes on, though more may match than is told (`reference/http.md`, 1.8).
#[must_use]
pub fn matches_full() -> Bytes {
    super::body(result::FAIL, rpc::FUZZY_MATCHES_FULL, "fuzzy watch pattern matched count over limit", "")
}

/// `NamingFuzzyWatchChangeNotifyRequest`.
#[must_use]
pub fn service_change(request_id: u64, key: &ServiceKey, is_there: bool) -> Bytes {
    let mut out = begin_push(request_id, 160);
    out.extend_from_slice(b",\"syncType\":\"FUZZY_WATCH_RESOURCE_CHANGED\",\"serviceKey\":");
    json::write(&mut out, &service_key(key));
    out.extend_from_slice(b",\"changedType\":");
    json::write(&mut out, if is_there { service::ADD } else { service::DELETE });
    end_push(out, "naming")
}

/// `NamingFuzzyWatchSyncRequest`. The end has an empty list and counts as one batch of one.
#[must_use]
pub fn service_batch(request_id: u64, batch: &Batch<'_, ServiceKey>) -> Bytes {
    let mut out = begin_push(request_id, 160 + 96 * batch.names.len());
    out.extend_from_slice(b",\"syncType\":");
    json::write(&mut out, batch.stage.sync_type());
    out.extend_from_slice(b",\"groupKeyPattern\":");
    json::write(&mut out, batch.pattern);
    out.extend_from_slice(b",\"contexts\":");
    let contexts = batch
        .names
        .iter()
        .map(|(key, is_there)| (service_key(key), if *is_there { service::ADD } else { service::DELETE }));
    write_contexts(&mut out, "serviceKey", contexts);
    let (total, number) = if batch.stage == Stage::End { (1, 1) } else { (batch.total, batch.number) };
    write_count(&mut out, total, number);
    end_push(out, "naming")
}

/// `ConfigFuzzyWatchChangeNotifyRequest`.
#[must_use]
pub fn config_change(request_id: u64, key: &ConfigKey, is_there: bool) -> Bytes {
    let mut out = begin_push(request_id, 128);
    out.extend_from_slice(b",\"groupKey\":");
    json::write(&mut out, &group_key(key));
    out.extend_from_slice(b",\"changeType\":");
    json::write(&mut out, if is_there { config::CHANGED } else { config::DELETE });
    end_push(out, "config")
}

/// `ConfigFuzzyWatchSyncRequest`. The end has no list and counts as no batch.
#[must_use]
pub fn config_batch(request_id: u64, batch: &Batch<'_, ConfigKey>) -> Bytes {
    let mut out = begin_push(request_id, 160 + 96 * batch.names.len());
    out.extend_from_slice(b",\"groupKeyPattern\":");
    json::write(&mut out, batch.pattern);
    let is_end = batch.stage == Stage::End;
    if !is_end {
        out.extend_from_slice(b",\"contexts\":");
        let contexts = batch
            .names
            .iter()
            .map(|(key, is_there)| (group_key(key), if *is_there { config::ADD } else { config::DELETE }));
        write_contexts(&mut out, "groupKey", contexts);
    }
    out.extend_from_slice(b",\"syncType\":");
    json::write(&mut out, batch.stage.sync_type());
    let (total, number) = if is_end { (0, 0) } else { (batch.total, batch.number) };
    write_count(&mut out, total, number);
    end_push(out, "config")
}

fn service_key(key: &ServiceKey) -> String {
    format!("{}@@{}@@{}", key.namespace, key.group, key.name)
}

fn write_contexts<'a>(out: &mut Vec<u8>, field: &str, contexts: impl Iterator<Item = (String, &'a str)>) {
    out.push(b'[');
    for (at, (key, changed)) in contexts.enumerate() {
        out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
        json::write(out, field);
        out.push(b':');
        json::write(out, &key);
        out.extend_from_slice(b",\"changedType\":");
        json::write(out, changed);
        out.push(b'}');
    }
    out.push(b']');
}

fn write_count(out: &mut Vec<u8>, total: usize, number: usize) {
    out.extend_from_slice(b",\"totalBatch\":");
    json::write(out, &total);
    out.extend_from_slice(b",\"currentBatch\":");
    json::write(out, &number);
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{DataId, GroupName, NamespaceId, ServiceName};

    #[track_caller]
    fn check(body: &Bytes, json: &str) {
        assert_eq!(std::str::from_utf8(body), Ok(json));
    }

    fn service(name: &str) -> ServiceKey {
        let (namespace, group) = (NamespaceId::public(), GroupName::from_stored("g"));
        ServiceKey { namespace, group, name: ServiceName::from_stored(name) }
    }

    fn config(name: &str) -> ConfigKey {
        let (namespace, group) = (NamespaceId::public(), GroupName::from_stored("g"));
        ConfigKey { namespace, group, data_id: DataId::from_stored(name) }
    }

    fn batch<K>(stage: Stage, names: &[(K, bool)]) -> Batch<'_, K> {
        Batch { pattern: "public>>g>>*", stage, names, number: 2, total: 2 }
    }

    #[test]
    fn services_are_told_as_recorded() {
        check(
            &service_change(7, &service("new"), true),
            concat!(
                r#"{"headers":{},"requestId":"7","syncType":"FUZZY_WATCH_RESOURCE_CHANGED","#,
                r#""serviceKey":"public@@g@@new","changedType":"ADD_SERVICE","module":"naming"}"#
            ),
        );
        check(
            &service_batch(7, &batch(Stage::Initial, &[(service("a"), true), (service("b"), false)])),
            concat!(
                r#"{"headers":{},"requestId":"7","syncType":"FUZZY_WATCH_INIT_NOTIFY","groupKeyPattern":"public>>g>>*","#,
                r#""contexts":[{"serviceKey":"public@@g@@a","changedType":"ADD_SERVICE"},"#,
                r#"{"serviceKey":"public@@g@@b","changedType":"DELETE_SERVICE"}],"#,
                r#""totalBatch":2,"currentBatch":2,"module":"naming"}"#
            ),
        );
        check(
            &service_batch(7, &batch(Stage::End, &[])),
            concat!(
                r#"{"headers":{},"requestId":"7","syncType":"FINISH_FUZZY_WATCH_INIT_NOTIFY","#,
                r#""groupKeyPattern":"public>>g>>*","contexts":[],"totalBatch":1,"currentBatch":1,"module":"naming"}"#
            ),
        );
    }

    #[test]
    fn configs_are_told_as_recorded() {
        check(
            &config_change(7, &config("a+b"), true),
            concat!(
                r#"{"headers":{},"requestId":"7","groupKey":"a%2Bb+g+public","changeType":"CONFIG_CHANGED","#,
                r#""module":"config"}"#
            ),
        );
        check(
            &config_batch(7, &batch(Stage::Difference, &[(config("a"), true), (config("b"), false)])),
            concat!(
                r#"{"headers":{},"requestId":"7","groupKeyPattern":"public>>g>>*","#,
                r#""contexts":[{"groupKey":"a+g+public","changedType":"ADD_CONFIG"},"#,
                r#"{"groupKey":"b+g+public","changedType":"DELETE_CONFIG"}],"#,
                r#""syncType":"FUZZY_WATCH_DIFF_SYNC_NOTIFY","totalBatch":2,"currentBatch":2,"module":"config"}"#
            ),
        );
        check(
            &config_batch(7, &batch(Stage::End, &[])),
            concat!(
                r#"{"headers":{},"requestId":"7","groupKeyPattern":"public>>g>>*","#,
                r#""syncType":"FINISH_FUZZY_WATCH_INIT_NOTIFY","totalBatch":0,"currentBatch":0,"module":"config"}"#
            ),
        );
    }
}
