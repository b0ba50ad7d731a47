//! Rules: who is let in, how often something may be asked, who is ejected because it does not read.

use std::time::Duration;

use nacrite_app::control::Mode;
use nacrite_app::control::limit::LimitRule;
use nacrite_app::control::tps::{Period, PointRule, Threshold};
use nacrite_testkit::grpc::{Ended, Message};
use nacrite_testkit::{GrpcClient, Node};
use serde_json::json;

use crate::{instance, of_config, of_service, register};

/// What a client hears that introduces itself.
async fn introduced(at: std::net::SocketAddr) -> Result<Message, Ended> {
    let mut client = GrpcClient::connect(at).await;
    client.open_stream().await;
    client.say("ConnectionSetupRequest", &json!({"labels": {"source": "sdk", "module": "naming"}, "abilityTable": {}}));
    client.hear().await
}

#[tokio::test]
async fn a_client_above_a_limit_is_told_why_and_its_connection_ends() {
    let node = Node::start().await;
    let _first = GrpcClient::registered(node.clients, "naming").await;
    node.app.connections.set_rule(LimitRule { total: Some(1), ..LimitRule::default() });
    let refused = introduced(node.clients).await.expect_err("it is not let in");
    assert_eq!(refused.status, Some(14));
    assert!(refused.message.contains("takes no more clients: 1 connections are open"), "{refused:?}");
    let refused = r#"nacrite_connections_refused_total{reason="total",mode="intercept"} 1"#;
    assert!(node.app.metrics.encode().contains(refused));
    // Nodes must reach each other whatever clients do.
    let _node = GrpcClient::registered(node.nodes, "naming").await;

    let watched = LimitRule { total: Some(1), mode: Mode::Monitor, ..LimitRule::default() };
    node.app.connections.set_rule(watched);
    let _second = GrpcClient::registered(node.clients, "naming").await;
    let watched = r#"nacrite_connections_refused_total{reason="total",mode="monitor"} 1"#;
    assert!(node.app.metrics.encode().contains(watched));
}

#[tokio::test]
async fn what_is_asked_too_often_is_refused_after_a_second() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "config").await;
    let whole = Threshold { max: Some(1), period: Period::Hour, mode: Mode::Intercept };
    let rule = ("ConfigQuery".to_owned(), PointRule { whole, keys: Vec::new() });
    assert!(node.app.pipeline.points.set_rules(std::iter::once(rule).collect()).is_empty());
    let query = of_config("a", json!({}));
    let first = client.ask("ConfigQueryRequest", &query).await;
    assert_ne!(first.body["errorCode"], 503);
    let began = node.app.clock.now();
    let second = client.ask("ConfigQueryRequest", &query).await;
    assert_eq!((second.wire_type.as_str(), &second.body["errorCode"]), ("ConfigQueryResponse", &json!(503)));
    assert!(node.app.clock.now().since(began) >= Duration::from_secs(1));
    assert_eq!(client.ask("HealthCheckRequest", &json!({})).await.body["resultCode"], 200);
}

#[tokio::test]
async fn what_goes_over_a_connection_is_counted() {
    let node = Node::start().await;
    let mut client = GrpcClient::registered(node.clients, "naming").await;
    client.ask("InstanceRequest", &register("orders", "10.0.0.1", 80)).await;
    let connection = node.app.connections.all().remove(0);
    let carried = connection.traffic.carried();
    assert_eq!((carried.messages_in, carried.messages_out), (2, 2), "setup and request, acknowledgement and answer");
    assert!(carried.bytes_in > 200 && carried.bytes_out > 100, "{carried:?}");
}

/// A subscriber that had stopped reading was asked after five minutes, as in Nacos, and all that time its list waited.
#[tokio::test]
async fn a_subscriber_that_stops_reading_is_ejected() {
    let node = Node::start_with(|settings| {
        settings.connection.blocked_ms = 1000;
        settings.connection.check_ms = 100;
        settings.connection.detection_ms = 100;
    })
    .await;
    let mut publisher = GrpcClient::registered(node.clients, "naming").await;
    let mut subscriber = GrpcClient::registered(node.clients, "naming").await;
    let id = nacrite_base::ConnectionId::new(&subscriber.id().await);
    subscriber.ask("SubscribeServiceRequest", &of_service("orders", json!({"subscribe": true, "clusters": ""}))).await;
    let connection = node.app.connections.get(&id).expect("it is registered");
    let mut round = 0;
    while !connection.close.is_cancelled() {
        // Each list alone fills the window that the client grants.
        let mut large = instance("10.0.0.1", 80);
        large["metadata"] = json!({"large": "x".repeat(100_000), "round": round.to_string()});
        let body = of_service("orders", json!({"type": "registerInstance", "instance": large}));
        publisher.ask("InstanceRequest", &body).await;
        round += 1;
        tokio::time::timeout(Duration::from_millis(100), connection.close.cancelled()).await.ok();
        assert!(round < 300, "it is never ejected");
    }
    assert!(node.app.connections.get(&id).is_none());
    assert_eq!(publisher.ask("HealthCheckRequest", &json!({})).await.body["resultCode"], 200);
}
