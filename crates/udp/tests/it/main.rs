//! A server and a client of the first generation, which asks for lists over HTTP and listens on a UDP socket.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

mod client;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use client::{Client, Pushed, ask, hosts};
use nacrite_base::{GroupName, NamespaceId, ServiceKey, ServiceName};
use nacrite_testkit::Node;
use serde_json::{Value, json};

const JAVA: &str = "Nacos-Java-Client:v1.4.7";

async fn register(node: &Node, instance: &str) {
    let answer = ask(node, "POST", &format!("/nacos/v1/ns/instance?serviceName=pay&{instance}"), JAVA).await;
    assert_eq!(answer, "ok");
}

async fn json_of(node: &Node, target: &str) -> Value {
    serde_json::from_str(&ask(node, "GET", target, "").await).expect("JSON")
}

fn pay() -> ServiceKey {
    let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
    ServiceKey { namespace, group, name: ServiceName::from_stored("pay") }
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_polls_is_told_of_every_change() {
    let node = Node::start().await;
    register(&node, "ip=10.0.0.1&port=80").await;
    let client = Client::new().await;
    let list = client.poll(&node, "serviceName=pay&clusters=", JAVA).await;
    assert_eq!((hosts(&list), &list["cacheMillis"]), (vec!["10.0.0.1:80".to_owned()], &json!(10_000)));

    let welcome = client.pushed().await;
    assert_eq!(welcome.list["name"], "DEFAULT_GROUP@@pay");
    assert_eq!(hosts(&welcome.list), ["10.0.0.1:80"]);
    client.acknowledge(&welcome).await;

    register(&node, "ip=10.0.0.2&port=80").await;
    let change = client.pushed().await;
    assert_eq!(hosts(&change.list), ["10.0.0.1:80", "10.0.0.2:80"]);
    assert!(change.list["lastRefTime"].as_u64() > welcome.list["lastRefTime"].as_u64());
    client.acknowledge(&change).await;

    for port in ["10.0.0.1", "10.0.0.2"] {
        let gone = format!("/nacos/v1/ns/instance?serviceName=pay&ip={port}&port=80");
        assert_eq!(ask(&node, "DELETE", &gone, JAVA).await, "ok");
        client.acknowledge(&client.pushed().await).await;
    }
    let metrics = &node.app.metrics.udp;
    until(|| metrics.acknowledged.get() == 4).await;
    assert_eq!((metrics.sent.get(), metrics.retried.get()), (4, 0));
    node.stop().await;
}

#[tokio::test]
async fn each_subscriber_is_shown_to_operators() {
    let node = Node::start().await;
    let client = Client::new().await;
    let port = client.port();
    client.poll(&node, "serviceName=pay&clusters=c1&app=demo", JAVA).await;
    let v1 = json_of(&node, "/nacos/v1/ns/service/subscribers?serviceName=pay").await;
    let shown = json!({
        "addrStr": format!("127.0.0.1:{port}"), "agent": JAVA, "app": "demo", "ip": "127.0.0.1", "port": port,
        "namespaceId": "public", "serviceName": "DEFAULT_GROUP@@pay", "cluster": "c1",
    });
    assert_eq!(v1, json!({"subscribers": [shown], "count": 1}));
    let v3 = json_of(&node, "/nacos/v3/admin/ns/service/subscribers?serviceName=pay").await;
    assert_eq!((&v3["data"]["totalCount"], &v3["data"]["pageItems"][0]["port"]), (&json!(1), &json!(port)));
    for list in ["/nacos/v2/ns/client/service/subscriber/list", "/nacos/v3/admin/ns/client/service/subscriber/list"] {
        let listed = json_of(&node, &format!("{list}?serviceName=pay")).await;
        assert_eq!(listed["data"][0]["clientId"], format!("127.0.0.1:{port}#true"));
    }
    let of_client = format!("/nacos/v3/admin/ns/client/subscribe/list?clientId=127.0.0.1%3A{port}%23true");
    assert_eq!(json_of(&node, &of_client).await["data"][0]["serviceName"], "pay");
    let client_shown = format!("/nacos/v3/admin/ns/client?clientId=127.0.0.1%3A{port}%23true");
    assert!(json_of(&node, &client_shown).await["data"]["lastUpdatedTime"].as_u64() > Some(0), "when it polled");
    let metrics = ask(&node, "GET", "/nacos/actuator/prometheus", "").await;
    assert!(metrics.contains("nacrite_udp_subscriptions 1"), "{metrics}");
    node.stop().await;
}

#[tokio::test]
async fn v2_says_where_it_listens_in_words_of_its_own() {
    let node = Node::start().await;
    let client = Client::new().await;
    let list = format!("/nacos/v2/ns/instance/list?serviceName=pay&ip=127.0.0.1&port={}", client.port());
    ask(&node, "GET", &list, JAVA).await;
    assert_eq!(hosts(&client.pushed().await.list), Vec::<String>::new());
    node.stop().await;
}

#[tokio::test]
async fn who_cannot_be_told_only_polls() {
    let node = Node::start().await;
    let client = Client::new().await;
    for (ask, agent) in [
        (format!("udpPort={}&clientIP=127.0.0.1", client.port()), "curl/8"),
        (format!("udpPort={}&clientIP=127.0.0.1", client.port()), "Nacos-Python-Client:v0.1"),
        (format!("udpPort={}&clientIP=somewhere.example", client.port()), JAVA),
        (format!("udpPort={}&clientIP=255.255.255.255", client.port()), JAVA),
        ("udpPort=0&clientIP=127.0.0.1".to_owned(), JAVA),
    ] {
        let list = client::ask(&node, "GET", &format!("/nacos/v1/ns/instance/list?serviceName=pay&{ask}"), agent).await;
        let list: Value = serde_json::from_str(&list).expect("JSON");
        assert_eq!(list["cacheMillis"], 10_000, "{ask} {agent}");
    }
    assert_eq!(node.app.naming.shards().polled(), 0);
    let bad =
        ask(&node, "GET", "/nacos/v1/ns/instance/list?serviceName=pay&udpPort=70000&clientIP=127.0.0.1", JAVA).await;
    assert!(bad.contains("port"), "{bad}");
    node.stop().await;
}

#[tokio::test]
async fn a_long_list_is_compressed_and_a_subscriber_sees_its_clusters_alone() {
    let node = Node::start().await;
    let (one, all) = (Client::new().await, Client::new().await);
    for n in 0..20 {
        let cluster = if n % 2 == 0 { "even" } else { "odd" };
        register(&node, &format!("ip=10.0.0.{n}&port=80&clusterName={cluster}")).await;
    }
    one.poll(&node, "serviceName=pay&clusters=odd", JAVA).await;
    all.poll(&node, "serviceName=pay&clusters=", "Nacos-Go-Client:v1.1.4").await;
    let (odd, every) = (one.pushed().await, all.pushed().await);
    assert!(odd.was_packed && every.was_packed);
    assert_eq!((hosts(&odd.list).len(), &odd.list["clusters"]), (10, &json!("odd")));
    assert_eq!(hosts(&every.list).len(), 20);
    node.stop().await;
}

/// The same packet to all who see the same; an acknowledgement counts for its sender alone.
#[tokio::test]
async fn subscribers_share_a_packet_and_acknowledge_each_for_itself() {
    let node = Node::start().await;
    let clients = [Client::new().await, Client::new().await];
    for client in &clients {
        client.poll(&node, "serviceName=pay", JAVA).await;
    }
    let mut marks = Vec::new();
    for client in &clients {
        marks.push(client.pushed().await.mark);
    }
    assert_eq!(marks[0], marks[1]);
    let counted = &node.app.metrics.udp.acknowledged;
    for _ in 0..2 {
        // As C# and nginx write it. The second time it is nothing new.
        clients[0].say(format!(r#"{{"type": "push-ack", "lastRefTime":{}, "data":""}}"#, marks[0]).as_bytes()).await;
    }
    for nonsense in [&b""[..], b"{", b"[1]", br#"{"lastRefTime":"x"}"#, br#"{"lastRefTime":"1"}"#, &[0xff; 4096]] {
        clients[1].say(nonsense).await;
    }
    clients[1].say(format!(r#"{{"type":"push-ack","lastRefTime":"{}","data":""}}"#, marks[1]).as_bytes()).await;
    until(|| counted.get() == 2).await;
    node.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_told_twice_and_forgotten_when_it_polls_no_more() {
    let node = Node::start().await;
    let client = Client::new().await;
    client.poll(&node, "serviceName=pay", JAVA).await;
    let first = client.pushed().await;
    tokio::time::pause();
    let asked_at = node.app.clock.now();
    let again = client.pushed().await;
    let waited = node.app.clock.now().since(asked_at);
    assert_eq!((again.mark, &again.list), (first.mark, &first.list));
    assert!(waited > Duration::from_secs(9), "{waited:?}");
    let metrics = &node.app.metrics.udp;
    while metrics.given_up.get() == 0 || !node.app.naming.subscribers(&pay()).is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let waited = node.app.clock.now().since(asked_at);
    assert!((29..40).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!((metrics.sent.get(), metrics.retried.get(), metrics.given_up.get()), (2, 1, 1));
    assert_eq!((node.app.naming.shards().polled(), node.app.datagrams.pending()), (0, 0));
    node.stop().await;
}

#[tokio::test]
async fn a_server_without_a_socket_answers_lists_all_the_same() {
    let node = Node::start().await;
    node.app.datagrams.close();
    let client = Client::new().await;
    let list = client.poll(&node, "serviceName=pay", JAVA).await;
    assert_eq!((&list["cacheMillis"], node.app.naming.shards().polled()), (&json!(10_000), 0));
    node.stop().await;
}

/// Packets that wait say that something changed, not what: ten changes at once are few packets, and the last is right.
#[tokio::test]
async fn what_is_told_is_the_present() {
    static PORT: AtomicU64 = AtomicU64::new(1);
    let node = Node::start().await;
    let client = Client::new().await;
    client.poll(&node, "serviceName=pay", JAVA).await;
    for _ in 0..10 {
        register(&node, &format!("ip=10.0.0.1&port={}", PORT.fetch_add(1, Ordering::Relaxed))).await;
    }
    let mut before = 0;
    loop {
        let Pushed { list, .. } = client.pushed().await;
        let seen = hosts(&list).len();
        assert!(seen >= before, "never an older list");
        before = seen;
        if seen == 10 {
            break;
        }
    }
    node.stop().await;
}
