//! Ends in order: first callers are kept away, then what is under way is finished, then the client is closed, within a
//! bound. A second program watches what callers see of it.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use nacrite_client::naming::{Instance, Selector};
use nacrite_client::{Client, Error};

/// How long callers may take to learn that an instance is gone, and to finish their last calls to it.
const DRAIN: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let caller = Client::builder().servers(servers.clone()).build()?;
    let mut seen = caller.naming().subscribe("leaving", Selector::default())?;

    let client = Client::builder().servers(servers).build()?;
    let registration = client.naming().register("leaving", Instance::builder("127.0.0.1", 8080)).await?;
    while seen.changed().await.is_some_and(|change| change.instances.is_empty()) {}
    println!("callers see it");

    // SIGTERM comes. 1: nobody new is to come.
    registration.deregister().await?;
    while seen.changed().await.is_some_and(|change| !change.instances.is_empty()) {}
    println!("callers do not see it any more");

    // 2: who was on the way is served.
    tokio::time::sleep(DRAIN).await;

    // 3: the web server stops (here there is none), and last of all the client: it takes back whatever is left.
    let is_confirmed = client.close_within(Duration::from_secs(2)).await;
    println!("closed, and the server has confirmed all of it: {is_confirmed}");

    // Whoever asks now is told so at once.
    let late = client.naming().instances("leaving").await;
    println!("afterwards: {}", late.err().map(|error| error.to_string()).unwrap_or_default());
    caller.close().await;
    Ok(())
}
