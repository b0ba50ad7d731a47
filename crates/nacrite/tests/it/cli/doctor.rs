//! `nacrite doctor` names the step that fails, for each thing that can stand in the way.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

use nacrite_client::testkit::{Admission, Reply, ScriptedServer};
use nacrite_testkit::Node;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use super::peers::Peer;
use super::{Done, binary, run};

/// A port at which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A server of HTTP that lives and is ready.
async fn healthy() -> Peer {
    Peer::http(|_| (200, "ok")).await
}

async fn scripted() -> ScriptedServer {
    let server = ScriptedServer::start().await;
    server.on("ServiceListRequest", |_| Reply::Done(json!({"count": 0, "serviceNames": []})));
    server
}

fn doctor(port: u16, grpc_port: u16) -> Command {
    let mut command = binary();
    command.args(["doctor", &format!("127.0.0.1:{port}"), "--timeout", "3", "-o", "json"]);
    command.args(["--grpc-port", &grpc_port.to_string()]);
    command
}

/// Checks which step it names, and that it says what to do.
#[track_caller]
fn check(done: &Done, code: i32, step: &str, cause: &str, advice: &str) {
    let report = done.json();
    assert_eq!((done.code, &report["failedAt"]), (Some(code), &Value::from(step)), "{done:?}");
    for (field, words) in [("cause", cause), ("advice", advice)] {
        assert!(report[field].as_str().is_some_and(|text| text.contains(words)), "{field} without {words:?}: {done:?}");
    }
    let steps = report["steps"].as_array().expect("a list");
    let at = steps.iter().position(|shown| shown["step"] == step).expect("it is on the list");
    let verdicts = |steps: &[Value], verdict: &str| steps.iter().all(|step| step["verdict"] == verdict);
    assert!(
        verdicts(&steps[..at], "ok") && verdicts(&steps[at..=at], "failed") && verdicts(&steps[at + 1..], "untried")
    );
    assert_eq!(done.err, "", "everything stands in the report");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_server_is_gone_to_the_end() {
    let node = Node::start().await;
    let done = run(&mut doctor(node.http.port(), node.clients.port()));
    assert_eq!((done.code, &done.json()["usable"]), (Some(0), &Value::Bool(true)), "{done:?}");
    let report = done.json();
    let steps: Vec<_> = report["steps"].as_array().expect("a list").iter().map(|step| step["step"].clone()).collect();
    let expected = [
        "name",
        "main port",
        "HTTP",
        "ready",
        "gRPC port",
        "HTTP/2",
        "server check",
        "introduction",
        "health check",
        "query",
    ];
    assert_eq!(steps, expected);
    for step in report["steps"].as_array().expect("a list") {
        assert!(step["tookMs"].is_u64(), "each step has its time: {step}");
    }
    let table = run(binary().args(["doctor", &node.http.to_string(), "--http-only"])).ok();
    assert!(table.starts_with("ok  name") && table.ends_with("can be used.\n"), "{table}");
    node.stop().await;
}

#[test]
fn a_wrong_host() {
    let done = run(binary().args(["doctor", "no-such-host.invalid:8848", "-o", "json"]));
    check(&done, 5, "name", "", "getent hosts no-such-host.invalid");
}

#[test]
fn a_closed_port() {
    check(&run(&mut doctor(closed_port(), closed_port())), 5, "main port", "refused", "start the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_main_port_beside_an_open_one_of_grpc() {
    let server = scripted().await;
    let done = run(&mut doctor(closed_port(), server.address().grpc_port()));
    check(&done, 5, "main port", "refused", "of gRPC is open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_port_of_grpc_behind_open_http() {
    let http = healthy().await;
    let done = run(&mut doctor(http.port, closed_port()));
    check(&done, 5, "gRPC port", "refused", "HTTP is open, gRPC's port is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_at_a_server_that_speaks_none() {
    let (http, server) = (healthy().await, scripted().await);
    let mut command = doctor(http.port, server.address().grpc_port());
    let done = run(command.args(["--tls", "--tls-trust-all"]));
    check(&done, 5, "TLS", "", "leave the --tls flags away");
}

fn encrypted() -> (Arc<rustls::ServerConfig>, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), made.cert.pem()).expect("written");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("good versions").with_no_client_auth();
    let mut config = config.with_single_cert(vec![made.cert.der().clone()], key).expect("they fit");
    config.alpn_protocols = vec![b"h2".to_vec()];
    (Arc::new(config), ca)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tls_at_a_server_that_wants_it() {
    let (config, _) = encrypted();
    let (http, server) = (healthy().await, ScriptedServer::start_encrypted(config).await);
    let done = run(&mut doctor(http.port, server.address().grpc_port()));
    check(&done, 5, "TLS", "wants TLS", "say --tls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_at_a_plain_port_and_http_at_an_encrypted_one() {
    let http = healthy().await;
    let done = run(binary().args(["doctor", &format!("https://127.0.0.1:{}", http.port), "-o", "json"]));
    check(&done, 5, "HTTP", "TLS", "write the address with http://");

    let (config, _) = encrypted();
    let server = ScriptedServer::start_encrypted(config).await;
    let done = run(&mut doctor(server.address().grpc_port(), closed_port()));
    check(&done, 5, "HTTP", "wants https", "write the address as https://");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_trusted_and_one_that_is() {
    let (config, ca) = encrypted();
    let (http, server) = (healthy().await, ScriptedServer::start_encrypted(config).await);
    server.on("ServiceListRequest", |_| Reply::Done(json!({"count": 0, "serviceNames": []})));
    let (_, other) = encrypted();
    let with = |ca: &tempfile::NamedTempFile| {
        let mut command = doctor(http.port, server.address().grpc_port());
        run(command.arg("--tls-ca").arg(ca.path()).args(["--tls-server-name", "localhost"]))
    };
    check(&with(&other), 5, "TLS", "certificate", "--tls-ca");
    let done = with(&ca);
    assert!(done.code == Some(0) && done.json()["usable"] == true, "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password() {
    let http = Peer::http(|line| if line.starts_with("POST ") { (403, "unknown user!") } else { (200, "ok") }).await;
    let server = scripted().await;
    let mut command = doctor(http.port, server.address().grpc_port());
    let done = run(command.args(["--username", "orders"]).env("NACRITE_PASSWORD", "open-sesame"));
    check(&done, 4, "login", "the login of \"orders\" was refused", "--password-file");
    assert!(!done.out.contains("sesame"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_locked_out() {
    let locked = |line: &str| if line.starts_with("POST ") { (423, "the user is locked") } else { (200, "ok") };
    let (http, server) = (Peer::http(locked).await, scripted().await);
    let mut command = doctor(http.port, server.address().grpc_port());
    let done = run(command.args(["--username", "orders"]).env("NACRITE_PASSWORD", "open-sesame"));
    check(&done, 4, "login", "the login of \"orders\" was refused: 423", "wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_to_know_who_asks() {
    let (http, server) = (healthy().await, scripted().await);
    server.on("ServiceListRequest", |_| Reply::Failed { code: 403, message: "user not found!".into() });
    let done = run(&mut doctor(http.port, server.address().grpc_port()));
    check(&done, 4, "query", "user not found", "--username");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_starting() {
    let (http, server) = (healthy().await, scripted().await);
    server.change(|behaviour| behaviour.admission = Admission::Starting);
    let done = run(&mut doctor(http.port, server.address().grpc_port()));
    check(&done, 5, "server check", "starting", "is starting");

    let http = Peer::http(|_| (503, "server is STARTING now, please try again later!")).await;
    let done = run(&mut doctor(http.port, server.address().grpc_port()));
    check(&done, 5, "ready", "STARTING", "it is starting");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lives_but_is_not_ready() {
    let server = scripted().await;
    let http = Peer::http(|line| if line.contains("readiness") { (500, "no leader") } else { (200, "ok") }).await;
    let done = run(&mut doctor(http.port, server.address().grpc_port()));
    check(&done, 5, "ready", "no leader", "Wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full() {
    let (http, server) = (healthy().await, scripted().await);
    server.change(|behaviour| behaviour.admission = Admission::Full);
    let done = run(&mut doctor(http.port, server.address().grpc_port()));
    check(&done, 5, "introduction", "", "as many connections as it is allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_strips_http2() {
    let (http, proxy) = (healthy().await, Peer::of_http1_alone().await);
    let done = run(&mut doctor(http.port, proxy.port));
    check(&done, 5, "HTTP/2", "HTTP/1", "does not pass HTTP/2 on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_else_at_the_main_port() {
    let http = Peer::http(|_| (404, "<html>not here</html>")).await;
    let done = run(&mut doctor(http.port, closed_port()));
    check(&done, 5, "HTTP", "404", "--context-path");
}

/// r-nacos: it has services, and says nothing about itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_tell_how_it_is() {
    let server = scripted().await;
    let http =
        Peer::http(|line| if line.contains("/nacos/v1/ns/service/list?") { (200, "{}") } else { (501, "") }).await;
    let done = run(&mut doctor(http.port, server.address().grpc_port()));
    assert!(done.code == Some(0) && done.json()["usable"] == true, "{done:?}");
}
