//! Servers that know each other: a signal hands clients over, rules in files are followed, operators see and steer it.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use nacrite_testkit::GrpcClient;
use serde_json::json;

use crate::process::{Process, command, free_port};

/// Two servers that know each other.
fn pair(data: &Path) -> [Process; 2] {
    let ports = [free_port(), free_port()];
    let members = ports.map(|port| format!("cluster.members=127.0.0.1:{port}"));
    let start = |own: usize, other: usize| {
        let mut server = command(&data.join(own.to_string()), ports[own]);
        server.args(["--set", &members[other], "--set", "identity.key=k", "--set", "identity.value=v"]);
        Process::start_with(server, ports[own])
    };
    [start(0, 1), start(1, 0)]
}

fn node(args: &[&str], server: &Process) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nacrite"));
    command.arg("node").args(args).args(["-s", &format!("127.0.0.1:{}", server.port)]).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_hands_its_clients_over_first() {
    let data = tempfile::tempdir().expect("a directory");
    let [leaving, staying] = pair(data.path());
    let mut client = GrpcClient::registered(leaving.clients(), "naming").await;
    leaving.ask_to_end();
    let reset = client.heard_of("ConnectResetRequest").await;
    assert_eq!(reset.body["serverPort"], staying.port.to_string());
    let moved = GrpcClient::registered(staying.clients(), "naming").await;
    assert_eq!(client.ask("HealthCheckRequest", &json!({})).await.body["resultCode"], 200, "served to the end");
    drop(client);
    assert!(leaving.ended().success());
    drop(moved);
}

// With threads of its own: the test waits for commands, and the socket of its client must close meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn operators_see_the_load_and_drain_a_server() {
    let data = tempfile::tempdir().expect("a directory");
    let [first, second] = pair(data.path());
    let client = GrpcClient::registered(first.clients(), "naming").await;
    let load = node(&["load", "-o", "json"], &second);
    let rows: serde_json::Value = serde_json::from_slice(&load.stdout).expect("JSON");
    let of_first = rows.as_array().and_then(|rows| rows.iter().find(|row| row["clients"] == 1)).expect("one client");
    assert_eq!(of_first["server"], format!("127.0.0.1:{}", first.port));
    drop(client);
    let drained = node(&["drain", "--within", "30"], &first);
    assert!(drained.status.success() && text(&drained.stdout).contains("clients have gone"), "{drained:?}");
    let late = GrpcClient::connect(first.clients()).await.ask("ServerCheckRequest", &json!({})).await;
    assert_eq!(late.body["errorCode"], 300);
    assert!(text(&node(&["drain", "--cancel"], &first).stdout).contains("takes clients again"));
    GrpcClient::registered(first.clients(), "naming").await;
    assert!(text(&node(&["balance", "--wait", "20"], &first).stdout).contains("even"));
}

#[tokio::test]
async fn a_rule_in_a_file_is_followed_while_the_server_runs() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path(), free_port());
    GrpcClient::registered(server.clients(), "naming").await;
    std::fs::create_dir(data.path().join("connection")).expect("made");
    std::fs::write(data.path().join("connection/limitRule"), r#"{"countLimit":0}"#).expect("written");
    let refused = async {
        loop {
            let mut client = GrpcClient::connect(server.clients()).await;
            client.open_stream().await;
            client.say("ConnectionSetupRequest", &json!({"labels": {"source": "sdk"}, "abilityTable": {}}));
            match client.hear().await {
                Ok(_) => {}
                Err(ended) => return ended.message,
            }
        }
    };
    let reason = tokio::time::timeout(Duration::from_secs(20), refused).await.expect("within some seconds");
    assert!(reason.contains("takes no more clients"), "{reason}");
}
