//! Whom a portion tells, how fast, and how often.

use super::*;
use crate::connections::{Connection, Listener};
use nacrite_env::clock::SystemClock;
use nacrite_env::random::SeededRandom;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::push::outbox::Due;

fn random() -> SharedRandom {
    Arc::new(SeededRandom::from_seed(1))
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(10_000 + ms)
}

fn connect(connections: &Connections, number: u64, source: &str) -> Arc<Connection> {
    let remote = std::net::SocketAddr::from(([127, 0, 0, 1], 2));
    let id = ConnectionId::new(&format!("c{number}"));
    let connection = Arc::new(Connection::new(id, remote, 9848, Listener::Clients, Timestamp::from_ms(number)));
    let labels = vec![("source".into(), source.into())];
    connections.register(&connection, Introduction { labels, ..Introduction::default() });
    connection
}

fn with_clients(count: u64) -> Connections {
    let connections = Connections::default();
    // Not in the order in which they came.
    for number in (0..count).rev() {
        connect(&connections, number, "sdk");
    }
    connect(&connections, 1_000_000, "cluster");
    connections
}

fn ordered(keep: usize, shares: &[(&str, usize)]) -> State {
    let share = |(ip, count): &(&str, usize)| Share {
        to: Redirect { ip: (*ip).to_owned(), port: "8848".to_owned() },
        count: *count,
    };
    let shares: Vec<_> = shares.iter().map(share).collect();
    State { sent: vec![0; shares.len()], order: Some(Order { keep, shares, per_second: None }), ..State::default() }
}

fn ids(portion: &Portion) -> Vec<String> {
    portion.tell.iter().map(|telling| telling.id.as_str().to_owned()).collect()
}

#[test]
fn those_that_were_here_longest_are_told_and_no_more_than_the_surplus() {
    let connections = with_clients(5);
    let mut state = ordered(2, &[]);
    assert_eq!(ids(&state.portion(at(0), 2, &connections)), ["c0", "c1"]);
    assert_eq!(ids(&state.portion(at(100), 2, &connections)), ["c2"]);
    let rest = state.portion(at(200), 2, &connections);
    assert!(rest.tell.is_empty() && !rest.is_done, "three were told and have not gone yet");
    for gone in ["c0", "c1", "c2"] {
        connections.unregister(&ConnectionId::new(gone));
    }
    assert!(state.portion(at(300), 2, &connections).is_done);
}

#[test]
fn who_stays_is_told_again_then_left_alone_and_another_is_told() {
    let connections = with_clients(3);
    let mut state = ordered(2, &[]);
    assert_eq!(ids(&state.portion(at(0), 9, &connections)), ["c0"]);
    let again_ms = u64::try_from(TELL_AGAIN_AFTER.as_millis()).expect("a short time");
    for time in 1..u64::from(TELL_TIMES_MAX) {
        assert!(state.portion(at(time * again_ms - 1), 9, &connections).tell.is_empty());
        let again = state.portion(at(time * again_ms), 9, &connections);
        assert!(again.tell.iter().all(|telling| telling.is_again) && ids(&again) == ["c0"], "{again:?}");
    }
    let last = state.portion(at(u64::from(TELL_TIMES_MAX) * again_ms), 9, &connections);
    assert_eq!((last.stayed, ids(&last)), (1, vec!["c1".to_owned()]));
}

#[test]
fn an_order_ends_when_everybody_was_told_in_vain() {
    let connections = with_clients(1);
    let mut state = ordered(0, &[]);
    let mut now = 0;
    let stayed = loop {
        let portion = state.portion(at(now), 9, &connections);
        if portion.is_done {
            break state.told.values().filter(|told| told.stays).count();
        }
        now += 1000;
        assert!(now < 120_000, "it goes on for ever");
    };
    assert_eq!(stayed, 1);
}

#[test]
fn a_newer_order_does_not_tell_again_what_was_told() {
    let connections = with_clients(4);
    let mover = Mover::new(10, random());
    mover.order(Order { keep: 2, shares: Vec::new(), per_second: None });
    assert_eq!(ids(&mover.state.lock().portion(at(0), 9, &connections)), ["c0", "c1"]);
    mover.order(Order { keep: 1, shares: Vec::new(), per_second: None });
    assert_eq!(ids(&mover.state.lock().portion(at(100), 9, &connections)), ["c2"]);
    assert_eq!(mover.progress(), Progress { is_moving: true, pending: 3, stayed: 0 });
    mover.cancel();
    assert!(mover.state.lock().portion(at(200), 9, &connections).tell.is_empty());
}

#[test]
fn clients_are_spread_by_the_shares() {
    let connections = with_clients(9);
    let mut state = ordered(0, &[("a", 1), ("b", 2)]);
    let portion = state.portion(at(0), 9, &connections);
    let to_b = portion.tell.iter().filter(|telling| telling.to.as_ref().is_some_and(|to| to.ip == "b")).count();
    assert_eq!((portion.tell.len(), to_b), (9, 6));
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_at_the_pace_that_is_set() {
    let connections = Arc::new(with_clients(100));
    let all = connections.all();
    let clock: SharedClock = Arc::new(SystemClock::start());
    let (tasks, mover) = (Tasks::new(), Arc::new(Mover::new(20, random())));
    let (m, c, k, t) = (Arc::clone(&mover), Arc::clone(&connections), Arc::clone(&clock), tasks.clone());
    tasks.spawn(async move {
        m.run(&c, &k, &Metrics::new(), &t).await;
    });
    mover.order(Order { keep: 0, shares: Vec::new(), per_second: None });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let was_told = |connection: &&Arc<Connection>| {
        let due = connection.outbox.poll_due(&mut Context::from_waker(Waker::noop()));
        matches!(due, Poll::Ready(Some(Due::Control(Control::Reset(None), None))))
    };
    let told = all.iter().filter(was_told).count();
    assert!((34..=42).contains(&told), "{told} in two seconds");
    assert!(tasks.stop(Duration::from_secs(1)).await);
}
