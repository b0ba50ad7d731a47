//! Channels that follow a registry.

use std::time::Duration;

use nacrite_client::naming::{Instance, InstanceBuilder, Service};
use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_client::{Client, ServerAddress};
use nacrite_testkit::Node;
use nacrite_tonic::{Channel, Connectivity, Endpoint};
use serde_json::{Value, json};
use tonic::Code;

use crate::echo::say;
use crate::server::{Server, now};
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

/// What a registry says about an instance, with what is special about it.
fn host(ip: &str, port: u16, special: &Value) -> Value {
    let mut host = json!({"ip": ip, "port": port, "weight": 1.0, "healthy": true, "enabled": true, "ephemeral": true,
        "clusterName": "DEFAULT", "metadata": {}});
    for (key, value) in special.as_object().into_iter().flatten() {
        host[key] = value.clone();
    }
    host
}

/// What a registry says about a service.
fn hosts(hosts: &[Value], is_protected: bool) -> Reply {
    Reply::Done(json!({"serviceInfo": {"name": "orders", "groupName": "DEFAULT_GROUP", "clusters": "",
        "cacheMillis": 10000, "hosts": hosts, "lastRefTime": 1, "checksum": "",
        "reachProtectionThreshold": is_protected}}))
}

/// The same for a service with one instance.
fn list(server: &Server) -> Reply {
    hosts(&[host(&server.at.ip().to_string(), server.at.port(), &json!({}))], false)
}

/// The endpoints that a channel makes of what a registry says.
async fn endpoints(target: &str, reply: Reply) -> Vec<Endpoint> {
    let registry = ScriptedServer::start().await;
    registry.on("SubscribeServiceRequest", move |_| reply.clone());
    let client = Client::builder().server_list([registry.address()]).build().expect("a good description");
    let channel = Channel::builder(target).nacos(&client).build().expect("a channel");
    channel.connect();
    let state = until(&channel, |state| !state.endpoints.is_empty()).await;
    client.close().await;
    state.endpoints.iter().map(|one| Endpoint::clone(&one.endpoint)).collect()
}

fn ports(endpoints: &[Endpoint]) -> Vec<u16> {
    endpoints.iter().map(|endpoint| endpoint.port).collect()
}

#[tokio::test]
async fn who_is_down_or_switched_off_is_not_called_unless_the_registry_doubts_itself() {
    let all = [
        host("127.0.0.1", 1, &json!({})),
        host("127.0.0.1", 2, &json!({"healthy": false})),
        host("127.0.0.1", 3, &json!({"enabled": false})),
        host("127.0.0.1", 4, &json!({"weight": 0.0})),
    ];
    assert_eq!(ports(&endpoints("nacos:///orders", hosts(&all, false)).await), [1, 4]);
    assert_eq!(ports(&endpoints("nacos:///orders", hosts(&all, true)).await), [1, 2, 4]);
}

#[tokio::test]
async fn metadata_says_where_and_how_an_instance_is_called() {
    let all = [
        host("127.0.0.1", 80, &json!({"metadata": {"gRPC_port": "7", "gRPC.port": "8", "secure": "true"}})),
        host("127.0.0.2", 80, &json!({"metadata": {"gRPC.port": "8", "scheme": "https"}})),
        host("127.0.0.3", 80, &json!({"metadata": {"gRPC_port": "none", "own": "9", "version": "2"}, "weight": 2.5})),
        host("127.0.0.4", 80, &json!({"metadata": {"secure": "false"}, "clusterName": "blue"})),
    ];
    let found = endpoints("nacos:///orders", hosts(&all, false)).await;
    assert_eq!(ports(&found), [7, 8, 80, 80]);
    let secure: Vec<_> = found.iter().map(|endpoint| endpoint.secure).collect();
    assert_eq!(secure, [Some(true), Some(true), None, Some(false)]);
    assert_eq!((found[2].weight, &*found[3].locality), (2.5, "blue"));
    assert_eq!(found[2].metadata.get("version").map(String::as_str), Some("2"));
    let found = endpoints("nacos:///orders?port_key=own&version=2&scheme=http", hosts(&all, false)).await;
    assert_eq!((ports(&found), found[0].secure), (vec![9], Some(false)));
}

#[tokio::test]
async fn instances_can_carry_how_they_want_to_be_called() {
    let node = Node::start().await;
    let client = client_of(&node);
    let a = Server::start("a").await;
    let config = r#"{"loadBalancingPolicy": "pick_first"}"#;
    let carrying = instance(&a).metadata("grpc.service-config", config);
    client.naming().register("orders", carrying).await.expect("it registers");
    let channel = Channel::builder("nacos:///orders").nacos(&client).build().expect("a channel");
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    assert_eq!(&*channel.state().borrow().policy, "pick_first");
    client.naming().register("orders", instance(&a)).await.expect("it registers");
    until(&channel, |state| &*state.policy == "round_robin").await;
    assert_eq!((say(&channel).await.as_deref(), a.accepted()), (Ok("a"), 1));
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_config_item_says_how_a_service_is_called_and_is_followed() {
    let node = Node::start().await;
    let client = client_of(&node);
    let a = Server::start("a").await;
    client.naming().register("orders", instance(&a)).await.expect("it registers");
    let name = nacrite_client::config::ConfigName::from(("orders.json", "CALLS"));
    let publish = async |text: &str| client.config().publish(&name, text).send().await.expect("it is published");
    publish(r#"{"loadBalancingPolicy": "pick_first"}"#).await;
    let target = "nacos:///orders?config=orders.json&config_group=CALLS";
    let channel = Channel::builder(target).nacos(&client).build().expect("a channel");
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    assert_eq!(&*channel.state().borrow().policy, "pick_first", "calls do not begin before it is known");
    publish(r#"{"loadBalancingPolicy": "least_request"}"#).await;
    until(&channel, |state| &*state.policy == "least_request").await;
    publish("this is none").await;
    let state = until(&channel, |state| state.config_trouble.is_some()).await;
    assert_eq!(&*state.policy, "least_request", "the last good one counts");
    client.config().remove(&name).await.expect("it is removed");
    until(&channel, |state| &*state.policy == "round_robin" && state.config_trouble.is_none()).await;
    assert_eq!((say(&channel).await.as_deref(), a.accepted()), (Ok("a"), 1));
    client.close().await;
    node.stop().await;
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

#[tokio::test(start_paused = true)]
async fn a_registry_that_cannot_be_reached_fails_calls_in_words_within_seconds() {
    let registry = ScriptedServer::start().await;
    let address = registry.address();
    registry.stop().await;
    let client = Client::builder().server_list([address]).build().expect("a good description");
    let channel = Channel::builder("nacos:///orders").nacos(&client).build().expect("a channel");
    let began = now();
    let failed = say(&channel).await.expect_err("there is no registry");
    assert!(failed.code() == Code::Unavailable && failed.message().contains("does not answer"), "{failed:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    client.close().await;
}
