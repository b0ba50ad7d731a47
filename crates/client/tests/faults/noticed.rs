//! How soon a client notices that its server is gone.

use std::time::Duration;

use nacrite_client::testkit::ScriptedServer;
use nacrite_client::{Client, Layer, LinkState, Phase};
use tokio::sync::watch;

use crate::clock;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that is gone without a word is noticed within this time.
const HALF_OPEN_MAX: Duration = Duration::from_secs(10);

/// No timer of the client is as short as this: whoever notices sooner was told by the socket, and did not wait.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn connected(server: &ScriptedServer) -> (Client, watch::Receiver<LinkState>) {
    let client = Client::builder().server_list([server.address()]).build().expect("a good description");
    client.ready(PATIENCE).await.expect("a connection");
    let state = client.state().naming.expect("it is asked for");
    (client, state)
}

async fn lost(state: &mut watch::Receiver<LinkState>) -> LinkState {
    state.wait_for(|state| state.phase == Phase::Unhealthy).await.expect("the link lives").clone()
}

#[tokio::test]
async fn a_server_that_stands_still_is_noticed_within_10_s() {
    let server = ScriptedServer::start().await;
    let (client, mut state) = connected(&server).await;
    server.freeze();
    // Nothing moves from here on but timers: no steps are needed.
    tokio::time::pause();
    let began = clock::now();
    let seen = lost(&mut state).await;
    let took = began.elapsed();
    tokio::time::resume();
    assert!(took <= HALF_OPEN_MAX, "{took:?}");
    assert_eq!(seen.failure.map(|failure| failure.layer), Some(Layer::Lost));
    server.thaw();
    client.ready(PATIENCE).await.expect("a connection");
    assert!(client.close_within(PATIENCE).await);
}

#[tokio::test]
async fn a_server_that_stands_still_under_a_request_is_noticed_as_soon() {
    let server = ScriptedServer::start().await;
    let (client, mut state) = connected(&server).await;
    server.freeze();
    tokio::time::pause();
    let began = clock::now();
    let (asked, _) = tokio::join!(client.naming().query("orders"), lost(&mut state));
    let took = began.elapsed();
    tokio::time::resume();
    assert!(asked.is_err());
    assert!(took <= HALF_OPEN_MAX, "{took:?}");
    server.thaw();
    assert!(client.close_within(PATIENCE).await);
}

#[tokio::test]
async fn a_connection_that_is_reset_is_noticed_at_once() {
    let server = ScriptedServer::start().await;
    let (client, mut state) = connected(&server).await;
    let began = clock::now();
    let (seen, ()) = tokio::join!(lost(&mut state), server.stop());
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert_eq!(seen.failure.map(|failure| failure.server), Some(server.address()));
    server.start_again().await;
    client.ready(PATIENCE).await.expect("a connection");
    assert!(client.close_within(PATIENCE).await);
}

#[tokio::test]
async fn a_stream_that_ends_is_noticed_at_once_though_the_connection_stands() {
    let server = ScriptedServer::start().await;
    let (client, mut state) = connected(&server).await;
    let first = state.borrow_and_update().generation;
    let began = clock::now();
    server.end_streams();
    let moved = state.wait_for(|state| state.phase == Phase::Running && state.generation != first);
    moved.await.expect("the link lives");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert!(client.close_within(PATIENCE).await);
}
