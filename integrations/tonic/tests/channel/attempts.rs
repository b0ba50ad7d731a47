//! Calls that are sent again, before servers that fail as they are told.

use std::time::Duration;

use futures_util::Stream;
use nacrite_tonic::Channel;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::{Code, Request};

use crate::echo::{EchoClient, Order, Words, next, say};
use crate::server::{Server, beside, now};
use crate::told::{Told, until_ready};

/// Servers and a channel to them by a service config.
struct Rig {
    servers: Vec<Server>,
    channel: Channel,
    _told: Told,
}

impl Rig {
    /// A server, and what the config says about all methods.
    async fn new(method: &Value) -> Self {
        Self::with(1, &json!({"methodConfig": [with_name(method)]})).await
    }

    async fn with(count: usize, config: &Value) -> Self {
        let told = Told::default();
        let channel = told.channel().service_config(config.to_string()).build().expect("a channel");
        let mut servers = Vec::new();
        for number in 0..count {
            servers.push(Server::start(&number.to_string()).await);
        }
        told.list(&servers);
        channel.connect();
        until_ready(&channel, count).await;
        Self { servers, channel, _told: told }
    }

    fn server(&self) -> &Server {
        &self.servers[0]
    }

    /// The code of a call, and how many attempts it took.
    async fn call(&self) -> (Code, usize) {
        let before = self.calls();
        let code = say(&self.channel).await.map_or_else(|failed| failed.code(), |_| Code::Ok);
        (code, self.calls() - before)
    }

    fn calls(&self) -> usize {
        self.servers.iter().map(Server::calls).sum()
    }
}

fn with_name(method: &Value) -> Value {
    let mut method = method.clone();
    method["name"] = json!([{}]);
    method
}

/// Words that are said while a call is under way.
fn words() -> (mpsc::Sender<Words>, impl Stream<Item = Words> + Send + 'static) {
    let (say, mut said) = mpsc::channel(8);
    (say, futures_util::stream::poll_fn(move |cx| said.poll_recv(cx)))
}

/// Four attempts with short pauses; UNAVAILABLE.
fn retry() -> Value {
    json!({"retryPolicy": {
        "maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.002s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
    }})
}

/// Three attempts; UNAVAILABLE is not fatal.
fn hedge(delay: &str) -> Value {
    json!({"hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": delay, "nonFatalStatusCodes": ["UNAVAILABLE"]}})
}

#[tokio::test]
async fn call_is_sent_again_until_it_succeeds_and_servers_are_told() {
    let rig = Rig::new(&retry()).await;
    rig.server().script.fail(2, Code::Unavailable);
    let mut client = EchoClient::new(&rig.channel);
    assert_eq!(client.say(Words::new("words")).await.as_deref(), Ok("0"));
    assert_eq!(rig.server().script.previous(), [None, Some("1".to_owned()), Some("2".to_owned())]);
    assert_eq!(*rig.server().script.said.lock(), ["words"], "the request came whole");
    assert_eq!((rig.channel.metrics().retries, rig.channel.metrics().calls), (2, 1));
}

#[tokio::test]
async fn call_fails_with_the_last_status_when_attempts_are_used_up() {
    let rig = Rig::new(&retry()).await;
    rig.server().script.fail(4, Code::Unavailable);
    let failed = say(&rig.channel).await.expect_err("it fails");
    assert_eq!((failed.code(), failed.message()), (Code::Unavailable, "as it was told"));
    assert_eq!(rig.calls(), 4);
    assert_eq!(rig.channel.metrics().calls_in_flight, 0);
}

#[tokio::test]
async fn status_that_is_not_named_is_the_answer() {
    let rig = Rig::new(&retry()).await;
    rig.server().script.fail(1, Code::Internal);
    assert_eq!(rig.call().await, (Code::Internal, 1));
    let without = Rig::new(&json!({})).await;
    without.server().script.fail(1, Code::Unavailable);
    assert_eq!(without.call().await, (Code::Unavailable, 1));
}

#[tokio::test]
async fn answer_that_began_is_not_repeated() {
    let rig = Rig::new(&retry()).await;
    rig.server().script.order([Order::Break(Code::Unavailable)]);
    assert_eq!(rig.call().await, (Code::Unavailable, 1));
}

