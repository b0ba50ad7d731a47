//! Fuzzy watch over gRPC: a client learns which services and configs match a pattern, and what comes and goes.

use std::collections::BTreeSet;
use std::time::Duration;

use nacrite_testkit::{GrpcClient, Node};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{addresses, of_config, of_service, register};

const SYNC: &str = "NamingFuzzyWatchSyncRequest";
const CHANGE: &str = "NamingFuzzyWatchChangeNotifyRequest";
const ACK: &str = "NamingFuzzyWatchChangeNotifyResponse";

fn watch(pattern: &str, known: &[&str], initializing: bool) -> Value {
    json!({
        "namespace": "public", "groupKeyPattern": format!("public>>DEFAULT_GROUP>>{pattern}"), "watchType": "WATCH",
        "receivedGroupKeys": known, "initializing": initializing
    })
}

fn cancel(pattern: &str) -> Value {
    json!({"groupKeyPattern": format!("public>>DEFAULT_GROUP>>{pattern}"), "watchType": "CANCEL_WATCH"})
}

fn deregister(service: &str) -> Value {
    of_service(service, json!({"type": "deregisterInstance"}))
}

/// The names of a message, each after `+` or `-`, ordered.
fn told(body: &Value) -> Vec<String> {
    let one = |context: &Value| {
        let text = |fields: [&str; 2]| fields.into_iter().find_map(|field| context[field].as_str()).unwrap_or_default();
        let (key, changed) = (text(["serviceKey", "groupKey"]), text(["changedType", "changeType"]));
        let name = key.split("@@").nth(2).or(key.split('+').next()).unwrap_or_default();
        format!("{}{name}", if changed.starts_with("DELETE") { '-' } else { '+' })
    };
    let batch = body["contexts"].as_array().map(Vec::as_slice);
    let mut told: Vec<String> = batch.unwrap_or(std::slice::from_ref(body)).iter().map(one).collect();
    told.sort();
    told
}

/// The next message of a type, which is acknowledged.
async fn next(client: &mut GrpcClient, wire_type: &str) -> Value {
    let message = client.heard().await;
    assert_eq!(message.wire_type, wire_type, "{}", message.body);
    client.acknowledge(ACK, &message.body);
    message.body
}

async fn ended(client: &mut GrpcClient, wire_type: &str) {
    assert_eq!(next(client, wire_type).await["syncType"], "FINISH_FUZZY_WATCH_INIT_NOTIFY");
}

async fn is_quiet(client: &mut GrpcClient) -> bool {
    client.hears_nothing_for(Duration::from_millis(300)).await
}

#[tokio::test]
async fn a_watcher_learns_what_there_is_and_what_comes_and_goes() {
    let node = Node::start().await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    for n in 0..13 {
        publisher.ask("InstanceRequest", &register(&format!("a-{n:02}"), "10.0.0.1", 80)).await;
    }
    publisher.ask("InstanceRequest", &register("b", "10.0.0.1", 80)).await;
    let mut watcher = GrpcClient::registered(node.clients, "naming").await;
    let answer = watcher.ask("NamingFuzzyWatchRequest", &watch("a-*", &[], true)).await;
    assert_eq!((answer.wire_type.as_str(), &answer.body["resultCode"]), ("NamingFuzzyWatchResponse", &json!(200)));
    let mut all = Vec::new();
    for number in [1, 2] {
        let batch = next(&mut watcher, SYNC).await;
        assert_eq!((&batch["totalBatch"], &batch["currentBatch"]), (&json!(2), &json!(number)));
        all.extend(told(&batch));
    }
    assert_eq!(all, (0..13).map(|n| format!("+a-{n:02}")).collect::<Vec<_>>());
    ended(&mut watcher, SYNC).await;

    publisher.ask("InstanceRequest", &register("a-new", "10.0.0.1", 80)).await;
    assert_eq!(told(&next(&mut watcher, CHANGE).await), ["+a-new"]);
    publisher.ask("InstanceRequest", &register("a-new", "10.0.0.2", 80)).await;
    publisher.ask("InstanceRequest", &register("c", "10.0.0.2", 80)).await;
    publisher.ask("InstanceRequest", &deregister("a-new")).await;
    assert_eq!(told(&next(&mut watcher, CHANGE).await), ["-a-new"]);

    watcher.ask("NamingFuzzyWatchRequest", &cancel("a-*")).await;
    publisher.ask("InstanceRequest", &register("a-new", "10.0.0.1", 80)).await;
    assert!(is_quiet(&mut watcher).await);
}

