//! What real servers said over gRPC, as it was recorded, read as this client reads it.

use std::path::Path;

use nacrite_wire::client::Answer;
use nacrite_wire::client::config::fuzzy::{
    ConfigFuzzyWatchChangeNotifyRequest, ConfigFuzzyWatchResponse, ConfigFuzzyWatchSyncRequest, parts_of,
};
use nacrite_wire::client::config::{
    ConfigChangeBatchListenResponse, ConfigChangeNotifyRequest, ConfigPublishResponse, ConfigRemoveResponse,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;

/// Every message of this type that a server sent.
fn recorded(wire_type: &str) -> Vec<Value> {
    fn collect(value: &Value, wire_type: &str, found: &mut Vec<Value>) {
        match value {
            Value::Object(fields) => {
                if fields.get("type").is_some_and(|of| of == wire_type)
                    && let Some(body) = fields.get("body")
                {
                    found.push(body.clone());
                }
                fields.values().for_each(|value| collect(value, wire_type, found));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, wire_type, found)),
            _ => {}
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/golden/grpc");
    let mut found = Vec::new();
    for generation in ["2.5.1", "3.1"] {
        for entry in std::fs::read_dir(root.join(generation)).expect("the recordings").flatten() {
            let text = std::fs::read_to_string(entry.path()).expect("a recording");
            collect(&serde_json::from_str(&text).expect("a recording is JSON"), wire_type, &mut found);
        }
    }
    assert!(!found.is_empty(), "no {wire_type} was recorded");
    found
}

fn read<T: DeserializeOwned>(body: &Value) -> T {
    serde_json::from_str(&body.to_string()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn refused(answer: &impl Answer) -> Error {
    let head = answer.head();
    Error::Refused { code: head.error_code, message: head.message.unwrap_or_default().to_owned() }
}

#[test]
fn recorded_configs_are_read_and_have_the_digest_of_their_content() {
    let (mut present, mut absent) = (0, 0);
    for body in recorded("ConfigQueryResponse") {
        let answer: ConfigQueryResponse = read(&body);
        if !answer.head().is_success() {
            absent += usize::from(means_absent(&refused(&answer)));
            continue;
        }
        let Known::Present(config) = config_of(&"x".into(), answer) else { continue };
        // A long content stands in a recording as a mark.
        if !config.content.contains("{{") && config.digest.as_str().len() == 32 {
            present += usize::from(config.digest == digest_of(&config.content));
        }
    }
    assert!(present > 10 && absent > 3, "{present} {absent}");
}

#[test]
fn recorded_answers_and_notices_are_read() {
    for body in recorded("ConfigChangeBatchListenResponse") {
        let answer: ConfigChangeBatchListenResponse = read(&body);
        let len = answer.changed_configs.len();
        assert_eq!(answer.changed_configs.into_iter().filter_map(name_of).count(), len, "{body}");
    }
    for body in recorded("ConfigChangeNotifyRequest") {
        let notice: ConfigChangeNotifyRequest = read(&body);
        assert!(name_of(notice.key).is_some(), "{body}");
    }
    for body in recorded("ConfigPublishResponse") {
        let answer: ConfigPublishResponse = read(&body);
        assert_eq!(answer.head().is_success(), body["success"] != false, "{body}");
    }
    for body in recorded("ConfigRemoveResponse") {
        read::<ConfigRemoveResponse>(&body);
    }
}

#[test]
fn recorded_names_of_configs_are_read() {
    for body in recorded("ConfigFuzzyWatchSyncRequest") {
        let push: ConfigFuzzyWatchSyncRequest = read(&body);
        assert!(push.group_key_pattern.is_some(), "{body}");
        assert!(
            push.contexts.iter().all(|context| context.group_key.as_deref().is_some_and(|key| parts_of(key).is_some()))
        );
    }
    for body in recorded("ConfigFuzzyWatchChangeNotifyRequest") {
        let push: ConfigFuzzyWatchChangeNotifyRequest = read(&body);
        assert!(push.group_key.as_deref().and_then(parts_of).is_some() && push.change_type.is_some(), "{body}");
    }
    for body in recorded("ConfigFuzzyWatchResponse") {
        read::<ConfigFuzzyWatchResponse>(&body);
    }
}
