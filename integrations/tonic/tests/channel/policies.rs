//! Policies over real connections: who is connected, and who is called. That they choose well is proved where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use nacrite_tonic::{CallHash, Channel, Connectivity, DnsResolver};
use tonic::Request;

use crate::echo::{EchoClient, Words, say};
use crate::server::{Server, beside};
use crate::told::{Told, until, until_ready};

fn named(policy: &str) -> String {
    format!(r#"{{"loadBalancingConfig": [{{"{policy}": {{}}}}]}}"#)
}

async fn three() -> [Server; 3] {
    [Server::start("a").await, Server::start("b").await, Server::start("c").await]
}

#[tokio::test]
async fn pick_first_connects_to_one_and_to_the_next_when_that_is_gone() {
    let ([a, b, c], told) = (three().await, Told::default());
    let channel = told.channel().service_config(named("pick_first")).build().expect("a channel");
    told.list([&a, &b, &c]);
    for _ in 0..10 {
        assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    }
    assert_eq!((a.accepted(), b.accepted(), c.accepted()), (1, 0, 0));
    a.die().await;
    until(&channel, |state| state.endpoints[1].connectivity == Connectivity::Ready).await;
    assert_eq!(say(&channel).await.as_deref(), Ok("b"));
    assert_eq!(c.accepted(), 0);
}

#[tokio::test]
async fn least_request_sends_calls_past_who_is_busy() {
    let ([a, b, _c], told) = (three().await, Told::default());
    let channel = told.channel().service_config(named("least_request")).build().expect("a channel");
    told.list([&a, &b]);
    channel.connect();
    until_ready(&channel, 2).await;
    // A stream is work until it is read to its end.
    let mut streams = Vec::new();
    while streams.len() < 20 {
        streams.push(EchoClient::new(&channel).count().await.expect("it begins"));
    }
    let (with_a, with_b) = (a.calls(), b.calls());
    assert!(with_a.abs_diff(with_b) <= 2, "{with_a} and {with_b}");
    a.script.is_silent.send_replace(true);
    let silent: Vec<_> =
        (0..4).map(|_| channel.clone()).map(|channel| beside(async move { say(&channel).await })).collect();
    a.until_calls(with_a + 1).await;
    drop(streams);
    a.script.is_silent.send_replace(false);
    for call in silent {
        call.await.expect("no panic").expect("an answer");
    }
    assert_eq!(channel.metrics().calls_in_flight, 0);
}

#[tokio::test]
async fn ring_hash_sends_like_to_like_and_connects_to_whom_it_needs() {
    let ([a, b, c], told) = (three().await, Told::default());
    let config = r#"{"loadBalancingConfig": [{"ring_hash": {"requestHashHeader": "user"}}]}"#;
    let channel = told.channel().service_config(config).build().expect("a channel");
    told.list([&a, &b, &c]);
    let call = async |user: &str| {
        let mut request = Request::new(Words::default());
        request.metadata_mut().insert("user", user.parse().expect("a value"));
        EchoClient::new(&channel).say(request).await.expect("an answer")
    };
    let first = call("one").await;
    assert_eq!(a.accepted() + b.accepted() + c.accepted(), 1, "nobody else is needed");
    let mut owners = BTreeMap::new();
    for user in ["one", "two", "three", "four", "five", "six", "seven", "eight"] {
        let owner = call(user).await;
        for _ in 0..3 {
            assert_eq!(call(user).await, owner);
        }
        owners.insert(user, owner);
    }
    assert_eq!(owners["one"], first);
    assert!(owners.values().collect::<BTreeSet<_>>().len() > 1, "{owners:?}");
    let mut request = Request::new(Words::default());
    request.extensions_mut().insert(CallHash(7));
    EchoClient::new(&channel).say(request).await.expect("an answer");
}

#[tokio::test]
async fn a_target_without_a_scheme_is_a_name_that_is_looked_up() {
    let [a, b, _c] = three().await;
    let at: Vec<SocketAddr> = vec![a.at, b.at];
    let resolver = DnsResolver::asking(move |host, _| {
        assert_eq!(host, "orders.internal");
        let at = at.clone();
        Box::pin(async move { Ok(at) })
    });
    let channel = Channel::builder("orders.internal:9090").resolver(resolver).build().expect("a channel");
    channel.connect();
    until_ready(&channel, 2).await;
    let names: BTreeSet<String> = [say(&channel).await, say(&channel).await].into_iter().flatten().collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(*a.script.authority.borrow(), "orders.internal:9090");
}
