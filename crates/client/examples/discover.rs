//! Finds whom to call, tells what became of the calls, and sees how an instance that fails is left out. Here nothing is
//! really called: what fails and what does not is said by the example.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::time::Duration;

use nacrite_client::Client;
use nacrite_client::discover::{Discovery, DiscoverySettings, Outcome};
use nacrite_client::naming::Instance;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());

    // Somebody to call: two instances here, one far away.
    let provider = Client::builder().servers(servers.clone()).build()?;
    let places = [(8081, "here"), (8082, "here"), (8083, "far")];
    let instances = places.map(|(port, cluster)| Instance::builder("127.0.0.1", port).cluster(cluster));
    provider.naming().register_all("discover", instances).await?;

    let client = Client::builder().servers(servers).build()?;
    let mut settings = DiscoverySettings::default();
    settings.cluster = Some("here".to_owned());
    let discovery = Discovery::with_settings(&client, settings);
    let service = discovery.service("discover")?;
    service.ready(Duration::from_secs(3)).await?;
    println!("services: {:?}", discovery.services("DEFAULT_GROUP").await?.names);

    let mut calls = BTreeMap::<u16, u32>::new();
    for _ in 0..100 {
        let instance = service.pick()?;
        *calls.entry(instance.port()).or_default() += 1;
        // 8081 is not well.
        let outcome = if instance.port() == 8081 { Outcome::Failure } else { Outcome::Success };
        service.report(&instance, outcome);
        if outcome == Outcome::Failure {
            let other = service.pick_other(&[instance])?;
            service.report(&other, Outcome::Success);
        }
    }
    println!("of 100 calls: {calls:?}");
    for instance in service.ejected() {
        println!("left out for a while: {instance}");
    }

    client.close().await;
    provider.close().await;
    Ok(())
}
