//! Instances leave, die and come.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::channel::Counters;
use crate::load::{Asked, Load};
use crate::scale::Scale;
use crate::{open, open_slowly};

/// From the death of an instance to the last call that fails of it.
const FAILURES_END_WITHIN: Duration = Duration::from_secs(1);

/// From the moment in which an instance says that it is ready to its first answer.
const TRAFFIC_WITHIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_call() {
    let (_alone, mut shop) = open(&[1.0, 1.0, 1.0]).await;
    let scale = Scale::asked();
    let load = Load::begin(shop.front_at, scale.per_second);
    load.go_on(scale.calm).await;
    let mut fresh = Vec::new();
    for old in 0..3 {
        shop.prices[old].stop().await.expect("it leaves in order");
        let new = shop.add(1.0).await.expect("another one takes its place");
        fresh.push(shop.prices[new].name().to_owned());
        load.go_on(scale.calm).await;
    }
    load.last(scale.lasting).await;

    let calls = load.end().await;
    println!("rolling restart: {}", calls.summary());
    assert_eq!(calls.failed().count(), 0, "{}", calls.summary());
    let spread = calls.spread(Duration::ZERO);
    assert!(fresh.iter().all(|name| spread.contains_key(name.as_str())), "everybody new gets calls: {spread:?}");
    shop.close().await.expect("everything ends in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_fails_no_call_that_may_be_repeated_and_others_for_a_second_at_most() {
    let (_alone, mut shop) = open(&[1.0, 1.0, 1.0]).await;
    let scale = Scale::asked();
    let load = Load::begin(shop.front_at, scale.per_second);
    load.go_on(scale.calm).await;
    let before = Counters::of(shop.front_at).await;
    let killed_at = load.elapsed();
    shop.prices[0].kill().await.expect("it is gone");
    load.last(scale.lasting).await;
    let after = Counters::of(shop.front_at).await;

    let calls = load.end().await;
    println!("killed: {} retries; {}", after.retries - before.retries, calls.summary());
    assert!(after.retries > before.retries, "calls were under way, and tried again elsewhere");
    for call in calls.failed() {
        assert_eq!(call.asked, Asked::Reserve, "what may be repeated is repeated: {}", calls.summary());
        assert!(killed_at <= call.due + call.took, "nothing fails before: {}", calls.summary());
        assert!(
            call.due + call.took <= killed_at + FAILURES_END_WITHIN,
            "killed at {killed_at:?}: {}",
            calls.summary()
        );
    }
    let after = calls.spread(killed_at + FAILURES_END_WITHIN);
    assert!(!after.contains_key("prices-1") && after.len() == 2, "the others take its calls: {after:?}");
}

/// Nobody knows whether what was under way was done, so whoever asked is told instead of asking again on his behalf.
#[tokio::test(flavor = "multi_thread")]
async fn reservations_under_way_at_a_killed_instance_fail_and_are_not_repeated() {
    let (_alone, mut shop) = open_slowly(&[1.0, 1.0], Duration::from_secs(1)).await;
    let client = reqwest::Client::new();
    let url = format!("http://{}/reserve/tea/1", shop.front_at);
    // The first call makes the channel connect; the others are to find both instances there.
    client.post(&url).send().await.expect("the front answers");
    Counters::until(shop.front_at, |seen| seen.ready == 2).await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        calls.spawn(client.post(&url).send());
    }
    // Those at the other instance are still under way, too.
    Counters::until(shop.front_at, |seen| seen.in_flight == 20).await;
    shop.prices[0].kill().await.expect("it is gone");

    let statuses =
        calls.join_all().await.into_iter().map(|answer| answer.expect("the front answers").status().as_u16());
    let mut statuses: Vec<_> = statuses.collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 10], [503; 10]].concat());
    assert_eq!(Counters::of(shop.front_at).await.retries, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_instance_gets_calls_within_a_second_of_being_ready() {
    let (_alone, mut shop) = open(&[1.0, 1.0]).await;
    let scale = Scale::asked();
    let load = Load::begin(shop.front_at, scale.per_second);
    load.go_on(scale.calm).await;
    let new = shop.add(1.0).await.expect("a third one starts");
    let ready_at = load.elapsed();
    load.last(scale.lasting).await;

    let calls = load.end().await;
    let first = calls.first_by(shop.prices[new].name()).expect("it gets calls at all");
    println!("new instance: first call {:?} after it was ready; {}", first.saturating_sub(ready_at), calls.summary());
    assert!(first <= ready_at + TRAFFIC_WITHIN, "ready at {ready_at:?}, its first call at {first:?}");
    assert_eq!(calls.failed().count(), 0, "{}", calls.summary());
}
