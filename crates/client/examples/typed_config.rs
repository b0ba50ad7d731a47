//! Binds a config to a type of the program. A new version is used as soon as it fits; one that does not fit is told,
//! with the key that is wrong, and the last good one stays in use.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use nacrite_client::{Client, Error};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Settings {
    greeting: String,
    pool: Pool,
}

#[derive(Debug, Deserialize)]
struct Pool {
    size: u16,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;
    let configs = client.config();

    // The end of the name says how it is written; YAML and TOML are features of the crate.
    configs.publish("shop.yaml", "greeting: hello\npool: { size: 4 }").send().await?;
    let settings = configs.bind::<Settings>("shop.yaml", None).await?;
    let mut state = settings.state();
    println!("{} with {} connections", settings.get().greeting, settings.get().pool.size);

    configs.publish("shop.yaml", "greeting: hello\npool: { size: many }").send().await?;
    if let Ok(state) = state.wait_for(|state| state.trouble.is_some()).await {
        let trouble = state.trouble.as_ref().map(ToString::to_string).unwrap_or_default();
        println!("still {:?}, because {trouble}", settings.get());
    }

    configs.publish("shop.yaml", "greeting: good morning\npool: { size: 8 }").send().await?;
    if state.wait_for(|state| state.trouble.is_none()).await.is_ok() {
        println!("{} with {} connections", settings.get().greeting, settings.get().pool.size);
    }

    configs.remove("shop.yaml").await?;
    client.close().await;
    Ok(())
}
