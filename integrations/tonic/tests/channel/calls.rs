//! What becomes of calls: order of the start, waiting and failing, deadlines, streams, what programs add.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use nacrite_tonic::{CallHead, Channel, Connectivity, WaitForReady};
use parking_lot::Mutex;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::echo::{EchoClient, SAY, Words, next, say};
use crate::server::{PATIENCE, Server, beside, now};
use crate::told::{Told, until, until_ready};

fn waiting() -> Request<Words> {
    let mut request = Request::new(Words::default());
    request.extensions_mut().insert(WaitForReady);
    request
}

#[tokio::test]
async fn nothing_is_looked_for_and_nothing_connects_before_the_first_call() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&server]);
    tokio::task::yield_now().await;
    assert_eq!((told.starts(), server.accepted()), (0, 0));
    assert_eq!(channel.state().borrow().connectivity, Connectivity::Idle);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    assert_eq!((told.starts(), server.accepted()), (1, 1));
    let other = told.channel().build().expect("a channel");
    other.connect();
    told.list([&server]);
    until_ready(&other, 1).await;
    assert_eq!(told.starts(), 2);
}

#[tokio::test]
async fn calls_wait_until_the_target_is_resolved_and_are_sent_then() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    let calls = futures_util::future::join_all((0..10).map(|_| say(&channel)));
    let tell = async {
        until(&channel, |state| state.connectivity == Connectivity::Connecting).await;
        assert_eq!(server.calls(), 0);
        told.list([&server]);
    };
    let (answers, ()) = tokio::join!(calls, tell);
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("a")), "{answers:?}");
    let metrics = channel.metrics();
    assert_eq!((metrics.calls, metrics.picks_waited, metrics.calls_failed, metrics.calls_in_flight), (10, 10, 0, 0));
}

#[tokio::test]
async fn without_anybody_calls_fail_at_once_in_words_unless_they_wait_for_readiness() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.updates().failed("no registry");
    let failed = say(&channel).await.expect_err("it cannot be resolved");
    assert_eq!(failed.code(), Code::Unavailable);
    assert!(failed.message().contains("told:///echo cannot be resolved: no registry"), "{failed:?}");
    told.list([]);
    until(&channel, |state| state.resolver_trouble.is_none()).await;
    let failed = say(&channel).await.expect_err("nobody is there");
    assert!(
        failed.code() == Code::Unavailable && failed.message().contains("list of endpoints is empty"),
        "{failed:?}"
    );
    let mut client = EchoClient::new(&channel);
    let mut patient = beside(async move { client.say(waiting()).await });
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut patient).await.is_err(), "it waits");
    told.list([&server]);
    assert_eq!(patient.await.expect("no panic").as_deref(), Ok("a"));
}

#[tokio::test]
async fn endpoints_that_cannot_be_reached_fail_calls_in_words_and_not_those_that_wait() {
    let (gone, told) = (Server::start("gone").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&gone]);
    let at = gone.die().await;
    let failed = say(&channel).await.expect_err("nobody is there");
    assert_eq!(failed.code(), Code::Unavailable);
    assert!(failed.message().contains(&at.to_string()), "{failed:?}");
    let mut client = EchoClient::new(&channel);
    let patient = beside(async move { client.say(waiting()).await });
    // It comes back where it was, and is tried again after a pause.
    let _back = Server::start_at("back", at, None).await;
    let answer = tokio::time::timeout(PATIENCE, patient).await.expect("in time").expect("no panic");
    assert_eq!(answer.as_deref(), Ok("back"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_covers_waiting_for_a_list_and_reading_the_answer() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    let mut request = Request::new(Words::default());
    request.set_timeout(Duration::from_millis(300));
    let began = now();
    let failed = EchoClient::new(&channel).say(request).await.expect_err("there is no list");
    assert_eq!((failed.code(), began.elapsed() < Duration::from_millis(310)), (Code::DeadlineExceeded, true));
    assert!(failed.message().contains("was being looked for"), "{failed:?}");
    told.list([]);
    let mut request = waiting();
    request.set_timeout(Duration::from_millis(300));
    let failed = EchoClient::new(&channel).say(request).await.expect_err("nobody is there");
    assert_eq!(failed.code(), Code::DeadlineExceeded);
    assert!(failed.message().contains("nobody offers told:///echo"), "{failed:?}");
    told.list([&server]);
    until_ready(&channel, 1).await;
    server.script.is_silent.send_replace(true);
    let mut request = Request::new(Words::default());
    request.set_timeout(Duration::from_secs(2));
    let failed = EchoClient::new(&channel).say(request).await.expect_err("it does not answer");
    assert_eq!(failed.code(), Code::DeadlineExceeded);
    assert_eq!(channel.metrics().calls_in_flight, 0);
}

#[tokio::test]
async fn a_call_is_in_flight_until_its_answer_is_read_or_dropped() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&server]);
    let mut client = EchoClient::new(&channel);
    let mut read = client.count().await.expect("it begins");
    let dropped = client.count().await.expect("it begins");
    assert_eq!(channel.metrics().calls_in_flight, 2);
    drop(dropped);
    assert_eq!(channel.metrics().calls_in_flight, 1);
    server.script.counting.add_permits(100);
    for number in ["0", "1", "2"] {
        assert_eq!(next(&mut read).await.expect("a message").as_deref(), Ok(number));
    }
    assert!(next(&mut read).await.is_none());
    assert_eq!(channel.metrics().calls_in_flight, 0);
}

