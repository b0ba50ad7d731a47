//! What new lists do: to calls, to connections, to a channel that does not look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nacrite_balance::{Call, Member, Pick, Picker, Policy, Wanted};
use nacrite_tonic::{Channel, Connectivity, Endpoint, ResolverFactory, Target, TargetError, Updates};
use tonic::Code;

use crate::echo::{EchoClient, next, say};
use crate::server::{Server, now};
use crate::told::{Told, endpoint, until, until_ready};

#[tokio::test]
async fn an_endpoint_that_leaves_takes_no_calls_and_its_streams_go_on() {
    let (a, b, told) = (Server::start("a").await, Server::start("b").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&a]);
    let mut stream = EchoClient::new(&channel).count().await.expect("it begins");
    told.list([&b]);
    until_ready(&channel, 1).await;
    while say(&channel).await.expect("an answer") == "a" {}
    let calls = a.calls();
    for _ in 0..20 {
        assert_eq!(say(&channel).await.as_deref(), Ok("b"));
    }
    assert_eq!(a.calls(), calls);
    a.script.counting.add_permits(100);
    for _ in 0..3 {
        next(&mut stream).await.expect("a message").expect("it goes on");
    }
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_leaves_is_closed_after_a_while_and_found_again_before() {
    let (a, b, told) = (Server::start("a").await, Server::start("b").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&a, &b]);
    channel.connect();
    until_ready(&channel, 2).await;
    told.list([&b]);
    until_ready(&channel, 1).await;
    told.list([&a, &b]);
    until_ready(&channel, 2).await;
    assert_eq!((a.accepted(), b.accepted()), (1, 1), "it came back in time");
    told.list([&b]);
    let began = now();
    a.until_open(0).await;
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(b.accepted(), 1);
}

#[tokio::test]
async fn a_new_weight_needs_no_new_connection_and_zero_takes_no_calls() {
    let (a, b, told) = (Server::start("a").await, Server::start("b").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&a, &b]);
    channel.connect();
    until_ready(&channel, 2).await;
    for weight in [3.0, 0.0] {
        told.updates().endpoints([Endpoint { weight, ..endpoint(&a) }, endpoint(&b)]);
        until(&channel, |state| state.endpoints.iter().any(|one| one.endpoint.weight == weight)).await;
    }
    let calls = a.calls();
    for _ in 0..10 {
        assert_eq!(say(&channel).await.as_deref(), Ok("b"));
    }
    assert_eq!((a.calls(), a.accepted(), b.accepted()), (calls, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_believed_after_a_while_and_then_calls_fail_at_once() {
    let (a, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&a]);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    let began = now();
    told.list([]);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"), "it is not believed yet");
    until(&channel, |state| state.endpoints.is_empty()).await;
    assert!(began.elapsed() >= Duration::from_secs(30), "{:?}", began.elapsed());
    let failed = say(&channel).await.expect_err("nobody is there");
    assert_eq!(failed.code(), Code::Unavailable);
    told.list([&a]);
    until_ready(&channel, 1).await;
    told.list([]);
    told.list([&a]);
    tokio::time::advance(Duration::from_secs(100)).await;
    assert_eq!(say(&channel).await.as_deref(), Ok("a"), "it was empty for a moment alone");
}

#[tokio::test]
async fn ten_thousand_lists_while_nobody_calls_leave_the_last_one_and_nothing_else() {
    let (first, last, told) = (Server::start("first").await, Server::start("last").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&first]);
    assert_eq!(say(&channel).await.as_deref(), Ok("first"));
    for number in 0..10_000_u32 {
        let gone =
            Endpoint::new(&format!("192.0.2.{}", number % 250 + 1), 1 + u16::try_from(number % 1000).unwrap_or(1));
        told.updates().endpoints([endpoint(&first), gone]);
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    told.list([&last]);
    until_ready(&channel, 1).await;
    assert_eq!(say(&channel).await.as_deref(), Ok("last"));
    assert_eq!((first.accepted(), last.accepted()), (1, 1));
    assert!(channel.metrics().lists <= 10_002);
    assert!(channel.shutdown(Duration::from_secs(5)).await, "no task is left behind");
}

#[tokio::test]
async fn trouble_of_the_resolver_takes_nothing_away() {
    let (a, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&a]);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    told.updates().failed("the registry is away");
    let state = until(&channel, |state| state.resolver_trouble.is_some()).await;
    assert_eq!((state.connectivity, state.endpoints.len()), (Connectivity::Ready, 1));
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    told.list([&a]);
    until(&channel, |state| state.resolver_trouble.is_none()).await;
    assert_eq!(a.accepted(), 1);
}

/// Sends calls to the last member alone, and connects to it when one comes.
#[derive(Debug)]
struct LastAlone;

#[derive(Debug)]
struct ThisOne(Pick);

impl Picker for ThisOne {
    fn pick(&self, _: &Call<'_>) -> Pick {
        self.0.clone()
    }
}

impl Policy for LastAlone {
    fn name(&self) -> &str {
        "last_alone"
    }

    fn wanted(&self, _: &[Member]) -> Wanted {
        Wanted::OnDemand
    }

    fn picker(&self, members: &[Member]) -> Arc<dyn Picker> {
        assert!(members.len() < 3, "this policy panics when there are many");
        let last = members.len().saturating_sub(1);
        let pick = match members.last().map(Member::takes_calls) {
            Some(true) => Pick::Take(last),
            Some(false) => Pick::Connect(last),
            None => Pick::Wait,
        };
        Arc::new(ThisOne(pick))
    }
}

#[tokio::test]
async fn a_policy_of_ones_own_connects_to_whom_it_picks() {
    let (a, b, told) = (Server::start("a").await, Server::start("b").await, Told::default());
    let channel = told.channel().policy(LastAlone).build().expect("a channel");
    told.list([&a, &b]);
    let mut answers = BTreeMap::new();
    for _ in 0..5 {
        *answers.entry(say(&channel).await.expect("an answer")).or_insert(0) += 1;
    }
    assert_eq!(answers, BTreeMap::from([("b".to_owned(), 5)]));
    assert_eq!((a.accepted(), b.accepted()), (0, 1));
    assert_eq!(&*channel.state().borrow().policy, "last_alone");
    let c = Server::start("c").await;
    told.list([&a, &b, &c]);
    until(&channel, |state| state.connectivity == Connectivity::Shutdown).await;
    let failed = say(&channel).await.expect_err("nobody drives it any more");
    assert_eq!(failed.code(), Code::Unavailable, "a panic of a policy leaves nobody waiting");
}

/// A resolver that ends, as it is told: with a panic, or without a word.
#[derive(Debug)]
struct Ending {
    panics: bool,
}

impl ResolverFactory for Ending {
    fn scheme(&self) -> &str {
        "ending"
    }

    fn authority(&self, _: &Target) -> Result<String, TargetError> {
        Ok("ending".to_owned())
    }

    fn resolve(&self, _: &Target, _: Updates) -> Result<BoxFuture<'static, ()>, TargetError> {
        let panics = self.panics;
        Ok(Box::pin(async move { assert!(!panics, "as it was told") }))
    }
}

#[tokio::test]
async fn a_resolver_that_ends_without_a_word_leaves_nobody_waiting() {
    for (panics, why) in [(false, "without a word"), (true, "panicked")] {
        let channel = Channel::builder("ending:///x").resolver(Ending { panics }).build().expect("a channel");
        let failed = say(&channel).await.expect_err("there is no list");
        assert!(failed.code() == Code::Unavailable && failed.message().contains(why), "{failed:?}");
    }
}
