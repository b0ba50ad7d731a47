//! The front: HTTP for browsers, each request one call of the price service, whoever and wherever its instances are.

#![expect(clippy::print_stdout, reason = "whoever started it waits for this line")]

mod looks;
mod routes;

use anyhow::Context;
use clap::Parser;
use nacrite_client::Client;
use nacrite_client::register::{RegisterSettings, Registrar};
use nacrite_tonic::Channel;
use shop::names::{FRONT, PRICES};
use tokio::net::TcpListener;

/// How prices are called: balanced by weight, within two seconds, quotes again elsewhere if they fail.
const SERVICE_CONFIG: &str = include_str!("prices.service-config.json");

/// The front of the shop
#[derive(Parser)]
struct Cli {
    /// Registry, HOST:PORT
    #[arg(long, default_value = "127.0.0.1:8848")]
    registry: String,
    /// Its own port; 0 for a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    shop::log();
    let client = Client::builder().servers(&cli.registry).app_name("shop").build()?;
    let channel =
        Channel::builder(format!("nacos:///{PRICES}")).nacos(&client).service_config(SERVICE_CONFIG).build()?;

    let listener = TcpListener::bind(("127.0.0.1", cli.port)).await.context("no port for the front")?;
    let address = listener.local_addr()?;
    let registrar = Registrar::with_client(&client, RegisterSettings::new(FRONT).environment()?)?
        .after_register(move |_| async move { println!("ready {address}") });
    let app = routes::routes(channel.clone())
        .merge(looks::routes(channel))
        .route("/health", nacrite_axum::health(&registrar));
    nacrite_axum::serve(listener, app, registrar).await?;
    client.close().await;
    Ok(())
}
