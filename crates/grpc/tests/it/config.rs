//! Configs over gRPC: what was acknowledged is read, told to listeners, and there after a restart.

use nacrite_testkit::grpc::framed;
use nacrite_testkit::{GrpcClient, Node};
use serde_json::{Value, json};

use crate::of_config;

async fn publish(client: &mut GrpcClient, data_id: &str, content: &str, additions: Value) -> Value {
    let ask = of_config(data_id, json!({"content": content, "additionMap": additions}));
    client.ask("ConfigPublishRequest", &ask).await.body
}

async fn content(client: &mut GrpcClient, data_id: &str) -> Value {
    client.ask("ConfigQueryRequest", &of_config(data_id, json!({}))).await.body["content"].take()
}

fn listen(data_id: &str, md5: &str) -> Value {
    let context = json!([{"dataId": data_id, "group": "DEFAULT_GROUP", "tenant": "", "md5": md5}]);
    json!({"listen": true, "configListenContexts": context})
}

#[tokio::test]
async fn a_query_sees_every_acknowledged_publish_and_removal() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "config").await;
    for round in 0..20 {
        let text = format!("round {round} 中文 🦀");
        assert_eq!(publish(&mut client, "a", &text, json!({})).await["resultCode"], 200);
        assert_eq!(content(&mut client, "a").await, text);
    }
    client.ask("ConfigRemoveRequest", &of_config("a", json!({}))).await;
    let answer = client.ask("ConfigQueryRequest", &of_config("a", json!({}))).await;
    assert_eq!(answer.body["errorCode"], 300);
}

#[tokio::test]
async fn a_publish_that_lost_the_race_changes_nothing() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "config").await;
    publish(&mut client, "a", "one", json!({})).await;
    let mut lost = of_config("a", json!({"content": "two", "casMd5": "00000000000000000000000000000000"}));
    let answer = client.ask("ConfigPublishRequest", &lost).await;
    assert_ne!(answer.body["resultCode"], 200, "{answer:?}");
    assert_eq!(content(&mut client, "a").await, "one");
    lost["casMd5"] = json!("f97c5d29941bfb1b2fdab0874906ab82");
    assert_eq!(client.ask("ConfigPublishRequest", &lost).await.body["resultCode"], 200);
    assert_eq!(content(&mut client, "a").await, "two");
}

#[tokio::test]
async fn a_listener_is_told_of_what_it_has_not() {
    let node = Node::start().await;
    let mut publisher = GrpcClient::registered(node.clients, "config").await;
    publish(&mut publisher, "a", "one", json!({})).await;
    let mut listener = GrpcClient::registered(node.clients, "config").await;
    let behind = listener.ask("ConfigBatchListenRequest", &listen("a", "")).await;
    assert_eq!(behind.body["changedConfigs"][0]["dataId"], "a");
    let known = listener.ask("ConfigBatchListenRequest", &listen("a", "f97c5d29941bfb1b2fdab0874906ab82")).await;
    assert_eq!(known.body["changedConfigs"], json!([]));
    publish(&mut publisher, "a", "two", json!({})).await;
    let notice = listener.heard_of("ConfigChangeNotifyRequest").await;
    assert_eq!(notice.body["dataId"], "a");
    assert_eq!(content(&mut listener, "a").await, "two");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let large = "x".repeat(1 << 20);
    for round in 0..3 {
        let node = Node::start_in(dir.path(), |_| {}).await;
        let mut client = GrpcClient::registered(node.clients, "config").await;
        if round > 0 {
            assert_eq!(content(&mut client, "small").await, format!("{}", round - 1));
            assert_eq!(content(&mut client, "large").await.as_str().map(str::len), Some(large.len()));
            assert_eq!(content(&mut client, "removed").await, Value::Null);
        }
        publish(&mut client, "small", &round.to_string(), json!({})).await;
        publish(&mut client, "large", &large, json!({})).await;
        publish(&mut client, "removed", "soon gone", json!({})).await;
        client.ask("ConfigRemoveRequest", &of_config("removed", json!({}))).await;
        drop(client);
        node.stop().await;
    }
}

#[tokio::test]
async fn content_beyond_the_limit_is_refused_and_changes_nothing() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "config").await;
    publish(&mut client, "a", "one", json!({})).await;
    let ask = of_config("a", json!({"content": "x".repeat(10 << 20)}));
    let too_long = client.call(framed("ConfigPublishRequest", ask.to_string().into())).await;
    assert!(too_long.is_err(), "{too_long:?}");
    let mut other = GrpcClient::registered(node.clients, "config").await;
    assert_eq!(content(&mut other, "a").await, "one");
}
