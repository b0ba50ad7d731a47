//! `nacrite service`.

use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_testkit::{GrpcClient, Node};
use serde_json::{Value, json};

use super::peers::Peer;
use super::{Running, at, binary, nacrite, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persistent_instance_comes_and_goes() {
    let node = Node::start().await;
    let address = ["db", "10.0.0.1:5432"];
    let register = ["service", "register", address[0], address[1], "--persistent", "--meta", "zone=a"];
    assert_eq!(nacrite(&node, &register).ok(), "");
    let shown = nacrite(&node, &["service", "get", "db"]).ok();
    assert_eq!(
        shown,
        "ADDRESS        CLUSTER  WEIGHT  HEALTHY  ENABLED  EPHEMERAL  METADATA\n\
         10.0.0.1:5432  DEFAULT  1       yes      yes      no         zone=a\n"
    );
    let shown = nacrite(&node, &["service", "get", "db", "-o", "json"]).json();
    assert_eq!(shown[0]["metadata"]["zone"], "a");
    let shown = nacrite(&node, &["service", "get", "db", "-o", "yaml"]).ok();
    assert!(shown.starts_with("- address: \"10.0.0.1:5432\"\n  cluster: DEFAULT\n"), "{shown}");
    let other = nacrite(&node, &["service", "get", "db", "--cluster", "other"]).ok();
    assert_eq!(other.lines().count(), 1, "the cluster has nobody, the service has: {other}");

    nacrite(&node, &["service", "deregister", "db", "10.0.0.1:5432"]).ok();
    nacrite(&node, &["service", "deregister", "db", "10.0.0.1:5432"]).failed(3, "not registered");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_in_order_and_nobody_is_told_from_somebody() {
    let node = Node::start().await;
    for name in ["zebra", "ape", "cat"] {
        nacrite(&node, &["service", "register", name, "10.0.0.1:1", "--persistent", "-g", "ZOO"]).ok();
    }
    assert_eq!(
        nacrite(&node, &["service", "ls", "--group", "ZOO"]).ok(),
        "GROUP  SERVICE\nZOO    ape\nZOO    cat\nZOO    zebra\n"
    );
    let names = nacrite(&node, &["service", "ls", "--group", "ZOO", "-o", "json"]).json();
    assert_eq!(names[2]["service"], "zebra");
    assert_eq!(nacrite(&node, &["service", "ls", "-o", "json"]).ok(), "[]\n");
    nacrite(&node, &["service", "get", "nobody"]).failed(3, "nobody is registered for DEFAULT_GROUP@@nobody");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_held_until_ctrl_c() {
    let node = Node::start().await;
    let mut held = Running::start(&mut at(&node, &["service", "register", "orders", "10.0.0.1:80", "--weight", "2"]));
    held.told("registered; Ctrl-C");
    let shown = nacrite(&node, &["service", "get", "orders", "-o", "json"]).json();
    assert_eq!((&shown[0]["ephemeral"], &shown[0]["weight"]), (&Value::Bool(true), &Value::from(2)));
    nacrite(&node, &["service", "deregister", "orders", "10.0.0.1:80"]).failed(1, "goes with the program");
    let (code, said) = held.interrupted();
    assert!(code == Some(0) && said.contains("nacrite: deregistered"), "{code:?} {said}");
    nacrite(&node, &["service", "get", "orders"]).failed(3, "nobody is registered");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_every_change_and_ends_in_order() {
    let node = Node::start().await;
    let mut table = Running::start(&mut at(&node, &["service", "watch", "orders"]));
    let mut json = Running::start(&mut at(&node, &["service", "watch", "orders", "-o", "json"]));
    assert_eq!(table.line(), "nobody is registered\n");
    let mut change = || -> Value { serde_json::from_str(&json.line()).expect("a line of JSON") };
    assert_eq!(change()["instances"], 0);

    let held = Running::start(&mut at(&node, &["service", "register", "orders", "10.0.0.1:80"]));
    assert!(table.line().starts_with("+ 10.0.0.1:80  DEFAULT"));
    assert_eq!(change()["added"][0]["address"], "10.0.0.1:80");
    held.interrupted();
    assert!(table.line().starts_with("- 10.0.0.1:80  DEFAULT"));
    assert_eq!(table.line(), "nobody is registered\n");
    assert_eq!(change()["removed"][0]["address"], "10.0.0.1:80");
    for watch in [table, json] {
        let (code, said) = watch.interrupted();
        assert!(code == Some(0) && said.is_empty(), "{code:?} {said}");
    }
    node.stop().await;
}

/// A command against a server that does what the test says.
fn at_scripted(server: &ScriptedServer, args: &[&str]) -> std::process::Command {
    let mut command = binary();
    // Its main port is not there.
    let ports = ["--server", "127.0.0.1:1", "--grpc-port", &server.address().grpc_port().to_string()];
    command.args(args).args(ports);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_the_connection_is_told_and_the_instance_is_registered_again() {
    let server = ScriptedServer::start().await;
    let mut held = Running::start(&mut at_scripted(&server, &["service", "register", "orders", "10.0.0.1:80"]));
    held.told("registered; Ctrl-C");
    server.stop().await;
    held.told("trying again");
    server.start_again().await;
    held.told("connected to");
    server.until_seen("InstanceRequest", |seen| seen.connection > 1 && seen.body["type"] == "registerInstance").await;
    let (code, said) = held.interrupted();
    assert!(code == Some(0) && said.contains("deregistered"), "{code:?} {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_that_is_refused_ends_with_the_reason() {
    let server = ScriptedServer::start().await;
    server.on("InstanceRequest", |_| Reply::Failed { code: 403, message: "authorization failed!".into() });
    let register = ["service", "register", "orders", "10.0.0.1:80"];
    run(&mut at_scripted(&server, &register)).failed(4, "authorization failed!");
    let done = run(&mut at_scripted(&server, &[&register[..], &["--keep-trying"]].concat()));
    assert!(done.code == Some(4) && done.err.ends_with("authorization failed!\n"), "{done:?}");
}

/// Who starts before the registry does not have to begin again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patient_registration_waits_for_its_server() {
    let server = ScriptedServer::start().await;
    server.stop().await;
    let register = ["service", "register", "orders", "10.0.0.1:80"];
    run(at_scripted(&server, &register).args(["--timeout", "1"])).failed(5, "cannot be reached");
    let mut held = Running::start(&mut at_scripted(&server, &[&register[..], &["--keep-trying"]].concat()));
    held.told("trying again");
    server.start_again().await;
    held.told("registered; Ctrl-C");
    held.interrupted();
}

/// A server may put anything into its words, also what moves a cursor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_a_server_are_told_in_one_line() {
    let server = ScriptedServer::start().await;
    server.on("ServiceListRequest", |_| Reply::Failed { code: 500, message: "broken\n\x1b[2J  twice".into() });
    let done = run(&mut at_scripted(&server, &["service", "ls"]));
    done.failed(1, "broken");
    assert!(!done.err.contains('\x1b'), "{done:?}");
    server.on("ServiceListRequest", |_| Reply::Done(json!({"count": 1, "serviceNames": ["a\x1b[2Jb"]})));
    let shown = run(&mut at_scripted(&server, &["service", "ls"])).ok();
    assert!(shown.contains("a\u{fffd}[2Jb"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_are_told_in_one_sentence_and_for_programs() {
    let node = Node::start().await;
    nacrite(&node, &["service", "pushes", "orders"]).failed(3, "nobody subscribes to it");
    let subscribe = json!({
        "namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": "orders", "subscribe": true
    });
    let mut taking = GrpcClient::registered(node.clients, "naming").await;
    let mut silent = GrpcClient::registered(node.clients, "naming").await;
    for client in [&mut taking, &mut silent] {
        client.ask("SubscribeServiceRequest", &subscribe).await;
    }
    assert_eq!(nacrite(&node, &["service", "pushes", "orders"]).ok(), "reached 2 of 2\n");

    let instance = json!({"ip": "10.0.0.1", "port": 80, "clusterName": "DEFAULT", "ephemeral": true});
    let mut register = subscribe;
    register["type"] = json!("registerInstance");
    register["instance"] = instance;
    taking.ask("InstanceRequest", &register).await;
    taking.pushed().await;
    silent.heard_of("NotifySubscriberRequest").await;
    let shown = loop {
        let shown = nacrite(&node, &["service", "pushes", "orders", "-o", "json"]).json();
        if shown["reached"] == 1 {
            break shown;
        }
    };
    assert_eq!((&shown["subscribers"], &shown["unconnected"]), (&json!(2), &json!(0)), "{shown}");
    let late = &shown["late"][0];
    assert_eq!(
        (&late["client"], &late["state"], &late["tries"]),
        (&json!(silent.id().await), &json!("sent"), &json!(1))
    );
    let table = nacrite(&node, &["service", "pushes", "orders"]).ok();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("reached 1 of 2 within ") && lines[0].ends_with(" s, 1st try)"), "{table}");
    assert!(lines[1].starts_with("CLIENT") && lines[2].contains("  sent  "), "{table}");
    let yaml = nacrite(&node, &["service", "pushes", "orders", "-o", "yaml"]).ok();
    assert!(yaml.contains("\nreached: 1\n"), "{yaml}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_keeps_no_account_is_named() {
    let peer = Peer::http(|_| (404, "{}")).await;
    let server = format!("127.0.0.1:{}", peer.port);
    run(binary().args(["service", "pushes", "orders", "-s", &server])).failed(1, "keeps no account of its pushes");
}
