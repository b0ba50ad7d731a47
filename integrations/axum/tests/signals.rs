//! Signals to the program: the first begins to leave, the second ends at once. In a program of its own, because signals are
//! for all of a program.

#![cfg(unix)]
#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]
#![expect(clippy::disallowed_methods, reason = "the test is the caller beside the server, and holds the watch")]

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use nacrite_axum::register::{LeaveReason, RegisterSettings, Registrar, RegistrarState};
use nacrite_client::Client;
use nacrite_client::testkit::ScriptedServer;
use tokio::net::TcpListener;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn raise(signal: &str) {
    let own = std::process::id().to_string();
    let sent = std::process::Command::new("kill").args([signal, &own]).status().expect("kill is there");
    assert!(sent.success());
}

#[tokio::test]
async fn one_signal_begins_to_leave_and_two_end_at_once() {
    let server = ScriptedServer::start().await;
    let client = Client::builder().server_list([server.address()]).build().expect("a good description");
    let hour = Duration::from_secs(3600);
    for (first, second) in [("-TERM", "-TERM"), ("-INT", "-TERM")] {
        let settings =
            RegisterSettings::new("orders").bounds(|bounds| (bounds.drain_wait, bounds.stop_within) = (hour, hour));
        let registrar = Registrar::with_client(&client, settings).expect("good settings");
        let mut state = registrar.handle().state();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let app = Router::new().route("/", get(|| async { "hello" }));
        let served = tokio::task::spawn(nacrite_axum::serve(listener, app, registrar));
        let mut until = async |enough: fn(&RegistrarState) -> bool| {
            let waited = tokio::time::timeout(PATIENCE, state.wait_for(enough)).await;
            assert!(waited.is_ok(), "in vain");
        };
        until(RegistrarState::is_ready).await;
        raise(first);
        until(|state| matches!(state, RegistrarState::Leaving { reason: LeaveReason::Signal, .. })).await;
        let began = Instant::now();
        raise(second);
        let farewell =
            tokio::time::timeout(PATIENCE, served).await.expect("it ends").expect("no panic").expect("it left");
        assert_eq!(farewell.reason, LeaveReason::Signal);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    client.close().await;
}
