//! Calls a service by its name, once a second, and says what becomes of its channel: start providers, stop them, change their
//! weights, stop the registry. Ends with Ctrl-C.
//!
//! Calls gRPC's health service, which `serve` puts beside every service: no provider of one's own is needed to look at it.
//! Needs a server (`cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`) and a provider. Another
//! target than `nacos:///echo` is the first argument.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use nacrite_client::Client;
use nacrite_tonic::{Channel, ChannelState};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).build()?;
    let target = std::env::args().nth(1).unwrap_or_else(|| "nacos:///echo".to_owned());

    // Nothing is looked for and nothing connects before the first call. What the registry says about the service comes before
    // what is said here.
    let channel = Channel::builder(target)
        .nacos(&client)
        .service_config(r#"{"loadBalancingConfig": [{"weighted_round_robin": {}}]}"#)
        .build()?;
    let mut health = HealthClient::new(channel.clone());

    let mut state = channel.state();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            changed = state.changed() => {
                changed?;
                tell(&state.borrow_and_update());
            }
            _ = tick.tick() => {
                let mut request = tonic::Request::new(HealthCheckRequest::default());
                // Covers waiting for a list and for an endpoint as well.
                request.set_timeout(Duration::from_secs(2));
                match health.check(request).await {
                    Ok(answer) => println!("answered: {}", answer.into_inner().status().as_str_name()),
                    Err(status) => println!("{:?}: {}", status.code(), status.message()),
                }
            }
        }
    }

    let metrics = channel.metrics();
    println!("{} calls, {} of them failed; {} connections", metrics.calls, metrics.calls_failed, metrics.connects);
    channel.shutdown(Duration::from_secs(5)).await;
    client.close().await;
    Ok(())
}

fn tell(state: &ChannelState) {
    println!("{:?}, {}", state.connectivity, state.policy);
    for one in state.endpoints.iter() {
        let reason = one.reason.as_deref().unwrap_or_default();
        println!("  {} weight {}: {:?} {reason}", one.endpoint, one.endpoint.weight, one.connectivity);
    }
    for trouble in state.resolver_trouble.iter().chain(&state.config_trouble) {
        println!("  {trouble}");
    }
}
