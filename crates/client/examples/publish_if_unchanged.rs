//! Changes a config without losing what somebody else wrote meanwhile: publishes only if it still is the version that
//! was read, and begins again if it is not.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use nacrite_client::config::{ConfigName, Configs};
use nacrite_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;
    let configs = client.config();

    let name = ConfigName::from("counter");
    configs.publish(&name, "0").description("how often the example ran").send().await?;

    // Ten writers at once, none of which knows of the others.
    let writers = (0..10).map(|_| count(configs, &name));
    let tries: u32 = futures_util::future::try_join_all(writers).await?.into_iter().sum();
    let end = configs.get(&name).await?.map(|config| config.content.to_string());
    println!("ten writers counted to {} in {tries} tries", end.as_deref().unwrap_or("nothing"));

    configs.remove(&name).await?;
    client.close().await;
    Ok(())
}

/// Adds one. Returns how many tries it took.
async fn count(configs: &Configs, name: &ConfigName) -> Result<u32, Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Some(read) = configs.get(name).await? else { return Ok(tries) };
        let next = read.content.parse::<u32>().unwrap_or_default() + 1;
        match configs.publish(name, next.to_string()).only_if(&read.digest).send().await {
            // Somebody was faster: what was read is out of date.
            Err(Error::ConfigRaced) => {}
            published => return published.map(|_| tries),
        }
    }
}
