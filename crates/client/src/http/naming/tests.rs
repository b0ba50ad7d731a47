//! Naming over HTTP against a whole server, and against one that answers as the test wants it to.

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;

use nacrite_base::instance::Pairs;
use nacrite_base::{GroupName, NamespaceId, ServiceName};
use nacrite_testkit::Node;
use nacrite_wire::client::naming::Host;
use tokio::net::UdpSocket;

use super::subscriptions::Listed;
use super::*;
use crate::http::Http;
use crate::http::recorded::recorded;
use crate::http::scripted::{Answer, Nobody, Script, Seen};
use crate::servers::Fixed;
use crate::tls::TlsSetup;

const S: Duration = Duration::from_secs(1);

fn service(name: &str) -> ServiceKey {
    ServiceKey {
        namespace: NamespaceId::public(),
        group: GroupName::parse("G").expect("a group"),
        name: ServiceName::parse(name).expect("a name"),
    }
}

fn instance(metadata: &Pairs, is_ephemeral: bool) -> InstanceBody<'_> {
    InstanceBody {
        ip: "10.0.0.1",
        port: 80,
        weight: 2.5,
        healthy: true,
        enabled: true,
        ephemeral: is_ephemeral,
        cluster_name: "c1",
        service_name: None,
        metadata,
    }
}

fn metadata(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(key, value)| ((*key).into(), Some((*value).into()))).collect()
}

fn at_node(node: &Node, tasks: &Tasks) -> HttpNaming {
    let server = node.http.to_string().parse().expect("an address");
    let http = Http::new(TlsSetup::new(None).expect("nothing to load"), tasks.clone());
    let proxy = Proxy::new(http, Arc::new(Fixed::new([server])), Arc::new(Nobody), "nacos");
    HttpNaming::new(proxy, HttpNamingSettings::default(), tasks.clone())
}

fn at_script(script: &Script) -> HttpNaming {
    HttpNaming::new(script.proxy(Arc::new(Nobody)), HttpNamingSettings::default(), script.tasks.clone())
}

fn hosts(list: &ServiceInfo) -> Vec<Host> {
    list.hosts.clone().unwrap_or_default()
}

/// Waits until what is watched `fits`.
async fn until(subscription: &mut Subscription, fits: impl Fn(&ServiceInfo) -> bool) -> Arc<ServiceInfo> {
    let fits = |listed: &Listed| listed.list.as_ref().is_some_and(|list| fits(list));
    let waited = tokio::time::timeout(20 * S, subscription.listed.wait_for(fits)).await;
    waited.expect("in time").expect("it is watched").list.clone().expect("it fits")
}

#[tokio::test]
async fn instances_come_change_and_go_on_a_server() {
    let (node, tasks) = (Node::start().await, Tasks::new().expect("inside a runtime"));
    let naming = at_node(&node, &tasks);
    for is_ephemeral in [true, false] {
        let service = service(if is_ephemeral { "passing" } else { "lasting" });
        let metadata = metadata(&[("zone", "a & b")]);
        let mut described = instance(&metadata, is_ephemeral);
        naming.register(&service, &described).await.expect("registered");
        let list = naming.list(&service, "", false).await.expect("listed");
        let host = hosts(&list).remove(0);
        assert_eq!(
            (host.ip.as_deref(), host.port, host.weight, host.ephemeral),
            (Some("10.0.0.1"), 80, 2.5, is_ephemeral)
        );
        assert_eq!((host.cluster_name.as_deref(), host.metadata.as_ref()), (Some("c1"), Some(&metadata)));
        assert!(hosts(&naming.list(&service, "other", false).await.expect("listed")).is_empty());
        described.enabled = false;
        naming.update(&service, &described).await.expect("changed");
        assert!(
            hosts(&naming.list(&service, "", false).await.expect("listed")).is_empty(),
            "disabled ones are not listed"
        );
        assert_eq!(naming.0.beats.len(), usize::from(is_ephemeral), "persistent ones get no beats");
        naming.deregister(&service, &described).await.expect("deregistered");
        assert_eq!(naming.0.beats.len(), 0);
    }
    let (count, names) = naming.services("public", "G", 1, 10).await.expect("a page");
    assert_eq!((count, names.len()), (2, 2));
    assert!(tasks.stop_all(5 * S).await, "a task did not end");
    node.stop().await;
}

