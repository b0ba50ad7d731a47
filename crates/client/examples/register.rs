//! Registers one instance and stays until Ctrl-C: what every service does. Shows what becomes of the registration; stop
//! the server and start it again to see it come back by itself.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use nacrite_client::naming::{Instance, RegistrationState};
use nacrite_client::{Client, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let servers = std::env::var("NACRITE_SERVER").unwrap_or_else(|_| "127.0.0.1:8848".to_owned());
    let client = Client::builder().servers(servers).app_name("hello").build()?;

    // Unless something else is said: weight 1, healthy, enabled, and gone when its client is gone.
    let instance = Instance::builder("127.0.0.1", 8080).metadata("version", "1.0");
    let registration = client.naming().register("hello", instance).await?;

    // The same address with another weight is a change, not a second instance.
    registration.update(|instance| instance.weight(2.0)).await?;

    let mut state = registration.state();
    loop {
        match &*state.borrow_and_update() {
            RegistrationState::Registered { .. } => println!("registered; Ctrl-C ends"),
            RegistrationState::Retrying { reason, attempts } => println!("not any more ({attempts} tries): {reason}"),
            other => println!("{other:?}"),
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            changed = state.changed() => if changed.is_err() { break },
        }
    }
    client.close().await; // Takes the registration back.
    Ok(())
}
