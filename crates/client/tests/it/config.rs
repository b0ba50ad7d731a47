//! Configs: against a server of this project over gRPC and over HTTP, and against one that breaks off, forgets and says
//! the wrong thing.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use nacrite_client::config::{AppLabels, Config, ConfigName, Listening, Origin};
use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_client::{Client, ClientBuilder, Error, ServerAddress, Transport};
use nacrite_testkit::Node;
use serde_json::{Value, json};

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn builder(node: &Node) -> ClientBuilder {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    Client::builder().server_list([main.with_grpc_port(node.clients.port())])
}

fn client_of(node: &Node) -> Client {
    builder(node).build().expect("a good description")
}

fn scripted(server: &ScriptedServer) -> Client {
    Client::builder().server_list([server.address()]).build().expect("a good description")
}

async fn heard(listening: &mut Listening) -> Option<String> {
    let changed = tokio::time::timeout(PATIENCE, listening.changed()).await.expect("something is heard");
    content(changed.expect("the client is open"))
}

fn content(config: Option<Config>) -> Option<String> {
    config.map(|config| config.content.to_string())
}

async fn configs_come_change_and_go(transport: Transport) {
    let node = Node::start().await;
    let client = builder(&node).transport(transport).build().expect("a good description");
    let configs = client.config();
    let name = ConfigName::from(("orders.json", "SHOP"));
    assert_eq!(configs.get(&name).await.expect("an answer"), None);

    let first = configs.publish(&name, r#"{"a":1}"#).tags(["x", "y"]).description("of a test").send().await;
    let first = first.expect("published");
    let config = configs.get(&name).await.expect("an answer").expect("it is there");
    assert_eq!((&*config.content, config.config_type.as_str(), config.origin), (r#"{"a":1}"#, "json", Origin::Server));
    assert_eq!(config.digest, first);

    let second = configs.publish(&name, r#"{"a":2}"#).only_if(&first).send().await.expect("the condition holds");
    let raced = configs.publish(&name, r#"{"a":3}"#).only_if(&first).send().await;
    assert!(matches!(raced, Err(Error::ConfigRaced)), "{raced:?}");
    assert!(configs.get(&name).await.is_ok_and(|config| config.is_some_and(|config| config.digest == second)));

    configs.remove(&name).await.expect("removed");
    configs.remove(&name).await.expect("removed already");
    assert_eq!(configs.get(&name).await.expect("an answer"), None);
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn configs_come_change_and_go_over_grpc() {
    configs_come_change_and_go(Transport::Grpc).await;
}

#[tokio::test]
async fn configs_come_change_and_go_over_http() {
    configs_come_change_and_go(Transport::Http).await;
}

async fn changes_of_others_are_heard(transport: Transport) {
    let node = Node::start().await;
    let (client, other) = (builder(&node).transport(transport).build().expect("a good description"), client_of(&node));
    let mut listening = client.config().listen("x").await.expect("listening");
    let mut elsewhere = client.config().listen(("x", "OTHER")).await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    assert_eq!(heard(&mut elsewhere).await, None);
    other.config().publish("x", "one").send().await.expect("published");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    other.config().publish("x", "two").send().await.expect("published");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("two"));
    other.config().remove("x").await.expect("removed");
    assert_eq!(heard(&mut listening).await, None);
    other.config().publish(("x", "OTHER"), "three").send().await.expect("published");
    assert_eq!(heard(&mut elsewhere).await.as_deref(), Some("three"));
    client.close().await;
    assert!(matches!(listening.changed().await, Err(Error::Closed)));
    other.close().await;
    node.stop().await;
}

#[tokio::test]
async fn changes_of_others_are_heard_over_grpc() {
    changes_of_others_are_heard(Transport::Grpc).await;
}

#[tokio::test]
async fn changes_of_others_are_heard_over_http() {
    changes_of_others_are_heard(Transport::Http).await;
}

#[tokio::test]
async fn more_configs_than_fit_one_question_are_listened_to() {
    const COUNT: usize = 3_100;
    let node = Node::start().await;
    let (client, other) = (client_of(&node), client_of(&node));
    let mut all = Vec::new();
    for n in 0..COUNT {
        all.push(client.config().listen(format!("config-{n}")).await.expect("listening"));
    }
    for listening in &mut all {
        assert_eq!(heard(listening).await, None);
    }
    let last = format!("config-{}", COUNT - 1);
    other.config().publish(&*last, "one").send().await.expect("published");
    assert_eq!(heard(&mut all[COUNT - 1]).await.as_deref(), Some("one"));
    client.close().await;
    other.close().await;
    node.stop().await;
}

#[tokio::test]
async fn namespaces_are_worlds_of_their_own() {
    let node = Node::start().await;
    let (public, dev) = (client_of(&node), builder(&node).namespace("dev").build().expect("a good description"));
    let named = builder(&node).namespace("public").build().expect("a good description");
    let mut listening = dev.config().listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    public.config().publish("x", "public").send().await.expect("published");
    assert_eq!(content(named.config().get("x").await.expect("an answer")).as_deref(), Some("public"));
    assert_eq!(dev.config().get("x").await.expect("an answer"), None);
    dev.config().publish("x", "dev").send().await.expect("published");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("dev"));
    for client in [public, dev, named] {
        client.close().await;
    }
    node.stop().await;
}

#[tokio::test]
async fn gray_versions_go_to_those_they_are_for() {
    let node = Node::start().await;
    let labels = AppLabels::default().with("Vipserver-Tag", "canary").expect("a label");
    let (plain, labelled) = (client_of(&node), builder(&node).labels(labels).build().expect("a good description"));
    let mut listening = labelled.config().listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await, None);
    plain.config().publish("x", "for all").send().await.expect("published");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("for all"));
    plain.config().publish("x", "for canaries").tag("canary").send().await.expect("published");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("for canaries"));
    assert_eq!(content(plain.config().get("x").await.expect("an answer")).as_deref(), Some("for all"));
    let tagged = plain.config().get_tagged("x", "canary").await.expect("an answer");
    assert_eq!(content(tagged).as_deref(), Some("for canaries"));
    assert_eq!(plain.config().get_tagged("x", "other").await.expect("an answer"), None);
    plain.config().remove_gray("x", "tag_canary").await.expect("removed");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("for all"));

    let publish = plain.config().publish("x", "for this machine").beta_ips([Ipv4Addr::LOCALHOST.into()]);
    publish.send().await.expect("published");
    assert_eq!(content(plain.config().get("x").await.expect("an answer")).as_deref(), Some("for this machine"));
    plain.close().await;
    labelled.close().await;
    node.stop().await;
}

