//! Calls a service by its name with `reqwest`: three instances of different weights, one of which stops without a word.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;

use axum::Router;
use axum::routing::get;
use nacrite_client::Client;
use nacrite_client::discover::Discovery;
use nacrite_client::naming::Instance;
use nacrite_reqwest::{Called, LoadBalancer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;

    // Somebody to call, in this process.
    let mut serving = Vec::new();
    let mut instances = Vec::new();
    for weight in [1.0, 2.0, 7.0] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        instances.push(Instance::builder("127.0.0.1", listener.local_addr()?.port()).weight(weight));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, Router::new().route("/", get("hello"))).await });
        serving.push(server);
    }
    client.naming().register_all("greetings", instances).await?;

    let http = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(LoadBalancer::new(&Discovery::new(&client)))
        .build();
    for stopped in [false, true] {
        if stopped {
            println!("the heaviest one stops; the registry does not know it yet");
            serving.pop();
        }
        let (mut calls, mut repeated) = (BTreeMap::<u16, u32>::new(), 0);
        for _ in 0..1000 {
            let response = http.get("http://greetings/").send().await?.error_for_status()?;
            if let Some(called) = response.extensions().get::<Called>() {
                *calls.entry(called.instance.port()).or_default() += 1;
                repeated += u32::from(called.attempts > 1);
            }
        }
        println!("1000 calls: {calls:?}, {repeated} of them at the second attempt");
    }

    if let Err(nobody) = http.get("http://nobody/").send().await {
        println!("{nobody}");
    }
    client.close().await;
    Ok(())
}
