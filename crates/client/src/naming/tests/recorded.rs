//! Every answer and push of naming that was recorded from real servers is read, and its instances are all there.

use std::path::Path;

use nacrite_wire::client::{fuzzy, naming as wire};
use serde::de::DeserializeOwned;

use super::*;

/// Every `expect` of every recording of naming, as type and body.
fn recorded() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/golden/grpc");
    let mut all = Vec::new();
    for version in ["2.5.1", "3.1"] {
        for entry in std::fs::read_dir(root.join(version)).expect("the recordings").flatten() {
            if entry.file_name().to_string_lossy().starts_with("naming-") {
                let text = std::fs::read_to_string(entry.path()).expect("a recording");
                let recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
                let steps = recording["steps"].as_array().cloned().unwrap_or_default();
                all.extend(steps.into_iter().filter_map(|mut step| {
                    let expect = step.get_mut("expect")?;
                    Some((expect["type"].as_str()?.to_owned(), expect["body"].take()))
                }));
            }
        }
    }
    all
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, String> {
    serde_json::from_str(&body.to_string()).map_err(|error| format!("{error}: {body}"))
}

fn hosts(info: Option<wire::ServiceInfo>) -> usize {
    let hosts = info.and_then(|info| info.hosts).unwrap_or_default();
    hosts.into_iter().filter_map(Instance::shown).count()
}

#[test]
fn recorded_answers_and_pushes_are_read() {
    let mut instances = 0;
    for (wire_type, body) in recorded() {
        let shown = match wire_type.as_str() {
            "QueryServiceResponse" => read::<wire::QueryServiceResponse>(&body).map(|one| hosts(one.service_info)),
            "SubscribeServiceResponse" => {
                read::<wire::SubscribeServiceResponse>(&body).map(|one| hosts(one.service_info))
            }
            "NotifySubscriberRequest" => {
                read::<wire::NotifySubscriberRequest>(&body).map(|one| hosts(one.service_info))
            }
            "ServiceListResponse" => read::<wire::ServiceListResponse>(&body).map(|_| 0),
            "InstanceResponse" => read::<wire::InstanceResponse>(&body).map(|_| 0),
            "BatchInstanceResponse" => read::<wire::BatchInstanceResponse>(&body).map(|_| 0),
            fuzzy::push::SYNC => read::<fuzzy::NamingFuzzyWatchSyncRequest>(&body).map(|_| 0),
            fuzzy::push::CHANGE => read::<fuzzy::NamingFuzzyWatchChangeNotifyRequest>(&body).map(|_| 0),
            "NamingFuzzyWatchResponse" => read::<fuzzy::NamingFuzzyWatchResponse>(&body).map(|_| 0),
            _ => continue,
        };
        let shown = shown.expect("what a server said can be read");
        let said = body["serviceInfo"]["hosts"].as_array().cloned().unwrap_or_default();
        // Some servers let instances without an address in: nobody could call these.
        let callable = said.iter().filter(|host| host["ip"].as_str().is_some_and(|ip| !ip.trim().is_empty())).count();
        let possible = said.iter().filter(|host| host["port"].as_i64().is_some_and(|port| port < 65_536)).count();
        assert!(shown == callable.min(possible), "{shown} of {}: {body}", said.len());
        instances += shown;
    }
    assert!(instances > 100, "the recordings were found: {instances}");
}
