//! What consoles and tools look up: the catalog, names across groups, states by one key, targets for Prometheus.

use serde_json::json;

use crate::Server;
use crate::server::form;

/// A service with one healthy and one unhealthy instance, one without instances, and one in another group.
async fn stocked() -> Server {
    let server = Server::start().await;
    for instance in [
        "serviceName=two&ip=10.0.0.1&port=1&metadata=a-b=c",
        "serviceName=two&ip=10.0.0.2&port=2&clusterName=c2&healthy=false&enabled=false",
    ] {
        assert_eq!(server.form("POST", "/nacos/v1/ns/instance", instance).await.text(), "ok");
    }
    for service in ["serviceName=one", "serviceName=three&groupName=G2&protectThreshold=0.3&metadata=k=v"] {
        assert_eq!(server.form("POST", "/nacos/v1/ns/service", service).await.text(), "ok");
    }
    server
}

#[tokio::test]
async fn services_are_listed_with_counts_page_by_page() {
    let server = stocked().await;
    let ask = async |query: &str| {
        let list = server.ask("GET", &format!("/nacos/v1/ns/catalog/services?{query}")).await.json();
        let names = list["serviceList"].as_array().map(|all| all.iter().map(|line| line["name"].clone()).collect());
        (list["count"].as_u64(), names.unwrap_or_else(Vec::new))
    };
    assert_eq!(ask("pageNo=1&pageSize=10").await, (Some(3), vec![json!("one"), json!("two"), json!("three")]));
    assert_eq!(ask("pageNo=2&pageSize=2").await, (Some(3), vec![json!("three")]));
    assert_eq!(ask("pageNo=9&pageSize=2").await, (Some(3), vec![]));
    assert_eq!(ask("pageNo=0&pageSize=2").await, (Some(3), vec![]));
    assert_eq!(ask("pageNo=1&pageSize=10&hasIpCount=true").await, (Some(1), vec![json!("two")]));
    assert_eq!(ask("pageNo=1&pageSize=10&groupNameParam=G2").await, (Some(1), vec![json!("three")]));
    assert_eq!(ask("pageNo=1&pageSize=10&serviceNameParam=o&groupNameParam=G2").await, (Some(0), vec![]));
    assert_eq!(ask("pageNo=1&pageSize=10&namespaceId=other").await, (Some(0), vec![]));
    for bad in ["pageNo=1", "pageSize=1", "pageNo=x&pageSize=1", "pageNo=1&pageSize=1&withInstances=maybe"] {
        assert_eq!(server.ask("GET", &format!("/nacos/v1/ns/catalog/services?{bad}")).await.status, 500, "{bad}");
    }
}

#[tokio::test]
async fn services_are_listed_with_their_instances_by_cluster() {
    let server = stocked().await;
    let target = "/nacos/v1/ns/catalog/services?pageNo=1&pageSize=10&withInstances=true&serviceNameParam=two";
    let list = server.ask("GET", target).await.json();
    assert_eq!(list[0]["serviceName"], "two");
    let host = json!({"valid": false, "metadata": {}, "port": 2, "ip": "10.0.0.2", "weight": 1.0, "enabled": false});
    assert_eq!(list[0]["clusterMap"]["c2"]["hosts"], json!([host]));
}

#[tokio::test]
async fn a_service_is_shown_with_its_settings_and_clusters() {
    let server = stocked().await;
    let shown = server.ask("GET", "/nacos/v1/ns/catalog/service?serviceName=three&groupName=G2").await.json();
    let selector = json!({"type": "none", "contextType": "NONE"});
    let service = json!({
        "name": "three", "groupName": "G2", "protectThreshold": 0.3, "selector": selector, "metadata": {"k": "v"}
    });
    assert_eq!(shown, json!({"service": service, "clusters": []}));
    let shown = server.ask("GET", "/nacos/v1/ns/catalog/service?serviceName=two").await.json();
    let names: Vec<_> = shown["clusters"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["DEFAULT", "c2"]);
    for (query, text) in [
        ("serviceName=none", "service DEFAULT_GROUP@@none is not found!"),
        ("serviceName=two&groupName=G2", "service G2@@two is not found!"),
        ("", "service @@ is not found!"),
    ] {
        let answer = server.ask("GET", &format!("/nacos/v1/ns/catalog/service?{query}")).await;
        assert_eq!((answer.status, answer.text()), (404, text));
    }
}

