//! Registers several ports of one service from one program, and takes one of them back. A server keeps one entry per
//! connection and service, so that registering one after the other would show the last one alone; the client sends them
//! together.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use nacrite_client::naming::{Instance, Naming};
use nacrite_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;
    let naming = client.naming();

    // All in one request.
    let ports = [("http", 8080), ("grpc", 9090)];
    let instances = ports.map(|(name, port)| Instance::builder("127.0.0.1", port).metadata("port", name));
    let registrations = naming.register_all("shop@@orders", instances).await?;
    show(naming).await?;

    // A later one joins the others.
    naming.register("shop@@orders", Instance::builder("127.0.0.1", 7070).metadata("port", "admin")).await?;
    show(naming).await?;

    // Each can be taken back by itself.
    if let Some(grpc) = registrations.last() {
        grpc.deregister().await?;
    }
    show(naming).await?;

    client.close().await;
    Ok(())
}

/// Asks the server, past everything that the client knows.
async fn show(naming: &Naming) -> Result<(), Error> {
    let list = naming.query("shop@@orders").await?;
    let shown = list.iter().map(|one| format!("{one} ({})", one.metadata().get("port").unwrap_or("?")));
    println!("{}", shown.collect::<Vec<_>>().join(", "));
    Ok(())
}