#[tokio::test]
async fn an_instance_that_a_server_forgot_is_registered_again_by_its_beats() {
    let (node, tasks) = (Node::start().await, Tasks::new().expect("inside a runtime"));
    let (naming, other) = (at_node(&node, &tasks), at_node(&node, &tasks));
    let service = service("forgotten");
    let metadata = metadata(&[(params::BEAT_INTERVAL, "500")]);
    let described = instance(&metadata, true);
    naming.register(&service, &described).await.expect("registered");
    let mut watched = other.subscribe(&service);
    until(&mut watched, |list| hosts(list).len() == 1).await;
    // The second removal meets light beats, which bring nothing along to register.
    for _ in 0..2 {
        other.deregister(&service, &described).await.expect("somebody removes it");
        let gone = other.list(&service, "", false).await.expect("listed");
        assert!(hosts(&gone).is_empty());
        let back = tokio::time::timeout(20 * S, async {
            while hosts(&other.list(&service, "", false).await.expect("listed")).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        back.await.expect("its beats bring it back");
    }
    naming.deregister(&service, &described).await.expect("deregistered");
    assert!(hosts(&other.list(&service, "", false).await.expect("listed")).is_empty(), "no late beat brings it back");
    assert!(tasks.stop_all(5 * S).await, "a task did not end");
    node.stop().await;
}

/// The names that servers read: `enable` at a registration, `enabled` at a change.
#[tokio::test]
async fn a_registration_says_enable_and_a_change_says_enabled() {
    let script = Script::start(|_, _| Answer::text("ok")).await;
    let naming = at_script(&script);
    let none = Pairs::new();
    let described = instance(&none, false);
    naming.register(&service("a"), &described).await.expect("registered");
    naming.update(&service("a"), &described).await.expect("changed");
    naming.deregister(&service("a"), &described).await.expect("deregistered");
    let seen = script.seen();
    let said = |at: usize, pair: &str| seen[at].says(pair);
    assert_eq!(seen.iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(), ["POST", "PUT", "DELETE"]);
    assert!(said(0, "enable=true") && !said(0, "enabled=true"));
    assert!(said(1, "enabled=true") && !said(1, "enable=true"));
    let everywhere =
        ["serviceName=G%40%40a", "groupName=G", "namespaceId=public", "ip=10.0.0.1", "port=80", "ephemeral=false"];
    for seen in &seen {
        assert!(everywhere.iter().all(|pair| seen.says(pair)), "{seen:?}");
    }
    assert_eq!(seen[0].target, "/nacos/v1/ns/instance", "what is registered stands in the body");
    script.stop().await;
}

#[tokio::test]
async fn a_server_of_the_third_generation_is_asked_its_own_way_for_a_change() {
    let script = Script::start(|seen, _| match seen.path() {
        "/nacos/v1/ns/instance" => Answer::says(410, r#"{"code":410,"message":"use v3"}"#),
        _ => Answer::text(r#"{"code":0,"data":"ok"}"#),
    })
    .await;
    let none = Pairs::new();
    at_script(&script).update(&service("a"), &instance(&none, false)).await.expect("changed");
    let second = script.seen().remove(1);
    assert_eq!((second.method.as_str(), second.path()), ("PUT", "/nacos/v3/admin/ns/instance"));
    assert!(second.says("serviceName=a") && second.says("groupName=G"));
    script.stop().await;
}

fn is_beat(seen: &Seen) -> bool {
    seen.path() == "/nacos/v1/ns/instance/beat"
}

#[tokio::test]
async fn beats_begin_full_become_light_and_register_on_a_404_in_an_answer_that_went_well() {
    let script = Script::start(|seen, turn| match (is_beat(seen), turn) {
        (true, 1) => Answer::text(r#"{"clientBeatInterval":500,"code":10200,"lightBeatEnabled":true}"#),
        (true, 2) => Answer::text(r#"{"clientBeatInterval":500,"code":20404,"lightBeatEnabled":true}"#),
        (true, _) => Answer::text(r#"{"clientBeatInterval":500,"code":10200,"lightBeatEnabled":true}"#),
        _ => Answer::text("ok"),
    })
    .await;
    let naming = at_script(&script);
    let metadata = metadata(&[(params::BEAT_INTERVAL, "500")]);
    naming.register(&service("a"), &instance(&metadata, true)).await.expect("registered");
    script.until(|seen| seen.method == "DELETE" || is_beat(seen)).await;
    let enough = tokio::time::timeout(20 * S, async {
        while script.seen().len() < 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    enough.await.expect("beats go on");
    let seen = script.seen();
    let methods: Vec<_> = seen.iter().take(5).map(|seen| (seen.method.as_str(), is_beat(seen))).collect();
    assert_eq!(methods, [("POST", false), ("PUT", true), ("PUT", true), ("POST", false), ("PUT", true)]);
    assert!(
        seen[1].body.starts_with("beat=%7B") && seen[1].says("ip=10.0.0.1"),
        "the first one describes the instance"
    );
    assert!(seen[2].body.is_empty() && seen[4].body.is_empty(), "the next ones are light");
    naming.deregister(&service("a"), &instance(&metadata, true)).await.expect("deregistered");
    let after = script.seen();
    assert_eq!(after.last().map(|seen| seen.method.as_str()), Some("DELETE"));
    script.stop().await;
}

/// A server goes away and comes back with an empty memory.
#[tokio::test]
async fn within_3_s_of_the_return_of_a_server_an_instance_is_registered_again() {
    let (is_away, is_known) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (away, known) = (Arc::clone(&is_away), Arc::clone(&is_known));
    let script = Script::start(move |seen, _| {
        let is_known = known.load(Ordering::SeqCst);
        match (away.load(Ordering::SeqCst), seen.method.as_str()) {
            (true, _) => Answer::status(502),
            (false, "POST") => {
                known.store(true, Ordering::SeqCst);
                Answer::text("ok")
            }
            // Described or not: this one does not register by beats.
            (false, "PUT") if is_known => Answer::text(r#"{"clientBeatInterval":5000,"code":10200}"#),
            (false, "PUT") => Answer::text(r#"{"clientBeatInterval":5000,"code":20404}"#),
            (false, _) if is_known => Answer::text(list_of(1, 5)),
            (false, _) => Answer::text(r#"{"name":"G@@a","hosts":[],"cacheMillis":1000}"#),
        }
    })
    .await;
    let naming = at_script(&script);
    let metadata = metadata(&[(params::BEAT_INTERVAL, "1000")]);
    naming.register(&service("a"), &instance(&metadata, true)).await.expect("registered");
    let mut watched = naming.subscribe(&service("a"));
    until(&mut watched, |list| hosts(list).len() == 1).await;
    is_away.store(true, Ordering::SeqCst);
    is_known.store(false, Ordering::SeqCst);
    let failures = |seen: &[Seen]| seen.iter().filter(|seen| is_beat(seen)).count();
    tokio::time::timeout(20 * S, async {
        while failures(&script.seen()) < 6 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("beats go on");
    is_away.store(false, Ordering::SeqCst);
    let back = async {
        while !is_known.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(3 * S, back).await.expect("it is registered again");
    script.stop().await;
}

fn list_of(port: u16, made_ms: u64) -> String {
    format!(
        r#"{{"name":"G@@a","hosts":[{{"ip":"10.0.0.1","port":{port}}}],"lastRefTime":{made_ms},"cacheMillis":60000}}"#
    )
}

fn push_of(kind: &str, list: &str) -> String {
    serde_json::json!({"type": kind, "data": list, "lastRefTime": 77}).to_string()
}

/// A list that is pushed between two polls, an old one that comes late, and a dump.
#[tokio::test]
async fn pushes_over_udp_are_taken_acknowledged_and_never_older_than_what_is_shown() {
    let script = Script::start(|_, _| Answer::text(list_of(1, 100))).await;
    let naming = at_script(&script);
    let mut watched = naming.subscribe(&service("a"));
    until(&mut watched, |list| hosts(list).len() == 1).await;
    let announced = script.until(|seen| seen.target.contains("udpPort=")).await;
    assert!(
        announced.says("clientIP=127.0.0.1")
            && announced.header("user-agent").is_some_and(|it| it.starts_with("Nacos-Java-Client:v"))
    );
    let port = naming.0.udp_port.load(Ordering::Relaxed);
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    server.connect((Ipv4Addr::LOCALHOST, port)).await.expect("reachable");
    let mut buffer = vec![0; 4096];
    let mut ask = async |packet: String| {
        server.send(packet.as_bytes()).await.expect("sent");
        let len = tokio::time::timeout(10 * S, server.recv(&mut buffer)).await.expect("in time").expect("acknowledged");
        serde_json::from_slice::<serde_json::Value>(&buffer[..len]).expect("JSON")
    };
    let ack = ask(push_of("dom", &list_of(2, 200))).await;
    assert_eq!(ack, serde_json::json!({"type": "push-ack", "lastRefTime": "77", "data": ""}));
    until(&mut watched, |list| hosts(list)[0].port == 2).await;
    assert_eq!(ask(push_of("service", &list_of(3, 150))).await["type"], "push-ack");
    let dump = ask(push_of("dump", "")).await;
    assert_eq!(dump["type"], "dump-ack");
    assert!(dump["data"].as_str().is_some_and(|data| data.contains("\"port\":2")), "the late list was dropped: {dump}");
    assert_eq!(ask(push_of("news", "")).await["type"], "unknown-ack");
    drop(watched);
    let forgotten = tokio::time::timeout(10 * S, async {
        while !naming.0.subscriptions.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    forgotten.await.expect("nobody watches, nobody asks");
    script.stop().await;
}

/// Anybody can send a packet; only what the server says, when it is asked, is shown.
#[tokio::test]
async fn a_push_from_a_stranger_is_a_reason_to_ask_and_no_more() {
    let script = Script::start(|_, turn| Answer::text(list_of(1, 100 + turn as u64))).await;
    let naming = at_script(&script);
    let mut watched = naming.subscribe(&service("a"));
    until(&mut watched, |list| hosts(list).len() == 1).await;
    script.until(|seen| seen.target.contains("udpPort=")).await;
    let asked = script.seen().len();
    let port = naming.0.udp_port.load(Ordering::Relaxed);
    let stranger = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).await.expect("another address of this machine");
    let forged = push_of("dom", &list_of(666, 999_999_999_999));
    stranger.send_to(forged.as_bytes(), (Ipv4Addr::LOCALHOST, port)).await.expect("sent");
    let asked_again = tokio::time::timeout(10 * S, async {
        while script.seen().len() == asked {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    asked_again.await.expect("the server is asked at once");
    let list = watched.listed.borrow().list.clone().expect("it was resolved");
    assert_eq!(hosts(&list)[0].port, 1);
    script.stop().await;
}

#[tokio::test]
async fn a_list_is_absent_until_a_server_answers_and_a_failure_has_a_reason() {
    let script = Script::start(|_, turn| match turn {
        0..3 => Answer::says(500, "not ready"),
        _ => Answer::text(r#"{"name":"G@@a","hosts":[],"cacheMillis":60000}"#),
    })
    .await;
    let naming = at_script(&script);
    let mut watched = naming.subscribe(&service("a"));
    let failed = watched.listed.wait_for(|listed| listed.failure.is_some()).await.expect("it is watched").clone();
    assert!(failed.list.is_none() && failed.failure.is_some_and(|why| why.contains("not ready")));
    let list = until(&mut watched, |_| true).await;
    assert!(hosts(&list).is_empty());
    assert!(watched.listed.borrow().failure.is_none());
    let second = naming.subscribe(&service("a"));
    assert!(second.listed.borrow().list.is_some(), "a second one sees at once what the first one saw");
    script.stop().await;
}

#[test]
fn recorded_lists_and_beats_are_read() {
    let mut instances = 0;
    for answer in recorded("GET", |path| path.ends_with("/v1/ns/instance/list")) {
        if answer.status == 200 {
            let list = read_list(answer.body.as_bytes()).unwrap_or_else(|e| panic!("{e}: {}", answer.body));
            let said: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!(Some(hosts(&list).len()), said["hosts"].as_array().map(Vec::len), "{}", answer.body);
            instances += hosts(&list).len();
        }
    }
    assert!(instances > 50, "{instances}");
    for answer in recorded("PUT", |path| path.ends_with("/instance/beat")) {
        if answer.status == 200 {
            let heard = Heard::read(answer.body.as_bytes()).unwrap_or_else(|e| panic!("{e}: {}", answer.body));
            assert_eq!(heard == Heard::Unknown, answer.body.contains("20404"), "{}", answer.body);
        }
    }
}
