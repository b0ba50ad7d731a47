//! Tests a program against a server that does what the test says: here, that a price is still told while the registry
//! of configs is out of order. Needs no server: `cargo test -p nacrite-client --example test_with_testkit`; the feature
//! `testkit` belongs into the dev-dependencies of a program.

use nacrite_client::Client;

/// What is under test: the price, from a config if there is one.
async fn price(client: &Client) -> u32 {
    let config = client.config().get("price").await.ok().flatten();
    config.and_then(|config| config.content.parse().ok()).unwrap_or(10)
}

#[tokio::main]
async fn main() -> Result<(), nacrite_client::Error> {
    let client = Client::builder().servers("127.0.0.1:8848").build()?;
    price(&client).await;
    client.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nacrite_client::testkit::{Reply, ScriptedServer};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn the_price_is_told_whatever_the_server_does() {
        let server = ScriptedServer::start().await;
        server.on("ConfigQueryRequest", |_| Reply::Done(json!({"content": "12", "md5": "x"})));
        let within = Duration::from_millis(500);
        let client = Client::builder().server_list([server.address()]).request_within(within).build();
        let client = client.expect("a good description");
        assert_eq!(price(&client).await, 12);

        server.on("ConfigQueryRequest", |_| Reply::Failed { code: 500, message: "out of order".into() });
        assert_eq!(price(&client).await, 10);

        server.freeze(); // As if the way there were cut without a word.
        assert_eq!(price(&client).await, 10);
        server.thaw();

        server.stop().await; // As if the program had ended; then it comes back on the same port.
        server.on("ConfigQueryRequest", |_| Reply::Done(json!({"content": "13", "md5": "y"})));
        server.start_again().await;
        client.ready(Duration::from_secs(5)).await.expect("it connects again");
        assert_eq!(price(&client).await, 13);
        client.close().await;
    }
}
