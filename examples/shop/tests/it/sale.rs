//! A config changes what the price service answers, while it runs.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use shop::names::SALE;
use shop::stage::Shop;
use tokio::time::{interval, timeout};

use crate::open;

/// From the end of a publication to the last instance that follows it.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(2);

/// How often is asked.
const ASK_AGAIN: Duration = Duration::from_millis(10);

async fn publish(shop: &Shop, content: &str) {
    let url = format!("http://{}/nacos/v1/cs/configs", shop.registry.address());
    let query = [("dataId", SALE), ("group", "DEFAULT_GROUP"), ("type", "yaml"), ("content", content)];
    let query = query.map(|(name, value)| format!("{name}={}", value.replace(' ', "%20"))).join("&");
    let answer = reqwest::Client::new().post(format!("{url}?{query}")).send().await.expect("the registry answers");
    assert!(answer.status().is_success(), "{answer:?}");
}

async fn quote(front: SocketAddr) -> Value {
    let answer = reqwest::get(format!("http://{front}/quote/tea")).await.expect("the front answers");
    serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
}

/// Asks until so many answers in a row, and so every instance, are about this price.
async fn expect_price(front: SocketAddr, cents: u64) {
    let followed = async {
        let mut turns = interval(ASK_AGAIN);
        let mut in_a_row = 0;
        while in_a_row < 6 {
            turns.tick().await;
            in_a_row = if quote(front).await["price_cents"] == json!(cents) { in_a_row + 1 } else { 0 };
        }
    };
    timeout(FOLLOWED_WITHIN, followed).await.expect("every instance follows the config");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_changes_prices_at_once_and_one_that_does_not_fit_changes_nothing() {
    let (_alone, shop) = open(&[1.0, 1.0, 1.0]).await;
    expect_price(shop.front_at, 450).await;
    publish(&shop, "discount_percent: 20").await;
    expect_price(shop.front_at, 360).await;
    publish(&shop, "discount_percent: 150").await;
    expect_price(shop.front_at, 360).await;
    publish(&shop, "discount_percent: 10").await;
    expect_price(shop.front_at, 405).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_every_price_and_ends_when_its_instance_leaves() {
    let (_alone, mut shop) = open(&[1.0]).await;
    let url = format!("http://{}/watch/tea", shop.front_at);
    let mut stream = reqwest::get(url).await.expect("the front answers");
    let mut next = async || {
        let chunk = timeout(FOLLOWED_WITHIN, stream.chunk()).await.expect("something is told in time");
        let chunk = chunk.expect("the stream does not break");
        chunk.map(|line| serde_json::from_slice::<Value>(&line).expect("JSON")["price_cents"].clone())
    };
    assert_eq!(next().await, Some(json!(450)), "the price as it is");
    publish(&shop, "discount_percent: 20").await;
    assert_eq!(next().await, Some(json!(360)), "the price after the change");
    shop.prices[0].stop().await.expect("a stream does not keep it from leaving");
    assert_eq!(next().await, None, "the end");
}
