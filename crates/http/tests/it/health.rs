//! Clusters, health of persistent instances, and switches.

use nacrite_base::{GroupName, NamespaceId, ServiceKey, ServiceName};
use nacrite_env::dial::Behaviour;
use serde_json::{Value, json};

use crate::Server;
use crate::server::form;

fn service(name: &str) -> ServiceKey {
    let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
    ServiceKey { namespace, group, name: ServiceName::from_stored(name) }
}

async fn register(server: &Server, name: &str, port: u16) {
    let instance = format!("serviceName={name}&ip=127.0.0.1&port={port}&ephemeral=false");
    let registered = server.form("POST", "/nacos/v1/ns/instance", &instance).await;
    assert_eq!((registered.status, registered.text()), (200, "ok"));
}

async fn set_checker(server: &Server, name: &str, checker: &str) {
    let cluster = [
        ("serviceName", name),
        ("clusterName", "DEFAULT"),
        ("checkPort", "80"),
        ("useInstancePort4Check", "true"),
        ("healthChecker", checker),
        ("metadata", r#"{"k":"v"}"#),
    ];
    let set = server.form("PUT", "/nacos/v3/admin/ns/cluster", &form(&cluster)).await;
    assert_eq!((set.status, set.json()["data"].as_str()), (200, Some("ok")), "{checker}");
}

async fn shown_cluster(server: &Server, name: &str) -> Value {
    let detail = server.ask("GET", &format!("/nacos/v3/admin/ns/service?serviceName={name}")).await.json();
    detail["data"]["clusterMap"]["DEFAULT"].clone()
}

#[tokio::test]
async fn an_instance_that_does_not_serve_turns_unhealthy_and_says_why() {
    let server = Server::start().await;
    server.node.network.set("127.0.0.1", 80, Behaviour::Refuses);
    register(&server, "down", 80).await;
    let is_down = |app: &nacrite_app::App| app.naming.query(&service("down")).instances.iter().all(|i| !i.healthy);
    server.until(is_down).await;
    let checks = server.ask("GET", "/nacos/v3/admin/ns/health/checks?serviceName=down").await.json();
    let check = &checks["data"][0];
    assert_eq!((&check["checker"], &check["healthy"], &check["port"]), (&json!("TCP"), &json!(false), &json!(80)));
    assert_eq!(check["lastCheck"]["detail"], "connection refused by 127.0.0.1:80");
    let metrics = server.ask("GET", "/nacos/actuator/prometheus").await;
    assert!(metrics.text().contains("nacrite_health_watched 1"), "{}", metrics.text());
    assert_eq!(server.ask("GET", "/nacos/v3/admin/ns/health/checks?serviceName=none").await.status, 400);
    server.stop().await;
}

#[tokio::test]
async fn health_is_set_by_hand_only_where_nothing_checks_it_and_is_kept() {
    let server = Server::start().await;
    register(&server, "hand", 80).await;
    let by_hand = "serviceName=hand&ip=127.0.0.1&port=80&healthy=false";
    for target in ["/nacos/v1/ns/health", "/nacos/v2/ns/health/instance", "/nacos/v3/admin/ns/health/instance"] {
        let refused = server.form("PUT", target, by_hand).await;
        let text = "health check is still working, service: DEFAULT_GROUP@@hand, cluster: DEFAULT";
        assert!(refused.status == 400 && refused.text().contains(text), "{target}: {}", refused.text());
    }
    set_checker(&server, "hand", r#"{"type":"NONE"}"#).await;
    assert_eq!(server.form("PUT", "/nacos/v1/ns/health", by_hand).await.text(), "ok");
    let checks = server.ask("GET", "/nacos/v3/admin/ns/health/checks?serviceName=hand").await.json();
    assert_eq!((&checks["data"][0]["healthy"], &checks["data"][0]["lastCheck"]), (&json!(false), &json!(null)));
    let server = server.restarted().await;
    let cluster = shown_cluster(&server, "hand").await;
    assert_eq!((&cluster["healthChecker"], &cluster["metadata"]), (&json!({"type": "NONE"}), &json!({"k": "v"})));
    let list = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=hand&healthyOnly=true").await.json();
    assert_eq!(list["hosts"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn settings_of_clusters_survive_updates_of_their_service() {
    let server = Server::start().await;
    register(&server, "kept", 1).await;
    let http = r#"{"type":"HTTP","path":"/h","headers":"a:b","expectedResponseCode":204}"#;
    set_checker(&server, "kept", http).await;
    let updated = server.form("PUT", "/nacos/v2/ns/service", "serviceName=kept&protectThreshold=0.5").await;
    assert_eq!(updated.status, 200);
    let cluster = shown_cluster(&server, "kept").await;
    let wanted: Value = serde_json::from_str(http).expect("JSON");
    assert_eq!((&cluster["healthChecker"], &cluster["healthyCheckPort"]), (&wanted, &json!(80)));
    let v1 = server.ask("GET", "/nacos/v1/ns/service?serviceName=kept").await.json();
    assert_eq!((&v1["clusters"][0]["healthChecker"], &v1["protectThreshold"]), (&wanted, &json!(0.5)));
    server.stop().await;
}

#[tokio::test]
async fn bad_clusters_are_refused_and_change_nothing() {
    let server = Server::start().await;
    register(&server, "bad", 1).await;
    set_checker(&server, "bad", r#"{"type":"NONE"}"#).await;
    let before = shown_cluster(&server, "bad").await;
    let good = [
        ("serviceName", "bad"),
        ("clusterName", "DEFAULT"),
        ("checkPort", "80"),
        ("useInstancePort4Check", "true"),
        ("healthChecker", r#"{"type":"TCP"}"#),
        ("metadata", "a=b"),
    ];
    let long = format!(r#"{{"type":"HTTP","path":"{}"}}"#, "x".repeat(1025));
    for (at, bad) in [
        (0, ""),
        (0, "a b"),
        (0, "missing"),
        (1, ""),
        (1, "a/b"),
        (2, "70000"),
        (2, "-1"),
        (3, ""),
        (4, ""),
        (4, "oops"),
        (4, "[]"),
        (4, r#"{"type":"HTTP","expectedResponseCode":-1}"#),
        (4, r#"{"type":"HTTP","headers":"a:b\u0000"}"#),
        (4, long.as_str()),
        (5, "zzz"),
    ] {
        for target in ["/nacos/v1/ns/cluster", "/nacos/v3/admin/ns/cluster"] {
            let mut ask = good;
            ask[at].1 = bad;
            let answer = server.form("PUT", target, &form(&ask)).await;
            assert_eq!(answer.status, 400, "{target} {}={bad}: {}", ask[at].0, answer.text());
        }
    }
    assert_eq!(shown_cluster(&server, "bad").await, before);
    server.stop().await;
}

#[tokio::test]
async fn switches_are_kept_unless_they_are_moved_here_alone() {
    let server = Server::start().await;
    let set = async |fields: &str| server.form("PUT", "/nacos/v1/ns/operator/switches", fields).await.body;
    assert_eq!(set("entry=clientBeatInterval&value=7000").await, "ok");
    assert_eq!(set("entry=pushVersion&value=java:2.6.0").await, "ok");
    assert_eq!(set(&form(&[("entry", "tcpHealthParams"), ("value", r#"{"max":4000}"#)])).await, "ok");
    assert_eq!(set("entry=lightBeatEnabled&value=false&debug=true").await, "ok");
    let beat = server.form("PUT", "/nacos/v1/ns/instance/beat", "serviceName=a&ip=1.1.1.1&port=1").await;
    assert_eq!(beat.text(), r#"{"clientBeatInterval":7000,"code":20404,"lightBeatEnabled":false}"#);
    let server = server.restarted().await;
    let switches = server.ask("GET", "/nacos/v3/admin/ns/ops/switches").await.json();
    assert_eq!(switches["data"]["clientBeatInterval"], 7000);
    assert_eq!(switches["data"]["pushVersionOfJava"], "2.6.0");
    assert_eq!(switches["data"]["tcpHealthParams"], json!({"max": 4000, "min": 1000, "factor": 0.75}));
    assert_eq!(switches["data"]["lightBeatEnabled"], true, "what one node alone has ends with it");
    server.stop().await;
}

#[tokio::test]
async fn switches_that_are_not_served_are_refused_by_name() {
    let server = Server::start().await;
    for (entry, value) in [("limitedUrlMap", "/nacos:503"), ("overriddenServerStatus", "DOWN")] {
        let fields = form(&[("entry", entry), ("value", value)]);
        for (target, status) in [("/nacos/v1/ns/ops/switches", 400), ("/nacos/v3/admin/ns/ops/switches", 500)] {
            let refused = server.form("PUT", target, &fields).await;
            assert!(refused.status == status && refused.text().contains(entry), "{target}: {}", refused.text());
        }
    }
    let long = form(&[("entry", "masters"), ("value", &"x".repeat(1025))]);
    assert_eq!(server.form("PUT", "/nacos/v1/ns/ops/switches", &long).await.status, 400);
    server.stop().await;
}

#[tokio::test]
async fn a_switch_says_what_an_instance_is_that_does_not_say_it() {
    let server = Server::start().await;
    let ephemeral = async |name: &str| {
        let instance = format!("serviceName={name}&ip=127.0.0.1&port=1");
        assert_eq!(server.form("POST", "/nacos/v2/ns/instance", &instance).await.status, 200);
        let list = server.ask("GET", &format!("/nacos/v2/ns/instance/list?serviceName={name}")).await.json();
        list["data"]["hosts"][0]["ephemeral"].clone()
    };
    assert_eq!(ephemeral("before").await, true);
    let set = "entry=defaultInstanceEphemeral&value=false";
    assert_eq!(server.form("PUT", "/nacos/v2/ns/operator/switches", set).await.status, 200);
    assert_eq!(ephemeral("after").await, false);
    server.stop().await;
}
