//! Channels that follow a registry.

use std::time::Duration;

use nacrite_client::naming::{Instance, InstanceBuilder, Service};
use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_client::{Client, ServerAddress};
use nacrite_testkit::Node;
use nacrite_tonic::{Channel, Connectivity};
use serde_json::json;
use tonic::Code;

use crate::echo::say;
use crate::server::Server;
use crate::told::{until, until_ready};

fn client_of(node: &Node) -> Client {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    Client::builder().server_list([main.with_grpc_port(node.clients.port())]).build().expect("a good description")
}

fn instance(server: &Server) -> InstanceBuilder {
    Instance::builder(server.at.ip().to_string(), server.at.port())
}

#[tokio::test]
async fn a_channel_follows_who_registers_and_who_leaves() {
    let node = Node::start().await;
    let (provider, consumer) = (client_of(&node), client_of(&node));
    let (a, b) = (Server::start("a").await, Server::start("b").await);
    let orders = Service::new("orders").in_group("SHOP");
    provider.naming().register(orders, instance(&a).cluster("blue")).await.expect("it registers");
    let channel = Channel::builder("nacos:///orders?group=SHOP").nacos(&consumer).build().expect("a channel");
    let blue = "nacos:///SHOP/orders?cluster=blue";
    let blue = Channel::builder(blue).nacos(&consumer).build().expect("a channel");
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    assert_eq!(*a.script.authority.borrow(), "orders");
    // It serves gRPC on another port than the one that it is registered with.
    let other = Instance::builder(b.at.ip().to_string(), 1).metadata("gRPC_port", b.at.port().to_string());
    let other = provider.naming().register(orders, other.cluster("green")).await.expect("it registers");
    until_ready(&channel, 2).await;
    let mut names = [say(&channel).await.expect("an answer"), say(&channel).await.expect("an answer")];
    names.sort();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(say(&blue).await.as_deref(), Ok("a"));
    assert_eq!(blue.state().borrow().endpoints.len(), 1);
    other.deregister().await.expect("it leaves");
    until_ready(&channel, 1).await;
    assert_eq!((a.accepted(), b.accepted()), (2, 1), "one connection for each channel");
    provider.close().await;
    consumer.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_service_that_nobody_offers_fails_calls_at_once() {
    let node = Node::start().await;
    let consumer = client_of(&node);
    let channel = Channel::builder("nacos:///nobody").nacos(&consumer).build().expect("a channel");
    let failed = say(&channel).await.expect_err("nobody is there");
    assert!(
        failed.code() == Code::Unavailable && failed.message().contains("nobody offers nacos:///nobody"),
        "{failed:?}"
    );
    consumer.close().await;
    node.stop().await;
}

/// What a registry says about a service with one instance.
fn list(server: &Server) -> Reply {
    let host = json!({"ip": server.at.ip(), "port": server.at.port(), "weight": 1.0, "healthy": true, "enabled": true,
        "ephemeral": true, "clusterName": "DEFAULT", "metadata": {}});
    Reply::Done(json!({"serviceInfo": {"name": "orders", "groupName": "DEFAULT_GROUP", "clusters": "",
        "cacheMillis": 10000, "hosts": [host], "lastRefTime": 1, "checksum": ""}}))
}

#[tokio::test]
async fn a_registry_that_is_away_takes_nothing_and_nothing_flaps_when_it_is_back() {
    let (a, registry) = (Server::start("a").await, ScriptedServer::start().await);
    let reply = list(&a);
    registry.on("SubscribeServiceRequest", move |_| reply.clone());
    let client = Client::builder().server_list([registry.address()]).build().expect("a good description");
    let channel = Channel::builder("nacos:///orders").nacos(&client).build().expect("a channel");
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    let mut changes = channel.state();
    changes.borrow_and_update();
    registry.stop().await;
    for _ in 0..100 {
        assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    }
    registry.start_again().await;
    registry.until(|counts| counts.registered > 0).await;
    registry.until_seen("SubscribeServiceRequest", |seen| seen.connection > 1).await;
    for _ in 0..100 {
        assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    }
    let state = changes.borrow_and_update().clone();
    assert_eq!((state.connectivity, state.endpoints.len()), (Connectivity::Ready, 1));
    assert_eq!((a.accepted(), channel.metrics().connections_lost), (1, 0));
    client.close().await;
    // The client is gone for good, and calls go on.
    until(&channel, |state| state.resolver_trouble.is_some()).await;
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
}

#[tokio::test]
async fn a_registry_that_was_never_there_fails_calls_in_words_and_those_with_time_wait() {
    let (a, registry) = (Server::start("a").await, ScriptedServer::start().await);
    registry.on("SubscribeServiceRequest", |_| Reply::Failed { code: 500, message: "out of order".into() });
    let client = Client::builder().server_list([registry.address()]);
    let client = client.naming_settings(|settings| settings.redo_pause = Duration::from_millis(20));
    let client = client.build().expect("a good description");
    let channel = Channel::builder("nacos:///orders").nacos(&client).build().expect("a channel");
    let failed = say(&channel).await.expect_err("there is no list");
    assert!(failed.code() == Code::Unavailable && failed.message().contains("out of order"), "{failed:?}");
    let reply = list(&a);
    registry.on("SubscribeServiceRequest", move |_| reply.clone());
    until_ready(&channel, 1).await;
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    client.close().await;
}
