//! Instances and services over all three generations: one registry behind them.

use serde_json::json;

use crate::Server;

/// `ip:port` of the instances in a list, ordered.
fn addresses(hosts: &serde_json::Value) -> Vec<String> {
    let hosts = hosts.as_array().map_or(&[][..], Vec::as_slice);
    let address = |host: &serde_json::Value| format!("{}:{}", host["ip"].as_str().unwrap_or_default(), host["port"]);
    let mut found: Vec<String> = hosts.iter().map(address).collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn an_instance_is_in_the_next_list_of_every_generation() {
    let server = Server::start().await;
    let registered = server.form("POST", "/nacos/v1/ns/instance", "serviceName=a&ip=10.0.0.1&port=80").await;
    assert_eq!((registered.status, registered.body.as_str()), (200, "ok"));
    assert_eq!(registered.header("content-type"), Some("text/plain;charset=UTF-8"));
    let v1 = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=a").await.json();
    assert_eq!((&v1["name"], addresses(&v1["hosts"])), (&json!("DEFAULT_GROUP@@a"), vec!["10.0.0.1:80".to_owned()]));
    let v2 = server.ask("GET", "/nacos/v2/ns/instance/list?serviceName=a").await.json();
    assert_eq!(addresses(&v2["data"]["hosts"]), ["10.0.0.1:80"]);
    let v3 = server.ask("GET", "/nacos/v3/client/ns/instance/list?serviceName=a").await.json();
    assert_eq!(addresses(&v3["data"]), ["10.0.0.1:80"]);
    let removed = server.ask("DELETE", "/nacos/v2/ns/instance?serviceName=a&ip=10.0.0.1&port=80").await;
    assert_eq!(removed.json()["data"], "ok");
    let empty = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=a").await.json();
    assert_eq!(empty["hosts"], json!([]));
}

#[tokio::test]
async fn parameters_may_stand_in_the_query_or_the_form_of_any_method() {
    let server = Server::start().await;
    for (method, query, form) in [
        ("POST", "serviceName=q&ip=10.0.0.1&port=80", ""),
        ("POST", "serviceName=q", "ip=10.0.0.2&port=80"),
        ("POST", "serviceName=q&port=80", "ip=10.0.0.3&port=99"),
    ] {
        let answer = server.form(method, &format!("/nacos/v1/ns/instance?{query}"), form).await;
        assert_eq!(answer.body, "ok", "{query} {form}");
    }
    let removed = server.form("DELETE", "/nacos/v1/ns/instance", "serviceName=q&ip=10.0.0.1&port=80").await;
    assert_eq!(removed.body, "ok");
    let list = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=q").await.json();
    assert_eq!(addresses(&list["hosts"]), ["10.0.0.2:80", "10.0.0.3:80"]);
}

#[tokio::test]
async fn lists_are_filtered_by_cluster_and_health() {
    let server = Server::start().await;
    for instance in ["ip=1.1.1.1&port=1&clusterName=a", "ip=1.1.1.2&port=1&clusterName=b&healthy=false"] {
        server.form("POST", "/nacos/v1/ns/instance", &format!("serviceName=f&{instance}")).await;
    }
    for (filter, found) in [
        ("", &["1.1.1.1:1", "1.1.1.2:1"][..]),
        ("&clusters=a", &["1.1.1.1:1"]),
        ("&clusters=a%2Cb", &["1.1.1.1:1", "1.1.1.2:1"]),
        ("&healthyOnly=true", &["1.1.1.1:1"]),
        ("&clusters=b&healthyOnly=true", &[]),
    ] {
        let list = server.ask("GET", &format!("/nacos/v1/ns/instance/list?serviceName=f{filter}")).await.json();
        assert_eq!(addresses(&list["hosts"]), found, "{filter}");
    }
}

#[tokio::test]
async fn a_beat_renews_registers_or_asks_to_register() {
    let server = Server::start().await;
    let beat = |rest: &str| format!("/nacos/v1/ns/instance/beat?serviceName=b&{rest}");
    let unknown = server.ask("PUT", &beat("ip=1.1.1.1&port=8")).await.json();
    assert_eq!(unknown, json!({"clientBeatInterval": 5000, "code": 20404, "lightBeatEnabled": true}));
    let json = "%7B%22ip%22%3A%221.1.1.1%22%2C%22port%22%3A8%2C%22metadata%22%3A%7B%22preserved.heart.beat.interval%22%3A%22\
                2000%22%7D%7D";
    let full = server.ask("PUT", &beat(&format!("beat={json}"))).await.json();
    assert_eq!(full, json!({"clientBeatInterval": 2000, "code": 10200, "lightBeatEnabled": true}));
    let light = server.ask("PUT", &beat("ip=1.1.1.1&port=8")).await.json();
    assert_eq!(light["code"], 10200);
    let renewed = server.form("POST", "/nacos/v3/client/ns/instance", "serviceName=b&ip=1.1.1.1&port=8&heartBeat=true");
    assert_eq!(renewed.await.json()["data"], "ok");
    let lost = server.form("POST", "/nacos/v3/client/ns/instance", "serviceName=b&ip=9.9.9.9&port=8&heartBeat=true");
    assert_eq!(lost.await.json(), json!({"code": 21003, "message": "instance not found", "data": null}));
}

#[tokio::test]
async fn an_operator_says_how_often_an_instance_beats() {
    let server = Server::start().await;
    let of = "serviceName=b&ip=1.1.1.1&port=8";
    server.form("POST", "/nacos/v1/ns/instance", &format!("{of}&metadata=preserved.heart.beat.interval%3D2000")).await;
    let laid = format!("{of}&metadata=preserved.heart.beat.interval%3D3000");
    assert_eq!(server.form("PUT", "/nacos/v1/ns/instance", &laid).await.body, "ok");
    for clusters in ["", "&clusterName=other"] {
        let beaten = server.ask("PUT", &format!("/nacos/v1/ns/instance/beat?{of}{clusters}")).await.json();
        assert_eq!((&beaten["clientBeatInterval"], &beaten["code"]), (&json!(3000), &json!(10200)), "{clusters}");
    }
}

#[tokio::test]
async fn a_persistent_instance_survives_a_restart_and_has_its_own_kind() {
    let server = Server::start().await;
    let kept = "serviceName=p&ip=1.1.1.1&port=1&ephemeral=false";
    assert_eq!(server.form("POST", "/nacos/v1/ns/instance", kept).await.body, "ok");
    let other = server.form("POST", "/nacos/v1/ns/instance", "serviceName=p&ip=1.1.1.2&port=1").await;
    assert_eq!(other.status, 400);
    assert!(other.body.contains("is persistent service, can't register ephemeral instance."), "{}", other.body);
    let server = server.restarted().await;
    let list = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=p").await.json();
    assert_eq!(
        (addresses(&list["hosts"]), &list["hosts"][0]["ephemeral"]),
        (vec!["1.1.1.1:1".to_owned()], &json!(false))
    );
}

#[tokio::test]
async fn operators_lay_values_over_instances() {
    let server = Server::start().await;
    let of = "serviceName=o&ip=1.1.1.1&port=1";
    server.form("POST", "/nacos/v1/ns/instance", &format!("{of}&metadata=a%3D1")).await;
    let absent = server.form("PUT", "/nacos/v1/ns/instance", "serviceName=none&ip=1.1.1.1&port=1").await;
    assert!(absent.status == 400 && absent.body.starts_with("service not found, namespace: public, service: Service{"));
    assert_eq!(server.form("PUT", "/nacos/v1/ns/instance", &format!("{of}&weight=9&metadata=b%3D2")).await.body, "ok");
    let shown = server.ask("GET", &format!("/nacos/v1/ns/instance?{of}")).await.json();
    assert_eq!((&shown["weight"], &shown["metadata"]), (&json!(9.0), &json!({"a": "1", "b": "2"})));
    assert_eq!(server.form("PATCH", "/nacos/v1/ns/instance", &format!("{of}&enabled=false")).await.body, "ok");
    let hidden = server.ask("GET", "/nacos/v1/ns/instance/list?serviceName=o").await.json();
    assert_eq!(hidden["hosts"], json!([]));
    let admin = server.ask("GET", "/nacos/v3/admin/ns/instance/list?serviceName=o").await.json();
    assert_eq!((&admin["data"][0]["enabled"], &admin["data"][0]["weight"]), (&json!(false), &json!(9.0)));
}

#[tokio::test]
async fn services_are_created_changed_listed_and_deleted() {
    let server = Server::start().await;
    let service = "/nacos/v2/ns/service";
    assert_eq!(server.form("POST", service, "serviceName=s").await.json()["data"], "ok");
    assert_eq!(server.form("POST", service, "serviceName=s").await.json()["code"], 21007);
    assert_eq!(server.form("PUT", service, "serviceName=s&protectThreshold=0.5").await.json()["data"], "ok");
    let v1 = server.ask("GET", "/nacos/v1/ns/service?serviceName=s").await.json();
    assert_eq!(v1["protectThreshold"], 0.5);
    let list = server.ask("GET", "/nacos/v1/ns/service/list?pageNo=1&pageSize=10").await.json();
    assert_eq!(list, json!({"count": 1, "doms": ["s"]}));
    let catalog = server.ask("GET", "/nacos/v3/admin/ns/service/list?serviceNameParam=s").await.json();
    assert_eq!(catalog["data"]["totalCount"], 1);
    server.form("POST", "/nacos/v2/ns/instance", "serviceName=s&ip=1.1.1.1&port=1&ephemeral=false").await;
    assert_eq!(server.ask("DELETE", &format!("{service}?serviceName=s")).await.json()["code"], 21009);
    server.ask("DELETE", "/nacos/v2/ns/instance?serviceName=s&ip=1.1.1.1&port=1&ephemeral=false").await;
    assert_eq!(server.ask("DELETE", &format!("{service}?serviceName=s")).await.json()["data"], "ok");
    assert_eq!(server.ask("GET", &format!("{service}?serviceName=s")).await.json()["code"], 21008);
}
