//! Checklist 20: whatever fields a server leaves out, sends as null, adds or sends as another type, nothing panics, and
//! what was known stays as it was or becomes what the rest of the message says.

use nacrite_wire::client::{fuzzy, naming as wire};
use serde::de::DeserializeOwned;

use super::*;
use crate::link::PushHandler;
use crate::naming::instances::tests::service;
use crate::naming::push::Pushes;
use crate::naming::settings::NamingSettings;
use crate::naming::shared::Shared;
use crate::session::Generation;

/// Everything that may stand where something else should.
fn odd_values() -> Vec<Value> {
    let texts = ["", "x", "NaN", "-1", "true", "a@@b@@c", "\u{0}"].map(Value::from);
    let numbers = [json!(0), json!(-1), json!(65_536), json!(1e300), json!(u64::MAX), json!(0.5)];
    let others = [json!(null), json!(true), json!([]), json!([null]), json!({}), json!({"x": [1]}), json!([[{}]])];
    texts.into_iter().chain(numbers).chain(others).collect()
}

/// Every message that differs from `whole` in one place: something else there, or nothing, or something more.
fn variants(whole: &Value) -> Vec<Value> {
    let mut all = odd_values();
    match whole {
        Value::Object(fields) => {
            for (name, value) in fields {
                let mut without = fields.clone();
                without.remove(name);
                all.push(without.into());
                for variant in variants(value) {
                    let mut with = fields.clone();
                    with.insert(name.clone(), variant);
                    all.push(with.into());
                }
            }
            let mut more = fields.clone();
            more.insert("ofTheNextVersion".to_owned(), json!({"deep": [1, {"er": null}]}));
            all.push(more.into());
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                for variant in variants(item) {
                    let mut with = items.clone();
                    with[at] = variant;
                    all.push(with.into());
                }
            }
        }
        _ => {}
    }
    all
}

/// Reads every variant; returns how many were understood.
fn read<T: DeserializeOwned>(whole: &Value) -> (usize, usize) {
    let all = variants(whole);
    let understood = all.iter().filter(|one| serde_json::from_str::<T>(&one.to_string()).is_ok()).count();
    (understood, all.len())
}

#[test]
fn checklist_20_odd_answers_are_read_or_refused_in_words() {
    let info = list("orders", 1, &[80]);
    let head = json!({"resultCode": 200, "errorCode": 0, "message": "success", "requestId": "1", "success": true});
    let with = |name: &str, value: Value| {
        let mut whole = head.clone();
        whole[name] = value;
        whole
    };
    for (understood, all) in [
        read::<wire::InstanceResponse>(&with("type", json!("registerInstance"))),
        read::<wire::BatchInstanceResponse>(&with("type", json!("batchRegisterInstance"))),
        read::<wire::QueryServiceResponse>(&with("serviceInfo", info.clone())),
        read::<wire::SubscribeServiceResponse>(&with("serviceInfo", info)),
        read::<wire::ServiceListResponse>(&with("serviceNames", json!(["orders"]))),
        read::<fuzzy::NamingFuzzyWatchResponse>(&head),
    ] {
        assert!(understood * 3 > all, "{understood} of {all}: most oddities are survived");
    }
}

#[test]
fn checklist_20_odd_pushes_never_panic_and_never_break_what_is_known() {
    let shared = Arc::new(Shared::new(NamespaceId::public(), NamingSettings::default()));
    let followed = shared.follow(&service("orders"), Default::default()).expect("it is open");
    let pattern = crate::naming::fuzzy::Pattern::new(&NamespaceId::public(), "*", "*").expect("a pattern");
    let (services, _) = shared.watch(&pattern).expect("it is open");
    let handler = Pushes(Arc::clone(&shared));
    let context = json!({"serviceKey": "public@@g@@a", "changedType": "ADD_SERVICE"});
    let pushes = [
        ("NotifySubscriberRequest", json!({"requestId": "1", "serviceInfo": list("orders", 1, &[80, 81])})),
        (
            "NamingFuzzyWatchSyncRequest",
            json!({"syncType": "x", "groupKeyPattern": pattern.to_string(), "contexts": [context], "totalBatch": 1}),
        ),
        ("NamingFuzzyWatchChangeNotifyRequest", context),
    ];
    let from = Generation::new(1);
    for (wire_type, whole) in pushes {
        for body in variants(&whole) {
            let ack = handler.push(from, wire_type, body.to_string().as_bytes()).expect("it is naming's");
            assert!(ack.result.is_ok() || ack.result.is_err_and(|words| !words.is_empty()));
            let known = followed.changes.borrow().clone();
            for instance in known.iter().flat_map(|list| list.iter()) {
                assert!(instance.effective_weight().is_finite());
            }
            assert!(known.is_none_or(|list| list.pick().is_none_or(|one| one.is_healthy())));
        }
        for broken in [&b""[..], b"{", b"null", b"\xff\xfe", b"{\"serviceInfo\":{\"hosts\":[{]}}"] {
            assert!(handler.push(from, wire_type, broken).is_some());
        }
    }
    assert!(handler.push(from, "ConfigChangeNotifyRequest", b"{}").is_none(), "it is not naming's");
    let whole = json!({"serviceInfo": list("orders", i64::MAX, &[82])}).to_string();
    handler.push(Generation::new(2), "NotifySubscriberRequest", whole.as_bytes());
    assert!(followed.changes.borrow().as_ref().is_some_and(|list| ports(list.iter()) == [82]), "it goes on");
    assert!(services.borrow().services.len() <= 2);
}

#[tokio::test]
async fn an_answer_without_a_list_is_told_as_such() {
    let rig = Rig::new().await;
    let mut without = list("orders", 1, &[80]);
    without["hosts"] = json!(null);
    for odd in [json!({"serviceInfo": without}), json!({"serviceInfo": null}), json!({})] {
        for wire_type in ["SubscribeServiceRequest", "ServiceQueryRequest"] {
            let odd = odd.clone();
            rig.server.on(wire_type, move |_| Reply::Done(odd.clone()));
        }
        for failed in [rig.naming.instances("orders").await, rig.naming.query("orders").await] {
            assert!(matches!(failed, Err(Error::Undecodable(_))), "{failed:?}");
        }
    }
    let least = json!({"serviceInfo": {"hosts": [{"ip": "10.0.0.1", "port": "80", "instanceId": null}]}});
    rig.server.on("ServiceQueryRequest", move |_| Reply::Done(least.clone()));
    assert_eq!(rig.naming.query("orders").await.expect("the rest is there").eligible().count(), 1);
}
