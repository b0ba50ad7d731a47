//! Services over gRPC: what was acknowledged is seen at once, subscribers are told of the newest state.

use std::time::Duration;

use nacrite_testkit::{GrpcClient, Node};
use serde_json::json;

use crate::{addresses, instance, of_service, register};

fn subscribe(service: &str, clusters: &str) -> serde_json::Value {
    of_service(service, json!({"subscribe": true, "clusters": clusters}))
}

async fn listed(client: &mut GrpcClient, service: &str) -> Vec<String> {
    let answer = client.ask("ServiceQueryRequest", &of_service(service, json!({}))).await;
    addresses(&answer.body["serviceInfo"])
}

#[tokio::test]
async fn a_query_sees_every_acknowledged_change() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    let mut reader = GrpcClient::registered(node.clients, "naming").await;
    for round in 1..50 {
        client.ask("InstanceRequest", &register("orders", "10.0.0.1", round)).await;
        assert_eq!(listed(&mut reader, "orders").await, [format!("10.0.0.1:{round}")]);
    }
    client.ask("InstanceRequest", &of_service("orders", json!({"type": "deregisterInstance"}))).await;
    assert!(listed(&mut reader, "orders").await.is_empty());
}

#[tokio::test]
async fn a_quiet_service_is_pushed_at_once_and_a_burst_ends_in_its_newest_state() {
    let node = Node::start().await;
    let mut subscriber = GrpcClient::registered(node.clients, "naming").await;
    subscriber.ask("SubscribeServiceRequest", &subscribe("orders", "")).await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    for port in 1..=40 {
        publisher.ask("InstanceRequest", &register("orders", "10.0.0.1", port)).await;
    }
    let mut pushes = 1;
    while addresses(&subscriber.pushed().await) != ["10.0.0.1:40"] {
        pushes += 1;
    }
    assert!(pushes < 40, "{pushes} pushes for 40 changes within a moment");
}

#[tokio::test]
async fn a_subscriber_sees_the_clusters_that_it_asked_for() {
    let node = Node::start().await;
    let mut subscriber = GrpcClient::registered(node.clients, "naming").await;
    subscriber.ask("SubscribeServiceRequest", &subscribe("orders", "blue")).await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    let mut blue = instance("10.0.0.1", 80);
    blue["clusterName"] = json!("blue");
    let both = json!({"type": "batchRegisterInstance", "instances": [blue, instance("10.0.0.2", 80)]});
    publisher.ask("BatchInstanceRequest", &of_service("orders", both)).await;
    assert_eq!(addresses(&subscriber.pushed().await), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_push_that_is_not_acknowledged_comes_again() {
    let node = Node::start_with(|settings| {
        settings.push.ack_timeout_ms = 100;
        settings.push.retry_ms = 100;
    })
    .await;
    let mut subscriber = GrpcClient::registered(node.clients, "naming").await;
    subscriber.ask("SubscribeServiceRequest", &subscribe("orders", "")).await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    publisher.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    for _ in 0..3 {
        let push = subscriber.heard_of("NotifySubscriberRequest").await;
        assert_eq!(addresses(&push.body["serviceInfo"]), ["10.0.0.1:80"]);
    }
    subscriber.pushed().await;
    assert!(subscriber.hears_nothing_for(Duration::from_millis(500)).await);
}

#[tokio::test]
async fn a_client_that_comes_straight_back_is_never_missed() {
    let node = Node::start().await;
    let mut subscriber = GrpcClient::registered(node.clients, "naming").await;
    subscriber.ask("SubscribeServiceRequest", &subscribe("orders", "")).await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    client.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    while addresses(&subscriber.pushed().await) != ["10.0.0.1:80"] {}
    drop(client);
    let mut back = GrpcClient::registered(node.clients, "naming").await;
    back.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    // The hold of 500 ms passes, and nobody was told of an empty list.
    assert_eq!(addresses(&subscriber.pushed().await), ["10.0.0.1:80"]);
    assert!(subscriber.hears_nothing_for(Duration::from_millis(800)).await);
    assert_eq!(listed(&mut subscriber, "orders").await, ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_client_that_stays_away_is_gone_after_the_hold() {
    let node = Node::start_with(|settings| settings.naming.hold_ms = 100).await;
    let mut subscriber = GrpcClient::registered(node.clients, "naming").await;
    subscriber.ask("SubscribeServiceRequest", &subscribe("orders", "")).await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    client.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    while addresses(&subscriber.pushed().await) != ["10.0.0.1:80"] {}
    drop(client);
    assert!(addresses(&subscriber.pushed().await).is_empty());
}

#[tokio::test]
async fn only_clients_of_naming_may_register() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "config").await;
    let refused = client.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    assert_eq!(refused.wire_type, "ErrorResponse");
    assert!(listed(&mut client, "orders").await.is_empty());
}

#[tokio::test]
async fn a_persistent_instance_survives_its_connection_and_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start_in(dir.path(), |_| {}).await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    let mut persistent = register("orders", "10.0.0.1", 80);
    persistent["instance"]["ephemeral"] = json!(false);
    let answer = client.ask("PersistentInstanceRequest", &persistent).await;
    assert_eq!(answer.body["resultCode"], 200, "{answer:?}");
    drop(client);
    node.stop().await;

    let node = Node::start_in(dir.path(), |_| {}).await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    assert_eq!(listed(&mut client, "orders").await, ["10.0.0.1:80"]);
    node.stop().await;
}
