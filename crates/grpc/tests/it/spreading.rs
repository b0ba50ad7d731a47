//! Clients over several servers: how many each has, evening out, leaving in order.

use std::net::SocketAddr;
use std::time::Duration;

use nacrite_app::balance::plan::Tolerance;
use nacrite_app::balance::{ClusterSettings, Member};
use nacrite_testkit::{GrpcClient, Node};
use serde_json::json;

/// A node as the others know it.
fn member(node: &Node) -> Member {
    Member { host: "127.0.0.1".to_owned(), port: node.http.port(), node_port: node.nodes.port() }
}

/// Two servers that know each other.
async fn pair() -> [Node; 2] {
    let [first, second] = [fast().await, fast().await];
    introduce(&first, &second);
    introduce(&second, &first);
    [first, second]
}

/// Makes a server known to another one.
fn introduce(to: &Node, other: &Node) {
    to.app.balance.set_cluster(ClusterSettings { address: Some(member(to)), others: vec![member(other)] });
}

async fn fast() -> Node {
    Node::start_with(|settings| settings.balance.per_second = 1000).await
}

async fn clients(at: SocketAddr, count: usize) -> Vec<GrpcClient> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(GrpcClient::registered(at, "naming").await);
    }
    clients
}

/// The main port that a client is sent to.
async fn sent_to(client: &mut GrpcClient) -> String {
    let reset = client.heard_of("ConnectResetRequest").await;
    client.acknowledge("ConnectResetResponse", &reset.body);
    reset.body["serverPort"].as_str().unwrap_or_default().to_owned()
}

/// Waits until a server has so many clients.
async fn until_clients(node: &Node, count: usize) {
    while node.app.connections.sdk_len() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn servers_tell_each_other_how_many_clients_they_have() {
    let [first, second] = pair().await;
    let _clients = clients(second.clients, 3).await;
    let load = first.app.balance.measure().await;
    assert_eq!((load.members, load.own.sdk, load.others.len(), load.others[0].1.sdk), (2, 0, 1, 3));
    let stranger = Node::start_with(|settings| {
        let identity = settings.identity.as_mut().expect("tests have one");
        identity.value = "wrong".to_owned();
    })
    .await;
    introduce(&stranger, &second);
    let load = stranger.app.balance.measure().await;
    assert_eq!((load.members, load.others.len()), (2, 0), "who does not know the secret is told nothing");
}

#[tokio::test]
async fn a_server_with_too_many_clients_is_asked_to_give_some_away() {
    let [full, empty] = pair().await;
    let mut all = clients(full.clients, 6).await;
    // Asked at the one that has too few.
    empty.app.balance.smart_reload(Tolerance::from_share(0.1)).await.expect("the other one can be told");
    // Those that were there longest go, one after the other, to where they are sent.
    let mut moved = Vec::new();
    for mut client in all.drain(..3) {
        assert_eq!(sent_to(&mut client).await, empty.http.port().to_string());
        moved.push(GrpcClient::registered(empty.clients, "naming").await);
    }
    until_clients(&full, 3).await;
    for client in &mut all {
        assert!(client.hears_nothing_for(Duration::from_millis(300)).await, "no more than the surplus is told");
    }
    assert_eq!((full.app.connections.sdk_len(), empty.app.connections.sdk_len()), (3, 3));
    assert!(full.app.metrics.encode().contains("nacrite_clients_told_total 3"));
}

#[tokio::test]
async fn a_draining_server_hands_its_clients_over_and_takes_no_new_ones() {
    let [leaving, staying] = pair().await;
    let mut here = clients(leaving.clients, 3).await;
    let finish = leaving.app.drain.finish(Duration::from_secs(20));
    let follow = async {
        while let Some(mut client) = here.pop() {
            assert_eq!(sent_to(&mut client).await, staying.http.port().to_string());
        }
    };
    let (left, ()) = tokio::join!(finish, follow);
    assert_eq!(left.expect("the others are known"), 0);

    let mut late = GrpcClient::connect(leaving.clients).await;
    let refused = late.ask("ServerCheckRequest", &json!({})).await;
    assert_eq!((refused.wire_type.as_str(), &refused.body["errorCode"]), ("ErrorResponse", &json!(300)));
    let reason = refused.body["message"].as_str().unwrap_or_default();
    assert!(reason.contains("hands its clients to other servers"), "{reason}");
    late.open_stream().await;
    late.say("ConnectionSetupRequest", &json!({"labels": {"source": "sdk", "module": "naming"}}));
    let ended = late.hear().await.expect_err("nor is it let in without asking");
    assert_eq!(ended.status, Some(14));
    assert!(!leaving.app.is_ready() && staying.app.is_ready());
    let load = staying.app.balance.measure().await;
    assert!(load.others[0].1.is_draining, "others send nobody there");

    leaving.app.drain.cancel();
    clients(leaving.clients, 1).await;
}

#[tokio::test]
async fn a_draining_server_does_not_stop_because_others_want_it_to_keep_some() {
    let [leaving, _staying] = pair().await;
    let mut all = clients(leaving.clients, 2).await;
    leaving.app.drain.begin(Duration::from_secs(20)).await.expect("the others are known");
    assert_eq!(leaving.app.reload(1, None).expect("no redirect"), 1);
    for client in &mut all {
        assert!(!sent_to(client).await.is_empty());
    }
}

#[tokio::test]
async fn without_others_nobody_is_sent_away() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    let refused = node.app.drain.begin(Duration::from_secs(1)).await.expect_err("there is nowhere to go");
    assert!(refused.to_string().contains("cluster.members"), "{refused}");
    assert!(!node.app.drain.is_draining());
    node.app.balance.smart_reload(Tolerance::from_share(0.0)).await.expect("nothing to do");
    assert!(client.hears_nothing_for(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn a_server_evens_itself_out_if_it_is_told_to() {
    let full = Node::start_with(|settings| {
        settings.balance.auto = true;
        settings.balance.auto_check_ms = 50;
        settings.balance.per_second = 1000;
    })
    .await;
    let empty = fast().await;
    let mut all = clients(full.clients, 24).await;
    introduce(&full, &empty);
    let mut moved = Vec::new();
    for mut client in all.drain(..12) {
        assert_eq!(sent_to(&mut client).await, empty.http.port().to_string());
        moved.push(GrpcClient::registered(empty.clients, "naming").await);
    }
    until_clients(&full, 12).await;
    for client in all.iter_mut().take(3) {
        assert!(client.hears_nothing_for(Duration::from_millis(100)).await);
    }
}
