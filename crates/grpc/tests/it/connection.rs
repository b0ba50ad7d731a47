//! Connections: the handshake, wrong orders, broken input, limits, silence, the end.

use std::time::Duration;

use bytes::Bytes;
use nacrite_testkit::grpc::{Ended, framed};
use nacrite_testkit::{GrpcClient, Node};
use serde_json::json;

use crate::{addresses, of_service, register};

const UNREGISTERED: u64 = 301;

#[tokio::test]
async fn a_client_learns_the_id_of_its_connection_before_it_introduces_itself() {
    let node = Node::start().await;
    let mut client = GrpcClient::connect(node.clients).await;
    let id = client.id().await;
    assert!(id.ends_with(&format!("_127.0.0.1_{}", client.local.port())), "{id}");
    assert_eq!(client.id().await, id);
}

#[tokio::test]
async fn nothing_is_done_for_a_client_that_did_not_introduce_itself() {
    let node = Node::start().await;
    let mut stranger = GrpcClient::connect(node.clients).await;
    let answer = stranger.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    assert_eq!((answer.wire_type.as_str(), answer.body["errorCode"].as_u64()), ("ErrorResponse", Some(UNREGISTERED)));
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    let listed = client.ask("ServiceQueryRequest", &of_service("orders", json!({}))).await;
    assert!(addresses(&listed.body["serviceInfo"]).is_empty());
}

#[tokio::test]
async fn only_clients_that_negotiate_hear_of_abilities() {
    let node = Node::start().await;
    let mut client = GrpcClient::connect(node.clients).await;
    client.open_stream().await;
    client.say("ConnectionSetupRequest", &json!({"clientVersion": "x", "labels": {"module": "naming"}}));
    let mut asked = client.ask("HealthCheckRequest", &json!({})).await;
    while asked.body["errorCode"] == UNREGISTERED {
        asked = client.ask("HealthCheckRequest", &json!({})).await;
    }
    assert!(client.hears_nothing_for(Duration::from_millis(50)).await);

    let mut negotiating = GrpcClient::connect(node.clients).await;
    negotiating.open_stream().await;
    negotiating.say("ConnectionSetupRequest", &json!({"clientVersion": "x", "labels": {}, "abilityTable": {}}));
    let ack = negotiating.heard().await;
    assert_eq!(ack.wire_type, "SetupAckRequest");
    assert_eq!(ack.body["abilityTable"]["supportPersistentInstanceByGrpc"], true);
}

#[tokio::test]
async fn unknown_and_broken_requests_are_refused_and_the_connection_lives_on() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    let error_code = |answer: nacrite_testkit::grpc::Message| {
        assert_eq!(answer.wire_type, "ErrorResponse");
        answer.body["errorCode"].as_u64()
    };
    assert_eq!(error_code(client.ask("NoSuchRequest", &json!({})).await), Some(302));
    for broken in [&b"{broken"[..], b"", b"null", b"[]", b"7", b"\xff\xfe"] {
        assert_eq!(error_code(client.ask_raw("InstanceRequest", broken).await), Some(502), "{broken:?}");
    }
    let half = client.call(Bytes::from_static(&[0, 0, 0, 0, 9, 1])).await;
    assert_eq!(half.expect_err("half a message").status, Some(13));
    let no_envelope = client.call(Bytes::from_static(&[0, 0, 0, 0, 2, 0xff, 0xff])).await;
    assert!(no_envelope.is_err() || no_envelope.is_ok_and(|answer| answer.wire_type == "ErrorResponse"));
    let unknown = client.request("/No/such");
    assert_eq!(client.call_path(unknown, Bytes::new()).await.expect_err("no such method").status, Some(12));
    assert_eq!(client.ask("HealthCheckRequest", &json!({})).await.body["resultCode"], 200);
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_what_was_registered_stays() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    client.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    let huge = framed("InstanceRequest", vec![b' '; 11 << 20].into());
    let refused = client.call(huge).await.expect_err("too long");
    assert!(matches!(refused.status, Some(8) | None), "{refused:?}");
    let mut other = GrpcClient::registered(node.clients, "naming").await;
    let listed = other.ask("ServiceQueryRequest", &of_service("orders", json!({}))).await;
    assert_eq!(addresses(&listed.body["serviceInfo"]), ["10.0.0.1:80"]);
}

