//! What service configs say: who takes calls, how long they last, whether they wait, whose health is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use nacrite_balance::policy::PolicyRegistry;
use nacrite_tonic::{Channel, ConfigLookup, Connectivity, Endpoint, FailFast};
use tonic::{Code, Request};

use crate::echo::{EchoClient, Words, say};
use crate::server::{PATIENCE, Server, beside, now};
use crate::told::{Told, endpoint, until, until_ready};

const WAITS: &str = r#"{"methodConfig": [{"name": [{"service": "test.Echo"}], "waitForReady": true}]}"#;
const SHORT: &str = r#"{"methodConfig": [{"name": [{"service": "test.Echo", "method": "Say"}], "timeout": "0.5s"}]}"#;
const WEIGHTED: &str = r#"{"loadBalancingConfig": [{"unheard_of": {}}, {"weighted_round_robin": {}}]}"#;

#[tokio::test]
async fn the_policy_of_the_service_config_counts_and_its_weights_hold() {
    let (a, b, told) = (Server::start("a").await, Server::start("b").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.updates().service_config(Some(WEIGHTED));
    let weighing = |server, weight| Endpoint { weight, ..endpoint(server) };
    told.updates().endpoints([weighing(&a, 1.0), weighing(&b, 3.0)]);
    channel.connect();
    until_ready(&channel, 2).await;
    let mut answers = BTreeMap::new();
    for _ in 0..40 {
        *answers.entry(say(&channel).await.expect("an answer")).or_insert(0) += 1;
    }
    assert_eq!(answers, BTreeMap::from([("a".to_owned(), 10), ("b".to_owned(), 30)]));
    told.updates().service_config(Some(r#"{"loadBalancingPolicy": "pick_first"}"#));
    let state = until(&channel, |state| &*state.policy == "pick_first").await;
    assert_eq!(state.config_trouble, None);
    told.updates().service_config(Some("{"));
    let state = until(&channel, |state| state.config_trouble.is_some()).await;
    assert_eq!((&*state.policy, state.connectivity), ("pick_first", Connectivity::Ready));
    assert_eq!((a.accepted(), b.accepted()), (1, 1), "no connection was made for it");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_the_service_config_covers_waiting_and_the_caller_may_want_less() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().service_config(SHORT).build().expect("a channel");
    told.list([&server]);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    server.script.is_silent.send_replace(true);
    for (own, expected) in [(None, 500), (Some(100), 100), (Some(9_000), 500)] {
        let mut request = Request::new(Words::default());
        if let Some(own) = own {
            request.set_timeout(Duration::from_millis(own));
        }
        let began = now();
        let failed = EchoClient::new(&channel).say(request).await.expect_err("it does not answer");
        assert_eq!(failed.code(), Code::DeadlineExceeded);
        let took = began.elapsed().as_millis();
        assert!((expected..expected + 10).contains(&took), "{took} ms in place of {expected} ms");
    }
}

#[tokio::test]
async fn a_service_config_lets_calls_wait_unless_they_want_to_fail() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().service_config(WAITS).build().expect("a channel");
    told.list([]);
    let mut request = Request::new(Words::default());
    request.extensions_mut().insert(FailFast);
    let failed = EchoClient::new(&channel).say(request).await.expect_err("nobody is there");
    assert_eq!(failed.code(), Code::Unavailable);
    let waiting = channel.clone();
    let waiting = beside(async move { say(&waiting).await });
    told.list([&server]);
    let answer = tokio::time::timeout(PATIENCE, waiting).await.expect("in time").expect("no panic");
    assert_eq!(answer.as_deref(), Ok("a"));
}

#[tokio::test]
async fn a_first_config_that_is_wrong_fails_calls_in_words_unless_there_is_a_default() {
    let (server, told, with_default) = (Server::start("a").await, Told::default(), Told::default());
    let channel = told.channel().build().expect("a channel");
    told.updates().service_config(Some(r#"{"methodConfig": [{"timeout": "soon"}]}"#));
    told.list([&server]);
    let failed = say(&channel).await.expect_err("there are no rules to go by");
    assert!(failed.code() == Code::Unavailable && failed.message().contains("methodConfig[0]"), "{failed:?}");
    told.updates().service_config(None);
    until_ready(&channel, 1).await;
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    let channel = with_default.channel().service_config(WEIGHTED).build().expect("a channel");
    with_default.updates().service_config(Some("1"));
    with_default.list([&server]);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    assert_eq!(&*channel.state().borrow().policy, "weighted_round_robin");
    let wrong = Channel::builder("static:///a:1").service_config(r#"{"loadBalancingPolicy": "none"}"#);
    assert!(wrong.build().expect_err("it is wrong").to_string().contains("loadBalancingPolicy"));
}

#[tokio::test]
async fn configs_of_the_registry_can_be_left_out_and_policies_be_added() {
    let (server, told) = (Server::start("a").await, Told::default());
    let mut policies = PolicyRegistry::standard();
    policies.register("mine", |_, all| all.by_name("weighted_random"));
    let mine = r#"{"loadBalancingConfig": [{"mine": {}}]}"#;
    let channel = told.channel().policies(policies).service_config(mine).config_lookup(ConfigLookup::Off);
    let channel = channel.build().expect("a channel");
    told.updates().service_config(Some(WEIGHTED));
    told.list([&server]);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    assert_eq!(&*channel.state().borrow().policy, "weighted_random");
}

#[tokio::test]
async fn an_endpoint_whose_calls_fail_takes_none_for_a_while() {
    let (a, b, told) = (Server::start("a").await, Server::start("b").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&a, &b]);
    channel.connect();
    until_ready(&channel, 2).await;
    b.script.is_broken.send_replace(true);
    let mut failures = 0;
    while channel.metrics().ejections == 0 {
        failures += u32::from(say(&channel).await.is_err());
    }
    until(&channel, |state| state.endpoints.iter().any(|one| one.is_ejected)).await;
    assert!((5..=6).contains(&failures), "{failures}");
    for _ in 0..20 {
        assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    }
    assert_eq!((a.accepted(), b.accepted()), (1, 1), "its connection stands");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_answers_is_found_by_deadlines() {
    let (a, b, told) = (Server::start("a").await, Server::start("frozen").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&a, &b]);
    channel.connect();
    until_ready(&channel, 2).await;
    b.script.is_silent.send_replace(true);
    while channel.metrics().ejections == 0 {
        let mut request = Request::new(Words::default());
        request.set_timeout(Duration::from_millis(100));
        EchoClient::new(&channel).say(request).await.ok();
        tokio::task::yield_now().await;
    }
    assert!(b.calls() <= 6, "{}", b.calls());
}

#[tokio::test]
async fn endpoints_are_asked_how_they_are_if_the_config_says_so() {
    let (a, reporter) = Server::start_with_health("a").await;
    let (b, told) = (Server::start("b").await, Told::default());
    let channel = told.channel().service_config(r#"{"healthCheckConfig": {"serviceName": "test.Echo"}}"#);
    let channel = channel.build().expect("a channel");
    reporter.set_service_status("test.Echo", tonic_health::ServingStatus::NotServing).await;
    told.list([&a, &b]);
    channel.connect();
    let is_b_alone = |state: &nacrite_tonic::ChannelState| {
        let ready = |at: usize| state.endpoints.get(at).map(|one| one.connectivity);
        ready(0) == Some(Connectivity::TransientFailure) && ready(1) == Some(Connectivity::Ready)
    };
    let state = until(&channel, is_b_alone).await;
    assert!(state.endpoints[0].reason.as_deref().is_some_and(|reason| reason.contains("NOT_SERVING")), "{state:?}");
    for _ in 0..10 {
        assert_eq!(say(&channel).await.as_deref(), Ok("b"), "who has no health service is well");
    }
    reporter.set_service_status("test.Echo", tonic_health::ServingStatus::Serving).await;
    until_ready(&channel, 2).await;
    reporter.set_service_status("test.Echo", tonic_health::ServingStatus::NotServing).await;
    until(&channel, is_b_alone).await;
    // A watch that is open does not keep a server from leaving.
    a.say_goodbye();
    a.until_open(0).await;
}

#[tokio::test]
async fn messages_are_no_longer_than_the_service_config_allows() {
    let (server, told) = (Server::start(&"a".repeat(100)).await, Told::default());
    let method = |rule: &str| format!(r#"{{"methodConfig": [{{"name": [{{}}], {rule}}}]}}"#);
    let channel = told.channel().service_config(method(r#""maxRequestMessageBytes": 50"#)).build().expect("a channel");
    told.list([&server]);
    let mut client = EchoClient::new(&channel);
    assert!(client.say(Words::new(&"x".repeat(48))).await.is_ok());
    let failed = client.say(Words::new(&"x".repeat(49))).await.expect_err("it is too long");
    assert!(failed.code() == Code::ResourceExhausted && failed.message().contains("51 bytes"), "{failed:?}");
    assert!(client.say(Words::default()).await.is_ok(), "the connection stands");
    told.updates().service_config(Some(&method(r#""maxResponseMessageBytes": 50"#)));
    let failed = loop {
        match client.say(Words::default()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(failed) => break failed,
        }
    };
    assert!(failed.code() == Code::ResourceExhausted && failed.message().contains("102 bytes"), "{failed:?}");
    assert_eq!(server.accepted(), 1);
}