#[tokio::test]
async fn who_comes_back_is_told_the_difference_alone() {
    let node = Node::start().await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    for name in ["a", "b", "c"] {
        publisher.ask("InstanceRequest", &register(name, "10.0.0.1", 80)).await;
    }
    let mut watcher = GrpcClient::registered(node.clients, "naming").await;
    let key = |name: &str| format!("public@@DEFAULT_GROUP@@{name}");
    let (a, b, gone) = (key("a"), key("b"), key("gone"));
    watcher.ask("NamingFuzzyWatchRequest", &watch("*", &[&a, &b, &gone], false)).await;
    let batch = next(&mut watcher, SYNC).await;
    assert_eq!(
        (&batch["syncType"], told(&batch)),
        (&json!("FUZZY_WATCH_DIFF_SYNC_NOTIFY"), vec!["+c".into(), "-gone".into()])
    );
    // Nothing to tell, and no end of it.
    let c = key("c");
    watcher.ask("NamingFuzzyWatchRequest", &watch("*", &[&a, &b, &c], false)).await;
    assert!(is_quiet(&mut watcher).await);
    // Who does not say what it knows is told of changes alone.
    watcher.ask("NamingFuzzyWatchRequest", &json!({"groupKeyPattern": "public>>x>>*", "watchType": "WATCH"})).await;
    assert!(is_quiet(&mut watcher).await);
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_as_it_then_is() {
    let node = Node::start_with(|settings| {
        settings.push.ack_timeout_ms = 100;
        settings.push.retry_ms = 100;
    })
    .await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    let mut watcher = GrpcClient::registered(node.clients, "naming").await;
    publisher.ask("InstanceRequest", &register("a", "10.0.0.1", 80)).await;
    watcher.ask("NamingFuzzyWatchRequest", &watch("*", &[], true)).await;
    // Late, and refused.
    assert_eq!(told(&watcher.heard().await.body), ["+a"]);
    let again = watcher.heard().await.body;
    assert_eq!(told(&again), ["+a"]);
    watcher.say(ACK, &json!({"requestId": again["requestId"], "resultCode": 500, "success": false}));
    publisher.ask("InstanceRequest", &deregister("a")).await;
    // What came and went is a change, and the batch tells it as it is: in either order.
    let (mut batches, mut changes) = (Vec::new(), Vec::new());
    while batches.is_empty() || changes.is_empty() {
        let message = watcher.heard().await;
        watcher.acknowledge(ACK, &message.body);
        let list = if message.wire_type == SYNC { &mut batches } else { &mut changes };
        list.extend(told(&message.body));
    }
    assert_eq!((batches, changes), (vec!["-a".to_owned()], vec!["-a".to_owned()]));
    ended(&mut watcher, SYNC).await;
    assert!(is_quiet(&mut watcher).await);
}

#[tokio::test]
async fn a_service_that_flaps_is_told_in_its_newest_state() {
    let node = Node::start().await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    let mut watcher = GrpcClient::registered(node.clients, "naming").await;
    watcher.ask("NamingFuzzyWatchRequest", &watch("*", &[], true)).await;
    ended(&mut watcher, SYNC).await;
    for _ in 0..20 {
        publisher.ask("InstanceRequest", &register("a", "10.0.0.1", 80)).await;
        publisher.ask("InstanceRequest", &deregister("a")).await;
    }
    let mut last = Vec::new();
    while !is_quiet(&mut watcher).await || last != ["-a"] {
        last = told(&next(&mut watcher, CHANGE).await);
    }
}

#[tokio::test]
async fn too_much_is_refused_in_the_words_of_the_protocol() {
    let node = Node::start_with(|settings| {
        settings.naming.fuzzy_patterns_max = 2;
        settings.naming.fuzzy_matches_max = 10;
    })
    .await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    for n in 0..12 {
        publisher.ask("InstanceRequest", &register(&format!("s{n:02}"), "10.0.0.1", 80)).await;
    }
    let mut watcher = GrpcClient::registered(node.clients, "naming").await;
    let cut = watcher.ask("NamingFuzzyWatchRequest", &watch("*", &["public@@DEFAULT_GROUP@@s11"], true)).await.body;
    assert_eq!((&cut["resultCode"], &cut["errorCode"], &cut["success"]), (&json!(500), &json!(50311), &json!(false)));
    // It is watched all the same, and what found no room is not said to be gone.
    assert!(told(&next(&mut watcher, SYNC).await).iter().all(|one| one.starts_with('+')));
    ended(&mut watcher, SYNC).await;
    watcher.ask("NamingFuzzyWatchRequest", &watch("x*", &[], true)).await;
    ended(&mut watcher, SYNC).await;
    let full = watcher.ask("NamingFuzzyWatchRequest", &watch("y*", &[], true)).await.body;
    assert_eq!((&full["errorCode"], &full["message"]), (&json!(50310), &json!("fuzzy watch pattern over limit")));
    let long = watcher.ask("NamingFuzzyWatchRequest", &watch(&"y".repeat(2000), &[], true)).await;
    assert_eq!((long.wire_type.as_str(), &long.body["errorCode"]), ("ErrorResponse", &json!(500)));
    let known = vec!["public@@DEFAULT_GROUP@@a"; 10_001];
    let much = watcher.ask("NamingFuzzyWatchRequest", &watch("*", &known, true)).await.body;
    assert_eq!(much["errorCode"], 503);
    assert!(is_quiet(&mut watcher).await);
}

#[tokio::test]
async fn a_connection_that_is_gone_frees_its_patterns() {
    let node = Node::start().await;
    let mut watcher = GrpcClient::registered(node.clients, "naming").await;
    watcher.ask("NamingFuzzyWatchRequest", &watch("*", &[], true)).await;
    watcher.ask("ConfigFuzzyWatchRequest", &watch("*", &[], true)).await;
    assert_eq!((node.app.service_watch.count(), node.app.config_watch.count()), (1, 1));
    drop(watcher);
    let gone = async {
        while node.app.service_watch.count() + node.app.config_watch.count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the watches end with their connection");
}

#[tokio::test]
async fn configs_are_watched_too() {
    const SYNC: &str = "ConfigFuzzyWatchSyncRequest";
    const CHANGE: &str = "ConfigFuzzyWatchChangeNotifyRequest";
    let node = Node::start().await;
    let mut publisher = GrpcClient::registered(node.clients, "config").await;
    let publish = |data_id: &str| of_config(data_id, json!({"content": "one"}));
    for n in 0..25 {
        publisher.ask("ConfigPublishRequest", &publish(&format!("a-{n:02}"))).await;
    }
    publisher.ask("ConfigPublishRequest", &publish("b")).await;
    let mut watcher = GrpcClient::registered(node.clients, "config").await;
    watcher.ask("ConfigFuzzyWatchRequest", &watch("a-*", &[], true)).await;
    let (first, second) = (next(&mut watcher, SYNC).await, next(&mut watcher, SYNC).await);
    assert_eq!((told(&first).len(), told(&second).len()), (20, 5));
    let end = next(&mut watcher, SYNC).await;
    assert_eq!((end.get("contexts"), &end["totalBatch"], &end["currentBatch"]), (None, &json!(0), &json!(0)));

    publisher.ask("ConfigPublishRequest", &publish("a-new")).await;
    let change = next(&mut watcher, CHANGE).await;
    assert_eq!(
        (&change["groupKey"], &change["changeType"]),
        (&json!("a-new+DEFAULT_GROUP+public"), &json!("CONFIG_CHANGED"))
    );
    publisher.ask("ConfigPublishRequest", &of_config("a-new", json!({"content": "two"}))).await;
    publisher.ask("ConfigRemoveRequest", &of_config("a-new", json!({}))).await;
    assert_eq!(told(&next(&mut watcher, CHANGE).await), ["-a-new"]);
    assert!(is_quiet(&mut watcher).await);

    // A list that is not there is an empty one, for configs.
    let mut fresh = GrpcClient::registered(node.clients, "config").await;
    let pattern = json!({"groupKeyPattern": "public>>DEFAULT_GROUP>>b", "watchType": "WATCH"});
    fresh.ask("ConfigFuzzyWatchRequest", &pattern).await;
    assert_eq!(told(&next(&mut fresh, SYNC).await), ["+b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_watcher_ends_with_what_is_there_whatever_happened_at_once() {
    const ROUNDS: u16 = 60;
    let node = Node::start_with(|settings| settings.naming.hold_ms = 20).await;
    let mut publishers = JoinSet::new();
    for publisher in 0..4_u16 {
        let clients = node.clients;
        publishers.spawn(async move {
            let mut client = GrpcClient::registered(clients, "naming").await;
            for round in 0..ROUNDS {
                let name = format!("s{}", (round * 7 + publisher) % 12);
                let ask =
                    if (round + publisher) % 3 == 0 { deregister(&name) } else { register(&name, "10.0.0.1", 80) };
                client.ask("InstanceRequest", &ask).await;
                if round % 20 == 9 {
                    client = GrpcClient::registered(clients, "naming").await;
                }
            }
            client
        });
    }
    let mut watcher = GrpcClient::registered(node.clients, "naming").await;
    watcher.ask("NamingFuzzyWatchRequest", &watch("*", &[], true)).await;
    // Kept to the end, with what they publish.
    let publishers: Vec<GrpcClient> = publishers.join_all().await;
    let page = of_service("", json!({"pageNo": 1, "pageSize": 100}));
    let mut known = BTreeSet::new();
    // Longer than the hold on the connections that were dropped.
    while let Ok(message) = tokio::time::timeout(Duration::from_millis(500), watcher.heard()).await {
        watcher.acknowledge(ACK, &message.body);
        for one in told(&message.body) {
            match one.split_at(1) {
                ("+", name) => known.insert(name.to_owned()),
                (_, name) => known.remove(name),
            };
        }
    }
    let listed = watcher.ask("ServiceListRequest", &page).await.body;
    let mut there = BTreeSet::new();
    for name in listed["serviceNames"].as_array().expect("a list").iter().filter_map(Value::as_str) {
        let name = name.rsplit("@@").next().expect("a name");
        let answer = watcher.ask("ServiceQueryRequest", &of_service(name, json!({}))).await;
        if !addresses(&answer.body["serviceInfo"]).is_empty() {
            there.insert(name.to_owned());
        }
    }
    assert!(!there.is_empty());
    assert_eq!(known, there);
    drop(publishers);
}