#[tokio::test]
async fn instances_of_a_cluster_are_listed_page_by_page() {
    let server = stocked().await;
    let ask = async |query: &str| server.ask("GET", &format!("/nacos/v1/ns/catalog/instances?{query}")).await;
    let page = ask("serviceName=two&clusterName=c2&pageNo=1&pageSize=10").await.json();
    assert_eq!((&page["count"], &page["list"][0]["ip"]), (&json!(1), &json!("10.0.0.2")));
    for empty in ["pageNo=2&pageSize=10", "pageNo=0&pageSize=10", "pageNo=1&pageSize=0", "pageNo=-1&pageSize=-1"] {
        let page = ask(&format!("serviceName=two&clusterName=c2&{empty}")).await.json();
        assert_eq!(page, json!({"list": [], "count": 1}), "{empty}");
    }
    for (query, status, text) in [
        ("serviceName=none&clusterName=c&pageNo=1&pageSize=1", 404, "service DEFAULT_GROUP@@none is not found!"),
        ("serviceName=two&clusterName=zz&pageNo=1&pageSize=1", 404, "cluster zz is not found!"),
        ("serviceName=two&pageNo=1&pageSize=1", 400, "Parameter 'clusterName' is missing"),
        ("clusterName=c&pageNo=1&pageSize=1", 400, "Parameter 'serviceName' is missing"),
    ] {
        let answer = ask(query).await;
        assert_eq!((answer.status, answer.text()), (status, text), "{query}");
    }
}

/// Nacos cuts the page before it filters, and fails with 500 when the filter leaves less than the page.
#[tokio::test]
async fn a_page_of_v2_is_cut_out_of_what_the_filters_leave() {
    let server = stocked().await;
    let ask = async |query: &str| {
        let target = format!("/nacos/v2/ns/catalog/instances?serviceName=two&pageNo=1&pageSize=10{query}");
        let data = server.ask("GET", &target).await.json()["data"].clone();
        let ips = data["instances"].as_array().map(|all| all.iter().map(|one| one["ip"].clone()).collect::<Vec<_>>());
        (data["count"].as_u64(), ips)
    };
    assert_eq!(ask("").await, (Some(2), Some(vec![json!("10.0.0.1"), json!("10.0.0.2")])));
    assert_eq!(ask("&healthyOnly=true").await, (Some(1), Some(vec![json!("10.0.0.1")])));
    assert_eq!(ask("&healthyOnly=false").await, (Some(1), Some(vec![json!("10.0.0.2")])));
    assert_eq!(ask("&enabledOnly=true&healthyOnly=false").await, (Some(0), None));
}

#[tokio::test]
async fn names_are_looked_up_across_groups_and_namespaces() {
    let server = stocked().await;
    server.form("POST", "/nacos/v1/ns/service", "serviceName=far&namespaceId=n").await;
    let names = async |query: &str| server.ask("GET", &format!("/nacos/v1/ns/service/names?{query}")).await.json();
    let of_public = json!(["DEFAULT_GROUP@@one", "DEFAULT_GROUP@@two", "G2@@three"]);
    assert_eq!(names("namespaceId=public").await, json!({"META-INF/services": {"public": of_public}, "count": 3}));
    let found = json!({"META-INF/services": {"public": ["G2@@three"]}, "count": 1});
    assert_eq!(names("namespaceId=public&expr=G2").await, found);
    assert_eq!(names("namespaceId=x").await, json!({"META-INF/services": {"x": []}, "count": 0}));
    let everywhere = json!({"META-INF/services": {"n": ["DEFAULT_GROUP@@far"], "public": []}, "count": 1});
    assert_eq!(names("expr=far").await, everywhere);
}

