//! What operators and their tools ask.

use nacrite_testkit::GrpcClient;
use serde_json::json;

use crate::Server;

#[tokio::test]
async fn the_server_says_that_it_is_well() {
    let server = Server::start().await;
    for (target, body) in [
        ("/nacos/v1/console/health/readiness", "OK"),
        ("/nacos/v2/console/health/readiness", r#"{"code":0,"message":"success","data":"ok"}"#),
        ("/nacos/v3/admin/core/state/liveness", r#"{"code":0,"message":"success","data":"ok"}"#),
        ("/nacos/actuator/health", r#"{"status":"UP"}"#),
    ] {
        let answer = server.ask("GET", target).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{target}");
    }
    let state = server.ask("GET", "/nacos/v3/admin/core/state").await.json();
    assert_eq!(state["data"]["startup_mode"], "standalone");
}

#[tokio::test]
async fn metrics_name_the_endpoints_that_were_asked() {
    let server = Server::start().await;
    server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=m").await;
    server.ask("GET", "/nacos/v1/ns/instance/list").await;
    let metrics = server.ask("GET", "/nacos/actuator/prometheus").await;
    let content_type = metrics.header("content-type").unwrap_or_default();
    assert!(content_type.starts_with("application/openmetrics-text"), "{content_type}");
    for outcome in ["ok", "failed"] {
        let line = format!(r#"{{edge="http",request="GET /v1/ns/instance/list",outcome="{outcome}"}} 1"#);
        assert!(metrics.body.contains(&line), "{line}");
    }
}

#[tokio::test]
async fn namespaces_are_created_once_and_forgotten() {
    let server = Server::start().await;
    let v3 = "/nacos/v3/admin/core/namespace";
    assert_eq!(server.form("POST", v3, "namespaceId=n&namespaceName=N&namespaceDesc=d").await.json()["data"], true);
    assert_eq!(server.form("POST", v3, "namespaceId=n&namespaceName=N").await.json()["code"], 22002);
    let twice = server.form("POST", "/nacos/v1/console/namespaces", "customNamespaceId=n&namespaceName=N").await;
    assert_eq!(twice.body, "false");
    let shown = server.ask("GET", "/nacos/v2/console/namespace?namespaceId=n").await.json();
    assert_eq!((&shown["data"]["namespaceShowName"], &shown["data"]["type"]), (&json!("N"), &json!(2)));
    assert_eq!(server.ask("DELETE", &format!("{v3}?namespaceId=n")).await.json()["data"], true);
    assert_eq!(server.ask("GET", &format!("{v3}?namespaceId=n")).await.status, 404);
    assert_eq!(server.form("POST", v3, "namespaceId=&namespaceName=made").await.json()["data"], true);
    let list = server.ask("GET", &format!("{v3}/list")).await.json();
    let id = list["data"][1]["namespace"].as_str().unwrap_or_default().to_owned();
    assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{list}");
}

#[tokio::test]
async fn clients_of_both_edges_are_listed() {
    let server = Server::start().await;
    server.form("POST", "/nacos/v1/ns/instance", "serviceName=c&ip=1.1.1.1&port=1").await;
    let mut client = GrpcClient::registered(server.node.clients, "naming").await;
    let id = client.id().await;
    let list = server.ask("GET", "/nacos/v3/admin/ns/client/list").await.json();
    let ids: Vec<&str> = list["data"].as_array().expect("a list").iter().filter_map(|id| id.as_str()).collect();
    assert!(ids.contains(&"1.1.1.1:1#true") && ids.contains(&id.as_str()), "{ids:?}");
    let of = |id: &str| format!("/nacos/v3/admin/ns/client?clientId={}", id.replace('#', "%23"));
    assert_eq!(server.ask("GET", &of("1.1.1.1:1#true")).await.json()["data"]["clientType"], "ipPort");
    assert_eq!(server.ask("GET", &of(&id)).await.json()["data"]["clientType"], "connection");
    assert_eq!(server.ask("GET", &of("none")).await.json()["code"], 20004);
    let loader = server.ask("GET", "/nacos/v2/core/loader/current").await.json();
    assert_eq!(loader[&id]["metaInfo"]["connectionId"], id);
}

#[tokio::test]
async fn how_pushes_fared_is_told_and_set_to_zero() {
    let server = Server::start().await;
    let state = async |query: &str| server.ask("GET", &format!("/nacos/v1/ns/operator/push/state{query}")).await;
    let nothing = json!({"succeed": 0, "total": 0, "ratio": 0, "reset": false});
    assert_eq!(state("").await.json(), nothing);
    let mut client = GrpcClient::registered(server.node.clients, "naming").await;
    let subscribe = json!({"namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": "p", "subscribe": true});
    client.ask("SubscribeServiceRequest", &subscribe).await;
    server.form("POST", "/nacos/v1/ns/instance", "serviceName=p&ip=1.1.1.1&port=1").await;
    let push = client.pushed().await;
    client.acknowledge("NotifySubscriberResponse", &push);
    server.until(|app| app.metrics.push_tally.counts().taken > 0).await;
    let told = state("?detail=true&reset=true").await.json();
    assert_eq!((&told["ratio"], &told["reset"]), (&json!(1.0), &json!(true)), "{told}");
    assert!(told["detail"]["maxPushCost"].as_i64().is_some_and(|ms| ms >= 0), "{told}");
    assert_eq!(server.ask("GET", "/nacos/v1/ns/ops/push/state").await.json(), nothing);
    assert_eq!(state("?reset=maybe").await.status, 500);
}

#[tokio::test]
async fn the_guard_tells_what_it_holds_and_lets_go() {
    let server = Server::start().await;
    for port in 1..=3 {
        let form = format!("serviceName=g&ip=1.1.1.1&port={port}&ephemeral=true");
        server.form("POST", "/nacos/v1/ns/instance", &form).await;
    }
    let server = server.restarted().await;
    let guard = "/nacos/v3/admin/ns/guard";
    let shown = server.ask("GET", guard).await.json()["data"].take();
    assert_eq!((&shown["state"], &shown["heard"], &shown["silent"]), (&json!("warming"), &json!(0), &json!(3)));
    let held = json!([{
        "namespaceId": "public", "groupName": "DEFAULT_GROUP", "serviceName": "g", "heard": 0, "held": 3
    }]);
    assert_eq!(shown["held"], held, "{shown}");
    assert!(shown["reason"].as_str().is_some_and(|why| why.contains("started")), "{shown}");
    assert!(shown["until"].as_u64() > shown["since"].as_u64(), "{shown}");
    let metrics = server.ask("GET", "/nacos/actuator/prometheus").await.body;
    assert!(metrics.contains("nacrite_guard_phase 2") && metrics.contains("nacrite_guard_held_instances 3"));

    let released = server.ask("POST", &format!("{guard}/release")).await.json();
    assert_eq!((&released["data"]["state"], &released["data"]["held"]), (&json!("open"), &json!([])));
    for (sent, state) in [("enabled=false", "off"), ("enabled=true", "open")] {
        assert_eq!(server.form("PUT", guard, sent).await.json()["data"]["state"], state);
    }
    for bad in ["", "enabled=perhaps"] {
        assert_eq!(server.form("PUT", guard, bad).await.status, 400, "{bad}");
    }
    server.stop().await;
}

#[tokio::test]
async fn pushes_are_accounted_for() {
    let server = Server::start().await;
    let subscribe = json!({"namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": "p", "subscribe": true});
    let mut taking = GrpcClient::registered(server.node.clients, "naming").await;
    let mut refusing = GrpcClient::registered(server.node.clients, "naming").await;
    for client in [&mut taking, &mut refusing] {
        client.ask("SubscribeServiceRequest", &subscribe).await;
    }
    let register = "serviceName=p&ip=1.1.1.1&port=1&ephemeral=true";
    server.form("POST", "/nacos/v1/ns/instance", register).await;
    taking.pushed().await;
    let push = refusing.heard_of("NotifySubscriberRequest").await;
    let refusal = json!({"requestId": push.body["requestId"], "resultCode": 500, "message": "no room"});
    refusing.say("NotifySubscriberResponse", &refusal);
    let ids = [taking.id().await, refusing.id().await];

    let account = "/nacos/v3/admin/ns/service/pushes?serviceName=p";
    let shown = loop {
        let shown = server.ask("GET", account).await.json()["data"].take();
        if shown["reached"] == 1 && shown["late"][0]["state"] == "refused" {
            break shown;
        }
    };
    assert_eq!((&shown["subscribers"], &shown["unconnected"]), (&json!(2), &json!(0)), "{shown}");
    assert_eq!(shown["withinMs"], shown["p50Ms"], "{shown}");
    assert!(shown["withinMs"].as_u64().is_some_and(|ms| ms < 5000), "{shown}");
    let late = &shown["late"][0];
    assert_eq!((&late["clientId"], &late["tries"]), (&json!(ids[1]), &json!(1)), "{shown}");
    let trouble = &shown["troubles"][0];
    assert_eq!((&trouble["what"], &trouble["reason"]), (&json!("refused"), &json!("no room")), "{shown}");
    let counts = shown["latencies"]["counts"].as_array().expect("counts");
    assert_eq!(counts.len(), shown["latencies"]["boundsMs"].as_array().expect("bounds").len() + 1);
    assert_eq!(counts.iter().filter_map(serde_json::Value::as_u64).sum::<u64>(), 1, "{shown}");

    let of_client = server.ask("GET", &format!("/nacos/v3/admin/ns/client/pushes?clientId={}", ids[0])).await.json();
    assert_eq!((&of_client["data"]["subscriptions"], &of_client["data"]["current"]), (&json!(1), &json!(1)));
    assert_eq!(of_client["data"]["services"][0]["state"], "acknowledged", "{of_client}");

    drop(refusing);
    server.until(|app| app.connections.len() == 1).await;
    let shown = server.ask("GET", account).await.json()["data"].take();
    assert_eq!((&shown["subscribers"], &shown["late"]), (&json!(1), &json!([])), "{shown}");
    for (target, status) in
        [("service/pushes?serviceName=nobody", 200), ("service/pushes", 400), ("client/pushes?clientId=nobody", 404)]
    {
        assert_eq!(server.ask("GET", &format!("/nacos/v3/admin/ns/{target}")).await.status, status, "{target}");
    }
    server.stop().await;
}