#[derive(Debug, serde::Deserialize)]
struct Pool {
    size: u16,
}

#[tokio::test]
async fn a_config_is_a_value_of_a_type_and_follows() {
    let node = Node::start().await;
    let client = client_of(&node);
    client.config().publish("pool.yaml", "size: 1").send().await.expect("published");
    let bound = client.config().bind::<Pool>("pool.yaml", None).await.expect("it fits");
    let mut changes = bound.changes();
    assert_eq!(bound.get().size, 1);
    client.config().publish("pool.yaml", "size: much").send().await.expect("published");
    let mut state = bound.state();
    let broken = state.wait_for(|state| state.trouble.is_some());
    tokio::time::timeout(PATIENCE, broken).await.expect("in time").expect("it is bound");
    assert_eq!(bound.get().size, 1);
    client.config().publish("pool.yaml", "size: 2").send().await.expect("published");
    let followed = tokio::time::timeout(PATIENCE, changes.wait_for(|pool| pool.size == 2)).await;
    assert_eq!(followed.expect("in time").expect("it is bound").size, 2);
    client.close().await;
    node.stop().await;
}

/// A server with one config, of which it says that it differs from whatever digest but its own.
fn has(server: &ScriptedServer, content: &'static str) {
    let digest = nacrite_client::config::digest_of(content);
    let listened = digest.clone();
    server.on("ConfigQueryRequest", move |_| {
        Reply::Done(json!({"content": content, "md5": digest.as_str(), "contentType": "text", "lastModified": 1}))
    });
    server.on("ConfigBatchListenRequest", move |body| {
        let contexts = body["configListenContexts"].as_array().cloned().unwrap_or_default();
        let is_listening = body["listen"] == true;
        let differ = contexts.into_iter().filter(|context| is_listening && context["md5"] != listened.as_str());
        Reply::Done(json!({"changedConfigs": differ.collect::<Vec<_>>()}))
    });
}

#[tokio::test]
async fn after_a_break_everything_is_asked_again_at_once_and_what_was_missed_is_heard() {
    let server = ScriptedServer::start().await;
    has(&server, "one");
    let client = scripted(&server);
    let mut listening = client.config().listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    for (nth, content) in [(2, "two"), (3, "three")] {
        has(&server, content);
        server.cut();
        assert_eq!(heard(&mut listening).await.as_deref(), Some(content));
        let asked = server.until_seen("ConfigBatchListenRequest", |seen| seen.connection >= nth).await;
        assert_eq!(asked.body["listen"], true);
    }
    client.close().await;
}

