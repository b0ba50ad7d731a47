//! How connections come and go: balance, failures, goodbyes, pauses, sleep.

use std::collections::BTreeMap;
use std::time::Duration;

use nacrite_tonic::{Channel, Connectivity};
use tonic::Code;

use crate::echo::{EchoClient, next, say};
use crate::server::{Server, now};
use crate::told::{Told, until, until_ready};

/// Who answers so many calls, and how often.
async fn answers(channel: &Channel, calls: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..calls {
        *answers.entry(say(channel).await.expect("an answer")).or_default() += 1;
    }
    answers
}

fn equal(names: &[&str], each: usize) -> BTreeMap<String, usize> {
    names.iter().map(|&name| (name.to_owned(), each)).collect()
}

#[tokio::test]
async fn calls_go_round_and_dead_endpoints_take_none() {
    let (a, b, c) = (Server::start("a").await, Server::start("b").await, Server::start("c").await);
    let told = Told::default();
    let channel = told.channel().build().expect("a channel");
    told.list([&a, &b, &c]);
    channel.connect();
    until_ready(&channel, 3).await;
    assert_eq!(answers(&channel, 30).await, equal(&["a", "b", "c"], 10));
    b.die().await;
    until(&channel, |state| state.endpoints.iter().any(|one| one.connectivity != Connectivity::Ready)).await;
    assert_eq!(answers(&channel, 30).await, equal(&["a", "c"], 15));
    let state = channel.state().borrow().clone();
    assert_eq!(state.connectivity, Connectivity::Ready);
    assert_eq!((a.accepted(), c.accepted(), &*state.policy), (1, 1, "round_robin"));
}

#[tokio::test]
async fn a_connection_that_breaks_fails_its_calls_as_unavailable() {
    let (a, told) = (Server::start("a").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&a]);
    let mut client = EchoClient::new(&channel);
    let mut stream = client.count().await.expect("it begins");
    a.script.is_silent.send_replace(true);
    let (failed, _) = tokio::join!(say(&channel), async {
        a.until_calls(2).await;
        a.die().await
    });
    let failed = failed.expect_err("it died");
    assert_eq!(failed.code(), Code::Unavailable, "{failed:?}");
    let failed = next(&mut stream).await.expect("an end").expect_err("it died");
    assert_eq!(failed.code(), Code::Unavailable, "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_costs_no_call_and_cuts_no_stream() {
    let (old, told) = (Server::start("old").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&old]);
    let mut stream = EchoClient::new(&channel).count().await.expect("it begins");
    // A connection that ends within a second counts as one that could not be made.
    tokio::time::advance(Duration::from_secs(2)).await;
    old.say_goodbye();
    // The listener is gone before the connections are: the next one is there already.
    let new = loop {
        match tokio::net::TcpStream::connect(old.at).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(_) => break Server::start_at("new", old.at, None).await,
        }
    };
    // Nobody calls: the goodbye is noticed all the same.
    new.until_open(1).await;
    until_ready(&channel, 1).await;
    for _ in 0..50 {
        assert_eq!(say(&channel).await.as_deref(), Ok("new"));
    }
    old.script.counting.add_permits(100);
    for number in ["0", "1", "2"] {
        assert_eq!(next(&mut stream).await.expect("a message").as_deref(), Ok(number));
    }
    assert!(next(&mut stream).await.is_none());
    assert_eq!((channel.metrics().calls_failed, new.calls()), (0, 50));
}

#[tokio::test(start_paused = true)]
async fn attempts_that_fail_are_made_with_growing_pauses() {
    let (gone, told) = (Server::start("gone").await, Told::default());
    let channel = told.channel().build().expect("a channel");
    told.list([&gone]);
    let at = gone.die().await;
    let mut times = vec![];
    channel.connect();
    for attempt in 1..=5 {
        until(&channel, |_| channel.metrics().connects_failed >= attempt).await;
        times.push(now());
    }
    for (two, nominal) in times.windows(2).zip([1.0, 1.6, 2.56, 4.096]) {
        let pause = (two[1] - two[0]).as_secs_f64();
        assert!((nominal * 0.79..nominal * 1.21).contains(&pause), "{pause} s in place of {nominal} s");
    }
    let _back = Server::start_at("back", at, None).await;
    until_ready(&channel, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_at_once_is_not_connected_to_without_a_pause() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("it is bound");
    let channel = Channel::builder(format!("static:///{at}")).build().expect("a channel");
    channel.connect();
    let began = now();
    for _ in 0..4 {
        drop(listener.accept().await.expect("it comes again"));
    }
    assert!(began.elapsed() > Duration::from_secs(3), "{:?}", began.elapsed());
    let failed = say(&channel).await.expect_err("it never says a word");
    assert!(failed.message().contains("without a word"), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_calls_sleeps_and_wakes_with_the_newest_list() {
    let (old, new, told) = (Server::start("old").await, Server::start("new").await, Told::default());
    let idle = |settings: &mut nacrite_tonic::ChannelSettings| {
        settings.idle_after = Some(Duration::from_secs(60));
        // The clock runs ahead of the sockets: no answer would be in time.
        settings.transport.keep_alive_every = None;
    };
    let channel = told.channel().settings(idle).build().expect("a channel");
    told.list([&old]);
    let mut stream = EchoClient::new(&channel).count().await.expect("it begins");
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(say(&channel).await.as_deref(), Ok("old"), "a stream keeps it awake");
    assert_eq!(old.accepted(), 1);
    old.script.counting.add_permits(100);
    while next(&mut stream).await.is_some() {}
    let began = now();
    until(&channel, |state| state.connectivity == Connectivity::Idle).await;
    assert!((Duration::from_secs(54)..Duration::from_secs(72)).contains(&began.elapsed()), "{:?}", began.elapsed());
    old.until_open(0).await;
    told.list([&new]);
    assert_eq!(say(&channel).await.as_deref(), Ok("new"));
    // The resolver was once taken down when its channel woke up: lists were followed until the first pause alone.
    assert_eq!((told.starts(), told.ends(), old.accepted(), new.accepted()), (1, 0, 1, 1));
}
