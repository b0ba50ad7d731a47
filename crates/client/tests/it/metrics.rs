//! What a client tells about itself in numbers.

use std::time::Duration;

use nacrite_client::naming::Instance;
use nacrite_client::{Client, ServerAddress};
use nacrite_testkit::Node;

#[tokio::test]
async fn a_client_counts_what_it_does() {
    let node = Node::start().await;
    let server = node.http.to_string().parse::<ServerAddress>().expect("an address");
    let server = server.with_grpc_port(node.clients.port());
    let client = Client::builder().server_list([server]).build().expect("a good client");
    let naming = client.naming();
    naming.register("orders", Instance::builder("10.0.0.1", 80)).await.expect("it is taken");
    let found = naming.instances("orders").await.expect("an answer");
    assert_eq!(found.len(), 1);
    assert!(naming.pick("orders").is_some());
    let counted = client.metrics();
    assert_eq!((counted.connections, counted.picks, counted.services), (1, 1, 1));
    assert!(counted.requests >= 2 && counted.requests_failed == 0, "{counted:?}");
    assert_eq!(counted.registrations_waiting_for, None);
    client.close().await;
}

#[tokio::test]
async fn what_the_server_does_not_hold_is_told_with_its_age() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = unused.local_addr().expect("an address").port();
    drop(unused);
    let server = format!("127.0.0.1:{port}").parse::<ServerAddress>().expect("an address");
    let client = Client::builder().server_list([server.with_grpc_port(port)]).build().expect("a good client");
    let kept = client.naming().register_in_background("orders", Instance::builder("10.0.0.1", 80));
    let kept = kept.expect("a good instance");
    client.ready(Duration::from_millis(300)).await.expect_err("nobody listens there");
    let counted = client.metrics();
    assert_eq!((counted.connections, counted.registrations_waiting), (0, 1));
    assert!(counted.registrations_waiting_for.is_some() && counted.attempts_failed > 0, "{counted:?}");
    drop(kept);
    client.close().await;
}
