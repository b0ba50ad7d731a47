//! How a server starts, refuses to start, and ends.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use nacrite_testkit::GrpcClient;
use serde_json::json;

use crate::process::{Process, command, free_port, refusal};

#[test]
fn the_screen_names_every_address() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path(), free_port());
    for port in [server.port, server.port + 1000] {
        assert!(server.screen.contains(&format!("127.0.0.1:{port}")), "{}", server.screen);
    }
    assert!(server.screen.contains(&data.path().display().to_string()), "{}", server.screen);
}

#[test]
fn a_taken_port_is_named() {
    let data = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port + 1000)).expect("a free port");
    let (code, said) = refusal(&mut command(data.path(), port));
    assert_eq!(code, Some(1));
    assert!(said.starts_with(&format!("nacrite: port {} for gRPC for clients is taken", port + 1000)), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    drop(taken);
}

#[test]
fn a_data_directory_in_use_is_named() {
    let data = tempfile::tempdir().expect("a directory");
    let _first = Process::start(data.path(), free_port());
    let (code, said) = refusal(&mut command(data.path(), free_port()));
    assert_eq!(code, Some(1));
    assert!(said.contains("is in use by another process") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_data_directory_that_cannot_be_one_is_named() {
    let data = tempfile::NamedTempFile::new().expect("a file");
    let (code, said) = refusal(&mut command(data.path(), free_port()));
    assert_eq!(code, Some(1));
    assert!(said.contains(&data.path().display().to_string()) && said.lines().count() == 1, "{said}");
}

#[test]
fn what_is_not_understood_is_refused() {
    let data = tempfile::tempdir().expect("a directory");
    for (args, expected) in [
        (&["--set", "push.settle=5"][..], "did you mean push.settle_"),
        (&["--set", "push.settle_ms=soon"], "expected a number from 0 to 60000"),
        (&["--bind", "0.0.0.0"], "--insecure"),
        (&["--config", "/no/such/file.toml"], "cannot be read"),
    ] {
        let (code, said) = refusal(command(data.path(), free_port()).args(args));
        assert_eq!(code, Some(1), "{args:?}");
        assert!(said.contains(expected) && said.starts_with("nacrite: ") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn help_shows_examples() {
    let output = Command::new(env!("CARGO_BIN_EXE_nacrite")).args(["server", "--help"]).output().expect("it runs");
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && help.contains("Examples:") && help.contains("--port-offset"), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_end_ends_in_order_with_clients_connected() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Process::start(data.path(), free_port());
    let mut client = GrpcClient::registered(server.clients(), "config").await;
    let publish = json!({"dataId": "a", "group": "g", "tenant": "", "content": "kept"});
    assert_eq!(client.ask("ConfigPublishRequest", &publish).await.body["resultCode"], 200);
    server.ask_to_end();
    while client.hear().await.is_ok() {}
    drop(client);
    assert_eq!(server.ended().code(), Some(0));

    let server = Process::start(data.path(), free_port());
    let mut client = GrpcClient::registered(server.clients(), "config").await;
    let query = json!({"dataId": "a", "group": "g", "tenant": ""});
    assert_eq!(client.ask("ConfigQueryRequest", &query).await.body["content"], "kept");
}
