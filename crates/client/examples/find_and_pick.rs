//! Finds the instances of a service and picks one by weight, as a caller does before each call. The first question goes
//! to the server; from then on the list is kept up to date, and picking costs no more than a random number.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;

use nacrite_client::naming::Instance;
use nacrite_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());

    // Somebody to call: one instance with three times the weight of the other, and one that is not to be called.
    let provider = Client::builder().servers(servers.clone()).build()?;
    let weights = [(8081, 1.0), (8082, 3.0), (8083, 0.0)];
    let instances = weights.map(|(port, weight)| Instance::builder("127.0.0.1", port).weight(weight));
    provider.naming().register_all("pick", instances).await?;

    let client = Client::builder().servers(servers).build()?;
    let mut calls = BTreeMap::<u16, u32>::new();
    for _ in 0..1000 {
        // `None`: there is nobody. That the registry cannot be reached would be an error.
        if let Some(instance) = client.naming().select_one("pick").await? {
            *calls.entry(instance.port()).or_default() += 1;
        }
    }
    println!("of 1000 calls: {calls:?}");

    // The whole list, with those that must not be called.
    for instance in client.naming().instances("pick").await?.iter() {
        println!("{instance} weight {} healthy {}", instance.weight(), instance.is_healthy());
    }

    client.close().await;
    provider.close().await;
    Ok(())
}
