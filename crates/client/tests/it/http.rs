//! A client that speaks HTTP alone, and the calls of operators, as users see them.

use std::time::Duration;

use nacrite_client::maintainer::{NamespaceSettings, ServiceSettings};
use nacrite_client::naming::{Instance, Selector};
use nacrite_client::{Client, Error, Transport};
use nacrite_testkit::Node;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn client_of(node: &Node) -> Client {
    let builder = Client::builder().servers(node.http.to_string()).transport(Transport::Http);
    builder.build().expect("a good description")
}

#[tokio::test]
async fn services_are_registered_found_and_left_over_http() {
    let node = Node::start().await;
    let (provider, consumer) = (client_of(&node), client_of(&node));
    let mut orders = consumer.naming().subscribe("orders", Selector::default()).expect("a name");
    provider.naming().register("orders", Instance::builder("10.0.0.1", 80)).await.expect("it registers");
    let found = tokio::time::timeout(PATIENCE, async {
        while let Some(change) = orders.changed().await {
            if change.instances.iter().any(|instance| instance.port() == 80) {
                return;
            }
        }
    });
    found.await.expect("it is found by the next poll");
    provider.close().await;
    let left = client_of(&node);
    assert_eq!(left.naming().instances("orders").await.expect("a list").iter().count(), 0, "closing deregisters");
    left.close().await;
    consumer.close().await;
    node.stop().await;
}

#[tokio::test]
async fn operators_create_and_remove() {
    let node = Node::start().await;
    let client = client_of(&node);
    let maintainer = client.maintainer();
    maintainer.create_service("orders", &ServiceSettings::default()).await.expect("created");
    assert!(maintainer.service("orders").await.is_ok());
    maintainer.remove_service("orders").await.expect("removed");
    let description = NamespaceSettings { name: "Development".into(), description: String::new() };
    maintainer.create_namespace("dev", &description).await.expect("created");
    assert!(maintainer.namespaces().await.expect("a list").iter().any(|namespace| namespace.id == "dev"));
    for (group, data_id) in [("B", "z"), ("A", "orders-2"), ("A", "orders-1"), ("A", "cart")] {
        client.config().publish((data_id, group), "x").send().await.expect("published");
    }
    let listed = async |group: &str, data_id: &str| {
        let found = maintainer.configs(group, data_id).await.expect("a list");
        found.iter().map(|name| format!("{} {}", name.group(), name.data_id())).collect::<Vec<_>>()
    };
    assert_eq!(listed("*", "*").await, ["A cart", "A orders-1", "A orders-2", "B z"]);
    assert_eq!(listed("A", "orders*").await, ["A orders-1", "A orders-2"]);
    assert!(listed("C", "*").await.is_empty());
    client.close().await;
    assert!(matches!(maintainer.namespaces().await, Err(Error::Closed)));
    node.stop().await;
}

/// This server keeps no locks, and says so.
#[tokio::test]
async fn locks_are_reported_where_there_are_none() {
    let node = Node::start().await;
    let main: nacrite_client::ServerAddress = node.http.to_string().parse().expect("an address");
    let client = Client::builder().server_list([main.with_grpc_port(node.clients.port())]).build().expect("a client");
    let acquired = client.locks().acquire("nightly", Duration::from_secs(60)).await;
    assert!(matches!(&acquired, Err(Error::Unsupported(what)) if what == "locks"), "{acquired:?}");
    client.close().await;
    node.stop().await;
}
