//! Services and instances as users see them, against a server of this project.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use nacrite_client::naming::{Instance, RegistrationState, Selector, Service, Subscription};
use nacrite_client::testkit::ScriptedServer;
use nacrite_client::{Client, Error, ServerAddress, Transport};
use nacrite_testkit::Node;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn client_of(node: &Node, namespace: &str) -> Client {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    let builder = Client::builder().server_list([main.with_grpc_port(node.clients.port())]);
    builder.namespace(namespace).build().expect("a good description")
}

fn ports<'a>(instances: impl IntoIterator<Item = &'a Arc<Instance>>) -> Vec<u16> {
    let mut ports: Vec<_> = instances.into_iter().map(|instance| instance.port()).collect();
    ports.sort_unstable();
    ports
}

/// Waits until a subscriber has been told of these.
async fn told(subscription: &mut Subscription, expected: &[u16]) {
    loop {
        let change = tokio::time::timeout(PATIENCE, subscription.next()).await.expect("a change");
        if ports(change.expect("the client is open").instances.iter()) == expected {
            return;
        }
    }
}

#[tokio::test]
async fn a_service_is_registered_found_and_left() {
    let node = Node::start().await;
    let (provider, consumer) = (client_of(&node, ""), client_of(&node, ""));
    let orders = Service::new("orders").in_group("shop");
    let mut subscription = consumer.naming().subscribe(orders, Selector::default()).expect("a name");
    told(&mut subscription, &[]).await;
    let registration = provider.naming().register(orders, Instance::builder("10.0.0.1", 80)).await;
    let registration = registration.expect("it registers");
    assert!(registration.state().borrow().is_registered());
    told(&mut subscription, &[80]).await;
    let batch = [81, 82].map(|port| Instance::builder("10.0.0.1", port).weight(0.0));
    provider.naming().register_all(orders, batch).await.expect("they register");
    told(&mut subscription, &[80, 81, 82]).await;
    let picked = consumer.naming().select_one(orders).await.expect("a list").expect("somebody");
    assert_eq!(picked.port(), 80, "the others have no weight");
    assert_eq!(consumer.naming().pick("orders"), None, "another group is another service");
    provider.close().await;
    told(&mut subscription, &[]).await;
    assert!(matches!(*registration.state().borrow(), RegistrationState::Gone));
    consumer.close().await;
    node.stop().await;
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let node = Node::start().await;
    let (public, other) = (client_of(&node, ""), client_of(&node, "other"));
    public.naming().register("orders", Instance::builder("10.0.0.1", 80)).await.expect("it registers");
    other.naming().register("orders", Instance::builder("10.0.0.1", 81)).await.expect("it registers");
    assert_eq!(ports(public.naming().query("orders").await.expect("a list").iter()), [80]);
    assert_eq!(ports(other.naming().instances("orders").await.expect("a list").iter()), [81]);
    public.close().await;
    other.close().await;
    node.stop().await;
}

#[tokio::test]
async fn instances_of_a_client_that_was_dropped_go_with_its_connection() {
    let node = Node::start().await;
    let (provider, consumer) = (client_of(&node, ""), client_of(&node, ""));
    let mut subscription = consumer.naming().subscribe("orders", Selector::default()).expect("a name");
    let kept = provider.naming().register("orders", Instance::builder("10.0.0.1", 80)).await.expect("it registers");
    told(&mut subscription, &[80]).await;
    drop(provider);
    told(&mut subscription, &[]).await;
    let late = tokio::time::timeout(PATIENCE, kept.deregister()).await.expect("it does not wait for ever");
    assert!(matches!(late, Err(Error::Closed) | Ok(())), "{late:?}");
    consumer.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_service_may_start_before_its_registry() {
    let server = ScriptedServer::start().await;
    server.stop().await;
    let client = Client::builder().server_list([server.address()]).build().expect("a good description");
    let registration = client.naming().register_in_background("orders", Instance::builder("10.0.0.1", 80));
    let registration = registration.expect("a good instance");
    let early = registration.registered(Duration::from_millis(50)).await;
    assert!(early.is_err(), "there is no server yet");
    server.start_again().await;
    registration.registered(PATIENCE).await.expect("the server is there");
    client.close().await;
}

#[tokio::test]
async fn a_client_that_speaks_http_alone_registers_and_finds() {
    let node = Node::start().await;
    let server: ServerAddress = node.http.to_string().parse().expect("an address");
    // Nothing listens where gRPC would be.
    let builder = Client::builder().server_list([server.with_grpc_port(1)]).transport(Transport::Http);
    let client = builder.build().expect("a good description");
    client.naming().register("orders", Instance::builder("10.0.0.1", 80)).await.expect("it registers");
    assert_eq!(ports(client.naming().instances("orders").await.expect("a list").iter()), [80]);
    client.close().await;
    let consumer = client_of(&node, "");
    assert!(consumer.naming().query("orders").await.expect("a list").is_empty());
    consumer.close().await;
    node.stop().await;
}
