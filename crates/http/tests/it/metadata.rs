//! Metadata of many instances at once.

use serde_json::{Value, json};

use crate::Server;
use crate::server::form;

const V1: &str = "/nacos/v1/ns/instance/metadata/batch";

async fn with_two() -> Server {
    let server = Server::start().await;
    for instance in ["ip=10.0.0.1&port=1&metadata=own=1", "ip=10.0.0.2&port=2&clusterName=c2"] {
        let instance = format!("serviceName=m&{instance}");
        assert_eq!(server.form("POST", "/nacos/v1/ns/instance", &instance).await.text(), "ok");
    }
    server
}

/// The metadata of both instances, as the next list shows them.
async fn metadata(server: &Server) -> (Value, Value) {
    let list = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=m").await.json();
    (list["hosts"][0]["metadata"].clone(), list["hosts"][1]["metadata"].clone())
}

const FIRST: &str = "10.0.0.1:1:unknown:DEFAULT:ephemeral";
const SECOND: &str = "10.0.0.2:2:unknown:c2:ephemeral";

#[tokio::test]
async fn keys_are_put_to_all_or_some_and_taken_away_again() {
    let server = with_two().await;
    let put = server.form("PUT", V1, "serviceName=m&metadata=k=v").await;
    assert_eq!(put.json(), json!({"updated": [FIRST, SECOND]}));
    assert_eq!(metadata(&server).await, (json!({"own": "1", "k": "v"}), json!({"k": "v"})));
    let second = form(&[
        ("serviceName", "m"),
        ("metadata", r#"{"k":"v2","z":"1"}"#),
        ("instances", r#"[{"ip":"10.0.0.2","port":2,"clusterName":"c2"},{"ip":"10.0.0.77","port":1}]"#),
    ]);
    let put = server.form("PUT", "/nacos/v3/admin/ns/instance/metadata/batch", &second).await;
    assert_eq!(put.json()["data"], json!({"updated": [SECOND]}));
    assert_eq!(metadata(&server).await, (json!({"own": "1", "k": "v"}), json!({"k": "v2", "z": "1"})));
    let both = server.form("DELETE", "/nacos/v2/ns/instance/metadata/batch", "serviceName=m&metadata=k=x,own=x").await;
    assert_eq!(both.json()["data"], json!({"updated": [FIRST, SECOND]}));
    assert_eq!(metadata(&server).await, (json!({"own": "1"}), json!({"z": "1"})), "what was registered stays");
}

#[tokio::test]
async fn what_was_put_survives_a_restart_and_a_new_registration() {
    let server = with_two().await;
    server.form("PUT", V1, "serviceName=m&metadata=k=v").await;
    let server = server.restarted().await;
    server.form("POST", "/nacos/v1/ns/instance", "serviceName=m&ip=10.0.0.1&port=1").await;
    assert_eq!(metadata(&server).await.0, json!({"k": "v"}));
    server.stop().await;
}

#[tokio::test]
async fn persistent_instances_are_named_as_such() {
    let server = Server::start().await;
    server.form("POST", "/nacos/v1/ns/instance", "serviceName=p&ip=10.0.0.1&port=1&ephemeral=false").await;
    let put = server.form("PUT", V1, "serviceName=p&metadata=k=v&consistencyType=ephemeral").await;
    assert_eq!(put.json(), json!({"updated": ["10.0.0.1:1:unknown:DEFAULT:persist"]}));
}

#[tokio::test]
async fn what_cannot_be_read_changes_nothing() {
    let server = with_two().await;
    for (bad, text) in [
        ("metadata=a=b", "Param 'serviceName' is required."),
        ("serviceName=m", "Param 'metadata' is required."),
        ("serviceName=m&metadata=zzz", "metadata format incorrect:zzz"),
        ("serviceName=m&metadata=q=1&instances=oops", "instances is not a JSON list of instances"),
    ] {
        let answer = server.form("PUT", V1, bad).await;
        assert_eq!((answer.status, answer.text()), (400, text), "{bad}");
    }
    let missing = server.form("PUT", "/nacos/v3/admin/ns/instance/metadata/batch", "serviceName=m").await.json();
    assert_eq!(missing["data"], "Required parameter 'metadata' type String is not present");
    assert_eq!(server.form("PUT", V1, "serviceName=none&metadata=a=b").await.json(), json!({"updated": []}));
    assert_eq!(server.form("POST", V1, "serviceName=m&metadata=a=b").await.status, 501);
    assert_eq!(metadata(&server).await, (json!({"own": "1"}), json!({})));
}

/// What is laid over an instance grew with every request, each of which was short enough.
#[tokio::test]
async fn many_requests_cannot_lay_more_over_an_instance_than_one() {
    let server = with_two().await;
    let long = "x".repeat(600);
    let put = async |key: &str| server.form("PUT", V1, &format!("serviceName=m&metadata={key}={long}")).await;
    assert_eq!(put("a").await.status, 200);
    let over = put("b").await;
    assert_eq!(over.status, 400, "{}", over.text());
    assert_eq!(metadata(&server).await.1, json!({"a": long}), "nothing changed");
    assert_eq!(put("a").await.status, 200, "the same key again is no more than before");
}

/// A change reads what was laid before and writes the sum: two at one time lost one of them.
#[tokio::test]
async fn changes_at_one_time_are_all_kept() {
    let server = with_two().await;
    let puts: Vec<_> =
        (0..20).map(|n| server.later("PUT", V1, "", &format!("serviceName=m&metadata=k{n}=v"))).collect();
    let weight =
        server.later("PUT", "/nacos/v3/admin/ns/instance/partial", "", "serviceName=m&ip=10.0.0.1&port=1&weight=7");
    for put in puts {
        assert_eq!(put.await.expect("it ends").status, 200);
    }
    assert_eq!(weight.await.expect("it ends").status, 200);
    let list = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=m").await.json();
    let first = &list["hosts"][0];
    assert_eq!((&first["weight"], first["metadata"].as_object().map(serde_json::Map::len)), (&json!(7.0), Some(21)));
}
