//! Building, watching and closing a client.

use std::time::Duration;

use nacrite_client::testkit::{Admission, ScriptedServer};
use nacrite_client::{Client, Error, Layer, LinkState, Phase, ServerAddress};
use nacrite_testkit::Node;
use tokio::sync::watch;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn address_of(node: &Node) -> ServerAddress {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    main.with_grpc_port(node.clients.port())
}

fn client_of(server: &ScriptedServer) -> Client {
    Client::builder().server_list([server.address()]).build().expect("a good description")
}

async fn state(of: Option<watch::Receiver<LinkState>>, fits: impl Fn(&LinkState) -> bool) -> LinkState {
    let mut state = of.expect("the link is started");
    let found = tokio::time::timeout(PATIENCE, state.wait_for(|state| fits(state))).await;
    found.expect("such a state").expect("the link lives").clone()
}

#[tokio::test]
async fn a_client_connects_when_a_part_is_asked_for_and_each_part_has_a_connection() {
    let node = Node::start().await;
    let client = Client::builder().server_list([address_of(&node)]).app_name("it").build().expect("a good description");
    assert!(client.state().naming.is_none() && client.state().config.is_none());
    client.config();
    client.ready(PATIENCE).await.expect("a connection");
    assert!(client.state().naming.is_none(), "nobody asked for services");
    client.naming();
    client.ready(PATIENCE).await.expect("a connection");
    let naming = state(client.state().naming, |state| state.phase == Phase::Running).await;
    let config = state(client.state().config, |state| state.phase == Phase::Running).await;
    assert_eq!(naming.server, Some(address_of(&node)));
    assert_ne!(naming.generation, config.generation);
    assert!(naming.failure.is_none());
    client.close().await;
    assert_eq!(state(client.state().naming, |_| true).await.phase, Phase::ShutDown);
    assert!(matches!(client.ready(PATIENCE).await, Err(Error::Closed)));
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn why_there_is_no_connection_can_be_seen_and_nothing_waits_for_ever() {
    let server = ScriptedServer::start().await;
    server.stop().await;
    let client = client_of(&server);
    let ready = tokio::time::timeout(Duration::from_secs(2), client.ready(Duration::from_millis(300))).await;
    let error = ready.expect("it keeps its time").expect_err("nobody is there");
    let text = error.to_string();
    assert!(text.contains("gRPC's port is the main port 8848"), "{text}");
    let seen = state(client.state().naming, |state| state.failure.is_some()).await;
    assert_eq!((seen.phase, seen.failure.map(|failure| failure.layer)), (Phase::Starting, Some(Layer::Tcp)));
    server.start_again().await;
    client.ready(PATIENCE).await.expect("a connection");
    client.close().await;
}

#[tokio::test]
async fn a_server_that_is_starting_is_waited_for() {
    let server = ScriptedServer::start().await;
    server.change(|behaviour| behaviour.admission = Admission::Starting);
    let client = client_of(&server);
    client.naming();
    let seen = state(client.state().naming, |state| state.failure.is_some()).await;
    assert_eq!(seen.failure.map(|failure| failure.layer), Some(Layer::Rejected));
    server.change(|behaviour| behaviour.admission = Admission::Open);
    client.ready(PATIENCE).await.expect("a connection");
    client.close().await;
}

/// Checklist, 17, as far as the link is concerned.
#[tokio::test]
async fn closing_is_bounded_though_the_server_stands_still() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    client.ready(PATIENCE).await.expect("a connection");
    server.freeze();
    let closed = tokio::time::timeout(Duration::from_secs(2), client.close_within(Duration::from_millis(500))).await;
    closed.expect("it keeps its time");
    server.thaw();
    server.until(|counts| counts.open == 0).await;
}

#[tokio::test]
async fn a_client_that_is_dropped_leaves_no_connection_behind() {
    let server = ScriptedServer::start().await;
    let (client, other) = (client_of(&server), client_of(&server));
    client.ready(PATIENCE).await.expect("a connection");
    other.ready(PATIENCE).await.expect("a connection of its own");
    let clone = client.clone();
    drop(client);
    clone.ready(PATIENCE).await.expect("the clone lives");
    drop(clone);
    server.until(|counts| (counts.open, counts.registered) == (1, 1)).await;
    other.ready(PATIENCE).await.expect("the other client is not touched");
    other.close().await;
    server.until(|counts| counts.open == 0).await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_started() {
    let invalid = |client: Result<Client, Error>| matches!(client, Err(Error::Invalid(_)));
    assert!(invalid(Client::builder().build()));
    assert!(invalid(Client::builder().servers(" ,").build()));
    assert!(invalid(Client::builder().servers("host:port").build()));
    assert!(invalid(Client::builder().server_list([]).build()));
    assert!(invalid(Client::builder().servers("a").namespace("no/such").build()));
}

#[test]
fn a_client_needs_a_runtime() {
    assert!(matches!(Client::builder().servers("a").build(), Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_client_asks_whether_its_server_is_there_and_each_step_on_the_way_has_its_time() {
    let server = ScriptedServer::start().await;
    let client = client_of(&server);
    client.check(PATIENCE).await.expect("it is there");
    assert_eq!(server.seen(Some("HealthCheckRequest")).len(), 1);
    let layers = |state: &LinkState| state.steps.iter().map(|step| step.layer).collect::<Vec<_>>();
    let running = state(client.state().naming, |state| state.phase == Phase::Running).await;
    let all = [Layer::Resolve, Layer::Tcp, Layer::Http2, Layer::Handshake, Layer::Rejected];
    assert_eq!(layers(&running), all);
    server.stop().await;
    let refused = |state: &LinkState| state.failure.as_ref().is_some_and(|failure| failure.layer == Layer::Tcp);
    assert_eq!(layers(&state(client.state().naming, refused).await), all[..2], "as far as it came");
    let gone = client.check(Duration::from_millis(100)).await;
    assert!(matches!(gone, Err(Error::NotConnected(Some(_)))), "{gone:?}");
    client.close().await;
}
