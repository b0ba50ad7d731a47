//! The HTTP edge alone, over a data directory that goes with the process. For replays of recordings:
//! `cargo run -p nacrite-http --example http_only -- 8848`.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nacrite_app::logging::LogControl;
use nacrite_app::{App, AppSettings, Outside};
use nacrite_cluster::raft::OnFatal;
use nacrite_env::clock::SystemClock;
use nacrite_env::dial::Network;
use nacrite_env::random::SeededRandom;
use nacrite_http::{HttpSettings, Table, serve};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8848);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(port))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run(port: u16) -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let outside = Outside {
        clock: Arc::new(SystemClock::start()),
        random: Arc::new(SeededRandom::from_system()),
        dial: Arc::new(Network),
        on_fatal: OnFatal::new(|reason| complain(&reason)),
        log: LogControl::fixed(),
    };
    let app = App::start(directory.path(), AppSettings::default(), outside).await?;
    app.ready(Duration::from_secs(10)).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let table = Arc::new(Table::new(Arc::clone(&app), HttpSettings::default()));
    let (tasks, serving) = (app.tasks.clone(), serve(table, listener));
    tasks.spawn(serving);
    tokio::signal::ctrl_c().await?;
    app.stop().await;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "an example has nobody else to tell")]
fn complain(what: &dyn std::fmt::Display) {
    eprintln!("{what}");
}