#[tokio::test]
async fn a_server_that_forgot_the_client_is_asked_everything_again() {
    let server = ScriptedServer::start().await;
    has(&server, "one");
    let client = scripted(&server);
    let mut listening = client.config().listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    server.forget();
    has(&server, "two");
    // The next question finds out, and all others are asked again on another connection.
    let mut other = client.config().listen("y").await.expect("listening");
    assert_eq!(heard(&mut other).await.as_deref(), Some("two"));
    assert_eq!(heard(&mut listening).await.as_deref(), Some("two"));
    client.close().await;
}

#[tokio::test]
async fn what_changed_while_the_server_was_away_is_heard_within_3_s_of_its_return() {
    let server = ScriptedServer::start().await;
    has(&server, "one");
    let client = scripted(&server);
    let mut listening = client.config().listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    server.stop().await;
    has(&server, "two");
    let mut state = client.config().state();
    let noticed = tokio::time::timeout(PATIENCE, state.wait_for(|state| !state.is_in_sync)).await;
    drop(noticed.expect("it is noticed").expect("the client is open"));
    server.start_again().await;
    let again = tokio::time::timeout(Duration::from_secs(3), heard(&mut listening)).await;
    assert_eq!(again.expect("within 3 s").as_deref(), Some("two"));
    client.close().await;
}

#[tokio::test]
async fn no_call_outlives_its_time() {
    const WITHIN: Duration = Duration::from_millis(300);
    let server = ScriptedServer::start().await;
    has(&server, "one");
    let client = Client::builder().server_list([server.address()]).request_within(WITHIN).build();
    let client = client.expect("a good description");
    let configs = client.config();
    let digest = configs.get("x").await.expect("an answer").expect("there").digest;
    for trouble in ["slow", "frozen", "gone"] {
        match trouble {
            "slow" => server.change(|behaviour| behaviour.answers_after = Duration::from_secs(10)),
            "frozen" => server.freeze(),
            _ => {
                server.thaw();
                server.stop().await;
            }
        }
        let late = Duration::from_millis(50);
        let get = tokio::time::timeout(WITHIN + late, configs.get("x")).await;
        assert!(get.expect("in time").is_err(), "{trouble}");
        let publish = configs.publish("x", "two").only_if(&digest).send();
        let publish = tokio::time::timeout(WITHIN + late, publish).await;
        assert!(publish.expect("in time").is_err(), "{trouble}");
        let remove = tokio::time::timeout(WITHIN + late, configs.remove("x")).await;
        assert!(remove.expect("in time").is_err(), "{trouble}");
    }
    client.close().await;
}

#[tokio::test]
async fn the_server_is_told_when_nobody_listens_any_more() {
    let server = ScriptedServer::start().await;
    has(&server, "one");
    let client = scripted(&server);
    let mut listening = client.config().listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    drop(listening);
    let told = server.until_seen("ConfigBatchListenRequest", |seen| seen.body["listen"] == false).await;
    assert_eq!(told.body["configListenContexts"][0]["dataId"], "x");
    client.close().await;
}

#[tokio::test]
async fn a_push_is_acknowledged_and_answered_by_a_question() {
    let server = ScriptedServer::start().await;
    has(&server, "one");
    let client = scripted(&server);
    let mut listening = client.config().listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    has(&server, "two");
    let ack = server.push("ConfigChangeNotifyRequest", json!({"dataId": "x", "group": "DEFAULT_GROUP"})).await;
    assert_eq!((ack.wire_type.as_str(), &ack.body["success"]), ("ConfigChangeNotifyResponse", &json!(true)));
    assert_eq!(heard(&mut listening).await.as_deref(), Some("two"));
    client.close().await;
}

