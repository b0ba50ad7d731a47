//! Against a real server.

use nacrite_testkit::Node;

use super::*;
use crate::naming::Selector;

fn client_of(node: &Node) -> (Naming, Tasks) {
    let address: ServerAddress = node.http.to_string().parse().expect("an address");
    naming_of(vec![address.with_grpc_port(node.clients.port())], |_| {})
}

/// The ports that a subscriber sees, once they are these.
async fn sees(subscription: &mut crate::naming::Subscription, expected: &[u16]) {
    loop {
        let mut seen = subscription.current().map(|list| ports(list.iter())).unwrap_or_default();
        seen.sort_unstable();
        if subscription.current().is_some() && seen == expected {
            return;
        }
        soon(subscription.changed()).await.expect("the client is open");
    }
}

#[tokio::test]
async fn instances_of_one_client_are_seen_by_another() {
    let node = Node::start().await;
    let ((provider, _), (consumer, _)) = (client_of(&node), client_of(&node));
    let mut subscription = consumer.subscribe("orders", Selector::default()).expect("a name");
    sees(&mut subscription, &[]).await;
    let first = provider.register("orders", instance(80).metadata("zone", "a")).await.expect("it registers");
    provider.register("orders", instance(81)).await.expect("it registers");
    sees(&mut subscription, &[80, 81]).await;
    first.update(|one| one.weight(7.0)).await.expect("it changes");
    loop {
        let list = subscription.current().expect("a list");
        if list.iter().any(|one| one.port() == 80 && one.weight().to_bits() == 7.0_f64.to_bits()) {
            break;
        }
        soon(subscription.changed()).await.expect("the client is open");
    }
    first.deregister().await.expect("it leaves");
    sees(&mut subscription, &[81]).await;
    assert_eq!(consumer.all_services("DEFAULT_GROUP").await.expect("names"), ["orders"]);
    assert_eq!(ports(consumer.query("orders").await.expect("a list").iter()), [81]);
    assert!(provider.close(PATIENCE).await);
    sees(&mut subscription, &[]).await;
    node.stop().await;
}

#[tokio::test]
async fn persistent_instances_stay_when_their_client_goes() {
    let node = Node::start().await;
    let ((provider, _), (consumer, _)) = (client_of(&node), client_of(&node));
    let registration = provider.register("disks", instance(80).persistent()).await.expect("it registers");
    registration.update(|one| one.weight(3.0)).await.expect("it changes");
    assert!(provider.close(PATIENCE).await);
    let list = consumer.query("disks").await.expect("a list");
    assert_eq!((list.all()[0].weight(), list.all()[0].is_ephemeral()), (3.0, false));
    consumer.deregister("disks", instance(80).persistent()).await.expect("it leaves");
    assert!(consumer.query("disks").await.expect("a list").is_empty());
    node.stop().await;
}

#[tokio::test]
async fn persistent_instances_go_over_http_where_grpc_does_not_take_them() {
    let node = Node::start().await;
    let scripted = ScriptedServer::start().await;
    scripted.change(|behaviour| behaviour.abilities.clear());
    // gRPC of a server that does not say that it can, HTTP of one that does.
    let address: ServerAddress = node.http.to_string().parse().expect("an address");
    let (naming, _) = naming_of(vec![address.with_grpc_port(scripted.address().grpc_port())], |_| {});
    naming.register("disks", instance(80).persistent()).await.expect("it registers");
    let (consumer, _) = client_of(&node);
    assert_eq!(ports(consumer.query("disks").await.expect("a list").iter()), [80]);
    naming.deregister("disks", instance(80).persistent()).await.expect("it leaves");
    assert!(consumer.query("disks").await.expect("a list").is_empty());
    assert!(scripted.seen(Some("PersistentInstanceRequest")).is_empty());
    node.stop().await;
}

#[tokio::test]
async fn everything_but_watches_goes_over_http_alone_too() {
    let node = Node::start().await;
    let address: ServerAddress = node.http.to_string().parse().expect("an address");
    let (setup, ..) = setup_of(vec![address.with_grpc_port(1)], |_| {});
    let naming = Naming::over_http(setup);
    let first = naming.register("orders", instance(80)).await.expect("it registers");
    naming.register("orders", instance(81)).await.expect("it registers");
    first.update(|one| one.metadata("zone", "b")).await.expect("it changes");
    let mut subscription = naming.subscribe("orders", Selector::default()).expect("a name");
    sees(&mut subscription, &[80, 81]).await;
    let mut seen = ports(naming.query("orders").await.expect("a list").iter());
    seen.sort_unstable();
    assert_eq!(seen, [80, 81]);
    assert_eq!(naming.all_services("DEFAULT_GROUP").await.expect("names"), ["orders"]);
    first.deregister().await.expect("it leaves");
    assert_eq!(ports(naming.query("orders").await.expect("a list").iter()), [81]);
    let watch = naming.watch_services("*", "*").expect("a pattern");
    assert!(matches!(watch.active(PATIENCE).await, Err(Error::Unsupported(_))));
    assert!(naming.close(PATIENCE).await);
    let (consumer, _) = client_of(&node);
    assert!(consumer.query("orders").await.expect("a list").is_empty());
    node.stop().await;
}
