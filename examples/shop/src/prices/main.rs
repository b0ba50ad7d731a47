//! One instance of the price service: gRPC on a port that nobody has to know, registered when it answers, gone from the
//! registry before it stops.

#![expect(clippy::print_stdout, reason = "whoever started it waits for this line")]

mod service;

use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use nacrite_client::Client;
use nacrite_client::register::{RegisterSettings, Registrar};
use nacrite_tonic::serve::WithNacos as _;
use shop::names::{PRICES, SALE};
use shop::proto::prices_server::PricesServer;
use tokio::net::TcpListener;
use tonic::transport::Server;

use crate::service::{PriceService, Sale};

/// One instance of the price service
#[derive(Parser)]
struct Cli {
    /// Registry, HOST:PORT
    #[arg(long, default_value = "127.0.0.1:8848")]
    registry: String,
    /// How it signs its answers
    #[arg(long, default_value = "prices-1")]
    name: String,
    /// Its share of the calls
    #[arg(long, default_value_t = 1.0)]
    weight: f64,
    /// How long each answer takes, as if it asked a database
    #[arg(long, default_value_t = 0, value_name = "MS")]
    answer_takes_ms: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    shop::log();
    let client = Client::builder().servers(&cli.registry).app_name("shop").build()?;
    // A shop without this config has no sale.
    let sale = client.config().bind_or::<Sale>(SALE, None, Sale::default()).await?;

    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the price service")?;
    let address = listener.local_addr()?;
    let settings = RegisterSettings::new(PRICES).weight(cli.weight).metadata("name", &cli.name).environment()?;
    let registrar =
        Registrar::with_client(&client, settings)?.after_register(move |_| async move { println!("ready {address}") });
    let service =
        PriceService::new(&cli.name, Duration::from_millis(cli.answer_takes_ms), sale, registrar.handle().state());
    let server = Server::builder().with_nacos(registrar).add_service(PricesServer::new(service));
    server.serve_with_listener(listener).await?;
    client.close().await;
    Ok(())
}