#[tokio::test]
async fn not_there_is_told_apart_from_being_written_from_starting_and_from_not_allowed() {
    let server = ScriptedServer::start().await;
    let client = scripted(&server);
    let failed = |code, message: &str| Reply::Failed { code, message: message.to_owned() };
    for code in [300, 404] {
        server.on("ConfigQueryRequest", move |_| failed(code, "config data not exist"));
        assert_eq!(client.config().get("x").await.expect("an answer"), None, "{code}");
    }
    server.on("ConfigQueryRequest", move |_| failed(400, "requested file is being modified"));
    let written = client.config().get("x").await;
    assert!(matches!(written, Err(Error::ConfigBeingWritten)), "{written:?}");
    server.on("ConfigQueryRequest", move |_| failed(403, "authorization failed"));
    let denied = client.config().get("x").await;
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
    server.on("ConfigQueryRequest", |_| Reply::Error {
        code: 300,
        message: "Server is starting,please try later.".to_owned(),
    });
    let starting = client.config().get("x").await;
    assert!(starting.is_err(), "{starting:?}");
    client.close().await;
}

#[tokio::test]
async fn which_configs_there_are_is_told_by_pattern() {
    let server = ScriptedServer::start().await;
    server.on("ConfigFuzzyWatchRequest", |_| Reply::Done(json!({})));
    let client = scripted(&server);
    let mut names = client.config().watch_names("SHOP", "orders*").expect("a pattern");
    let asked = server.until_seen("ConfigFuzzyWatchRequest", |_| true).await;
    assert_eq!(
        (&asked.body["groupKeyPattern"], &asked.body["watchType"]),
        (&json!("public>>SHOP>>orders*"), &json!("WATCH"))
    );
    let told = |kind: &str, contexts: Value| json!({"groupKeyPattern": "public>>SHOP>>orders*", "syncType": kind, "contexts": contexts});
    let there = json!([{"groupKey": "orders.yaml+SHOP+public", "changedType": "ADD_CONFIG"}]);
    let ack = server.push("ConfigFuzzyWatchSyncRequest", told("FUZZY_WATCH_INIT_NOTIFY", there)).await;
    assert_eq!(ack.wire_type, "ConfigFuzzyWatchSyncResponse");
    server.push("ConfigFuzzyWatchSyncRequest", told("FINISH_FUZZY_WATCH_INIT_NOTIFY", json!(null))).await;
    let mut changed = async || {
        let changed = tokio::time::timeout(PATIENCE, names.changed()).await.expect("in time").expect("open");
        let shown = |names: &[ConfigName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        (shown(&changed.appeared), shown(&changed.vanished))
    };
    assert_eq!(changed().await, (vec!["SHOP#orders.yaml".to_owned()], vec![]));
    let gone = json!({"groupKey": "orders.yaml+SHOP+public", "changeType": "DELETE_CONFIG"});
    let ack = server.push("ConfigFuzzyWatchChangeNotifyRequest", gone).await;
    assert_eq!(ack.wire_type, "ConfigFuzzyWatchChangeNotifyResponse");
    assert_eq!(changed().await, (vec![], vec!["SHOP#orders.yaml".to_owned()]));
    for (wire_type, push) in [
        ("ConfigFuzzyWatchSyncRequest", told("x", json!([{"groupKey": "a+b", "changedType": "ADD_CONFIG"}]))),
        ("ConfigFuzzyWatchChangeNotifyRequest", json!({"groupKey": "a+b", "changeType": "CONFIG_CHANGED"})),
    ] {
        for body in mutilated(&push).into_iter().filter(Value::is_object) {
            server.push(wire_type, body).await;
        }
    }
    drop(names);
    server.until_seen("ConfigFuzzyWatchRequest", |seen| seen.body["watchType"] == "CANCEL_WATCH").await;

    server.on("ConfigFuzzyWatchRequest", |_| Reply::Error { code: 302, message: "no handler".to_owned() });
    let mut names = client.config().watch_names("*", "*").expect("a pattern");
    let refused = tokio::time::timeout(PATIENCE, names.changed()).await.expect("in time");
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    client.close().await;
    assert!(matches!(names.changed().await, Err(Error::Closed)));
}

/// The object with one field as it should not be, in every way, for every field.
fn mutilated(whole: &Value) -> Vec<Value> {
    let wrong = [
        json!(null),
        json!(""),
        json!("text"),
        json!("17"),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!([]),
        json!([null]),
        json!(["x"]),
        json!([[]]),
        json!({}),
        json!({"dataId": {}}),
        json!([{"dataId": null}, {"dataId": 5, "group": "g", "tenant": true}, {"group": []}]),
    ];
    let fields = whole.as_object().expect("an object");
    let mut all = vec![json!({}), json!([]), json!(null), json!("x"), json!(7)];
    for field in fields.keys() {
        let mut without = fields.clone();
        without.remove(field);
        all.push(without.into());
        for value in &wrong {
            let mut with = fields.clone();
            with.insert(field.clone(), value.clone());
            all.push(with.into());
        }
    }
    let mut more = fields.clone();
    more.insert("unknown".to_owned(), json!({"deep": [1, {"x": null}]}));
    all.push(more.into());
    all
}

#[tokio::test]
async fn whatever_a_server_says_there_is_a_config_or_none_or_an_error() {
    let server = ScriptedServer::start().await;
    let client = scripted(&server);
    let head = json!({"resultCode": 200, "errorCode": 0, "message": "m", "requestId": "1", "success": true});
    let with = |more: Value| {
        let mut whole = head.as_object().expect("an object").clone();
        whole.extend(more.as_object().expect("an object").clone());
        Value::from(whole)
    };
    let config = with(json!({
        "content": "c", "md5": "m", "contentType": "json", "encryptedDataKey": "k", "lastModified": 5, "beta": false,
        "tag": "t"
    }));
    let (mut outcomes, mut count) = (BTreeSet::new(), 0);
    for body in mutilated(&config) {
        let bytes = body.to_string().into_bytes();
        server.on("ConfigQueryRequest", move |_| Reply::Raw("ConfigQueryResponse", bytes.clone()));
        outcomes.insert(match client.config().get("x").await {
            Ok(Some(_)) => "some",
            Ok(None) => "none",
            Err(Error::Undecodable(_)) => "undecodable",
            Err(Error::Refused { .. }) => "refused",
            Err(other) => panic!("{body}: {other:?}"),
        });
        count += 1;
    }
    assert!(count > 150);
    assert!(outcomes.is_superset(&BTreeSet::from(["some", "none", "undecodable"])), "{outcomes:?}");
    for body in mutilated(&head) {
        let bytes = body.to_string().into_bytes();
        let (publish, remove) = (bytes.clone(), bytes);
        server.on("ConfigPublishRequest", move |_| Reply::Raw("ConfigPublishResponse", publish.clone()));
        server.on("ConfigRemoveRequest", move |_| Reply::Raw("ConfigRemoveResponse", remove.clone()));
        for done in [client.config().publish("x", "1").send().await.map(drop), client.config().remove("x").await] {
            assert!(matches!(done, Ok(()) | Err(Error::Undecodable(_) | Error::Refused { .. })), "{body}: {done:?}");
        }
    }
    client.close().await;
}

#[tokio::test]
async fn whatever_a_server_pushes_or_says_about_changes_listening_goes_on() {
    let server = ScriptedServer::start().await;
    has(&server, "one");
    let client = scripted(&server);
    let mut listening = client.config().listen("x").await.expect("listening");
    assert_eq!(heard(&mut listening).await.as_deref(), Some("one"));
    let push = json!({"dataId": "x", "group": "DEFAULT_GROUP", "tenant": "", "module": "config", "headers": {}});
    for body in mutilated(&push).into_iter().filter(Value::is_object) {
        // The id is put in by the server, so every one of them can be answered, and is.
        server.push("ConfigChangeNotifyRequest", body).await;
    }
    let answer = json!({
        "resultCode": 200, "errorCode": 0, "success": true,
        "changedConfigs": [{"dataId": "x", "group": "DEFAULT_GROUP", "tenant": ""}]
    });
    for body in mutilated(&answer) {
        let bytes = body.to_string().into_bytes();
        let before = server.seen(Some("ConfigBatchListenRequest")).len();
        server.on("ConfigBatchListenRequest", move |_| Reply::Raw("ConfigChangeBatchListenResponse", bytes.clone()));
        server.push("ConfigChangeNotifyRequest", push.clone()).await;
        while server.seen(Some("ConfigBatchListenRequest")).len() == before {
            tokio::task::yield_now().await;
        }
    }
    has(&server, "two");
    server.push("ConfigChangeNotifyRequest", push).await;
    assert_eq!(heard(&mut listening).await.as_deref(), Some("two"));
    client.close().await;
}

#[tokio::test]
async fn closing_leaves_nothing_behind() {
    let server = ScriptedServer::start().await;
    has(&server, "one");
    let client = scripted(&server);
    let listener = client.config().on_change("x", |_| std::future::pending::<Result<(), Error>>());
    let listener = listener.await.expect("listening");
    let watched = client.config().watch("x").await.expect("read");
    assert!(client.close_within(PATIENCE).await, "also a callback that never returns is ended");
    assert!(watched.has_changed().is_err(), "nobody will tell any more");
    drop(listener);
    server.until(|counts| counts.open == 0).await;
}
