//! The members of the cluster and the core's operations, as a node that is alone answers.

use serde_json::json;

use crate::Server;
use crate::server::Answer;

/// A request with a JSON body.
async fn told(server: &Server, method: &str, target: &str, body: &str) -> Answer {
    let mut connection = server.connect().await;
    let length = body.len();
    let head = format!("Host: h\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");
    connection.send(format!("{method} {target} HTTP/1.1\r\n{head}\r\n{body}").as_bytes()).await;
    connection.answer().await
}

#[tokio::test]
async fn a_node_that_is_alone_is_the_cluster() {
    let server = Server::start().await;
    for (target, list) in [
        ("/nacos/v1/core/cluster/self", "/nacos/v1/core/cluster/nodes"),
        ("/nacos/v2/core/cluster/node/self", "/nacos/v2/core/cluster/node/list"),
        ("/nacos/v3/admin/core/cluster/node/self", "/nacos/v3/admin/core/cluster/node/list"),
    ] {
        let own = server.ask("GET", target).await.json()["data"].clone();
        assert_eq!((&own["state"], &own["ip"]), (&json!("UP"), &json!("127.0.0.1")), "{target}");
        let all = server.ask("GET", list).await.json()["data"].clone();
        assert_eq!((all.as_array().map(Vec::len), &all[0]["address"]), (Some(1), &own["address"]), "{list}");
    }
    let address = server.ask("GET", "/nacos/v1/core/cluster/simple/nodes").await.json()["data"][0].clone();
    let servers = server.ask("GET", "/nacos/v1/ns/operator/servers?healthy=true").await.json();
    assert_eq!(servers["servers"][0]["address"], address);
    for target in [
        "/nacos/v1/ns/operator/distro/client?ip=1.1.1.1&port=1",
        "/nacos/v1/ns/ops/distro/client?ip=1.1.1.1&port=1",
        "/nacos/v1/ns/operator/distro/server?serviceName=a",
    ] {
        assert_eq!(server.ask("GET", target).await.json(), json!({"responsibleServer": address}), "{target}");
    }
    assert_eq!(server.ask("GET", "/nacos/v1/ns/operator/distro/client?ip=1").await.status, 400);
    assert_eq!(server.ask("GET", "/nacos/v1/core/cluster/health").await.json()["data"], "UP");
    assert_eq!(server.ask("GET", "/nacos/v2/core/cluster/node/self/health").await.json()["data"], "UP");
}

#[tokio::test]
async fn members_are_chosen_by_address_and_state() {
    let server = Server::start().await;
    for (query, count) in [
        ("v1/core/cluster/nodes?keyword=127.", 1),
        ("v1/core/cluster/nodes?keyword=10.", 0),
        ("v2/core/cluster/node/list?address=10.", 0),
        ("v3/admin/core/cluster/node/list?state=up", 1),
        ("v3/admin/core/cluster/node/list?state=DOWN", 0),
    ] {
        let all = server.ask("GET", &format!("/nacos/{query}")).await.json();
        assert_eq!(all["data"].as_array().map(Vec::len), Some(count), "{query}");
    }
    let illegal = server.ask("GET", "/nacos/v2/core/cluster/node/list?state=sleepy").await;
    let told = json!({"code": 23000, "message": "illegal state", "data": "Illegal state: sleepy"});
    assert_eq!((illegal.status, illegal.json()), (400, told));
}