#[tokio::test]
async fn server_that_says_never_is_obeyed() {
    let rig = Rig::new(&retry()).await;
    for word in ["-1", "soon"] {
        rig.server().script.order([Order::Fail(Code::Unavailable, Some(word))]);
        assert_eq!(rig.call().await, (Code::Unavailable, 1), "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_says_when_is_obeyed() {
    let mut slow = retry();
    slow["retryPolicy"]["initialBackoff"] = json!("100s");
    slow["retryPolicy"]["maxBackoff"] = json!("100s");
    let rig = Rig::new(&slow).await;
    let began = now();
    rig.server().script.order([Order::Fail(Code::Unavailable, Some("70"))]);
    assert_eq!(rig.call().await, (Code::Ok, 2));
    let took = began.elapsed();
    assert!((Duration::from_millis(70)..Duration::from_secs(10)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn deadline_covers_all_attempts_and_their_pauses() {
    let mut slow = retry();
    slow["retryPolicy"]["initialBackoff"] = json!("100s");
    slow["retryPolicy"]["maxBackoff"] = json!("100s");
    slow["timeout"] = json!("3s");
    let rig = Rig::new(&slow).await;
    let began = now();
    rig.server().script.fail(9, Code::Unavailable);
    assert_eq!(rig.call().await, (Code::DeadlineExceeded, 1));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let left = rig.server().script.metadata.borrow().get("grpc-timeout").cloned().expect("the server is told");
    assert!(left.to_str().is_ok_and(|left| left.ends_with('u')), "{left:?}");
}

#[tokio::test]
async fn refused_call_is_sent_again_once_without_any_policy() {
    let rig = Rig::new(&json!({})).await;
    rig.server().script.order([Order::Refuse]);
    assert_eq!(rig.call().await, (Code::Ok, 2));
    assert_eq!(rig.server().script.previous(), [None, None], "it does not count");
    rig.server().script.order([Order::Refuse, Order::Refuse]);
    assert_eq!(rig.call().await, (Code::Unavailable, 2));
    let with_policy = Rig::new(&retry()).await;
    with_policy.server().script.order([Order::Refuse, Order::Refuse]);
    assert_eq!(with_policy.call().await, (Code::Ok, 3));
    assert_eq!(with_policy.server().script.previous(), [None, None, Some("1".to_owned())]);
}

#[tokio::test]
async fn attempt_goes_to_another_endpoint() {
    let config = json!({"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [with_name(&retry())]});
    let rig = Rig::with(2, &config).await;
    rig.servers[0].script.fail(100, Code::Unavailable);
    for _ in 0..10 {
        assert_eq!(say(&rig.channel).await.as_deref(), Ok("1"));
    }
    assert!(rig.servers[0].calls() > 0);
}

#[tokio::test]
async fn too_many_failures_end_sending_again() {
    let config = json!({
        "methodConfig": [with_name(&retry())],
        "retryThrottling": {"maxTokens": 4, "tokenRatio": 1}
    });
    let rig = Rig::with(1, &config).await;
    rig.server().script.fail(3, Code::Unavailable);
    assert_eq!(rig.call().await, (Code::Unavailable, 2), "two of four tokens are left");
    assert_eq!(rig.call().await, (Code::Unavailable, 1));
    assert_eq!(rig.call().await, (Code::Ok, 1));
    assert_eq!(rig.call().await, (Code::Ok, 1));
    rig.server().script.fail(1, Code::Unavailable);
    assert_eq!(rig.call().await, (Code::Unavailable, 1), "one and two are three, and this one took it");
    for _ in 0..2 {
        assert_eq!(rig.call().await, (Code::Ok, 1));
    }
    rig.server().script.fail(1, Code::Unavailable);
    assert_eq!(rig.call().await, (Code::Ok, 2));
}

#[tokio::test]
async fn answers_that_break_take_tokens_too() {
    let config = json!({
        "methodConfig": [with_name(&retry())],
        "retryThrottling": {"maxTokens": 4, "tokenRatio": 1}
    });
    let rig = Rig::with(1, &config).await;
    rig.server().script.order([Order::Break(Code::Unavailable), Order::Break(Code::Unavailable)]);
    for _ in 0..2 {
        assert_eq!(rig.call().await, (Code::Unavailable, 1));
    }
    rig.server().script.fail(1, Code::Unavailable);
    assert_eq!(rig.call().await, (Code::Unavailable, 1));
}

#[tokio::test]
async fn request_that_is_too_large_to_keep_is_sent_once() {
    let rig = Rig::new(&retry()).await;
    let large = || Words::new(&"x".repeat((1 << 20) + 1));
    let mut client = EchoClient::new(&rig.channel);
    assert_eq!(client.say(large()).await.as_deref(), Ok("0"));
    assert_eq!(rig.server().script.said.lock()[0].len(), (1 << 20) + 1);
    // It reads the request, so that too much was sent when it fails.
    let failed = client.say(Words::new(&format!("fail{}", "x".repeat(1 << 20)))).await.expect_err("it fails");
    assert_eq!((failed.code(), rig.calls()), (Code::Unavailable, 2));
    let failed = client.say(Words::new("fail later")).await.expect_err("it fails");
    assert_eq!((failed.code(), rig.calls()), (Code::Unavailable, 6), "a small one is sent again");
}

#[tokio::test]
async fn streams_are_sent_again_as_long_as_nothing_came() {
    let rig = Rig::new(&retry()).await;
    rig.server().script.fail(2, Code::Unavailable);
    rig.server().script.counting.add_permits(100);
    let mut stream = EchoClient::new(&rig.channel).count().await.expect("it begins");
    for number in ["0", "1", "2"] {
        assert_eq!(next(&mut stream).await.expect("a message").as_deref(), Ok(number));
    }
    assert!(next(&mut stream).await.is_none());
    assert_eq!(rig.calls(), 3);
}

#[tokio::test]
async fn what_was_said_before_a_failure_is_said_again_and_goes_on() {
    for method in [retry(), hedge("1000s")] {
        let rig = Rig::new(&method).await;
        rig.server().script.order([Order::Taste(Code::Unavailable), Order::Taste(Code::Unavailable)]);
        let (say, said) = words();
        let mut client = EchoClient::new(&rig.channel);
        let call = beside(async move { client.gather(said).await });
        say.send(Words::new("a")).await.expect("it listens");
        rig.server().until_calls(3).await;
        say.send(Words::new("b")).await.expect("it listens");
        drop(say);
        assert_eq!(call.await.expect("no panic").as_deref(), Ok("ab"));
    }
}

#[tokio::test(start_paused = true)]
async fn attempt_that_is_not_answered_in_its_time_is_followed_by_another() {
    let mut method = retry();
    method["retryPolicy"]["perAttemptRecvTimeout"] = json!("2s");
    let rig = Rig::new(&method).await;
    rig.server().script.order([Order::Ignore]);
    assert_eq!(rig.call().await, (Code::Ok, 2));
}

#[tokio::test(start_paused = true)]
async fn slow_attempt_is_overtaken_by_the_next() {
    let rig = Rig::new(&hedge("0.5s")).await;
    rig.server().script.order([Order::Ignore, Order::Ignore]);
    let began = now();
    assert_eq!(rig.call().await, (Code::Ok, 3));
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(rig.server().script.previous(), [None, Some("1".to_owned()), Some("2".to_owned())]);
    assert_eq!(rig.channel.metrics().calls_in_flight, 0);
}

#[tokio::test]
async fn status_that_is_not_fatal_sends_the_next_at_once() {
    let rig = Rig::new(&hedge("1000s")).await;
    rig.server().script.fail(2, Code::Unavailable);
    assert_eq!(rig.call().await, (Code::Ok, 3));
    rig.server().script.fail(3, Code::Unavailable);
    assert_eq!(rig.call().await, (Code::Unavailable, 3));
}

#[tokio::test]
async fn fatal_status_ends_all_attempts() {
    let rig = Rig::new(&hedge("0s")).await;
    rig.server().script.order([Order::Ignore, Order::Ignore, Order::Fail(Code::NotFound, None)]);
    assert_eq!(rig.call().await, (Code::NotFound, 3));
    assert_eq!(rig.channel.metrics().calls_in_flight, 0);
}

#[tokio::test]
async fn server_that_says_never_ends_hedging() {
    let rig = Rig::new(&hedge("1000s")).await;
    rig.server().script.order([Order::Fail(Code::Unavailable, Some("-1"))]);
    assert_eq!(rig.call().await, (Code::Unavailable, 1));
}

#[tokio::test]
async fn attempts_at_the_same_time_share_a_large_request_until_it_cannot_be_kept() {
    let rig = Rig::new(&hedge("0s")).await;
    let mut client = EchoClient::new(&rig.channel);
    let small = Words::new(&"x".repeat(1 << 19));
    assert_eq!(client.say(small).await.as_deref(), Ok("0"));
    let large = Words::new(&"x".repeat((1 << 20) + 1));
    assert_eq!(client.say(large).await.as_deref(), Ok("0"));
    assert_eq!(rig.server().script.said.lock().last().map(String::len), Some((1 << 20) + 1));
}

#[tokio::test]
async fn call_that_is_given_up_ends_all_its_attempts() {
    let rig = Rig::new(&hedge("0s")).await;
    rig.server().script.order([Order::Ignore, Order::Ignore, Order::Ignore]);
    let channel = rig.channel.clone();
    let call = beside(async move { say(&channel).await.is_ok() });
    rig.server().until_calls(3).await;
    call.abort();
    assert!(call.await.is_err());
    assert_eq!(rig.channel.metrics().calls_in_flight, 0);
}

#[tokio::test]
async fn waiting_for_readiness_can_be_a_rule() {
    let told = Told::default();
    let config = json!({"methodConfig": [{"name": [{}], "waitForReady": true, "timeout": "0.05s"}]});
    let channel = told.channel().service_config(config.to_string()).build().expect("a channel");
    told.list([]);
    let mut request = Request::new(Words::default());
    request.set_timeout(Duration::from_secs(60));
    let failed = EchoClient::new(&channel).say(request).await.expect_err("nobody is there");
    assert_eq!(failed.code(), Code::DeadlineExceeded, "it waited, and no longer than the rule says");
}