#[tokio::test]
async fn a_second_stream_takes_over_the_pushes() {
    let node = Node::start().await;
    let mut subscriber = GrpcClient::registered(node.clients, "naming").await;
    subscriber.ask("SubscribeServiceRequest", &of_service("orders", json!({"subscribe": true, "clusters": ""}))).await;
    subscriber.open_stream().await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    publisher.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    while addresses(&subscriber.pushed().await) != ["10.0.0.1:80"] {}
}

#[tokio::test]
async fn a_client_that_ends_its_side_of_the_stream_stays_registered() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    client.half_close();
    assert_eq!(client.hear().await, Err(Ended { status: Some(0), message: String::new() }));
    assert_eq!(client.ask("HealthCheckRequest", &json!({})).await.body["resultCode"], 200);
}

#[tokio::test]
async fn a_silent_client_is_asked_then_ejected() {
    let node = Node::start_with(|settings| {
        settings.connection.idle_ms = 1000;
        settings.connection.detection_ms = 100;
        settings.connection.check_ms = 100;
    })
    .await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    client.heard_of("ClientDetectionRequest").await;
    let ended = loop {
        if let Err(ended) = client.hear().await {
            break ended;
        }
    };
    assert_eq!(ended.status, Some(0));
    // The connection ends as well; a request that was faster is told to register anew.
    let answer = client.call(framed("HealthCheckRequest", Bytes::from_static(b"{}"))).await;
    assert!(answer.map_or(true, |answer| answer.body["errorCode"] == UNREGISTERED));
}

#[tokio::test]
async fn a_silent_client_that_answers_stays() {
    let node = Node::start_with(|settings| {
        settings.connection.idle_ms = 1000;
        settings.connection.check_ms = 100;
    })
    .await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    for _ in 0..2 {
        let asked = client.heard_of("ClientDetectionRequest").await;
        client.acknowledge("ClientDetectionResponse", &asked.body);
    }
    assert_eq!(client.ask("HealthCheckRequest", &json!({})).await.body["resultCode"], 200);
}

/// The Python client 3.2.0 took a stream that ended with success for its own doing, and never came back.
#[tokio::test]
async fn a_stopping_server_ends_every_stream_as_unavailable() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    let leave = async {
        assert_eq!(client.hear().await.expect_err("the end").status, Some(14));
        // Gone, the connection ends and lets the server end.
        drop(client);
    };
    tokio::join!(node.stop(), leave);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let node = Node::start_with(|settings| settings.connection.max = 2).await;
    let first = GrpcClient::registered(node.clients, "naming").await;
    let _second = GrpcClient::registered(node.clients, "naming").await;
    let mut third = GrpcClient::connect(node.clients).await;
    assert!(third.call(framed("ServerCheckRequest", Bytes::from_static(b"{}"))).await.is_err());
    drop(first);
    // A place is free as soon as the server has noticed; until then one more is turned away.
    loop {
        let mut again = GrpcClient::connect(node.clients).await;
        if again.call(framed("ServerCheckRequest", Bytes::from_static(b"{}"))).await.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn what_is_for_nodes_needs_the_port_for_nodes_and_the_identity() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    let refused = client.ask("ServerLoaderInfoRequest", &json!({})).await;
    assert_ne!(refused.body["resultCode"], 200);
    let mut as_node = GrpcClient::registered(node.nodes, "naming").await;
    let refused = as_node.ask("ServerLoaderInfoRequest", &json!({})).await;
    assert_eq!(refused.body["errorCode"], 403, "{refused:?}");
}
