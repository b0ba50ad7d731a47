//! Finding whom to call, against a server of this project and against a scripted one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nacrite_client::discover::{DiscoveredService, Discovery, DiscoverySettings, NoInstance};
use nacrite_client::naming::{EmptyProtection, Instance, InstanceBuilder};
use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_client::{Client, Error, ServerAddress};
use nacrite_testkit::Node;
use serde_json::json;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn client_of(node: &Node) -> Client {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    Client::builder().server_list([main.with_grpc_port(node.clients.port())]).build().expect("a good description")
}

fn instance(port: u16) -> InstanceBuilder {
    Instance::builder("10.0.0.1", port)
}

/// Waits until calls go to these ports and no others.
async fn called(service: &DiscoveredService, ports: &[u16]) {
    let mut state = service.state();
    let reached = async {
        loop {
            let list = service.instances();
            let found: Vec<u16> =
                list.iter().flat_map(|list| list.eligible()).map(|instance| instance.port()).collect();
            if found.len() == ports.len() && ports.iter().all(|port| found.contains(port)) {
                return;
            }
            tokio::task::yield_now().await;
            drop(state.borrow_and_update());
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the list comes");
}

fn shares(service: &DiscoveredService, calls: u32) -> BTreeMap<u16, u32> {
    let mut shares = BTreeMap::new();
    for _ in 0..calls {
        *shares.entry(service.pick().expect("somebody is there").port()).or_default() += 1;
    }
    shares
}

#[tokio::test]
async fn calls_follow_weights_and_changes() {
    let node = Node::start().await;
    let (provider, caller) = (client_of(&node), client_of(&node));
    let weights = [(1, 1.0), (2, 2.0), (3, 7.0), (4, 0.0)];
    let registered =
        provider.naming().register_all("orders", weights.map(|(port, weight)| instance(port).weight(weight)));
    let registered = registered.await.expect("registered");
    let discovery = Discovery::new(&caller);
    let orders = discovery.service("orders").expect("a good name");
    assert_eq!(orders.ready(PATIENCE).await.expect("an answer").len(), 4);
    let found = shares(&orders, 10_000);
    for (port, share) in [(1, 1_000), (2, 2_000), (3, 7_000)] {
        assert!(found[&port].abs_diff(share) < 300, "{found:?}");
    }
    assert!(!found.contains_key(&4));
    assert_eq!(caller.metrics().picks, 10_000);
    registered[2].deregister().await.expect("deregistered");
    called(&orders, &[1, 2]).await;
    assert!(!shares(&orders, 1_000).contains_key(&3));
    let first = orders.pick().expect("somebody is there");
    let second = orders.pick_other(&[Arc::clone(&first)]).expect("there is another");
    assert_ne!(first.port(), second.port());
    assert!(matches!(orders.pick_other(&[first, second]), Err(NoInstance::AllTried { tried: 2, .. })));
    let listing = discovery.services("DEFAULT_GROUP").await.expect("an answer");
    assert_eq!((&*listing.names, listing.stale), (&["orders".to_owned()][..], None));
    caller.close().await;
    provider.close().await;
    node.stop().await;
}

#[tokio::test]
async fn the_own_cluster_comes_first_while_it_is_there() {
    let node = Node::start().await;
    let (provider, caller) = (client_of(&node), client_of(&node));
    let clusters = [(1, "near"), (2, "near"), (3, "far")];
    let registered = provider.naming().register_all("orders", clusters.map(|(port, at)| instance(port).cluster(at)));
    let registered = registered.await.expect("registered");
    let mut settings = DiscoverySettings::default();
    settings.cluster = Some("near".to_owned());
    let discovery = Discovery::with_settings(&caller, settings);
    let orders = discovery.service("orders").expect("a good name");
    orders.ready(PATIENCE).await.expect("an answer");
    assert_eq!(shares(&orders, 1_000).into_keys().collect::<Vec<_>>(), [1, 2]);
    for registration in &registered[..2] {
        registration.deregister().await.expect("deregistered");
    }
    called(&orders, &[3]).await;
    assert_eq!(shares(&orders, 10).into_keys().collect::<Vec<_>>(), [3]);
    caller.close().await;
    provider.close().await;
    node.stop().await;
}

#[tokio::test]
async fn nobody_is_an_answer_that_comes_at_once() {
    let node = Node::start().await;
    let caller = client_of(&node);
    let nobody = Discovery::new(&caller).service("SHOP@@nobody").expect("a good name");
    assert!(nobody.ready(PATIENCE).await.expect("an answer").is_empty());
    let shown = nobody.pick().expect_err("nobody is there").to_string();
    assert!(shown.contains("nobody") && shown.contains("SHOP"), "{shown}");
    caller.close().await;
    node.stop().await;
}

#[tokio::test]
async fn calls_go_on_from_the_last_list_while_the_registry_is_away() {
    let server = ScriptedServer::start().await;
    let host = json!({"ip": "10.0.0.1", "port": 1, "weight": 1.0, "healthy": true, "enabled": true});
    let info = json!({"name": "orders", "groupName": "DEFAULT_GROUP", "hosts": [host], "lastRefTime": 1});
    server.on("SubscribeServiceRequest", move |_| Reply::Done(json!({"serviceInfo": info})));
    server.on("ServiceListRequest", |_| Reply::Done(json!({"count": 1, "serviceNames": ["orders"]})));
    let caller = Client::builder().server_list([server.address()]).request_within(Duration::from_millis(500));
    let caller = caller.build().expect("a good description");
    let discovery = Discovery::new(&caller);
    let orders = discovery.service("orders").expect("a good name");
    orders.ready(PATIENCE).await.expect("an answer");
    assert_eq!(discovery.services("DEFAULT_GROUP").await.expect("an answer").stale, None);
    server.stop().await;
    assert_eq!(orders.pick().map(|instance| instance.port()), Ok(1));
    let listing = discovery.services("DEFAULT_GROUP").await.expect("the last answer");
    assert_eq!((&*listing.names, listing.stale.is_some()), (&["orders".to_owned()][..], true));
    assert!(discovery.services("OTHER").await.is_err());
    assert_eq!(orders.pick().map(|instance| instance.port()), Ok(1));
    caller.close().await;
    assert!(matches!(discovery.services("DEFAULT_GROUP").await, Err(Error::Closed)));
}

#[tokio::test]
async fn an_empty_list_can_be_doubted() {
    let node = Node::start().await;
    let (provider, caller) = (client_of(&node), client_of(&node));
    let registration = provider.naming().register("orders", instance(1)).await.expect("registered");
    let mut settings = DiscoverySettings::default();
    settings.empty_protection = Some(EmptyProtection::HoldFor(PATIENCE));
    let doubting = Discovery::with_settings(&caller, settings).service("orders").expect("a good name");
    doubting.ready(PATIENCE).await.expect("an answer");
    // Told on the same connection after the list that is doubted.
    let other = Discovery::new(&caller).service("other").expect("a good name");
    other.ready(PATIENCE).await.expect("an answer");
    registration.deregister().await.expect("deregistered");
    let believing = client_of(&node);
    let believed = Discovery::new(&believing).service("orders").expect("a good name");
    assert!(believed.ready(PATIENCE).await.expect("an answer").is_empty());
    provider.naming().register("other", instance(2)).await.expect("registered");
    called(&other, &[2]).await;
    assert!(doubting.pick().is_ok());
    believing.close().await;
    caller.close().await;
    provider.close().await;
    node.stop().await;
}
