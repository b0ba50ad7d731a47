//! A server that restarts: subscribers are back before providers, and nobody is told that providers are gone.

use std::path::Path;
use std::time::Duration;

use nacrite_app::AppSettings;
use nacrite_testkit::{GrpcClient, Node};
use serde_json::json;

use crate::{addresses, of_service, register};

/// As many as a restart should not lose; more than half of all are away for a while.
const PROVIDERS: u16 = 8;

async fn provider(node: &Node, port: u16) -> GrpcClient {
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    client.ask("InstanceRequest", &register("orders", "10.0.0.1", port)).await;
    client
}

/// A client that subscribes, and the list that it is answered with.
async fn subscriber(node: &Node) -> (GrpcClient, Vec<String>) {
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    let subscribe = of_service("orders", json!({"subscribe": true, "clusters": ""}));
    let answer = client.ask("SubscribeServiceRequest", &subscribe).await;
    (client, addresses(&answer.body["serviceInfo"]))
}

fn all() -> Vec<String> {
    (1..=PROVIDERS).map(|port| format!("10.0.0.1:{port}")).collect()
}

/// A server with all providers and a subscriber, stopped while they were connected.
async fn stopped_server(dir: &Path) {
    let node = Node::start_in(dir, |_| {}).await;
    let mut providers = Vec::new();
    for port in 1..=PROVIDERS {
        providers.push(provider(&node, port).await);
    }
    let (_subscriber, list) = subscriber(&node).await;
    assert_eq!(list, all());
    node.stop().await;
}

fn warm_up(ms: u64) -> impl FnOnce(&mut AppSettings) {
    move |settings| settings.guard.warm_up_ms = ms
}

/// After every restart the first subscriber to be back was answered with an empty list, and each provider that came back
/// was told to it as if it were the only one.
#[tokio::test]
async fn no_list_is_short_while_providers_come_back_after_subscribers() {
    let dir = tempfile::tempdir().expect("a directory");
    stopped_server(dir.path()).await;
    let node = Node::start_in(dir.path(), |_| {}).await;
    let (mut waiting, list) = subscriber(&node).await;
    assert_eq!(list, all());
    assert_eq!(addresses(&waiting.pushed().await), all(), "the welcome");
    let mut providers = Vec::new();
    for port in (1..=PROVIDERS).rev() {
        providers.push(provider(&node, port).await);
        assert_eq!(addresses(&waiting.pushed().await), all(), "{port} is back");
        assert_eq!(subscriber(&node).await.1, all());
    }
    // All are back, so the server is warm; who leaves now is gone.
    drop(providers.pop());
    assert_eq!(addresses(&waiting.pushed().await), all()[1..]);
    let gone = of_service("orders", json!({"type": "deregisterInstance"}));
    providers[0].ask("InstanceRequest", &gone).await;
    assert_eq!(addresses(&waiting.pushed().await), all()[1..7]);
    node.stop().await;
}

#[tokio::test]
async fn who_does_not_come_back_is_gone_when_the_warm_up_ends_and_told_once() {
    let dir = tempfile::tempdir().expect("a directory");
    stopped_server(dir.path()).await;
    let node = Node::start_in(dir.path(), warm_up(1500)).await;
    let (mut waiting, _) = subscriber(&node).await;
    let _back = provider(&node, 3).await;
    loop {
        let list = addresses(&waiting.pushed().await);
        if list != all() {
            assert_eq!(list, ["10.0.0.1:3"]);
            break;
        }
    }
    let more = tokio::time::timeout(Duration::from_millis(300), waiting.hear()).await;
    assert!(more.is_err(), "{more:?}");
    node.stop().await;
}

/// A program that ends right after the restart takes back what it had registered before it, by a connection that never
/// registered anything.
#[tokio::test]
async fn a_deregistration_acts_at_once_on_what_the_last_run_knew() {
    let dir = tempfile::tempdir().expect("a directory");
    stopped_server(dir.path()).await;
    let node = Node::start_in(dir.path(), |_| {}).await;
    let mut leaving = GrpcClient::registered(node.clients, "naming").await;
    let mut gone = register("orders", "10.0.0.1", 1);
    gone["type"] = json!("deregisterInstance");
    leaving.ask("InstanceRequest", &gone).await;
    assert_eq!(subscriber(&node).await.1, all()[1..]);
    node.stop().await;
}

#[tokio::test]
async fn a_server_without_guard_starts_with_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    stopped_server(dir.path()).await;
    let node = Node::start_in(dir.path(), |settings| settings.guard.enabled = false).await;
    assert_eq!(subscriber(&node).await.1, [""; 0]);
    node.stop().await;
    let node = Node::start_in(dir.path(), |_| {}).await;
    assert_eq!(subscriber(&node).await.1, [""; 0], "nothing older comes back either");
    node.stop().await;
}
