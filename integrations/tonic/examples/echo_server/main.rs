//! A gRPC service that registers itself: found when it answers, gone before it stops, with gRPC's health service beside it.
//! End it with Ctrl-C, or with two to end it at once.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos. Settings come from `NACOS_DISCOVERY_…`, for instance
//! `NACOS_DISCOVERY_SERVER_ADDR=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod echo;

use echo::Echo;
use nacrite_client::register::{RegisterSettings, Registrar};
use nacrite_tonic::serve::WithNacos as _;
use tonic::transport::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = RegisterSettings::new("echo").metadata("version", "1.0").environment()?;
    let registrar = Registrar::connect(settings)?
        .after_register(|instance| async move { println!("callers find {instance}") })
        .before_leave(|_| async { println!("about to leave") });
    let at = "0.0.0.0:0".parse()?;
    let farewell = Server::builder().with_nacos(registrar).add_service(Echo).serve(at).await?;
    println!("{farewell:?}");
    Ok(())
}
