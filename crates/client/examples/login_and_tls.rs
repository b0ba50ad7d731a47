//! Logs in with a name and a password, over TLS if an authority is named. The password is taken from the environment,
//! and stands in no URL, log or error; the token that comes of it is renewed in time and shown with each request.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos, as `NACRITE_SERVER=host:port`. Besides, as
//! wanted: `NACRITE_USERNAME` and `NACRITE_PASSWORD`, and `TLS_CA` for the PEM file of an authority.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use nacrite_client::{Client, Credentials, Error, Layer, TlsSettings};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let servers = variable("NACRITE_SERVER").unwrap_or_else(|| "127.0.0.1:8848".to_owned());

    let mut builder = Client::builder().servers(servers);
    if let (Some(name), Some(password)) = (variable("NACRITE_USERNAME"), variable("NACRITE_PASSWORD")) {
        builder = builder.credentials(Credentials::none().user(&name, &password));
    }
    if let Some(authority) = variable("TLS_CA") {
        // Verified against this authority; files are read again when they change. For HTTP, and thus for the login, say
        // `https://` in the address.
        builder = builder.tls(TlsSettings::new().authorities(authority));
    }
    let client = builder.build()?;
    client.config(); // The part that is to be connected.

    // The question after whose mistake it was is answered by the kind of the error and its layer.
    let asked = match client.ready(Duration::from_secs(5)).await {
        Ok(()) => client.config().get("app.yaml").await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(config) => println!("let in; app.yaml {}", if config.is_some() { "is there" } else { "is not there" }),
        Err(error @ Error::LoginRefused { is_locked: true, .. }) => println!("right or wrong, not now: {error}"),
        Err(error @ Error::LoginRefused { .. }) => println!("not the right password: {error}"),
        Err(Error::Denied(words)) => println!("known, but not allowed: {words}"),
        Err(Error::NotConnected(Some(failure))) if failure.layer == Layer::Tls => println!("not trusted: {failure}"),
        Err(error) => println!("{error} (to be mended by: {:?})", error.whose()),
    }
    client.close().await;
    Ok(())
}
