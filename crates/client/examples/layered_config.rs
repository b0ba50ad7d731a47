//! Settings in layers: defaults of the program, a local file, two imported configs and variables of the environment, read
//! into one type. A new version of a config is used as soon as the settings as a whole fit with it.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`. Try it with
//! `APP_POOL__MAX_SIZE=99` too.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use nacrite_client::config::import::ConfigLayers;
use nacrite_client::{Client, Error};
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    greeting: String,
    pool: Pool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pool {
    max_size: u16,
}

impl Settings {
    fn show(&self) {
        println!("{}, with {} connections", self.greeting, self.pool.max_size);
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;
    let configs = client.config();
    configs.publish("layers.yaml", "greeting: hello from the registry\npool: { maxSize: 4 }").send().await?;

    let mut settings = ConfigLayers::builder(&client)
        .defaults(serde_json::json!({ "greeting": "hello from the program" }))
        .file("optional:layers.toml")
        .import("nacos:layers.yaml")
        .import("optional:nacos:layers-of-nobody.properties")
        .env("APP_")
        .load::<Settings>()
        .await?;
    settings.get().show();

    // Not used: the type does not take it. The state says which layer, which key and why.
    configs.publish("layers.yaml", "greeting: hello again\npool: { maxSize: many }").send().await?;
    let mut state = settings.state();
    let troubled = state.wait_for(|layers| layers.iter().any(|layer| layer.trouble.is_some())).await;
    for layer in troubled.map(|layers| layers.clone()).unwrap_or_default() {
        let trouble = layer.trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
        println!("  {:?} {}{trouble}", layer.rank, layer.source);
    }
    settings.get().show();

    configs.publish("layers.yaml", "greeting: hello again\npool: { maxSize: 8 }").send().await?;
    settings.changed().await?.show();

    configs.remove("layers.yaml").await?;
    client.close().await;
    Ok(())
}