#[tokio::test]
async fn what_servers_answer_comes_as_it_is() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().user_agent("shop/1").build().expect("a channel");
    told.list([&server]);
    let failed = EchoClient::new(&channel).say(Words::new("fail")).await.expect_err("it was told to");
    assert_eq!((failed.code(), failed.message()), (Code::FailedPrecondition, "as it was told"));
    let seen = server.script.metadata.borrow().clone();
    let agent = seen.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    assert!(agent.starts_with("shop/1 grpc-rust-nacrite/"), "{agent}");
    assert_eq!(*server.script.authority.borrow(), "echo");
}

#[tokio::test]
async fn interceptors_see_calls_in_the_order_in_which_they_were_added() {
    let (server, told) = (Server::start("a").await, Told::default());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move |call: &mut CallHead<'_>| {
            seen.lock().push(format!("{name} {}", call.method()));
            call.metadata().append("seen-by", name.parse().expect("a value"));
            if call.metadata().contains_key("refuse") { Err(Status::permission_denied(name)) } else { Ok(()) }
        }
    };
    let channel = told.channel().interceptor(note("first")).interceptor(note("second")).build().expect("a channel");
    told.list([&server]);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    assert_eq!(*seen.lock(), ["first /test.Echo/Say", "second /test.Echo/Say"]);
    let sent = server.script.metadata.borrow().clone();
    let sent: Vec<_> = sent.get_all("seen-by").iter().map(|name| name.as_bytes()).collect();
    assert_eq!(sent, [&b"first"[..], b"second"]);
    let mut refused = Request::new(Words::default());
    refused.metadata_mut().insert("refuse", "1".parse().expect("a value"));
    let refused = EchoClient::new(&channel).say(refused).await.expect_err("the first refuses");
    assert_eq!((refused.code(), refused.message()), (Code::PermissionDenied, "first"));
    assert_eq!((seen.lock().len(), server.calls()), (3, 1));
}

/// A channel stands wherever tonic's own does: its interceptors need an answer without a body.
#[tokio::test]
async fn interceptors_of_tonic_work_around_a_channel() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&server]);
    let refuse = |request: Request<()>| match request.metadata().get("refuse") {
        Some(_) => Err(Status::permission_denied("as it was told")),
        None => Ok(request),
    };
    let around = InterceptedService::new(channel, refuse);
    let call = async |request: Request<Words>| {
        let mut client = tonic::client::Grpc::new(around.clone());
        client.ready().await.expect("always");
        let codec = ProstCodec::<Words, Words>::default();
        client.unary::<Words, Words, _>(request, PathAndQuery::from_static(SAY), codec).await
    };
    assert_eq!(call(Request::new(Words::default())).await.expect("an answer").into_inner().text, "a");
    let mut refused = Request::new(Words::default());
    refused.metadata_mut().insert("refuse", "1".parse().expect("a value"));
    assert_eq!(call(refused).await.expect_err("it is refused").code(), Code::PermissionDenied);
}

#[tokio::test]
async fn shutting_down_refuses_new_calls_and_lets_old_ones_end() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&server]);
    let mut stream = EchoClient::new(&channel).count().await.expect("it begins");
    let closing = channel.clone();
    let closing = beside(async move { closing.shutdown(PATIENCE).await });
    while say(&channel).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let refused = say(&channel).await.expect_err("it is closing");
    assert!(refused.code() == Code::Unavailable && refused.message().contains("shut down"), "{refused:?}");
    server.script.counting.add_permits(100);
    for _ in 0..3 {
        next(&mut stream).await.expect("a message").expect("it goes on");
    }
    assert!(next(&mut stream).await.is_none());
    assert!(closing.await.expect("no panic"), "everything ended by itself");
    server.until_open(0).await;
    assert_eq!(channel.state().borrow().connectivity, Connectivity::Shutdown);
}

#[tokio::test]
async fn shutting_down_takes_no_longer_than_it_may() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&server]);
    let mut stream = EchoClient::new(&channel).count().await.expect("it begins");
    assert!(!channel.shutdown(Duration::from_millis(10)).await);
    let cut = next(&mut stream).await.expect("an end").expect_err("it was cut");
    assert_eq!(cut.code(), Code::Unavailable);
    server.until_open(0).await;
}

#[tokio::test]
async fn a_channel_that_is_dropped_closes_when_its_calls_have_ended() {
    let (server, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&server]);
    let mut stream = EchoClient::new(&channel).count().await.expect("it begins");
    drop(channel);
    server.script.counting.add_permits(100);
    for _ in 0..3 {
        next(&mut stream).await.expect("a message").expect("it goes on");
    }
    assert!(next(&mut stream).await.is_none());
    server.until_open(0).await;
    told.until_ended().await;
}

#[test]
fn what_cannot_be_built_says_why() {
    let failed = Channel::builder("told:///x").build().expect_err("no runtime").to_string();
    assert!(failed.contains("Tokio runtime"), "{failed:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _inside = runtime.enter();
    for (builder, why) in [
        (Channel::builder("nacos:///x"), "no resolver"),
        (Channel::builder("dns:///x"), "has no port"),
        (Channel::builder("static:///a:1").authority("a b"), "authority"),
        (Channel::builder("static:///a:1").authority("me@a"), "names a user"),
        (Channel::builder("static:///a:1").user_agent("\n"), "user agent"),
    ] {
        let failed = builder.build().expect_err(why).to_string();
        assert!(failed.contains(why), "{failed:?}");
    }
}
