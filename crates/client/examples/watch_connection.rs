//! Watches the state of the connection, with the reason of each failure in words, until Ctrl-C. Start it without a
//! server, then start one, stop it, and start it again. With `RUST_LOG=nacrite_client=debug` the client's own log tells
//! more.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use nacrite_client::{Client, Error, Phase};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).init();
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;
    client.naming(); // Begins to connect, in the background.

    // A program that cannot work without the registry finds that out here; all others just go on.
    if let Err(error) = client.ready(Duration::from_secs(2)).await {
        println!("after 2 s: {error}");
    }

    let Some(mut link) = client.state().naming else { return Ok(()) };
    loop {
        let state = link.borrow_and_update().clone();
        match (state.phase, &state.server, &state.failure) {
            (Phase::Running, Some(server), _) => println!("connected to {server}"),
            (phase, _, Some(failure)) => println!("{phase:?}: {failure}"),
            (phase, ..) => println!("{phase:?}"),
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            changed = link.changed() => if changed.is_err() { break },
        }
    }
    client.close().await;
    Ok(())
}
