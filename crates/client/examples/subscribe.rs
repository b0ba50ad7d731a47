//! Follows a service: the first change is the list as it is, also if nobody is there, then come the differences. Ends
//! with Ctrl-C. Run it in one terminal, and the example `register` in another.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use nacrite_client::naming::Selector;
use nacrite_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;

    // Returns at once; the program starts whether the registry is there or not.
    let mut hello = client.naming().subscribe("hello", Selector::default().healthy())?;
    loop {
        let change = tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            change = hello.changed() => change,
        };
        let Some(change) = change else { break };
        println!("{} healthy instances", change.instances.len());
        change.added.iter().for_each(|instance| println!("  + {instance}"));
        change.removed.iter().for_each(|instance| println!("  - {instance}"));
        change.modified.iter().for_each(|instance| println!("  ~ {instance} weight {}", instance.weight()));
    }

    drop(hello); // Unsubscribes this one subscriber; others of the same service go on.
    client.close().await;
    Ok(())
}
