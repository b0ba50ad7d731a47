//! Reads a config, and hears of its next versions. A config that is not there is `None`, never an error.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use nacrite_client::config::{Config, ConfigName, Format, diff};
use nacrite_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;
    let configs = client.config();

    let name = ConfigName::from(("limits.properties", "SHOP"));
    configs.publish(&name, "rate=10\nburst=20").send().await?;

    // What was read is not heard again: nothing falls between the two.
    let (first, mut listening) = configs.get_and_listen(&name).await?;
    show(None, first.as_ref());

    configs.publish(&name, "rate=15\nburst=20").send().await?;
    let second = listening.changed().await?;
    show(first.as_ref(), second.as_ref());

    configs.remove(&name).await?;
    let third = listening.changed().await?;
    show(second.as_ref(), third.as_ref());

    client.close().await;
    Ok(())
}

fn show(old: Option<&Config>, new: Option<&Config>) {
    match new {
        Some(config) => println!("{} bytes, {}, from {:?}", config.content.len(), config.digest, config.origin),
        None => println!("there is no such config"),
    }
    // Key by key. Values are not printed by `Debug`: they may be secrets.
    let content = |config: &Config| config.content.to_string();
    match diff(Format::Properties, old.map(content).as_deref(), new.map(content).as_deref()) {
        Ok(changes) => println!("  {changes:?}"),
        Err(unfit) => println!("  cannot be compared: {unfit}"),
    }
}
