//! The registry goes away and comes back, and nobody who calls notices.

use crate::channel::Counters;
use crate::load::Load;
use crate::open;
use crate::scale::Scale;

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_without_the_registry_and_nothing_flaps_when_it_returns() {
    let (_alone, mut shop) = open(&[1.0, 1.0, 1.0]).await;
    let scale = Scale::asked();
    let load = Load::begin(shop.front_at, scale.per_second);
    load.go_on(scale.calm).await;
    let before = Counters::of(shop.front_at).await;

    shop.registry.kill().await.expect("it is gone");
    load.go_on(scale.outage).await;
    let without = Counters::of(shop.front_at).await;
    shop.registry.start_again().await.expect("it comes back with what it had");
    load.go_on(scale.settled).await;

    let after = Counters::of(shop.front_at).await;
    let calls = load.end().await;
    println!("outage: {before:?}; {}", calls.summary());
    assert_eq!(calls.failed().count(), 0, "{}", calls.summary());
    let (before, without, after) = (before.settled(), without.settled(), after.settled());
    assert_eq!(without, before, "no instance is let go, none is connected anew while the registry is away");
    assert_eq!(after, before, "nor when it returns");
    shop.close().await.expect("everybody is registered again, and leaves in order");
}
