//! Connections over HTTP: the loader with servers that do not answer, counts, leaving in order, limits by rule.

use std::time::Duration;

use nacrite_app::balance::{ClusterSettings, Member};
use nacrite_app::control::Mode;
use nacrite_app::control::limit::LimitRule;
use nacrite_app::control::tps::{Period, PointRule, Threshold};
use nacrite_testkit::GrpcClient;
use serde_json::json;

use crate::Server;

/// A cluster whose other server is not there.
fn with_nobody() -> ClusterSettings {
    let nobody = Member { host: "127.0.0.1".to_owned(), port: 9, node_port: 9 };
    ClusterSettings { address: None, others: vec![nobody] }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_counted_and_left_out() {
    let server = Server::start().await;
    server.node.app.balance.set_cluster(with_nobody());
    let _client = GrpcClient::registered(server.node.clients, "naming").await;
    let v3 = server.ask("GET", "/nacos/v3/admin/core/loader/cluster").await.json();
    let data = &v3["data"];
    assert_eq!((&data["memberCount"], &data["metricsCount"]), (&json!(2), &json!(1)), "{v3}");
    assert_eq!((&data["completed"], &data["total"], &data["threshold"]), (&json!(false), &json!(1), &json!("1.1")));
    let v2 = server.ask("GET", "/nacos/v2/core/loader/cluster").await.json();
    assert_eq!((&v2["completed"], &v2["detail"][0]["metric"]["sdkConCount"]), (&json!(false), &json!("1")));
    assert_eq!(server.ask("GET", "/nacos/v2/core/loader/smartReloadCluster").await.body, "Ok");
}

#[tokio::test]
async fn connections_are_counted_by_address_and_shown_by_address() {
    let server = Server::start().await;
    let mut client = GrpcClient::registered(server.node.clients, "naming").await;
    let traced = LimitRule {
        total: Some(9),
        traced: std::iter::once(String::new()).collect(),
        mode: Mode::Monitor,
        ..LimitRule::default()
    };
    server.node.app.connections.set_rule(traced);
    client.ask("HealthCheckRequest", &json!({})).await;
    let shown = server.ask("GET", "/nacos/v3/admin/core/connections").await.json();
    let data = &shown["data"];
    assert_eq!((&data["total"], &data["byApp"]["test"], &data["limits"]["total"]), (&json!(1), &json!(1), &json!(9)));
    assert_eq!((&data["mode"], &data["refusing"]), (&json!("monitor"), &json!(null)));
    let ip = data["byIp"].as_object().and_then(|ips| ips.keys().next()).cloned().expect("one address");
    let current = server.ask("GET", "/nacos/v3/admin/core/loader/current").await.json();
    let current = current["data"].as_object().and_then(|all| all.values().next()).expect("one connection").clone();
    assert_eq!((&current["traced"], current["metaInfo"]["clientIp"].as_str()), (&json!(ip.is_empty()), Some(&*ip)));
}

#[tokio::test]
async fn a_server_can_be_drained_and_taken_back() {
    let server = Server::start().await;
    let drain = "/nacos/v3/admin/core/drain";
    let alone = server.form("POST", drain, "").await;
    assert_eq!(alone.status, 400);
    assert!(alone.body.contains("cluster.members"), "{}", alone.body);
    server.node.app.balance.set_cluster(with_nobody());
    assert_eq!(server.form("POST", drain, "withinMs=x").await.status, 500);
    let mut client = GrpcClient::registered(server.node.clients, "naming").await;
    let begun = server.form("POST", drain, "withinMs=60000").await.json();
    assert_eq!((&begun["data"]["state"], &begun["data"]["clientsBefore"]), (&json!("draining"), &json!(1)));
    let reset = client.heard_of("ConnectResetRequest").await;
    assert_eq!(reset.body["serverPort"], "9");
    drop(client);
    server.until(|app| app.connections.is_empty()).await;
    let progress = server.ask("GET", drain).await.json();
    assert_eq!(progress["data"], json!({"state": "draining", "clientsBefore": 1, "clients": 0, "stayed": 0}));
    let ready = server.ask("GET", "/nacos/v3/admin/core/state/readiness").await.json();
    assert_eq!(ready["code"], 30000);
    assert_eq!(server.ask("DELETE", drain).await.json()["data"]["state"], "serving");
    GrpcClient::registered(server.node.clients, "naming").await;
}

#[tokio::test]
async fn a_rule_refuses_requests_of_clients_over_http_but_not_of_operators() {
    let server = Server::start().await;
    let whole = Threshold { max: Some(0), period: Period::Hour, mode: Mode::Intercept };
    let rule = ("NamingInstanceQuery".to_owned(), PointRule { whole, keys: Vec::new() });
    server.node.app.pipeline.points.set_rules(std::iter::once(rule).collect());
    let began = server.node.app.clock.now();
    let refused = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=a").await;
    assert_eq!(refused.status, 503);
    assert!(server.node.app.clock.now().since(began) >= Duration::from_secs(1));
    let operator = server.ask("GET", "/nacos/v3/admin/ns/instance/list?serviceName=a").await;
    assert_ne!(operator.status, 503, "{}", operator.body);
}