#[tokio::test]
async fn states_are_told_by_one_key() {
    let server = stocked().await;
    let both = json!({"ips": ["10.0.0.1:1_true", "10.0.0.2:2_false"]});
    for target in [
        "/nacos/v1/ns/instance/statuses?key=DEFAULT_GROUP@@two",
        "/nacos/v1/ns/instance/statuses?key=public%23%23DEFAULT_GROUP@@two",
        "/nacos/v2/ns/instance/statuses/DEFAULT_GROUP@@two",
        "/nacos/v2/ns/instance/statuses/public%23%23DEFAULT_GROUP%40%40two",
    ] {
        assert_eq!(server.ask("GET", target).await.json(), both, "{target}");
    }
    let elsewhere = server.ask("GET", "/nacos/v2/ns/instance/statuses/x%23%23DEFAULT_GROUP@@two").await;
    assert_eq!(elsewhere.text(), r#"{"ips":[]}"#);
    let ungrouped = "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'";
    let answer = server.ask("GET", "/nacos/v1/ns/instance/statuses?key=two").await;
    assert_eq!((answer.status, answer.text()), (400, ungrouped));
    assert_eq!(server.ask("GET", "/nacos/v2/ns/instance/statuses/two").await.json()["data"], ungrouped);
    assert_eq!(server.ask("GET", "/nacos/v2/ns/instance/statuses/%zz").await.status, 400);
}

#[tokio::test]
async fn prometheus_finds_every_instance() {
    let server = stocked().await;
    let ask = async |path: &str| server.ask("GET", &format!("/nacos/prometheus{path}")).await;
    let both = json!([
        {"targets": ["10.0.0.1:1"], "labels": {"__meta_clusterName": "DEFAULT", "a_b": "c"}},
        {"targets": ["10.0.0.2:2"], "labels": {"__meta_clusterName": "c2"}},
    ]);
    for path in ["", "/namespaceId/public", "/namespaceId/public/service/two", "/namespaceId/publi%63/service/t%77o"] {
        let answer = ask(path).await;
        assert_eq!(
            (answer.header("content-type"), answer.json()),
            (Some("application/json;charset=UTF-8"), both.clone())
        );
    }
    for empty in ["/namespaceId/none", "/namespaceId/public/service/one", "/namespaceId/public/service/none"] {
        assert_eq!(ask(empty).await.text(), "[]", "{empty}");
    }
    for unknown in ["/namespaceId/public/service", "/namespaceId/public/service/a/b", "/namespaceId/public/x/two"] {
        assert_eq!(ask(unknown).await.status, 404, "{unknown}");
    }
    assert_eq!(ask("/namespaceId/%ff").await.status, 400);
}

#[tokio::test]
async fn metadata_that_are_no_labels_do_not_break_the_list_of_prometheus() {
    let server = Server::start().await;
    let odd = form(&[("serviceName", "o"), ("ip", "h"), ("port", "1"), ("metadata", r#"{"a b":"1","9":"2","":"3"}"#)]);
    assert_eq!(server.form("POST", "/nacos/v1/ns/instance", &odd).await.text(), "ok");
    let labels = &server.ask("GET", "/nacos/prometheus").await.json()[0]["labels"];
    assert_eq!(*labels, json!({"__meta_clusterName": "DEFAULT", "a_b": "1", "_9": "2"}));
}

#[tokio::test]
async fn what_is_too_long_or_no_text_is_refused() {
    let server = stocked().await;
    let long = "x".repeat(600);
    for (target, status) in [
        (format!("/nacos/v1/ns/catalog/services?pageNo=1&pageSize=1&namespaceId={long}"), 400),
        (format!("/nacos/v1/ns/catalog/service?serviceName={long}"), 400),
        (format!("/nacos/v1/ns/catalog/instances?serviceName=two&clusterName={long}&pageNo=1&pageSize=1"), 400),
        (format!("/nacos/v2/ns/catalog/instances?serviceName={long}&pageNo=1&pageSize=1"), 400),
        (format!("/nacos/v1/ns/instance/statuses?key=g@@{long}"), 400),
        (format!("/nacos/v2/ns/instance/statuses/g@@{long}"), 400),
        (format!("/nacos/v1/ns/service/names?namespaceId={long}"), 400),
        ("/nacos/v1/ns/catalog/services?pageNo=1&pageSize=1&serviceNameParam=%ff".to_owned(), 400),
        ("/nacos/v1/ns/service/names?expr=%e4%b8".to_owned(), 400),
        // A pattern is not a name: one that nothing matches finds nothing.
        (format!("/nacos/v1/ns/catalog/services?pageNo=1&pageSize=1&serviceNameParam={long}"), 200),
        (format!("/nacos/v1/ns/service/names?namespaceId=public&expr={long}"), 200),
        (format!("/nacos/prometheus/namespaceId/{long}"), 200),
    ] {
        assert_eq!(server.ask("GET", &target).await.status, status, "{target}");
    }
}

#[tokio::test]
async fn a_method_that_a_look_up_does_not_have_is_refused() {
    let server = Server::start().await;
    for (target, status) in [
        ("/nacos/v1/ns/catalog/instances", 501),
        ("/nacos/v1/ns/instance/statuses", 501),
        ("/nacos/v1/ns/service/names", 501),
        ("/nacos/v2/ns/instance/statuses/g@@a", 500),
        ("/nacos/prometheus", 500),
        ("/nacos/v1/core/cluster/self", 500),
        ("/nacos/v2/core/cluster/node/self", 500),
        ("/nacos/v3/admin/core/cluster/node/self", 405),
        ("/nacos/v3/admin/core/ops/ids", 405),
    ] {
        assert_eq!(server.form("POST", target, "a=b").await.status, status, "{target}");
    }
}