#[tokio::test]
async fn a_report_is_answered_with_this_node() {
    let server = Server::start().await;
    let report = "/nacos/v1/core/cluster/report";
    let answer = told(&server, "POST", report, r#"{"ip":"10.0.0.9","port":8848}"#).await.json();
    let own: serde_json::Value = serde_json::from_str(answer["data"].as_str().expect("a text")).expect("JSON in it");
    assert_eq!((&answer["code"], &own["ip"]), (&json!(200), &json!("127.0.0.1")));
    let all = server.ask("GET", "/nacos/v1/core/cluster/nodes").await.json();
    assert_eq!(all["data"].as_array().map(Vec::len), Some(1), "it did not become a member");
    let illegal = told(&server, "POST", report, r#"{"ip":"","port":-1}"#).await;
    assert_eq!((illegal.status, &illegal.json()["code"]), (200, &json!(400)));
    assert_eq!(server.ask("POST", report).await.status, 500);
    assert_eq!(server.form("POST", report, "ip=1.1.1.1").await.status, 500);
    assert_eq!(told(&server, "POST", report, "[]").await.status, 400);
}

#[tokio::test]
async fn what_would_change_the_cluster_is_refused_or_does_nothing() {
    let server = Server::start().await;
    let unknown = "The addressing mode exists : magic, just support : [[file, address-server]]";
    let v1 = server.ask("POST", "/nacos/v1/core/cluster/switch/lookup?type=magic").await.json();
    assert_eq!(v1, json!({"code": 500, "message": unknown, "data": null}));
    let v2 = server.form("PUT", "/nacos/v2/core/cluster/lookup", "type=magic").await;
    assert_eq!((v2.status, v2.json()["data"].clone()), (400, json!(unknown)));
    for (method, target) in [
        ("POST", "/nacos/v1/core/cluster/switch/lookup?type=file"),
        ("PUT", "/nacos/v2/core/cluster/lookup?type=file"),
        ("PUT", "/nacos/v3/admin/core/cluster/lookup?type=address-server"),
    ] {
        assert_eq!(server.ask(method, target).await.status, 501, "{target}");
    }
    let lookup = server.ask("PUT", "/nacos/v3/admin/core/cluster/lookup").await;
    assert_eq!((lookup.status, lookup.json()["data"].clone()), (400, json!("required parameter 'type' is missing")));
    for target in ["/nacos/v2/core/cluster/node/list", "/nacos/v3/admin/core/cluster/node/list"] {
        let none = told(&server, "PUT", target, "[]").await;
        assert_eq!((none.status, none.json()["data"].clone()), (400, json!("required parameter 'nodes' is missing")));
        assert_eq!(told(&server, "PUT", target, r#"[{"ip":"10.0.0.9","port":1}]"#).await.json()["data"], true);
        assert_eq!(server.ask("PUT", target).await.status, 400, "{target}");
        assert_eq!(told(&server, "PUT", target, "{").await.status, 400, "{target}");
    }
    let leave = told(&server, "POST", "/nacos/v1/core/cluster/server/leave", r#"["10.9.9.9:8848"]"#).await.json();
    assert_eq!(leave["code"], 405);
    assert_eq!(server.ask("DELETE", "/nacos/v2/core/cluster/nodes?addresses=a").await.json()["code"], 405);
    assert_eq!(server.ask("DELETE", "/nacos/v2/core/cluster/nodes").await.status, 400);
}

#[tokio::test]
async fn a_snapshot_can_be_asked_for() {
    let server = Server::start().await;
    server.form("POST", "/nacos/v1/ns/service", "serviceName=kept").await;
    assert_eq!(server.node.app.journal().metrics().snapshot, None);
    let ask = r#"{"command":"doSnapshot","value":"127.0.0.1:7848"}"#;
    assert_eq!(told(&server, "POST", "/nacos/v2/core/ops/raft", ask).await.json()["code"], 200);
    server.until(|app| app.journal().metrics().snapshot.is_some()).await;
}

#[tokio::test]
async fn commands_for_raft_are_told_apart() {
    let server = Server::start().await;
    let raft = async |path: &str, body: &str| {
        let answer = told(&server, "POST", &format!("/nacos/{path}/ops/raft"), body).await;
        (answer.status, answer.json())
    };
    for v1_or_v2 in ["v1/core", "v2/core"] {
        let dance = json!({"code": 500, "message": "Not support command : dance", "data": null});
        assert_eq!(raft(v1_or_v2, r#"{"command":"dance"}"#).await, (200, dance));
        let group = json!({"code": 500, "message": "not this raft group : zzz", "data": null});
        assert_eq!(raft(v1_or_v2, r#"{"groupId":"zzz","command":"doSnapshot"}"#).await, (200, group));
    }
    let swallowed = json!({"code": 0, "message": "success", "data": null});
    assert_eq!(raft("v3/admin/core", r#"{"command":"dance"}"#).await, (200, swallowed));
    assert_eq!(raft("v3/admin/core", r#"{"command":"removePeer","value":"x"}"#).await.0, 501);
    assert_eq!(raft("v3/admin/core", "").await.0, 400);
    assert_eq!(raft("v2/core", "").await.0, 500);
}

#[tokio::test]
async fn ids_show_where_they_stand() {
    let server = Server::start().await;
    let stands = async || {
        let v1 = server.ask("GET", "/nacos/v1/core/ops/idInfo").await.json()["data"]["naming-instance-id"].clone();
        for list in ["/nacos/v2/core/ops/ids", "/nacos/v3/admin/core/ops/ids"] {
            let list = server.ask("GET", list).await.json()["data"].clone();
            assert_eq!(list, json!([{"resource": "naming-instance-id", "info": v1}]));
        }
        v1["currentId"].as_u64()
    };
    assert_eq!(stands().await, Some(0));
    let snowflake = "serviceName=s&ip=1.1.1.1&port=1&metadata=preserved.instance.id.generator=snowflake";
    server.form("POST", "/nacos/v1/ns/instance", snowflake).await;
    let shown = server.ask("GET", "/nacos/v1/ns/instance?serviceName=s&ip=1.1.1.1&port=1").await.json();
    let id = stands().await.expect("a number");
    assert!(shown["instanceId"].as_str().is_some_and(|text| text.starts_with(&format!("{id}#"))), "{id} {shown}");
}
